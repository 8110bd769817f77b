//! The mark that a packet has when it is routed, as the rules that are loaded give it, and those that `ftr-rules` prints where
//! they cannot be seen.

use ftr_core::config::{Config, ConnectionsOnDown, Match, Policy};
use ftr_core::numbering::Numbering;
use ftr_core::{Family, InterfaceName, Prefix};
use ftr_netlink::Connection;
use serde::Serialize;
use std::net::IpAddr;

use super::flow::Flow;
use super::loaded::Loaded;
use super::sets::Held;

/// A mark, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Mark {
    /// The mark that rules see; 0 where there is none.
    #[serde(rename = "mark")]
    pub(super) value: u32,
    #[serde(flatten)]
    pub(super) whence: Whence,
}

/// Where a mark comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "mark_from", content = "policy", rename_all = "kebab-case")]
pub(super) enum Whence {
    /// The command line.
    Given,
    /// An established connection.
    Connection,
    /// A policy, which new connections get it from.
    Policy(String),
    /// Nothing has marked it.
    Nothing,
}

/// What is known of where a packet comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) flow: &'a Flow,
    /// The device that it comes in by; none for this host's own.
    pub(super) device: Option<&'a str>,
    /// The connection that it belongs to, where one is known.
    pub(super) connection: Option<&'a Connection>,
    /// Uplinks that are taken to be down.
    pub(super) failed: &'a [usize],
    /// Which policies' sets hold the destination.
    pub(super) sets: &'a Held,
    /// What the firewall does; none where it cannot be seen, and is taken to have the rules that `ftr-rules` prints.
    pub(super) loaded: Option<Loaded<'a>>,
}

impl Origin<'_> {
    /// The mark that the packet has, and what should be known about it.
    pub(super) fn mark(&self, config: &Config) -> (Mark, Option<String>) {
        let numbering = Numbering::of(config);
        let nothing = Mark { value: 0, whence: Whence::Nothing };
        let mut note = None;
        if let Some(connection) = self.connection {
            let value = connection.mark & numbering.mask().unwrap_or(u32::MAX);
            let failed = self.failed.iter().find(|uplink| numbering.mark(**uplink) == value);
            let forgets = config.routing.connections_on_down == ConnectionsOnDown::Flush;
            match failed.filter(|_| forgets).and_then(|uplink| config.uplinks.get(*uplink)) {
                // Its next packet is the first of a new one.
                Some(uplink) => note = Some(format!("its connection over {} is forgotten then", uplink.name)),
                None if self.takes_over(config) && value != 0 => {
                    return (Mark { value, whence: Whence::Connection }, None);
                }
                None => return (nothing, self.unmarked(config, value)),
            }
        }
        // What people wonder about where no policy is for it.
        let mut skipped = None;
        for (k, policy) in config.policies.iter().enumerate() {
            let fits = |matching: &Match| self.comes_in(config, matching) && fits(matching, self.flow);
            let held = self.sets.get(&k).copied().flatten();
            if policy.matching.as_ref().is_some_and(fits) {
                if held == Some(false) {
                    skipped = skipped.or_else(|| of_set(policy, held));
                    continue;
                }
                let value = numbering.policy_mark(k);
                if self.loaded.is_some_and(|loaded| !loaded.gives(self.device, value)) {
                    let lacks = || format!("no rule that is loaded gives it the mark of policy {}", policy.name);
                    skipped = skipped.or_else(|| Some(lacks()));
                    continue;
                }
                let mark = Mark { value, whence: Whence::Policy(policy.name.clone()) };
                return (mark, note.or_else(|| of_set(policy, held)).or(skipped));
            }
        }
        (nothing, note.or(skipped))
    }

    /// Said where packets should take over the mark of their connection, and no rule has them do so. What comes in by an
    /// uplink is where it belongs already.
    fn unmarked(&self, config: &Config, mark: u32) -> Option<String> {
        let meant = mark != 0 && self.device.is_none_or(|device| config.position(device).is_none());
        (self.loaded.is_some() && meant).then(|| {
            format!("no rule that is loaded gives it the mark of its connection, {mark:#x}, so it may leave its uplink")
        })
    }

    /// Whether packets of an established connection take its mark over.
    fn takes_over(&self, config: &Config) -> bool {
        if let Some(loaded) = self.loaded {
            return loaded.restores(self.device);
        }
        let mut matches = config.policies.iter().filter_map(|policy| policy.matching.as_ref());
        match self.device {
            _ if !self.only_listed(config) => true,
            None => matches.any(|matching| matching.own),
            Some(device) => is_one(inside(config).chain(matches.flat_map(|matching| &matching.interfaces)), device),
        }
    }

    /// Whether it comes from where the connections of a policy do.
    fn comes_in(&self, config: &Config, matching: &Match) -> bool {
        match self.device {
            None => matching.own,
            Some(device) if !matching.interfaces.is_empty() => is_one(matching.interfaces.iter(), device),
            Some(_) if matching.own => false,
            Some(device) if self.only_listed(config) => is_one(inside(config), device),
            Some(device) => config.position(device).is_none(),
        }
    }

    /// Whether the rules are taken to be those of iptables for IPv4 without a `firewall` key, which serve only what is listed.
    fn only_listed(&self, config: &Config) -> bool {
        self.loaded.is_none()
            && self.flow.family() == Family::V4
            && config.firewall.is_none()
            && !config.downlinks.lan.is_empty()
    }
}

