//! What a mail says: plain text that a tired administrator understands at night.

mod body;
mod reason;
mod subject;
mod summary;
pub(crate) mod text;

use ftr_core::record::{Event, Stamp};
use ftr_core::sanitize::sanitize;

use crate::digest::Batch;
use text::short;

/// A mail without its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One line, without control characters.
    pub subject: String,
    /// Lines of plain text, without control characters.
    pub body: String,
}

/// The mail for some events, whose times, which are UTC, `local` tells in the reader's zone.
#[must_use]
pub fn of_events(host: &str, batch: &Batch, local: impl Fn(&str) -> String) -> Message {
    let timed = |event: &Event| {
        let at = Stamp { time: short(&local(&event.at.time)), mono: event.at.mono };
        Event { at, ..event.clone() }
    };
    let batch = Batch { events: batch.events.iter().map(timed).collect(), left_out: batch.left_out };
    let summaries = summary::summaries(&batch.events);
    Message { subject: subject::subject(host, &batch.events, &summaries), body: body::body(host, &batch, &summaries) }
}

/// The mail for a text from outside.
#[must_use]
pub fn of_text(host: &str, subject: Option<&str>, text: &str) -> Message {
    let subject = match subject {
        Some(subject) => sanitize(subject).into_owned(),
        None => format!("ftr {host}: message"),
    };
    let mut body = String::with_capacity(text.len());
    for line in text.lines() {
        let columns: Vec<_> = line.split('\t').map(sanitize).collect();
        body.push_str(&columns.join("\t"));
        body.push('\n');
    }
    Message { subject, body }
}

/// The mail that shows that mail works; `server` is the server that it goes through.
#[must_use]
pub fn of_test(host: &str, subject: Option<&str>, server: &str) -> Message {
    let body = format!(
        "This is a test of ftr-notify on {host}, by way of the mail server {server}.\n\n\
         As you can read it, news of the uplinks will reach you too. Nothing has happened.\n"
    );
    let subject = subject.map_or_else(|| format!("ftr {host}: test"), |subject| sanitize(subject).into_owned());
    Message { subject, body }
}

#[cfg(test)]
pub(crate) mod tests {
    use ftr_core::Family;
    use ftr_core::record::{Event, EventKind, Reason, Stamp};
    use proptest::prelude::*;

    use super::{Message, of_events, of_test, of_text};
    use crate::digest::Batch;

    /// eth2 going down, as the `seq`-th event.
    pub(crate) fn event(seq: u64) -> Event {
        Event {
            seq,
            kind: EventKind::State,
            at: Stamp { time: format!("2026-11-01T10:00:{:02}.000Z", seq % 60), mono: 1000 * seq },
            uplink: Some("eth2".parse().unwrap()),
            family: Some(Family::V4),
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
            ..Event::new(seq, EventKind::State, Stamp { time: String::new(), mono: 0 })
        }
    }

    fn back(seq: u64) -> Event {
        let mut event = event(seq);
        event.from = Some("down".to_owned());
        event.to = Some("up".to_owned());
        event.reason = None;
        event.active.insert(1, "eth2".parse().unwrap());
        event
    }

    fn change(seq: u64, kind: EventKind, from: Option<&str>, to: Option<&str>) -> Event {
        Event { kind, from: from.map(str::to_owned), to: to.map(str::to_owned), reason: None, ..event(seq) }
    }

    fn mail(events: Vec<Event>) -> Message {
        let local = |time: &str| time.replace('T', " ").replace(".000Z", "+00:00");
        of_events("router1", &Batch { events, left_out: 0 }, local)
    }

