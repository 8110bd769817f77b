use super::fixture::{check, config};
use super::*;
use ftr_core::record::Active;
use proptest::prelude::*;

fn decider(ends: [&str; 3], more: &str) -> Decider {
    Decider::new(&config(ends, more), None)
}

/// Hears checks of eth1, eth2, … at one instant. What is decided is carried out at once.
fn handle(decider: &mut Decider, mono: u64, ups: &[(&str, bool)]) -> Vec<Record> {
    let mut out = Vec::new();
    for &(uplink, up) in ups {
        out.extend(decider.handle(&Record::Check(check(uplink, up, mono))));
        decider.confirm_all();
    }
    out
}

/// What was decided, in short: `active eth1 eth3 failed eth2 flush eth2`, `state eth2 up->down`.
fn short(records: &[Record]) -> Vec<String> {
    let join = |names: &[InterfaceName]| names.iter().map(InterfaceName::as_str).collect::<Vec<_>>().join(" ");
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "?".to_owned());
    records
        .iter()
        .map(|record| match record {
            Record::Active(active) => {
                let shares: Vec<_> =
                    active.uplinks.iter().map(|share| format!("{}*{}", share.uplink, share.weight)).collect();
                format!("active {} failed {} flush {}", shares.join(" "), join(&active.failed), join(&active.flush))
            }
            Record::Event(event) => {
                let uplink = event.uplink.as_ref().map_or("-", InterfaceName::as_str);
                format!("{} {uplink} {}->{}", event.kind, word(&event.from), word(&event.to))
            }
            other => format!("{other:?}"),
        })
        .collect()
}

const ALL_UP: [(&str, bool); 3] = [("eth1", true), ("eth2", true), ("eth3", true)];

#[test]
fn nothing_is_said_before_the_first_verdicts_are_in() {
    let mut decider = decider([""; 3], "");
    assert_eq!(short(&handle(&mut decider, 0, &ALL_UP[..2])), [""; 0]);
    assert_eq!(short(&handle(&mut decider, 5, &ALL_UP[2..])), ["active eth1*1 eth2*2 eth3*3 failed  flush "]);
    assert_eq!(short(&handle(&mut decider, 1000, &ALL_UP)), [""; 0], "no change, no word");
}

#[test]
fn an_uplink_that_is_never_heard_of_does_not_hold_up_the_others_for_ever() {
    let mut decider = decider([""; 3], "");
    handle(&mut decider, 0, &ALL_UP[..2]);
    assert_eq!(short(&handle(&mut decider, 2999, &ALL_UP[..2])), [""; 0]);
    assert_eq!(short(&handle(&mut decider, 3000, &ALL_UP[..1])), ["active eth1*1 eth2*2 failed  flush "]);
}

#[test]
fn failover_and_return() {
    let mut decider = decider([""; 3], "");
    handle(&mut decider, 0, &ALL_UP);
    assert_eq!(
        short(&handle(&mut decider, 1000, &[("eth2", false)])),
        ["active eth1*1 eth3*3 failed eth2 flush eth2", "state eth2 up->down", "role eth2 routing->standby"]
    );
    assert_eq!(
        short(&handle(&mut decider, 2000, &[("eth2", true)])),
        ["active eth1*1 eth2*2 eth3*3 failed  flush ", "state eth2 down->up", "role eth2 standby->routing"]
    );
}

#[test]
fn a_lower_group_takes_over_and_hands_back() {
    let mut decider = decider([", priority_group: 1", ", priority_group: 2", ""], "");
    assert_eq!(short(&handle(&mut decider, 0, &ALL_UP)), ["active eth1*1 failed  flush "]);
    assert_eq!(
        short(&handle(&mut decider, 1000, &[("eth1", false)])),
        [
            "active eth2*2 failed eth1 flush eth1",
            "state eth1 up->down",
            "role eth1 routing->standby",
            "role eth2 standby->routing"
        ]
    );
    assert_eq!(
        short(&handle(&mut decider, 2000, &[("eth3", false)])),
        ["active eth2*2 failed eth1 eth3 flush eth3", "state eth3 up->down"],
        "one that never carries new connections still has incoming ones to give up"
    );
}