fn inside(config: &Config) -> impl Iterator<Item = &InterfaceName> {
    config.downlinks.lan.iter().chain(&config.downlinks.dmz)
}

fn is_one<'a>(mut names: impl Iterator<Item = &'a InterfaceName>, device: &str) -> bool {
    names.any(|name| name.as_str() == device)
}

/// Whether a flow is one of those that a policy is for, wherever it comes from, as far as that can be told here.
fn fits(matching: &Match, flow: &Flow) -> bool {
    let listed = |prefixes: &[Prefix], address: Option<IpAddr>| {
        prefixes.is_empty() || address.is_some_and(|address| prefixes.iter().any(|prefix| prefix.contains(address)))
    };
    let ports = |ports: &[ftr_core::config::Ports], port: Option<u16>| {
        ports.is_empty()
            || port.is_some_and(|port| ports.iter().any(|range| (range.first..=range.last).contains(&port)))
    };
    listed(&matching.sources, flow.from)
        && listed(&matching.destinations, Some(flow.to))
        && matching.protocol.is_none_or(|protocol| flow.protocol == Some(protocol))
        && ports(&matching.sports, flow.sport)
        && ports(&matching.dports, flow.dport)
}

/// What a policy depends on beside the configuration, and whether that is known.
fn of_set(policy: &Policy, held: Option<bool>) -> Option<String> {
    let set = policy.set()?;
    let filled = if policy.of_names() { ", which a name server fills with the addresses of its domains," } else { "" };
    let holds = match held {
        Some(true) => "holds the destination now",
        Some(false) => "does not hold the destination now",
        None => "cannot be looked into, and is taken to hold the destination",
    };
    Some(format!("policy {}: its set {set}{filled} {holds}", policy.name))
}

#[cfg(test)]
mod tests {
    use super::of_set;
    use super::{Connection, Flow, Held, Loaded, Mark, Origin, Whence};
    use crate::explain::loaded::tests::effects;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::{Family, config::Protocol};
    use ftr_firewall::Effects;
    use ftr_netlink::{Flow as Tuple, Transport};

