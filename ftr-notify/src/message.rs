//! What a mail says: plain text that a tired administrator understands at night.

mod body;
mod reason;
mod story;
mod subject;

use ftr_core::clean::clean;

use crate::digest::Batch;

/// A mail without its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// One line, without control characters.
    pub subject: String,
    /// Lines of plain text, without control characters.
    pub body: String,
}

/// The mail for some events.
#[must_use]
pub fn of_events(host: &str, batch: &Batch) -> Mail {
    let stories = story::stories(&batch.events);
    Mail { subject: subject::subject(host, &batch.events, &stories), body: body::body(host, batch, &stories) }
}

/// The mail for a text from outside.
#[must_use]
pub fn of_text(host: &str, subject: Option<&str>, text: &str) -> Mail {
    let subject = match subject {
        Some(subject) => clean(subject).into_owned(),
        None => format!("ftr {host}: message"),
    };
    let mut body = String::with_capacity(text.len());
    for line in text.lines() {
        let columns: Vec<_> = line.split('\t').map(clean).collect();
        body.push_str(&columns.join("\t"));
        body.push('\n');
    }
    Mail { subject, body }
}

/// The mail that shows that mail works; `server` is the server that it goes through.
#[must_use]
pub fn of_test(host: &str, subject: Option<&str>, server: &str) -> Mail {
    let body = format!(
        "This is a test of ftr-notify on {host}, by way of the mail server {server}.\n\n\
         As you can read it, news of the uplinks will reach you too. Nothing has happened.\n"
    );
    let subject = subject.map_or_else(|| format!("ftr {host}: test"), |subject| clean(subject).into_owned());
    Mail { subject, body }
}