#[test]
fn with_hard_failback_connections_return_to_the_better_group() {
    let groups = [", priority_group: 1", ", priority_group: 2", ", priority_group: 1"];
    let mut decider = decider(groups, "routing: {failback: hard}");
    handle(&mut decider, 0, &ALL_UP);
    handle(&mut decider, 1000, &[("eth1", false), ("eth3", false)]);
    let back = short(&handle(&mut decider, 2000, &[("eth1", true)]));
    assert_eq!(back[0], "active eth1*1 failed eth3 flush eth2");
    let beside = short(&handle(&mut decider, 3000, &[("eth3", true)]));
    assert_eq!(beside[0], "active eth1*1 eth3*3 failed  flush ", "those of the same group have nothing to return to");
}

#[test]
fn families_are_decided_apart_and_only_over_uplinks_that_have_them() {
    let six = ", ip6: '2001:db8::2', gateway6: 'fe80::1'";
    let tests = ", tests: {ips: [198.51.100.1, '2001:db8:f::1']}";
    let mut decider = decider([&format!("{six}{tests}"), &format!("{six}{tests}"), ""], "");
    let heard = |decider: &mut Decider, uplink, up| {
        let check = Check { family: Family::V6, ..check(uplink, up, 0) };
        short(&decider.handle(&Record::Check(check)))
    };
    handle(&mut decider, 0, &ALL_UP);
    assert_eq!(heard(&mut decider, "eth1", true), [""; 0]);
    assert_eq!(heard(&mut decider, "eth2", true), ["active eth1*1 eth2*2 failed  flush "]);
    assert_eq!(heard(&mut decider, "eth2", false)[0], "active eth1*1 failed eth2 flush eth2");
    assert_eq!(heard(&mut decider, "eth1", false)[0], "active eth1*1 eth2*2 failed eth1 eth2 flush ");
    assert_eq!(decider.health().count(), 5);
}

#[test]
fn ipv6_that_nothing_tests_works_while_ipv4_does() {
    let six = ", ip6: '2001:db8::2', gateway6: 'fe80::1'";
    let mut decider = decider([six, six, ""], "");
    let said = short(&handle(&mut decider, 0, &ALL_UP));
    assert_eq!(said, ["active eth1*1 eth2*2 failed  flush ", "active eth1*1 eth2*2 eth3*3 failed  flush "]);
    let said = short(&handle(&mut decider, 1000, &[("eth2", false)]));
    let expected = [
        "active eth1*1 eth3*3 failed eth2 flush eth2",
        "state eth2 up->down",
        "role eth2 routing->standby",
        "active eth1*1 failed eth2 flush eth2",
        "role eth2 routing->standby",
    ];
    assert_eq!(said, expected);
}

#[test]
fn when_all_are_down_all_are_used_and_nothing_is_flushed() {
    let mut decider = decider([""; 3], "");
    handle(&mut decider, 0, &ALL_UP);
    handle(&mut decider, 1000, &[("eth1", false), ("eth2", false)]);
    assert_eq!(
        short(&handle(&mut decider, 1001, &[("eth3", false)])),
        [
            "active eth1*1 eth2*2 eth3*3 failed eth1 eth2 eth3 flush ",
            "state eth3 up->down",
            "role eth1 standby->routing",
            "role eth2 standby->routing"
        ]
    );
}

#[test]
fn a_bad_line_keeps_its_connections_and_keep_keeps_all() {
    let mut bad = decider([""; 3], "");
    handle(&mut bad, 0, &ALL_UP);
    let loss = Check { reason: Some(Reason::Loss), ..check("eth1", false, 1000) };
    assert_eq!(short(&bad.handle(&Record::Check(loss)))[0], "active eth2*2 eth3*3 failed eth1 flush ");
    let mut keep = decider([""; 3], "routing: {connections_on_down: keep}");
    handle(&mut keep, 0, &ALL_UP);
    assert_eq!(short(&handle(&mut keep, 1000, &[("eth1", false)]))[0], "active eth2*2 eth3*3 failed eth1 flush ");
}

#[test]
fn one_that_is_down_from_the_start_is_news_and_one_that_is_up_is_none() {
    let mut decider = decider([""; 3], "");
    let said = short(&handle(&mut decider, 0, &[("eth1", false), ("eth2", true), ("eth3", true)]));
    assert_eq!(said, ["state eth1 ?->down", "active eth2*2 eth3*3 failed eth1 flush eth1"]);
}

