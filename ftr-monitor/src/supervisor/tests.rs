use super::fixture::{APPLIED, START, orders, said};
use super::*;
use crate::decide::fixture::{check, config};
use ftr_core::Family;
use ftr_core::record::{Active, Check, Record, Spooled};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One whose programs run and whose tables are prepared.
fn supervisor(mode: Mode) -> Supervisor {
    let mut config = config([""; 3], "");
    config.email.send = true;
    let mut supervisor = Supervisor::new(&config, mode, (None, Vec::new()), START);
    orders(&mut supervisor, START);
    said(&mut supervisor, Program::Route, &[APPLIED], START);
    orders(&mut supervisor, START);
    supervisor
}

/// A check of an uplink comes in.
fn checked(supervisor: &mut Supervisor, uplink: &str, up: bool, now: Duration) {
    let mono = u64::try_from(now.as_millis()).unwrap();
    let line = Record::Check(check(uplink, up, mono)).line().unwrap();
    said(supervisor, Program::Probe, &[line.trim_end()], now);
}

fn logged(orders: &[Order]) -> Vec<&str> {
    orders
        .iter()
        .filter_map(|order| if let Order::Log(entry) = order { Some(entry.text.as_str()) } else { None })
        .collect()
}

fn fed(orders: &[Order], to: Program) -> Vec<&Record> {
    let fed = |order| if let &Order::Feed(program, ref record) = order { Some((program, &**record)) } else { None };
    orders.iter().filter_map(fed).filter(|(program, _)| *program == to).map(|(_, record)| record).collect()
}

fn printed(orders: &[Order]) -> Vec<&str> {
    orders
        .iter()
        .filter_map(|order| if let Order::Print(line) = order { Some(line.trim_end()) } else { None })
        .collect()
}

#[test]
fn a_failure_goes_to_the_route_program_first_then_to_people_and_to_memory() {
    let mut supervisor = supervisor(Mode::default());
    for uplink in ["eth1", "eth2", "eth3"] {
        checked(&mut supervisor, uplink, true, START);
    }
    orders(&mut supervisor, START);
    supervisor.remembered();
    let now = START + ms(500);
    checked(&mut supervisor, "eth1", false, now);
    let all = orders(&mut supervisor, now);
    let Some(Order::Feed(Program::Route, record)) = all.first() else { panic!("{all:?}") };
    let Record::Active(Active { failed, flush, .. }) = &**record else { panic!("{record:?}") };
    assert_eq!((failed.len(), flush.len()), (1, 1));
    assert_eq!(fed(&all, Program::Notify).len(), 2, "state and role");
    assert_eq!(logged(&all).len(), 3);
    assert_eq!(all.last(), Some(&Order::Remember));
    // It is written once at a time, and again when the route program has done it.
    let line = record.line().unwrap();
    said(&mut supervisor, Program::Route, &[line.trim_end(), APPLIED], now + ms(500));
    assert!(!orders(&mut supervisor, now + ms(500)).contains(&Order::Remember), "the disk is busy");
    supervisor.remembered();
    assert!(orders(&mut supervisor, now + ms(500)).contains(&Order::Remember));
    assert_eq!(supervisor.events(), (2, 0));
    said(&mut supervisor, Program::Notify, &[Record::Spooled(Spooled { seq: 1 }).line().unwrap().trim_end()], now);
    assert_eq!(supervisor.events(), (1, 0));
}