/// A text from a record, cleaned and bounded.
pub(crate) fn short(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut short: String = clean(text).chars().take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// `eth1`, `eth1 and eth2`, `eth1, eth2 and eth3`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ftr_core::Family;
    use ftr_core::record::{Event, EventKind, Reason, Stamp};
    use proptest::prelude::*;

    use super::{Mail, of_events, of_test, of_text};
    use crate::digest::Batch;

    /// eth2 going down, as the `seq`-th event.
    pub(crate) fn event(seq: u64) -> Event {
        Event {
            seq,
            kind: EventKind::State,
            at: Stamp { time: format!("2026-11-01T10:00:{:02}.000Z", seq % 60), mono: 1000 * seq },
            uplink: "eth2".parse().unwrap(),
            family: Family::V4,
            description: "Provider 2".to_owned(),
            from: Some("up".to_owned()),
            to: Some("down".to_owned()),
            reason: Some(Reason::NoAnswer),
            answered: 1,
            required: 4,
            asked: 6,
            questions: 24,
            replies: 3,
            active: vec!["eth1".parse().unwrap(), "eth3".parse().unwrap()],
        }
    }

    fn back(seq: u64) -> Event {
        let mut event = event(seq);
        event.from = Some("down".to_owned());
        event.to = Some("up".to_owned());
        event.reason = None;
        event.active.insert(1, event.uplink.clone());
        event
    }

    fn change(seq: u64, kind: EventKind, from: Option<&str>, to: Option<&str>) -> Event {
        Event { kind, from: from.map(str::to_owned), to: to.map(str::to_owned), reason: None, ..event(seq) }
    }

    fn mail(events: Vec<Event>) -> Mail {
        of_events("router1", &Batch { events, left_out: 0 })
    }

    #[test]
    fn an_uplink_that_goes_down() {
        let role = change(2, EventKind::Role, Some("routing"), Some("standby"));
        let mail = mail(vec![event(1), role]);
        assert_eq!(mail.subject, "ftr router1: eth2 down (no-answer); eth1, eth3 carry traffic");
        assert_eq!(
            mail.body,
            "eth2 (Provider 2) is DOWN since 2026-11-01 10:00:01 UTC.\n  \
             no-answer: the gateway is there, but 3 of 24 questions to 6 hosts came back\n\n\
             New connections go by eth1 and eth3.\n\n\
             In order:\n  \
             2026-11-01 10:00:01 UTC  eth2 up -> down (no-answer)\n  \
             2026-11-01 10:00:02 UTC  eth2 routing -> standby\n\n\
             -- \nftr-notify on router1\n"
        );
    }

    #[test]
    fn an_uplink_that_comes_back_within_one_mail() {
        let mail = mail(vec![event(1), back(6)]);
        assert_eq!(mail.subject, "ftr router1: eth2 down (no-answer) and up again; eth1, eth2, eth3 carry traffic");
        assert!(mail.body.starts_with("eth2 (Provider 2) is up again since 2026-11-01 10:00:06 UTC, after 5s down.\n"));
    }

    #[test]
    fn all_uplinks_down() {
        let mut last = event(3);
        last.active = vec!["eth1".parse().unwrap(), "eth2".parse().unwrap()];
        let mail = mail(vec![last]);
        assert_eq!(mail.subject, "ftr router1: eth2 down (no-answer); NO uplink works");
        assert!(mail.body.contains("\nNo uplink works. New connections are tried by eth1 and eth2.\n"));
    }

    #[test]
    fn changes_of_role_address_and_gateway() {
        let mail = mail(vec![
            change(1, EventKind::Role, Some("routing"), Some("standby")),
            change(2, EventKind::Address, Some("192.0.2.2"), Some("192.0.2.3")),
            change(3, EventKind::Gateway, Some("192.0.2.1"), None),
        ]);
        let subject = "ftr router1: eth2 standby, address 192.0.2.3, gateway gone; eth1, eth3 carry traffic";
        assert_eq!(mail.subject, subject);
        assert!(mail.body.contains("eth2 (Provider 2) is on standby: it takes no new connections.\n"));
        assert!(mail.body.contains("eth2 (Provider 2) has the address 192.0.2.3 (it was 192.0.2.2).\n"));
        assert!(mail.body.contains("eth2 (Provider 2) has no gateway any more (it was 192.0.2.1).\n"));
    }

    #[test]
    fn what_was_left_out_is_counted() {
        let mail = of_events("router1", &Batch { events: vec![event(9)], left_out: 7 });
        assert!(mail.body.contains("7 older events are left out"));
    }

    #[test]
    fn a_text_keeps_its_lines_and_tabs() {
        let mail = of_text("router1", Some("a\r\nBcc: evil@example.com"), "one\ttwo\r\nthree\x1b[2J\n.\nfour");
        assert_eq!(mail.subject, "a??Bcc: evil@example.com");
        assert_eq!(mail.body, "one\ttwo\nthree?[2J\n.\nfour\n");
        assert_eq!(of_text("router1", None, "").subject, "ftr router1: message");
    }

    #[test]
    fn a_test_says_that_it_is_one() {
        let mail = of_test("router1", None, "192.0.2.25:25");
        assert_eq!(mail.subject, "ftr router1: test");
        assert!(mail.body.contains("192.0.2.25:25"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_from_a_record_starts_a_line_or_grows_without_bound(
            text in "(.|\n|\r|\u{1b}|\u{2028}){0,200}", kind in 0usize..5, count in 1usize..40,
        ) {
            let kind = [EventKind::State, EventKind::Role, EventKind::Address, EventKind::Gateway, EventKind::Config][kind];
            let mut one = change(1, kind, Some(&text), Some(&text));
            one.description.clone_from(&text);
            one.at.time.clone_from(&text);
            one.reason = Some(Reason::Loss);
            let mail = mail(vec![one; count]);
            let harmful = |c: char| c.is_control() || c == '\u{2028}';
            prop_assert!(!mail.subject.contains(harmful));
            prop_assert!(mail.subject.chars().count() < 200);
            prop_assert!(!mail.body.lines().any(|line| line.contains(harmful)));
            prop_assert!(mail.body.lines().count() < 20 + count);
        }
    }
}
