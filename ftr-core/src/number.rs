//! Whole numbers as people and programs write them.

/// A whole number from 0 up: decimal, or hexadecimal after `0x`. None for anything else, a sign or a space included.
#[must_use]
pub fn whole(text: &str) -> Option<u64> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
    // `from_str_radix` takes a sign.
    let are_digits = digits.chars().all(|digit| digit.is_digit(radix));
    if are_digits { u64::from_str_radix(digits, radix).ok() } else { None }
}

/// The same, of 32 bits: a mark, a mask, a table.
#[must_use]
pub fn whole32(text: &str) -> Option<u32> {
    whole(text).and_then(|number| number.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::{whole, whole32};

    #[test]
    fn decimal_and_hexadecimal_and_nothing_else() {
        assert_eq!(["0", "42", "0x2a", "0xFF00"].map(whole32), [Some(0), Some(42), Some(42), Some(0xff00)]);
        assert_eq!(["", "0x", "-1", "+1", "0x+1", " 1", "1_0", "a", "4294967296"].map(whole32), [None; 9]);
        assert_eq!(whole("4294967296"), Some(1 << 32));
    }
}