    const POLICIES: &str = "\
policies:
- {name: web, match: {source: 10.0.0.0/24, protocol: tcp, dports: [80, 440-450]}, uplinks: [eth2]}
- {name: wifi, match: {interface: wlan0}, uplinks: [ppp0]}
- {name: bulk, match: {destination: 203.0.113.0/24, set: bulk}, uplinks: [ppp0]}
- {name: by-hand, uplinks: [eth1]}
- {name: video, match: {destination: 203.0.113.0/24, domains: video.example}, uplinks: [eth1]}
- {name: own, match: {interface: self, destination: 198.51.100.9}, uplinks: [eth2]}
";

    fn with_policies() -> String {
        format!("{}{POLICIES}", CONFIG.replace("lan: eth0", "lan: [eth0, wlan0]"))
    }

    fn flow(to: [u8; 4], dport: u16) -> Flow {
        Flow {
            from: Some([10, 0, 0, 5].into()),
            to: to.into(),
            protocol: Some(Protocol::Tcp),
            sport: Some(4000),
            dport: Some(dport),
        }
    }

    fn mark(flow: Flow, device: Option<&str>) -> (u32, String) {
        mark_with(flow, device, &Held::new())
    }

    fn mark_with(flow: Flow, device: Option<&str>, sets: &Held) -> (u32, String) {
        let origin = Origin { flow: &flow, device, connection: None, failed: &[], sets, loaded: None };
        let (mark, note) = origin.mark(&config(&with_policies()));
        let name = match mark.whence {
            Whence::Policy(name) => name,
            other => format!("{other:?}"),
        };
        (mark.value, name + note.as_ref().map_or("", |_| " and a note"))
    }

    #[test]
    fn the_first_policy_that_fits_marks_a_new_connection() {
        assert_eq!(mark(flow([8, 8, 8, 8], 443), Some("eth0")), (4, "web".to_owned()));
        assert_eq!(mark(flow([8, 8, 8, 8], 22), Some("eth0")), (0, "Nothing".to_owned()));
        assert_eq!(mark(flow([203, 0, 113, 1], 22), Some("eth0")), (6, "bulk and a note".to_owned()));
        assert_eq!(mark(flow([8, 8, 8, 8], 22), Some("wlan0")), (5, "wifi".to_owned()));
        // What this host sends is for policies that say so, and what comes in from outside for none.
        assert_eq!(mark(flow([8, 8, 8, 8], 443), None).0, 0);
        assert_eq!(mark(flow([198, 51, 100, 9], 22), None), (9, "own".to_owned()));
        assert_eq!(mark(flow([198, 51, 100, 9], 22), Some("eth0")).0, 0);
        assert_eq!(mark(flow([8, 8, 8, 8], 443), Some("eth1")).0, 0);
    }

    #[test]
    fn a_policy_that_looks_into_a_set_depends_on_what_is_in_it() {
        let told = |sets: &[(usize, Option<bool>)]| {
            mark_with(flow([203, 0, 113, 1], 22), Some("eth0"), &sets.iter().copied().collect())
        };
        assert_eq!(told(&[(2, Some(true))]), (6, "bulk and a note".to_owned()));
        assert_eq!(told(&[(2, None), (4, Some(true))]), (6, "bulk and a note".to_owned()));
        assert_eq!(told(&[(2, Some(false)), (4, Some(true))]), (8, "video and a note".to_owned()));
        assert_eq!(told(&[(2, Some(false)), (4, Some(false))]), (0, "Nothing and a note".to_owned()));
        let text = config(&with_policies());
        let line = |k: usize, held| of_set(&text.policies[k], held).unwrap();
        assert_eq!(
            line(2, None),
            "policy bulk: its set bulk cannot be looked into, and is taken to hold the destination"
        );
        assert!(
            line(4, Some(true))
                .contains("ftr_video, which a name server fills with the addresses of its domains, holds")
        );
    }

    fn of_connection(mark: u32, device: Option<&str>, failed: &[usize], text: &str) -> (Mark, Option<String>) {
        with_rules(mark, device, failed, text, None)
    }

