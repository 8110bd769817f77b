//! The words of a rule of nft(8), in one form for every way to write them.

use std::net::IpAddr;

use ftr_core::Prefix;

/// Numbers as numbers, lists as sets of intervals, and what says nothing left out.
pub(super) fn canonical(line: &str) -> Vec<String> {
    let words = words(line);
    let mut rest = words.as_slice();
    let mut all: Vec<String> = Vec::new();
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        match word.as_str() {
            "{" => {
                let end = rest.iter().position(|word| word == "}").unwrap_or(rest.len());
                all.push(set(rest.get(..end).unwrap_or_default()));
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            // A comparison is one for equality where nothing else is said.
            "==" => {}
            _ if rest.first().is_some_and(|next| next == ",") => {
                let end = rest.chunks(2).take_while(|pair| pair.first().is_some_and(|first| first == ",")).count() * 2;
                let list: Vec<String> =
                    std::iter::once(word).chain(rest.get(..end).unwrap_or_default()).cloned().collect();
                all.push(set(&list));
                rest = rest.get(end..).unwrap_or_default();
            }
            _ => all.push(number(word)),
        }
    }
    bits(&mut all);
    all
}

/// What is between spaces; commas, colons and braces are words of their own, names in quotes are whole.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' | '\t' | ',' | '{' | '}' if !quoted => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
                if !character.is_whitespace() {
                    words.push(character.to_string());
                }
            }
            _ => word.push(character),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

fn number(word: &str) -> String {
    let hex = word.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    hex.map_or_else(|| word.to_owned(), |number| number.to_string())
}

/// The items of a list, in one order; addresses and ports as intervals that do not touch.
fn set(words: &[String]) -> String {
    let items: Vec<&[String]> = words.split(|word| word == ",").filter(|item| !item.is_empty()).collect();
    let single = |item: &&[String]| match item {
        [word] => interval(word),
        _ => None,
    };
    let mut texts: Vec<String> = match items.iter().map(single).collect::<Option<Vec<_>>>() {
        Some(intervals) => merged(intervals).iter().map(|(first, last)| format!("{first}-{last}")).collect(),
        None => items.iter().map(|item| item.iter().map(|word| number(word)).collect::<Vec<_>>().join(" ")).collect(),
    };
    texts.sort();
    format!("{{{}}}", texts.join(","))
}

/// A port, an address, a prefix, or two ports or addresses with a dash between.
fn interval(word: &str) -> Option<(u128, u128)> {
    if let Some((first, last)) = word.split_once('-') {
        return Some((interval(first)?.0, interval(last)?.1));
    }
    if let Ok(port) = word.parse::<u16>() {
        return Some((port.into(), port.into()));
    }
    let prefix: Prefix = word.parse().ok()?;
    let first = match prefix.address() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    let free = u32::from(prefix.family().bits() - prefix.length());
    Some((first, first | 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1)))
}

fn merged(mut intervals: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    intervals.sort_unstable();
    let mut apart: Vec<(u128, u128)> = Vec::new();
    for (first, last) in intervals {
        match apart.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => apart.push((first, last)),
        }
    }
    apart
}

/// Bits that are set anyway may be cleared before or not: `& A | B` is `& (A | B) | B`.
fn bits(words: &mut [String]) {
    for at in 0..words.len() {
        let Some([and, kept, or, given]) = words.get_mut(at..at + 4) else { return };
        if let ("&", "|", Ok(mask), Ok(value)) = (and.as_str(), or.as_str(), kept.parse::<u64>(), given.parse::<u64>())
        {
            *kept = (mask | value).to_string();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn different_words_for_the_same() {
        for (one, other) in [
            ("meta mark & 0xff00 == 0 accept", "meta mark & 0x0000ff00 0x00000000 accept"),
            ("meta mark set meta mark & 0xffff00ff | 0x100", "meta mark set meta mark & 0xffff01ff | 0x00000100"),
            ("tcp dport { 80, 81, 82-90 } accept", "tcp dport { 80-90 } accept"),
            ("ip saddr { 10.0.0.0/9, 10.128.0.0/9 }", "ip saddr { 10.0.0.0/8 }"),
            ("ip6 saddr { ::/0, fd00::/8 }", "ip6 saddr { ::/0 }"),
            ("ct state established,related accept", "ct state { related, established } accept"),
        ] {
            assert_eq!(canonical(one), canonical(other));
        }
    }

    #[test]
    fn what_is_different_stays_so() {
        for (one, other) in [
            ("iifname \"eth0\" accept", "iifname \"eth1\" accept"),
            ("ct mark 1", "ct mark != 1"),
            ("tcp dport { 80, 82 }", "tcp dport { 80-82 }"),
            ("tcp flags syn / syn,rst", "tcp flags syn / syn,ack"),
            ("meta mark set meta mark & 0xffff00ff | 0x100", "meta mark set meta mark & 0xffff00ff | 0x200"),
        ] {
            assert_ne!(canonical(one), canonical(other));
        }
    }
}
