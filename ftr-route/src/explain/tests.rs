use std::net::IpAddr;

use ftr_core::config::Protocol;
use ftr_core::{Config, Exit, Family};
use ftr_netlink::{NetlinkError, Nexthop, Route, RouteKind};
use nix::errno::Errno;

use super::answer::{Explanation, Outcome};
use super::case::Case;
use super::end::End;
use super::flow::Flow;
use super::mark::{Mark, Whence};
use super::planned::Routing;
use super::{incoming, packet, text};
use crate::plan::balance;
use crate::plan::desired::{Goal, desired};
use crate::plan::diff::diff;
use crate::plan::learned::Learned;
use crate::plan::sysctl::Values;
use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
use crate::plan::uplink_state::{HostView, uplink_states};
use crate::snapshot::Snapshot;
use crate::walk::walk;

/// A router on which everything is as wanted.
struct World {
    config: Config,
    snapshot: Snapshot,
    now: Routing,
}

impl World {
    fn new() -> Self {
        let config = config(&CONFIG.replace("weight: 2", "weight: 2, description: Provider 2"));
        let links = vec![link(2, "eth0"), link(3, "eth1"), link(4, "eth2"), link(5, "ppp0")];
        let addresses = [
            address(3, "1.0.0.2", None, 24),
            address(4, "2.0.0.2", None, 24),
            address(5, "9.0.0.2", Some("9.0.0.1"), 32),
        ];
        let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
        let states = uplink_states(&config, Family::V4, host);
        let goal = Goal { balanced: Some(balance::of(&config, 0..3)), ..Goal::default() };
        let plan = diff(&desired(&config, Family::V4, &states, &goal), &[], &[]);
        let mut now = Routing::default().after(&plan, &|_| false);
        now.rules.push(ftr_netlink::Rule::lookup(Family::V4, 32766, 254));
        let lan = Route {
            destination: Some("10.0.0.0/24".parse().unwrap()),
            nexthops: vec![Nexthop::new(None, 2)],
            ..Route::default(Family::V4, 254, RouteKind::Unicast)
        };
        now.routes.push(lan);
        let snapshot = Snapshot {
            family: Family::V4,
            links,
            local: addresses.iter().map(|address| address.local).collect(),
            states,
            rules: now.rules.clone(),
            routes: now.routes.clone(),
            sysctls: Values::new(),
            labels: Vec::new(),
            learned: Learned::default(),
            resolvers: Vec::new(),
        };
        Self { config, snapshot, now }
    }

    fn explain(&self, flow: Flow, mark: u32, change: impl FnOnce(&mut Case<'_>)) -> Explanation {
        let device = incoming(&flow, &self.now, &self.snapshot).unwrap();
        let steps = walk(&packet(&flow, device, mark), &self.now.rules, &self.now.routes);
        let mut case = Case {
            config: &self.config,
            snapshot: &self.snapshot,
            flow: &flow,
            device: device.map(|link| link.name.as_str()),
            mark: Mark { value: mark, whence: if mark == 0 { Whence::Nothing } else { Whence::Connection } },
            loaded: None,
            established: None,
            steps: &steps,
            kernel: None,
            intended: Some(End::of(&steps)),
            failed: &[],
            missing: None,
            notes: Vec::new(),
        };
        change(&mut case);
        case.explain()
    }
}

fn flow(from: Option<[u8; 4]>) -> Flow {
    let from = from.map(IpAddr::from);
    Flow { from, to: [203, 0, 113, 9].into(), protocol: Some(Protocol::Tcp), sport: Some(40_000), dport: Some(443) }
}

fn answer(host: u8, index: u32) -> Route {
    let nexthops = vec![Nexthop::new(Some([host, 0, 0, 1].into()), index)];
    Route { nexthops, ..Route::default(Family::V4, 4, RouteKind::Unicast) }
}

#[test]
fn a_connection_is_told_with_its_uplink_and_source() {
    let world = World::new();
    let kernel = Ok(answer(2, 4));
    let told = world.explain(flow(Some([10, 0, 0, 5])), 2, |case| case.kernel = Some(kernel.clone()));
    let expected = "\
flow      tcp 10.0.0.5:40000 to 203.0.113.9:443, comes in by eth0
mark      0x2, of its connection
rule      priority 40001 fwmark 0x2 lookup 2 protocol 117
for       connections of eth2 stay on it
route     default via 2.0.0.1 dev eth2 table 2 proto 117 src 2.0.0.2 metric
          1000000
way       eth2 (Provider 2), gateway 2.0.0.1
source    2.0.0.2, by address translation";
    assert_eq!(text::lines(&told, false).join("\n"), expected);
    assert_eq!(told.exit(), Exit::Yes);
}

#[test]
fn of_several_uplinks_the_kernel_says_which_unless_something_is_not_known() {
    let world = World::new();
    let kernel = Ok(answer(1, 3));
    let told = world.explain(flow(Some([10, 0, 0, 5])), 0, |case| case.kernel = Some(kernel.clone()));
    let lines = text::lines(&told, false);
    assert!(lines.contains(&"way       eth1, gateway 1.0.0.1".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"shares    eth1 25%, eth2 50%, ppp0 25%, by weight".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"          nexthop dev ppp0 weight 1".to_owned()), "{lines:#?}");
    let told = world.explain(flow(Some([10, 0, 0, 5])), 0, |case| {
        (case.kernel, case.missing) = (Some(kernel.clone()), Some("its ports"));
    });
    assert_eq!((told.way.is_none(), told.source, told.exit()), (true, None, Exit::Yes));
    let lines = text::lines(&told, false);
    assert!(lines.contains(&"way       one of these; which one is decided by its ports".to_owned()));
    // Each of them translates to its own address.
    let sources: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("source    ")).collect();
    let expected = [("1.0.0.2", "eth1"), ("2.0.0.2", "eth2"), ("9.0.0.2", "ppp0")];
    assert_eq!(sources, expected.map(|(source, device)| format!("{source} by {device}, by address translation")));
    let own = world.explain(flow(None), 0, |case| case.missing = Some("its ports"));
    assert!(own.shares.len() == 3 && own.shares.iter().all(|share| share.source.is_none()));
}

