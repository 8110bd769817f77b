use super::*;
use crate::decide::fixture::{check, config};
use ftr_core::Family;
use ftr_core::record::{Check, Record};

#[test]
fn spans_are_short() {
    for (seconds, text) in [(0, "0s"), (8, "8s"), (60, "1m"), (312, "5m12s"), (3600, "1h"), (273_600, "3d4h")] {
        assert_eq!(short(seconds * 1000), text);
    }
}

fn status(config: &Config, decider: &Decider, now: u64) -> Status {
    Status {
        at: check("eth1", true, now).at,
        pid: 1,
        uplinks: uplinks(decider, config, 0, now),
        children: Vec::new(),
        hazards: Vec::new(),
        events_waiting: 0,
        events_dropped: 0,
        configuration: None,
        file_differs: None,
        trial_ends_ms: None,
        more: BTreeMap::new(),
    }
}

#[test]
fn what_is_not_tested_any_more_is_not_said_to_be_well() {
    let config = config([""; 3], "");
    let mut decider = Decider::new(&config, None);
    for uplink in ["eth1", "eth2", "eth3"] {
        decider.handle(&Record::Check(check(uplink, true, 1000)));
    }
    let patience = u64::try_from(config.uplinks[0].patience().as_millis()).unwrap();
    assert!(status(&config, &decider, 1000 + patience).is_well());
    decider.handle(&Record::Check(check("eth1", true, 2000)));
    let stale = status(&config, &decider, 1001 + patience);
    assert!(!stale.is_well());
    let text = table(&stale, None, false);
    assert!(text.contains("eth1            up ") && text.contains("eth2            up?"), "{text}");
    assert!(text.contains("[untested 3m"), "{text}");
    // The program that tests is away, and nothing is stale yet.
    let mut away = status(&config, &decider, 2000);
    away.children.push(ChildStatus {
        program: "ftr-probe".to_owned(),
        pid: None,
        refused: None,
        more: BTreeMap::new(),
    });
    assert!(!away.is_well());
}

#[test]
fn a_line_fits_into_80_columns_and_says_what_is_wrong() {
    let ipv6 = "ip6: '2001:db8::2', gateway6: '2001:db8::1'";
    let config = config([&format!(", description: A provider with quite a long name, {ipv6}"), "", ""], "");
    let mut decider = Decider::new(&config, None);
    for at in [1000, 90_060_000] {
        for (uplink, up) in [("eth1", false), ("eth2", true), ("eth3", true)] {
            decider.handle(&Record::Check(check(uplink, up, at)));
        }
        decider.handle(&Record::Check(Check { family: Family::V6, ..check("eth1", false, at) }));
    }
    let status = Status {
        children: vec![ChildStatus {
            program: "ftr-notify".to_owned(),
            pid: None,
            refused: Some(78),
            more: BTreeMap::new(),
        }],
        ..status(&config, &decider, 90_061_000)
    };
    let text = table(&status, None, false);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(
        text.contains("eth1            down     1d1h  standby       1        -  [no-answer] A provider\n"),
        "{text}"
    );
    assert!(text.contains("  IPv6 [no-answer] A prov\n"), "{text}");
    assert!(text.contains("not running at the moment: ftr-notify (exit 78: waits"), "{text}");
}

#[test]
fn hazards_are_a_line_each_within_the_width_of_a_terminal() {
    let config = config([""; 3], "");
    let mut status = status(&config, &Decider::new(&config, None), 1000);
    status.hazards.push(Hazard {
        at: status.at.clone(),
        kind: "rules-not-loaded".to_owned(),
        object: "fire\x1bwall".to_owned(),
        what: "no rule of the firewall marks connections, so ".repeat(9),
        advice: "load them".to_owned(),
        since: String::new(),
        loses_traffic: true,
        gone: false,
    });
    let text = table(&status, None, false);
    assert!(text.contains("\nhazard rules-not-loaded: fire?wall: no rule"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("ftr-route check tells"), "{text}");
}

#[test]
fn what_a_later_monitor_tells_is_passed_on() {
    let config = config([""; 3], "");
    let mut decider = Decider::new(&config, None);
    decider.handle(&Record::Check(check("eth1", true, 1000)));
    let told = json(&status(&config, &decider, 2000)).unwrap();
    let later = told
        .replace("\"pid\":1", "\"pid\":1,\"moon\":{\"full\":[true]}")
        .replace("\"up\":true", "\"up\":true,\"tide\":7")
        .replace("\"reason\":null", "\"reason\":\"flood\"");
    assert_ne!(later, told);
    let read: Status = serde_json::from_str(&later).unwrap();
    let written = json(&read).unwrap();
    for part in ["\"moon\":{\"full\":[true]}", "\"tide\":7", "\"reason\":\"flood\""] {
        assert!(written.contains(part), "{written}");
    }
    assert!(table(&read, None, false).contains("[flood]"));
}