    #[test]
    fn an_uplink_that_goes_down() {
        let role = change(2, EventKind::Role, Some("routing"), Some("standby"));
        let message = mail(vec![event(1), role]);
        assert_eq!(message.subject, "ftr router1: eth2 down (no-answer); eth1, eth3 carry traffic");
        assert_eq!(
            message.body,
            "eth2 (Provider 2) is DOWN since 2026-11-01 10:00:01+00:00.\n  \
             no-answer: the gateway is there, but 3 of 24 questions to 6 hosts came back\n\n\
             New connections go by eth1 and eth3.\n\n\
             In order:\n  \
             2026-11-01 10:00:01+00:00  eth2 up -> down (no-answer)\n  \
             2026-11-01 10:00:02+00:00  eth2 routing -> standby\n\n\
             -- \nftr-notify on router1\n"
        );
    }

    #[test]
    fn an_uplink_that_comes_back_within_one_mail() {
        let message = mail(vec![event(1), back(6)]);
        assert_eq!(message.subject, "ftr router1: eth2 down (no-answer) and up again; eth1, eth2, eth3 carry traffic");
        assert!(
            message.body.starts_with("eth2 (Provider 2) is up again since 2026-11-01 10:00:06+00:00, after 5s down.\n")
        );
    }

    #[test]
    fn all_uplinks_down() {
        let mut last = event(3);
        last.active = vec!["eth1".parse().unwrap(), "eth2".parse().unwrap()];
        let message = mail(vec![last]);
        assert_eq!(message.subject, "ftr router1: eth2 down (no-answer); NO uplink works");
        assert!(message.body.contains("\nNo uplink works. New connections are tried by eth1 and eth2.\n"));
    }

    #[test]
    fn a_configuration_without_ipv6_is_no_end_of_all_traffic() {
        let role = change(1, EventKind::Role, Some("routing"), Some("standby"));
        let message = mail(vec![Event { family: Some(Family::V6), active: Vec::new(), ..role }]);
        assert!(message.subject.ends_with("; nothing carries IPv6 traffic"), "{}", message.subject);
        assert!(message.body.contains("New IPv6 connections have no uplink to go by."), "{}", message.body);
    }

    #[test]
    fn changes_of_role_address_and_gateway() {
        let message = mail(vec![
            change(1, EventKind::Role, Some("routing"), Some("standby")),
            change(2, EventKind::Address, Some("192.0.2.2"), Some("192.0.2.3")),
            change(3, EventKind::Gateway, Some("192.0.2.1"), None),
        ]);
        let subject = "ftr router1: eth2 standby, address 192.0.2.3, gateway gone; eth1, eth3 carry traffic";
        assert_eq!(message.subject, subject);
        assert!(message.body.contains("eth2 (Provider 2) is on standby: it takes no new connections.\n"));
        assert!(message.body.contains("eth2 (Provider 2) has the address 192.0.2.3 (it was 192.0.2.2).\n"));
        assert!(message.body.contains("eth2 (Provider 2) has no gateway any more (it was 192.0.2.1).\n"));
    }

    fn hazard(seq: u64, to: &str) -> Event {
        Event {
            uplink: None,
            family: None,
            description: "the firewall has none of the rules of ftr-rules".to_owned(),
            hazard: Some("rules-not-loaded".to_owned()),
            object: Some("nftables".to_owned()),
            advice: Some("load them: ftr-rules | nft -f -".to_owned()),
            active: Vec::new(),
            ..change(seq, EventKind::Hazard, None, Some(to))
        }
    }

    #[test]
    fn a_hazard_comes_with_its_advice_and_ends() {
        let message = mail(vec![hazard(1, "present")]);
        assert_eq!(message.subject, "ftr router1: rules-not-loaded");
        assert!(
            message.body.starts_with(
                "rules-not-loaded since 2026-11-01 10:00:01+00:00: the firewall has none of the rules of ftr-rules\n  \
                 load them: ftr-rules | nft -f -\n"
            ),
            "{}",
            message.body
        );
        assert!(message.body.contains("  2026-11-01 10:00:01+00:00  rules-not-loaded present\n"));
        let message = mail(vec![hazard(1, "present"), event(2), hazard(6, "gone")]);
        assert_eq!(
            message.subject,
            "ftr router1: rules-not-loaded gone, eth2 down (no-answer); eth1, eth3 carry traffic"
        );
        assert!(
            message
                .body
                .contains("rules-not-loaded is over since 2026-11-01 10:00:06+00:00, after 5s. It was: the firewall")
        );
    }

