use super::*;
use crate::decide::fixture::{check, config};
use crate::program::Each;
use crate::supervisor::Mode;
use crate::supervisor::fixture::{APPLIED, START, orders, said};
use ftr_core::record::Record;
use std::path::Path;

fn say(supervisor: &mut Supervisor, program: Program, line: &str) {
    said(supervisor, program, &[line.trim_end()], START);
}

/// All run, eth1 and eth2 and eth3 work, and that is in the kernel.
fn supervisor() -> Supervisor {
    let mut supervisor = Supervisor::new(&config([""; 3], ""), Mode::default(), (None, Vec::new()), START);
    orders(&mut supervisor, START);
    say(&mut supervisor, Program::Route, APPLIED);
    orders(&mut supervisor, START);
    for uplink in ["eth1", "eth2", "eth3"] {
        say(&mut supervisor, Program::Probe, &Record::Check(check(uplink, true, 100_000)).line().unwrap());
    }
    carry_out(&mut supervisor);
    supervisor
}

/// The route program does what it is fed.
fn carry_out(supervisor: &mut Supervisor) -> Vec<Order> {
    let all = orders(supervisor, START);
    for order in &all {
        if let Order::Feed(Program::Route, record) = order {
            say(supervisor, Program::Route, &record.line().unwrap());
        }
    }
    say(supervisor, Program::Route, APPLIED);
    all
}

fn reconfigure(supervisor: &mut Supervisor, uplinks: &str, concerned: &[Program]) {
    let text = format!("uplinks:\n{uplinks}downlinks: {{lan: eth0}}\ntests: {{ips: [198.51.100.1]}}\n");
    let config = Arc::new(Config::parse(Path::new("test"), &text).unwrap());
    let concerned = Each::new(|program| concerned.contains(&program));
    let change = Change { who: "root", lines: &["uplinks.eth3: removed".to_owned()], concerned };
    supervisor.reconfigure(&config, change, &Stamp { time: String::new(), mono: 100_000 }, START);
}

const TWO: &str = "- {interface: eth1, ip: 192.0.2.1, gateway: 192.0.2.9}\n\
                   - {interface: eth2, ip: 192.0.2.2, gateway: 192.0.2.9}\n";

#[test]
fn one_that_is_gone_loses_its_connections_by_the_program_that_still_knows_it() {
    let mut supervisor = supervisor();
    reconfigure(&mut supervisor, TWO, &[Program::Route, Program::Probe]);
    let all = orders(&mut supervisor, START);
    let fed =
        all.iter().find_map(|order| if let Order::Feed(Program::Route, record) = order { Some(record) } else { None });
    let Some(Record::Active(active)) = fed.map(|record| &**record) else { panic!("{all:?}") };
    assert_eq!((active.uplinks.len(), active.flush.len(), active.flush[0].as_str()), (2, 1, "eth3"));
    assert!(!all.contains(&Order::Adopt) && supervisor.is_changing(START));
    let line = Record::Active(active.clone()).line().unwrap();
    say(&mut supervisor, Program::Route, &line);
    say(&mut supervisor, Program::Route, APPLIED);
    let all = orders(&mut supervisor, START);
    let (adopt, close) = (Order::Adopt, Order::CloseInput(Program::Route));
    let at = |wanted: &Order| all.iter().position(|order| order == wanted).unwrap();
    assert!(at(&adopt) < at(&close), "{all:?}");
    supervisor.ended(Program::Route, Some(0), "exit", START);
    let all = orders(&mut supervisor, START);
    assert!(all.contains(&Order::Start(Program::Route)), "{all:?}");
    let fed =
        all.iter().find_map(|order| if let Order::Feed(Program::Route, record) = order { Some(record) } else { None });
    let Some(Record::Active(active)) = fed.map(|record| &**record) else { panic!("the successor is told: {all:?}") };
    assert!(active.flush.is_empty(), "not a second time");
}

#[test]
fn a_route_program_that_does_not_answer_holds_nothing_up_for_long() {
    let mut supervisor = supervisor();
    reconfigure(&mut supervisor, TWO, &[Program::Route]);
    orders(&mut supervisor, START);
    let mut now = START;
    while !orders(&mut supervisor, now).contains(&Order::Adopt) {
        now = supervisor.due(now).unwrap();
        assert!(now <= START + LEAVING, "{now:?}");
    }
    assert!(!supervisor.is_changing(START + WHOLE));
}

#[test]
fn whom_nothing_concerns_is_told_nothing_and_people_are() {
    let mut supervisor = supervisor();
    reconfigure(&mut supervisor, &format!("{TWO}- {{interface: eth3, ip: 192.0.2.3, gateway: 192.0.2.9}}\n"), &[]);
    let all = carry_out(&mut supervisor);
    let all = [all, orders(&mut supervisor, START)].concat();
    assert!(all.contains(&Order::Adopt) && !supervisor.is_changing(START), "{all:?}");
    assert!(!all.iter().any(|order| matches!(order, Order::Start(_) | Order::CloseInput(_))), "{all:?}");
    let logged =
        |order: &Order| matches!(order, Order::Log(entry) if entry.text == "configuration: uplinks.eth3: removed");
    assert!(all.iter().any(logged), "{all:?}");
}