#[test]
fn a_restart_with_memory_repeats_no_news_and_no_flush() {
    let config = config([""; 3], "");
    let mut first = Decider::new(&config, None);
    handle(&mut first, 0, &ALL_UP);
    handle(&mut first, 1000, &[("eth2", false)]);
    let memory: Memory = serde_json::from_str(&serde_json::to_string(first.memory()).unwrap()).unwrap();
    let mut second = Decider::new(&config, Some(memory));
    let said = short(&handle(&mut second, 5000, &[("eth1", false), ("eth2", false), ("eth3", true)]));
    assert_eq!(
        said,
        ["state eth1 up->down", "active eth3*3 failed eth1 eth2 flush eth1", "role eth1 routing->standby"],
        "eth2 was down before, and given up; the role follows once all are heard"
    );
}

#[test]
fn events_are_numbered_and_a_reboot_forgets_the_rest() {
    let mut decider = decider([""; 3], "");
    handle(&mut decider, 10_000, &ALL_UP);
    handle(&mut decider, 11_000, &[("eth2", false)]);
    let said = handle(&mut decider, 100, &[("eth1", true), ("eth2", false), ("eth3", true)]);
    assert_eq!(short(&said), ["state eth2 ?->down", "active eth1*1 eth3*3 failed eth2 flush eth2"]);
    let Some(Record::Event(event)) = said.first() else { panic!("no event") };
    assert_eq!(event.seq, 3);
}

#[test]
fn foreign_records_change_nothing() {
    let mut decider = decider([""; 3], "");
    assert_eq!(decider.handle(&Record::Unknown), []);
    assert_eq!(decider.handle(&Record::Check(check("eth9", true, 0))), []);
}

proptest! {
    /// Whatever the checks are: a set that is said is never empty, differs from the one before it or from its failed or
    /// gives up connections, and contains no dead uplink beside a working one.
    #[test]
    fn every_active_set_is_sound(checks in proptest::collection::vec((1u8..4, any::<bool>()), 0..60)) {
        let mut decider = decider([""; 3], "");
        let mut up = [None::<bool>; 3];
        let mut last: Option<Active> = None;
        for (step, (uplink, works)) in checks.into_iter().enumerate() {
            up[usize::from(uplink) - 1] = Some(works);
            for record in handle(&mut decider, step as u64 * 10, &[(&format!("eth{uplink}"), works)]) {
                let Record::Active(active) = record else { continue };
                prop_assert!(!active.uplinks.is_empty());
                let index = |name: &InterfaceName| usize::from(name.as_str().as_bytes()[3] - b'1');
                let any_works = up.contains(&Some(true));
                for share in &active.uplinks {
                    prop_assert!(!any_works || up[index(&share.uplink)] == Some(true));
                }
                if let Some(last) = &last {
                    let same = last.uplinks == active.uplinks && last.failed == active.failed;
                    prop_assert!(!same || !active.flush.is_empty());
                }
                last = Some(active);
            }
        }
    }
}

#[test]
fn a_reason_of_a_later_version_is_a_failed_check_like_any_other() {
    let mut decider = decider([""; 3], "");
    handle(&mut decider, 0, &ALL_UP);
    let flood = Check { reason: Some("flood".into()), ..check("eth1", false, 1000) };
    let records = decider.handle(&Record::Check(flood));
    assert_eq!(short(&records)[0], "active eth2*2 eth3*3 failed eth1 flush eth1");
    let told = records.iter().find_map(|record| match record {
        Record::Event(event) if event.kind == EventKind::State => event.reason,
        _ => None,
    });
    assert_eq!(told, Some("flood".into()));
}

#[test]
fn connections_that_nobody_could_be_given_to_are_given_up_once_somebody_carries() {
    let mut decider = decider([""; 3], "routing: {when_all_down: keep}\n");
    handle(&mut decider, 0, &[("eth1", true), ("eth2", true), ("eth3", false)]);
    let flush = |records: &[Record]| -> Vec<String> {
        short(records).into_iter().filter(|line| line.contains("flush eth1")).collect()
    };
    let ordered = decider.handle(&Record::Check(check("eth1", false, 1000)));
    assert_eq!(flush(&ordered).len(), 1);
    // The kernel had no route through eth2 by then.
    assert!(decider.confirm(Family::V4, Some(&[])));
    let again = decider.handle(&Record::Check(check("eth3", true, 20_000)));
    assert_eq!(flush(&again).len(), 1, "{again:?}");
    assert!(decider.confirm(Family::V4, None));
    assert_eq!(flush(&decider.handle(&Record::Check(check("eth2", false, 40_000)))), [""; 0]);
}
