//! What becomes of a check when something happens meanwhile.

use super::{Phase, Uplink};
use crate::path::Path;
use crate::plan::Plan;
use crate::schedule::Timing;
use ftr_core::Family;
use ftr_core::config::Limits;
use ftr_core::record::Trigger;
use std::time::Duration;

const START: Duration = Duration::from_secs(100);
const SECOND: Duration = Duration::from_secs(1);

fn uplink() -> Uplink {
    let plan = Plan {
        uplink: "eth1".parse().unwrap(),
        family: Family::V4,
        targets: Vec::new(),
        timing: Timing { required: 1, tries: 1, timeout: SECOND },
        interval: SECOND * 60,
        counted: false,
        metered: None,
        before: None,
        fall: 1,
        rise: 1,
        limits: Limits::default(),
        window: 10,
        watch_traffic: false,
        detect_captive: true,
    };
    Uplink::new(plan, 0, START, START)
}

fn ask(uplink: &mut Uplink, since: Duration) {
    uplink.phase = Phase::Asking { since, way: Path { address: [192, 0, 2, 2].into(), gateway: None }, index: 7 };
}

#[test]
fn events_without_end_do_not_keep_a_check_from_its_end() {
    let mut uplink = uplink();
    let tenth = SECOND / 10;
    for n in 0..10 {
        ask(&mut uplink, START + tenth * n);
        uplink.trigger(Trigger::Event, START + tenth * n + tenth / 2);
        assert!(uplink.is_due(START + tenth * (n + 1)), "event {n} begins the check anew");
    }
    ask(&mut uplink, START + SECOND);
    uplink.trigger(Trigger::Event, START + SECOND + tenth);
    assert_eq!(uplink.asking_since(), Some(START + SECOND), "it goes on");
    let end = START + SECOND * 2;
    uplink.end(None, true, end);
    assert!(uplink.is_due(end), "and another follows, because of the event");
    ask(&mut uplink, end);
    uplink.end(None, true, end);
    assert!(!uplink.is_due(end + SECOND));
}