    #[test]
    fn what_a_later_version_says_is_passed_on_in_its_words() {
        let weather = change(1, "weather".into(), Some("sun"), Some("rain"));
        let lonely = Event { uplink: None, family: None, ..change(2, "update".into(), None, None) };
        let message = mail(vec![weather, lonely, Event { reason: Some("flood".into()), ..event(3) }]);
        assert!(message.subject.contains("eth2 down (flood), weather rain, this router update changed"), "{message:?}");
        assert!(message.body.contains("eth2: weather is rain.\n"), "{message:?}");
        assert!(message.body.contains("  flood: "), "{message:?}");
    }

    #[test]
    fn a_kind_that_says_nothing_of_the_active_set_leaves_it_as_it_was() {
        let weather = Event { active: Vec::new(), ..change(2, "weather".into(), None, Some("rain")) };
        let message = mail(vec![event(1), weather.clone()]);
        assert_eq!(message.subject, "ftr router1: eth2 down (no-answer), weather rain; eth1, eth3 carry traffic");
        assert!(message.body.contains("\nNew connections go by eth1 and eth3.\n"), "{message:?}");
        let message = mail(vec![weather]);
        assert!(message.subject.ends_with("eth2 weather rain") && !message.body.contains("connections"), "{message:?}");
    }

    #[test]
    fn a_state_of_a_later_version_is_told_in_its_word() {
        let melted = change(2, EventKind::State, Some("down"), Some("melted"));
        let message = mail(vec![event(1), melted]);
        assert_eq!(message.subject, "ftr router1: eth2 melted; eth1, eth3 carry traffic");
        assert!(
            message.body.starts_with("eth2 (Provider 2) is melted since 2026-11-01 10:00:02+00:00.\n\n"),
            "{message:?}"
        );
    }

    #[test]
    fn what_was_left_out_is_counted() {
        let message = of_events("router1", &Batch { events: vec![event(9)], left_out: 7 }, str::to_owned);
        assert!(message.body.contains("7 older events are left out"));
    }

    #[test]
    fn a_text_keeps_its_lines_and_tabs() {
        let message = of_text("router1", Some("a\r\nBcc: evil@example.com"), "one\ttwo\r\nthree\x1b[2J\n.\nfour");
        assert_eq!(message.subject, "a??Bcc: evil@example.com");
        assert_eq!(message.body, "one\ttwo\nthree?[2J\n.\nfour\n");
        assert_eq!(of_text("router1", None, "").subject, "ftr router1: message");
    }

    #[test]
    fn a_test_says_that_it_is_one() {
        let message = of_test("router1", None, "192.0.2.25:25");
        assert_eq!(message.subject, "ftr router1: test");
        assert!(message.body.contains("192.0.2.25:25"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_from_a_record_starts_a_line_or_grows_without_bound(
            text in "(.|\n|\r|\u{1b}|\u{2028}){0,200}", kind in 0usize..8, count in 1usize..40,
        ) {
            let kind = EventKind::KNOWN.get(kind).copied().unwrap_or_else(|| text.as_str().into());
            let mut one = change(1, kind, Some(&text), Some(&text));
            one.description.clone_from(&text);
            (one.hazard, one.object, one.advice) = (Some(text.clone()), Some(text.clone()), Some(text.clone()));
            one.at.time.clone_from(&text);
            one.reason = Some(Reason::Loss);
            let message = mail(vec![one; count]);
            let harmful = |c: char| c.is_control() || c == '\u{2028}';
            prop_assert!(!message.subject.contains(harmful));
            prop_assert!(message.subject.chars().count() < 200);
            prop_assert!(!message.body.lines().any(|line| line.contains(harmful)));
            prop_assert!(message.body.lines().count() < 20 + count);
        }
    }
}
