//! `domains` of a policy: names whose addresses are sought.

use std::fmt;
use std::str::FromStr;

use super::form::{Scalar, parsed};

/// A domain name in lower case, without a dot at its end (RFC 1035, 2.3.1; `_` as in RFC 8552).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Domain(String);

/// The most characters of a name, and of what stands between its dots (RFC 1035, 2.3.4).
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

pub(super) const DOMAIN: Scalar<Domain> = parsed("the name of a domain, such as example.com");

impl Domain {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name is this one or one below it.
    #[must_use]
    pub fn covers(&self, name: &Self) -> bool {
        name.0.strip_suffix(&self.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl FromStr for Domain {
    type Err = String;

    /// The error is to be said of the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("{what}, allowed: the name of a domain, such as example.com"));
        if !text.is_ascii() {
            return wrong("has letters that a name server does not know: write it as xn--…");
        }
        if text.starts_with("*.") {
            return wrong("begins with *., but a domain is meant with all names below it: leave the *. out");
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let label = |label: &str| {
            let ends = [label.bytes().next(), label.bytes().next_back()];
            ends.into_iter().all(|end| end.is_some_and(letter))
                && label.len() <= LONGEST_LABEL
                && label.bytes().all(|byte| letter(byte) || byte == b'-')
        };
        let is_address = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() > LONGEST || is_address || !name.split('.').all(label) {
            return wrong("is no name of a domain");
        }
        Ok(Self(name))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Domain;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<String> {
        text.parse::<Domain>().ok().map(|domain| domain.to_string())
    }

    #[test]
    fn names_are_read_as_name_servers_know_them() {
        assert_eq!(read("Video.Example.COM.").as_deref(), Some("video.example.com"));
        assert_eq!(read("_sip._tcp.example").as_deref(), Some("_sip._tcp.example"));
        assert_eq!(read("xn--bcher-kva.example").as_deref(), Some("xn--bcher-kva.example"));
        let label = "a".repeat(63);
        assert!(read(&label).is_some() && read(&format!("{label}a")).is_none());
        let long = [label.as_str(); 4].join(".");
        assert!(read(&long).is_none() && read(&long[2..]).is_some());
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "-a.example",
            "a-.example",
            "a b",
            "a/b",
            "a,b",
            "a#b",
            "bücher.example",
            "*.a",
            "192.0.2.1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_domain_covers_what_is_below_it() {
        let covers = |one: &str, other: &str| one.parse::<Domain>().unwrap().covers(&other.parse().unwrap());
        assert!(covers("example.com", "example.com") && covers("example.com", "www.example.com"));
        assert!(!covers("example.com", "badexample.com") && !covers("www.example.com", "example.com"));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_plain(text in "\\PC{0,70}") {
            if let Some(name) = read(&text) {
                prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
                prop_assert_eq!(read(&name), Some(name.clone()));
            }
        }
    }
}
