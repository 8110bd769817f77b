//! What of a file may be repeated in a message: enough to find a slip, nothing that could be a secret.
//!
//! Any file can be given to `-c`, and what stands in a configuration may have slipped: `password:SECRET` without a space
//! is a key to YAML. Messages reach terminals, logs and mail.

use serde_yaml::Value;

use super::scalar;

/// The longest key that is repeated, in bytes.
const LONGEST_KEY: usize = 32;

/// The longest value that is repeated, in bytes: an address with a port has its place in it.
const LONGEST_VALUE: usize = 64;

/// Words that secrets stand behind, in lower case.
const SECRETS: [&str; 7] = ["passw", "pasw", "pwd", "secret", "token", "credential", "private"];

/// A key that the program does not know: as it is where it looks like one.
pub(super) fn key(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if shown(text, LONGEST_KEY, plain) { text.to_owned() } else { format!("(a key of {})", characters(text)) }
}

/// The value of a key that the program knows, outside of sections with secrets: quoted where it looks like one word.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) if is_told(text) => format!("{text:?}"),
        Value::String(text) => format!("a text of {}", characters(text)),
        Value::Number(number) => number.to_string(),
        Value::Bool(boolean) => boolean.to_string(),
        other => scalar::kind(other).to_owned(),
    }
}

/// Whether a value may be repeated: whether it looks like one word, and has no password as a URL may have (`//user:…@`).
pub(super) fn is_told(text: &str) -> bool {
    let names_user = text.split_once("//").is_some_and(|(_, rest)| rest.contains('@'));
    !names_user && shown(text, LONGEST_VALUE, |byte| byte.is_ascii_alphanumeric() || b"_.:/@%[]+-".contains(&byte))
}

/// What the YAML parser says, without what it quotes.
pub(super) fn parser(error: &serde_yaml::Error) -> String {
    ['"', '`'].iter().fold(error.to_string(), |text, &mark| match (text.find(mark), text.rfind(mark)) {
        (Some(first), Some(last)) if first < last => {
            let (before, after) = (text.get(..first), text.get(last + mark.len_utf8()..));
            format!("{}…{}", before.unwrap_or_default(), after.unwrap_or_default())
        }
        _ => text,
    })
}

fn shown(text: &str, longest: usize, plain: impl Fn(u8) -> bool) -> bool {
    let lower = text.to_ascii_lowercase();
    (1..=longest).contains(&text.len()) && text.bytes().all(plain) && !SECRETS.iter().any(|word| lower.contains(word))
}

fn characters(text: &str) -> String {
    match text.chars().count() {
        1 => "1 character".to_owned(),
        count => format!("{count} characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::{key, value};
    use serde_yaml::Value;

    #[test]
    fn keys_are_shown_if_they_look_like_some() {
        for text in ["intervall", "ping-retries", "a.b", "Port2"] {
            assert_eq!(key(text), text);
        }
        for (text, shown) in [
            ("password:SECRET", "(a key of 15 characters)"),
            ("passwordSECRET", "(a key of 14 characters)"),
            ("root:x:0:0:root", "(a key of 15 characters)"),
            ("", "(a key of 0 characters)"),
            ("ä", "(a key of 1 character)"),
            ("an-unreasonably-long-key-of-a-file", "(a key of 34 characters)"),
        ] {
            assert_eq!(key(text), shown);
        }
    }

    #[test]
    fn values_are_shown_if_they_are_one_word() {
        let shown = |text: &str| value(&Value::String(text.to_owned()));
        for text in ["192.0.2.300", "[2001:db8::1]:99999", "tcp://host:80/x", "1.5%", "5060-"] {
            assert_eq!(shown(text), format!("{text:?}"));
        }
        for text in
            ["a b", "eth0 password:x", "PASSWORD=x", "\u{1b}[2J", "my-secret", "a;id", "http://admin:x@192.0.2.1/"]
        {
            assert!(shown(text).starts_with("a text of "), "{text}");
        }
    }
}
