//! What a server says that it can do: its answer to EHLO (RFC 5321, section 4.1.1.1). Pure.

use ftr_core::config::Authentication;

use super::reply::Reply;

/// What of it matters to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// The change to TLS (RFC 3207).
    pub(super) starttls: bool,
    /// Mechanisms that we know (RFC 4954), in the server's order.
    pub(super) mechanisms: Vec<Authentication>,
}

impl Offer {
    /// Reads the lines after the first one, which has the server's name.
    pub(super) fn of(reply: &Reply) -> Self {
        let mut offer = Self::default();
        for line in reply.lines.iter().skip(1) {
            // Servers older than RFC 4954 write AUTH=LOGIN.
            let mut words = line.split(|c: char| c == '=' || c.is_ascii_whitespace()).filter(|word| !word.is_empty());
            match words.next().map(str::to_ascii_uppercase).as_deref() {
                Some("STARTTLS") => offer.starttls = true,
                Some("AUTH") => offer.mechanisms.extend(words.filter_map(mechanism)),
                _ => {}
            }
        }
        offer
    }

    /// The first of the wanted mechanisms that the server has; none wanted means PLAIN, then LOGIN.
    pub(super) fn choose(&self, wanted: Option<Authentication>) -> Option<Authentication> {
        let wanted = wanted.map_or_else(|| vec![Authentication::Plain, Authentication::Login], |one| vec![one]);
        wanted.into_iter().find(|mechanism| self.mechanisms.contains(mechanism))
    }
}

fn mechanism(word: &str) -> Option<Authentication> {
    match word.to_ascii_uppercase().as_str() {
        "PLAIN" => Some(Authentication::Plain),
        "LOGIN" => Some(Authentication::Login),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Authentication, Offer, Reply};

    fn offer(lines: &[&str]) -> Offer {
        Offer::of(&Reply { code: 250, lines: lines.iter().map(|&line| line.to_owned()).collect() })
    }

    #[test]
    fn extensions_are_found_in_any_case() {
        let offer = offer(&["mail.example.com", "SIZE 1", "starttls", "AUTH CRAM-MD5 login Plain"]);
        assert!(offer.starttls);
        assert_eq!(offer.choose(None), Some(Authentication::Plain));
        assert_eq!(offer.choose(Some(Authentication::Login)), Some(Authentication::Login));
    }

    #[test]
    fn a_name_offers_nothing_and_blanks_are_no_word() {
        assert_eq!(offer(&["STARTTLS", "", "  \t ", "\u{2028}", "AUTH", "="]), Offer::default());
        assert_eq!(offer(&[]), Offer::default());
        assert_eq!(offer(&["x", "AUTH=LOGIN"]).choose(None), Some(Authentication::Login));
        assert_eq!(offer(&["x", "AUTH LOGIN"]).choose(Some(Authentication::Plain)), None);
    }
}