#[test]
fn what_a_program_has_no_business_to_say_changes_nothing() {
    let mut supervisor = supervisor(Mode::default());
    let down = Record::Check(check("eth1", false, 0)).line().unwrap();
    for program in [Program::Route, Program::Notify] {
        said(&mut supervisor, program, &[down.trim_end(), r#"{"type":"weather"}"#], START);
    }
    said(&mut supervisor, Program::Probe, &[APPLIED, r#"{"type":"spooled","seq":1}"#], START);
    assert_eq!(orders(&mut supervisor, START), []);
}

#[test]
fn a_reason_of_a_later_version_takes_an_uplink_out_and_reaches_people_as_it_is() {
    let mut supervisor = supervisor(Mode { print: true, ..Mode::default() });
    for uplink in ["eth1", "eth2", "eth3"] {
        checked(&mut supervisor, uplink, true, START);
    }
    orders(&mut supervisor, START);
    let later = START + ms(500);
    let flood = Check { reason: Some("flood".into()), ..check("eth1", false, 101_000) };
    let line = Record::Check(flood).line().unwrap().replace("\"up\"", "\"tide\":7,\"up\"");
    said(&mut supervisor, Program::Probe, &[line.trim_end(), r#"{"type":"weather","sun":[1]}"#], later);
    let all = orders(&mut supervisor, later);
    let Some(Record::Active(active)) = fed(&all, Program::Route).into_iter().next().cloned() else { panic!("{all:?}") };
    assert_eq!((active.family, active.failed.len(), active.flush.len()), (Family::V4, 1, 1));
    assert!(logged(&all).iter().any(|line| line.contains("eth1 is down: flood")), "{all:?}");
    let events = fed(&all, Program::Notify);
    assert!(events.iter().any(|record| record.line().unwrap().contains(r#""reason":"flood""#)), "{events:?}");
    assert!(printed(&all).contains(&r#"{"type":"weather","sun":[1]}"#), "{all:?}");
}

#[test]
fn rubbish_is_told_of_in_few_words() {
    let mut supervisor = supervisor(Mode::default());
    for _ in 0..1000 {
        said(&mut supervisor, Program::Probe, &["rubbish"], START);
    }
    let all = orders(&mut supervisor, START);
    assert_eq!(logged(&all).len(), 1);
    assert!(logged(&all)[0].starts_with("ftr-probe: 1000 malformed lines skipped so far"), "{all:?}");
    supervisor.heard(Program::Probe, Pipe::Stderr, &b"woe\n".repeat(1000), START);
    let all = orders(&mut supervisor, START);
    assert_eq!((logged(&all).len(), logged(&all)[0]), (50, "woe"));
    assert!(supervisor.due(START).is_some_and(|due| due > START), "the rest is told later");
    // A line that says nothing costs sixteen bytes more than it has.
    (0..4).for_each(|_| supervisor.heard(Program::Probe, Pipe::Stdout, &[b'\n'; 4096], START));
    assert!(!supervisor.is_full(Program::Probe, Pipe::Stdout, START).is_zero());
}

#[test]
fn a_line_that_its_writer_died_over_is_none_of_its_successor() {
    let mut supervisor = supervisor(Mode::default());
    checked(&mut supervisor, "eth1", true, START);
    supervisor.heard(Program::Probe, Pipe::Stdout, br#"{"type":"che"#, START);
    supervisor.ended(Program::Probe, None, "signal: 9", START);
    let all = orders(&mut supervisor, START);
    assert!(all.contains(&Order::Start(Program::Probe)));
    assert!(logged(&all).iter().any(|line| line.contains("no newline at the end")), "{all:?}");
    for uplink in ["eth1", "eth2", "eth3"] {
        checked(&mut supervisor, uplink, true, START + ms(1));
    }
    assert_eq!(fed(&orders(&mut supervisor, START + ms(1)), Program::Route).len(), 1);
}

#[test]
fn a_hangup_opens_the_log_and_tries_again_what_waits_for_a_change() {
    let mut supervisor = supervisor(Mode::default());
    supervisor.ended(Program::Notify, Some(78), "exit status: 78", START);
    orders(&mut supervisor, START);
    supervisor.hang_up();
    assert_eq!(supervisor.due(START), Some(START));
    let all = orders(&mut supervisor, START);
    assert!(all.contains(&Order::ReopenLog) && all.contains(&Order::Start(Program::Notify)), "{all:?}");
}

#[test]
fn at_the_end_nothing_that_was_to_be_said_is_lost() {
    let mut supervisor = supervisor(Mode::default());
    checked(&mut supervisor, "eth1", false, START);
    supervisor.stop(START);
    while let Some(order) = supervisor.next(START) {
        assert!(!matches!(order, Order::Feed(..) | Order::Start(_)), "{order:?}");
    }
    for program in Program::ALL {
        supervisor.heard(program, Pipe::Stderr, b"farewell\n", START);
        supervisor.ended(program, Some(0), "exit status: 0", START);
    }
    assert_eq!(logged(&orders(&mut supervisor, START)), ["farewell"; 4]);
    assert!(supervisor.is_over());
    assert_eq!(supervisor.last_words().0, [""; 0]);
}

#[test]
fn a_hazard_that_loses_traffic_is_logged_shown_and_mailed_until_it_is_over() {
    let mut supervisor = supervisor(Mode { print: true, ..Mode::default() });
    let hazard = |gone: bool| {
        format!(
            r#"{{"type":"hazard","time":"2026-11-01T10:00:00.000Z","mono":100000,"hazard":"rules-not-loaded","object":"firewall","what":"no marks","advice":"load them","since":"","loses_traffic":true,"gone":{gone}}}"#
        )
    };
    said(&mut supervisor, Program::Route, &[&hazard(false)], START);
    let all = orders(&mut supervisor, START);
    assert_eq!(logged(&all), ["warning: rules-not-loaded: firewall: no marks: load them"]);
    assert_eq!((printed(&all), supervisor.hazards().len()), (vec![hazard(false).as_str()], 1));
    let due = supervisor.due(START).unwrap();
    let all = orders(&mut supervisor, due);
    let events = fed(&all, Program::Notify);
    let [Record::Event(event)] = events.as_slice() else { panic!("{all:?}") };
    assert_eq!((event.seq, event.hazard.as_deref()), (1, Some("rules-not-loaded")));
    said(&mut supervisor, Program::Route, &[&hazard(true)], due);
    let all = orders(&mut supervisor, due);
    assert_eq!((fed(&all, Program::Notify).len(), supervisor.hazards().len()), (1, 0));
    assert_eq!(logged(&all), ["rules-not-loaded: firewall: is over"]);
}
