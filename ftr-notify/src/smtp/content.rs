//! The content of a mail as it goes over the wire (RFC 5321, section 4.5.2). Pure.

/// What ends the content, after a line's end.
pub(super) const END: &[u8] = b".\r\n";

/// Every line ends with CR LF and nothing else, and one that begins with a dot has another before it: so nothing in a
/// message is taken for its end, whatever the server counts as one.
pub(super) fn encoded(envelope: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(envelope.len() + envelope.len() / 32 + 2);
    let text = envelope.strip_suffix(b"\n").unwrap_or(envelope);
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        for part in line.split(|&byte| byte == b'\r') {
            if part.starts_with(b".") {
                encoded.push(b'.');
            }
            encoded.extend_from_slice(part);
            encoded.extend_from_slice(b"\r\n");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{END, encoded};

    #[test]
    fn lines_and_dots() {
        for (envelope, wire) in [
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a", "a\r\n"),
            ("a\n\n", "a\r\n\r\n"),
            (".\r\n..x\r\n", "..\r\n...x\r\n"),
            ("a\n.\nb", "a\r\n..\r\nb\r\n"),
            ("a\r.\rb\r\n", "a\r\n..\r\nb\r\n"),
            ("", "\r\n"),
        ] {
            assert_eq!(encoded(envelope.as_bytes()), wire.as_bytes(), "{envelope:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_in_a_letter_ends_it(envelope in "[a.\r\n]{0,40}") {
            let wire = [&encoded(envelope.as_bytes()), END].concat();
            let text = String::from_utf8(wire).unwrap();
            let lines: Vec<&str> = text.split("\r\n").collect();
            assert!(lines.iter().all(|line| !line.contains(['\r', '\n'])), "{text:?}");
            assert_eq!(lines.iter().position(|line| *line == "."), Some(lines.len() - 2), "{text:?}");
        }
    }
}