#[test]
fn an_answer_of_the_kernel_that_differs_is_told() {
    let world = World::new();
    let error = NetlinkError { errno: Errno::EXDEV, message: None };
    let cases =
        [(Ok(answer(1, 3)), "default via 1.0.0.1 dev eth1 table 4 proto 0"), (Err(error), "Cross-device link (EXDEV)")];
    for (kernel, said) in cases {
        let told = world.explain(flow(Some([10, 0, 0, 5])), 2, |case| case.kernel = Some(kernel.clone()));
        assert_eq!(told.kernel.as_deref(), Some(said));
        assert!(text::lines(&told, false).iter().any(|line| line.starts_with("but       the kernel itself answers: ")));
        assert_eq!((told.exit(), told.notes.len()), (Exit::No, usize::from(kernel.is_err())));
    }
}

#[test]
fn what_the_configuration_would_have_otherwise_is_told() {
    let world = World::new();
    let told = world.explain(flow(None), 2, |case| case.intended = Some(End::Refused));
    assert!(text::lines(&told, false).contains(&"intended  no route at all; see ftr-route check".to_owned()));
    assert_eq!((told.exit(), told.outcome, told.source), (Exit::No, Outcome::Uplink, Some([2, 0, 0, 2].into())));
}

#[test]
fn a_way_by_an_uplink_that_is_assumed_to_be_down_is_none() {
    let world = World::new();
    let told = world.explain(flow(Some([10, 0, 0, 5])), 2, |case| (case.failed, case.intended) = (&[1], None));
    assert_eq!((told.outcome, told.exit()), (Outcome::Uplink, Exit::No));
    assert!(text::lines(&told, false).contains(&"assumed   eth2 down, every other uplink at work".to_owned()));
}

#[test]
fn an_established_connection_keeps_its_source() {
    let told = World::new().explain(flow(Some([10, 0, 0, 5])), 2, |case| case.established = Some([2, 0, 0, 9].into()));
    assert_eq!((told.source, told.translated), (Some([2, 0, 0, 9].into()), true));
}

#[test]
fn local_networks_and_dead_ends_have_words_too() {
    let world = World::new();
    let local = Flow { to: [10, 0, 0, 9].into(), ..flow(None) };
    let mut told = world.explain(local, 0, |_| ());
    assert_eq!((told.outcome, told.exit()), (Outcome::Elsewhere, Exit::Yes));
    assert!(text::lines(&told, false).contains(&"way       eth0, no uplink".to_owned()));
    for (outcome, line) in [
        (Outcome::Here, "way       this host itself"),
        (Outcome::Refused, "way       none: refused"),
        (Outcome::Nowhere, "way       none: no rule leads to a route"),
    ] {
        told.outcome = outcome;
        assert!(text::lines(&told, false).contains(&line.to_owned()));
        assert_eq!(told.exit(), if outcome == Outcome::Here { Exit::Yes } else { Exit::No });
    }
}

#[test]
fn every_line_fits_a_terminal_and_every_rule_that_was_asked_is_there() {
    let told = World::new().explain(flow(Some([10, 0, 0, 5])), 0, |_| ());
    let lines = text::lines(&told, true);
    assert!(lines.iter().all(|line| line.len() <= 80), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("asked ")).count(), 11, "{lines:#?}");
}

#[test]
fn who_is_neither_here_nor_on_a_known_network_needs_a_device() {
    let world = World::new();
    assert!(incoming(&flow(Some([198, 51, 100, 1])), &world.now, &world.snapshot).is_err());
    let lan = incoming(&flow(Some([10, 0, 0, 5])), &world.now, &world.snapshot).unwrap();
    assert_eq!(lan.map(|link| link.name.as_str()), Some("eth0"));
    assert!(incoming(&flow(None), &world.now, &world.snapshot).unwrap().is_none());
}
