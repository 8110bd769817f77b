use super::{Digest, LONGEST_PAUSE, MOST};
use crate::message::tests::event;
use ftr_core::record::{EventKind, Stamp};
use proptest::prelude::*;
use std::time::Duration;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn sent(digest: &mut Digest, now: u64) -> Option<Vec<u64>> {
    digest.take(s(now)).map(super::Batch::numbers)
}

#[test]
fn events_of_one_window_go_into_one_mail() {
    let mut digest = Digest::new(s(10));
    assert_eq!(digest.due(), None);
    digest.add(event(1), s(100));
    digest.add(event(2), s(109));
    assert_eq!((digest.due(), sent(&mut digest, 109)), (Some(s(110)), None));
    assert_eq!(sent(&mut digest, 110), Some(vec![1, 2]));
    digest.add(event(3), s(111));
    assert_eq!((digest.due(), sent(&mut digest, 200), digest.open()), (None, None, 3));
    assert_eq!(digest.settled(), [1, 2]);
    assert_eq!(digest.due(), Some(s(141)), "there was a mail about it already");
    assert_eq!(sent(&mut digest, 141), Some(vec![3]));
    assert_eq!((digest.settled(), digest.open(), digest.due()), (vec![3], 0, None));
}

#[test]
fn a_failed_mail_is_joined_by_later_events_and_tried_ever_more_rarely() {
    let mut digest = Digest::new(s(10));
    digest.add(event(1), s(0));
    let mut now = 10;
    let mut pauses = Vec::new();
    for _ in 0..11 {
        assert!(digest.take(s(now)).is_some());
        digest.add(event(2), s(now));
        let postponed = digest.failed(s(now));
        pauses.push(postponed.pause.as_secs());
        now += postponed.pause.as_secs();
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(s(300), LONGEST_PAUSE);
    assert_eq!(sent(&mut digest, now).unwrap().len(), 12);
    digest.settled();
    digest.add(event(3), s(now));
    assert!(digest.take(s(now + 30)).is_some());
    assert_eq!(digest.failed(s(now)).pause, s(1), "a delivery begins the pauses anew");
}

#[test]
fn a_mail_that_arrives_at_the_second_attempt_is_a_mail_about_its_uplinks() {
    let mut digest = Digest::new(s(10));
    digest.add(event(1), s(0));
    assert_eq!(sent(&mut digest, 10), Some(vec![1]));
    digest.failed(s(10));
    assert_eq!(sent(&mut digest, 11), Some(vec![1]));
    digest.add(event(2), s(12));
    digest.settled();
    assert_eq!(digest.due(), Some(s(42)), "further news are gathered");
}

#[test]
fn a_line_that_flaps_for_ten_minutes_is_one_mail_at_once_and_one_about_all_of_it() {
    let mut digest = Digest::new(s(10));
    let mut mails = Vec::new();
    for second in 0..3600 {
        if second < 600 && second % 10 == 0 {
            digest.add(event(second / 10), s(second));
        }
        if let Some(numbers) = sent(&mut digest, second) {
            mails.push((second, numbers.len()));
            digest.settled();
        }
    }
    assert_eq!(mails, [(10, 2), (620, 58)]);
    // Another uplink does not wait for it, and takes along what waits.
    digest.add(event(100), s(3700));
    let other = ftr_core::record::Event { uplink: Some("eth3".parse().unwrap()), ..event(101) };
    digest.add(other, s(3701));
    assert_eq!(sent(&mut digest, 3711), Some(vec![100, 101]));
    digest.settled();
    digest.add(event(102), s(7400));
    assert_eq!(digest.due(), Some(s(7410)), "after an hour it is news again");
}

#[test]
fn news_wait_for_a_quarter_of_an_hour_at_most() {
    let mut digest = Digest::new(s(10));
    let mut mails = Vec::new();
    for second in 0..7200 {
        if second % 20 == 0 {
            digest.add(event(second), s(second));
        }
        if sent(&mut digest, second).is_some() {
            mails.push(second);
            digest.settled();
        }
    }
    assert_eq!(mails, [10, 920, 1840, 2760, 3680, 4600, 5520, 6440]);
}

/// What eth2's first check finds at the second, or that it works then.
fn first(seq: u64, at: u64) -> ftr_core::record::Event {
    let event = event(seq);
    ftr_core::record::Event { from: None, at: Stamp { mono: 1000 * at, ..event.at }, ..event }
}

fn works(seq: u64, at: u64, kind: EventKind) -> ftr_core::record::Event {
    let words = if kind == EventKind::Role { ["standby", "routing"] } else { ["down", "up"] };
    let [from, to] = words.map(|word| Some(word.to_owned()));
    ftr_core::record::Event { kind, from, to, ..first(seq, at) }
}

#[test]
fn an_uplink_that_is_merely_late_at_the_start_is_no_news() {
    let mut digest = Digest::new(s(10));
    assert!(digest.add(first(1, 0), s(0)).is_empty());
    assert_eq!((sent(&mut digest, 29), digest.due()), (None, Some(s(30))));
    assert_eq!(digest.add(works(2, 29, EventKind::State), s(29)), [1, 2]);
    assert_eq!(digest.add(works(3, 29, EventKind::Role), s(29)), [3]);
    assert_eq!((digest.open(), digest.due()), (0, None));
    // What comes later is news.
    digest.add(event(4), s(40));
    digest.add(works(5, 42, EventKind::State), s(42));
    assert_eq!(sent(&mut digest, 50), Some(vec![4, 5]));
}

#[test]
fn an_uplink_that_does_not_come_within_half_a_minute_of_the_start_is_told() {
    let mut digest = Digest::new(s(10));
    digest.add(first(1, 0), s(0));
    assert_eq!(sent(&mut digest, 30), Some(vec![1]));
    // Neither is it taken back when there was no mail server for so long.
    digest.failed(s(30));
    assert!(digest.add(works(2, 31, EventKind::State), s(31)).is_empty());
    assert_eq!(sent(&mut digest, 31), Some(vec![1, 2]));
}

#[test]
fn other_news_do_not_take_along_an_uplink_that_may_be_merely_late() {
    let eth3 = |seq| ftr_core::record::Event { uplink: Some("eth3".parse().unwrap()), ..event(seq) };
    let mut digest = Digest::new(s(10));
    digest.add(first(1, 0), s(0));
    digest.add(eth3(2), s(2));
    assert_eq!(sent(&mut digest, 12), Some(vec![2]));
    // Neither does a second attempt.
    digest.failed(s(12));
    assert_eq!(sent(&mut digest, 13), Some(vec![2]));
    assert_eq!((digest.settled(), digest.due()), (vec![2], Some(s(30))));
    let mut late = Digest::new(s(10));
    late.add(first(1, 0), s(0));
    late.add(eth3(2), s(25));
    assert_eq!(sent(&mut late, 30), Some(vec![1, 2]), "half a minute is over");
    assert_eq!(digest.add(works(3, 29, EventKind::State), s(29)), [1, 3]);
    assert_eq!((digest.open(), digest.due()), (0, None));
}

#[test]
fn a_mail_that_failed_and_of_which_nothing_is_left_is_not_tried_again() {
    let mut digest = Digest::new(s(0));
    let other = ftr_core::record::Event { uplink: Some("eth3".parse().unwrap()), ..first(1, 0) };
    digest.add(first(2, 0), s(0));
    digest.finish(s(1));
    assert_eq!(sent(&mut digest, 1), Some(vec![2]));
    digest.failed(s(1));
    assert_eq!(digest.add(works(3, 2, EventKind::State), s(2)), [2, 3]);
    assert_eq!((sent(&mut digest, 2), digest.open(), digest.due()), (None, 0, None));
    digest.add(other, s(3));
    assert_eq!(digest.add(works(4, 4, EventKind::State), s(4)), [0; 0], "that is another uplink");
    assert_eq!(digest.open(), 2);
}

#[test]
fn at_the_end_of_input_nothing_waits_any_longer() {
    let mut digest = Digest::new(s(10));
    digest.finish(s(0));
    assert_eq!(digest.due(), None);
    digest.add(event(1), s(0));
    digest.finish(s(1));
    assert_eq!(sent(&mut digest, 1), Some(vec![1]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever happens in whatever order, each event is settled, given up or still there: none is lost, none twice.
    #[test]
    fn every_event_is_accounted_for(steps in proptest::collection::vec(0u8..4, 0..2000)) {
        let mut digest = Digest::new(s(1));
        let (mut next, mut done, mut now) = (0, Vec::new(), 0);
        for step in steps {
            match step {
                0 | 1 => {
                    let one = match (step, next % 3) {
                        (0, _) => event(next),
                        (_, 0) => first(next, now),
                        (_, 1) => works(next, now, EventKind::State),
                        _ => works(next, now, EventKind::Role),
                    };
                    done.extend(digest.add(one, s(now)));
                    next += 1;
                }
                2 => { now += 1; digest.take(s(now)); }
                _ if digest.sending.is_none() => {}
                _ if next % 3 == 0 => done.extend(digest.settled()),
                _ => done.extend(digest.failed(s(now)).given_up),
            }
            prop_assert!(digest.pending.len() <= MOST);
        }
        done.extend(digest.pending.iter().map(|event| event.seq));
        done.extend(digest.sending.iter().flat_map(super::Batch::numbers));
        done.sort_unstable();
        prop_assert_eq!(done, (0..next).collect::<Vec<_>>());
    }
}