    fn with_rules(
        mark: u32,
        device: Option<&str>,
        failed: &[usize],
        text: &str,
        rules: Option<&Effects>,
    ) -> (Mark, Option<String>) {
        let flow = flow([8, 8, 8, 8], 443);
        let transport = Transport::Ports { protocol: 6, source: 4000, destination: 443 };
        let tuple = Tuple { source: [10, 0, 0, 5].into(), destination: [8, 8, 8, 8].into(), transport };
        let connection = Connection { mark, original: tuple, reply: tuple };
        let (config, sets) = (config(text), Held::new());
        let loaded = rules.map(|effects| Loaded::of(effects, Family::V4, &config));
        Origin { flow: &flow, device, connection: Some(&connection), failed, sets: &sets, loaded }.mark(&config)
    }

    #[test]
    fn what_is_loaded_counts_and_not_what_would_be_printed() {
        let note = Some(
            "no rule that is loaded gives it the mark of its connection, 0x2, so it may leave its uplink".to_owned(),
        );
        let (nothing, all) = (effects(&[], &[]), effects(&["PREROUTING -j CONNMARK --restore-mark"], &[]));
        for (rules, device, mark) in [(&nothing, "eth0", 0), (&all, "eth0", 2), (&all, "docker0", 2)] {
            let (seen, told) = with_rules(2, Some(device), &[], &with_policies(), Some(rules));
            assert_eq!((seen.value, told), (mark, note.clone().filter(|_| mark == 0)), "{device}");
        }
        assert_eq!(with_rules(2, None, &[], CONFIG, Some(&all)).0.value, 0);
        // Its first packet after it was forgotten.
        let forgotten = |rules| with_rules(2, Some("eth0"), &[1], &with_policies(), Some(rules));
        assert_eq!(forgotten(&nothing).0.value, 0);
        let every = effects(&["PREROUTING -p tcp -j MARK --set-mark 4"], &[]);
        assert_eq!(forgotten(&every).0.value, 4);
        let listed = effects(&["PREROUTING -i wlan0 -p tcp -j MARK --set-mark 4"], &[]);
        assert_eq!(forgotten(&listed).0.value, 0);
    }

    #[test]
    fn a_connection_keeps_its_mark_however_policies_are() {
        let text = with_policies();
        let connection = Mark { value: 2, whence: Whence::Connection };
        assert_eq!(of_connection(2, Some("eth0"), &[0], &text), (connection, None));
        let nothing = Mark { value: 0, whence: Whence::Nothing };
        assert_eq!(of_connection(0, Some("eth0"), &[], &text).0, nothing);
        assert_eq!(of_connection(2, Some("eth1"), &[], &text).0, nothing);
        assert_eq!(of_connection(2, Some("docker0"), &[], &text).0, nothing);
        assert_eq!(of_connection(2, None, &[], CONFIG).0, nothing);
        // Its own connections are served where a policy is for them, and with a firewall key all are.
        assert_eq!(of_connection(2, None, &[], &text).0.value, 2);
        for device in [None, Some("docker0")] {
            assert_eq!(of_connection(2, device, &[], &format!("{CONFIG}firewall: safe\n")).0.value, 2);
        }
        let masked = CONFIG.replace("base_fwmark: 1", "base_fwmark: 0x100\nfwmark_mask: 0xff00");
        assert_eq!(of_connection(0x7_0201, Some("eth0"), &[], &masked).0.value, 0x200);
    }

    #[test]
    fn a_connection_of_a_failed_uplink_is_a_new_one_afterwards() {
        let (mark, note) = of_connection(2, Some("eth0"), &[1], &with_policies());
        assert_eq!(
            (mark.whence, note.unwrap()),
            (Whence::Policy("web".to_owned()), "its connection over eth2 is forgotten then".to_owned())
        );
        let keep = format!("{CONFIG}routing: {{connections_on_down: keep}}\n");
        assert_eq!(of_connection(2, Some("eth0"), &[1], &keep).0.value, 2);
    }
}
