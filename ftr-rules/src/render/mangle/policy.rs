//! Policies: new connections that match get the policy's mark, on the packet alone.
//!
//! The connection itself gets the mark of the uplink that its first packet leaves by, as every other does. A policy's
//! mark kept in the connection would break it as soon as the policy moves to another uplink.

use ftr_core::config::{Match, Policy, Ports};
use ftr_core::layout::Layout;
use ftr_core::{Config, Family, InterfaceName, Prefix};

use crate::script::Script;

/// How many ports a rule can list, where a range counts twice (iptables-extensions(8), multiport).
const MOST_PORTS: usize = 15;

pub(super) fn write(config: &Config, layout: &Layout, inside: &[&InterfaceName], script: &mut Script) {
    for (k, policy) in config.policies.iter().enumerate() {
        let names = policy.uplinks.iter().filter_map(|place| config.uplinks.get(*place));
        let names: Vec<&str> = names.map(|uplink| uplink.name.as_str()).collect();
        let mark = mark(layout, k);
        script.comment(&format!(
            "Policy {}: mark {mark}, by the first of {} that works.",
            policy.name,
            names.join(", ")
        ));
        for rule in rules(policy, inside) {
            script.rule("PREROUTING", &format!("{rule} {NEW} {} -j MARK {} {mark}", unmarked(layout), option(layout)));
        }
    }
}

const NEW: &str = "-m conntrack --ctstate NEW";

/// A packet that neither its connection nor an earlier policy has marked.
fn unmarked(layout: &Layout) -> String {
    match layout.mask() {
        None => "-m mark --mark 0".to_owned(),
        Some(mask) => format!("-m mark --mark 0/{mask:#x}"),
    }
}

const fn option(layout: &Layout) -> &'static str {
    if layout.mask().is_some() { "--set-xmark" } else { "--set-mark" }
}

fn mark(layout: &Layout, policy: usize) -> String {
    let value = layout.policy_mark(policy);
    match layout.mask() {
        None => value.to_string(),
        Some(mask) => format!("{value:#x}/{mask:#x}"),
    }
}

/// What its connections look like: one text for each rule that is needed.
fn rules(policy: &Policy, inside: &[&InterfaceName]) -> Vec<String> {
    let Some(matching) = &policy.matching else { return Vec::new() };
    let devices: Vec<&InterfaceName> =
        if matching.interfaces.is_empty() { inside.to_vec() } else { matching.interfaces.iter().collect() };
    let (Some(sources), Some(destinations)) = (of_ipv4(&matching.sources), of_ipv4(&matching.destinations)) else {
        return Vec::new();
    };
    let mut rules = Vec::new();
    for device in devices {
        for source in &sources {
            for destination in &destinations {
                for ports in ports(matching) {
                    rules.push(format!(
                        "-i {device}{source}{destination}{ports}",
                        source = option_of("-s", source.as_ref()),
                        destination = option_of("-d", destination.as_ref())
                    ));
                }
            }
        }
    }
    rules
}

/// The IPv4 ones; one that matches everything where none is stated; nothing where all are of IPv6.
fn of_ipv4(prefixes: &[Prefix]) -> Option<Vec<Option<Prefix>>> {
    if prefixes.is_empty() {
        return Some(vec![None]);
    }
    let own: Vec<_> = prefixes.iter().filter(|prefix| prefix.family() == Family::V4).copied().map(Some).collect();
    (!own.is_empty()).then_some(own)
}

fn option_of(word: &str, prefix: Option<&Prefix>) -> String {
    prefix.map(|prefix| format!(" {word} {prefix}")).unwrap_or_default()
}

/// Protocol, ports and set: a text for each rule that their number needs.
fn ports(matching: &Match) -> Vec<String> {
    let protocol = matching.protocol.map(|protocol| format!(" -p {}", protocol.as_str())).unwrap_or_default();
    let set = matching.set.as_ref().map(|set| format!(" -m set --match-set {set} dst")).unwrap_or_default();
    let mut texts = Vec::new();
    for sports in batches(&matching.sports) {
        for dports in batches(&matching.dports) {
            let ports = |word: &str, list: &str| match list {
                "" => String::new(),
                list => format!(" -m multiport --{word} {list}"),
            };
            texts.push(format!("{protocol}{}{}{set}", ports("sports", &sports), ports("dports", &dports)));
        }
    }
    texts
}

/// Lists of ports as multiport takes them; one empty list where there are none.
fn batches(ports: &[Ports]) -> Vec<String> {
    let mut batches: Vec<(usize, String)> = vec![(0, String::new())];
    for ports in ports {
        let (size, text) = if ports.first == ports.last {
            (1, ports.first.to_string())
        } else {
            (2, format!("{}:{}", ports.first, ports.last))
        };
        match batches.last_mut() {
            Some((used, list)) if *used + size <= MOST_PORTS => {
                *used += size;
                if !list.is_empty() {
                    list.push(',');
                }
                list.push_str(&text);
            }
            _ => batches.push((size, text)),
        }
    }
    batches.into_iter().map(|(_, list)| list).collect()
}

#[cfg(test)]
mod tests {
    use crate::render::{Table, render};
    use ftr_core::Config;
    use std::path::Path;

    fn marks(policies: &str) -> Vec<String> {
        let text = format!(
            "uplinks:\n- {{interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1}}\n- {{interface: ppp0, type: ppp}}\n\
             downlinks: {{lan: [eth0, eth9]}}\ntests: {{ips: [198.51.100.1]}}\nbase_fwmark: 0x100\nfwmark_mask: 0xff00\n\
             policies:\n{policies}"
        );
        let config = Config::parse(Path::new("test"), &text).unwrap();
        let text = render(&config, &[Table::Mangle]);
        let rules = text.lines().filter(|line| line.contains("-j MARK")).map(str::to_owned);
        rules.map(|line| line.trim_start_matches("[0:0] -A PREROUTING ").to_owned()).collect()
    }

    #[test]
    fn new_connections_that_match_and_have_no_mark_get_one() {
        let told = marks(
            "- {name: voip, uplinks: [ppp0], match: {interface: eth0, protocol: udp, dports: [5060-5070, 53]}}\n- {name: by-hand, uplinks: [eth1]}\n",
        );
        let expected = "-i eth0 -p udp -m multiport --dports 5060:5070,53 -m conntrack --ctstate NEW \
                        -m mark --mark 0/0xff00 -j MARK --set-xmark 0x300/0xff00";
        assert_eq!(told, [expected]);
    }

    #[test]
    fn every_combination_of_device_and_address_has_its_rule() {
        let told = marks(
            "- {name: a, uplinks: eth1, match: {source: [192.168.0.0/24, 192.168.1.9, '2001:db8::/32'], set: bulk}}\n",
        );
        assert_eq!(told.len(), 4);
        assert!(told[3].starts_with("-i eth9 -s 192.168.1.9/32 -m set --match-set bulk dst -m conntrack"), "{told:?}");
        assert!(marks("- {name: a, uplinks: eth1, match: {destination: '2001:db8::/32'}}\n").is_empty());
    }

    #[test]
    fn many_ports_need_several_rules() {
        let ports: Vec<String> = (1..=16).map(|port| format!("{}-{}", port * 10, port * 10 + 1)).collect();
        let told = marks(&format!(
            "- {{name: a, uplinks: eth1, match: {{interface: eth0, protocol: tcp, dports: [{}]}}}}\n",
            ports.join(", ")
        ));
        assert_eq!(told.len(), 3, "{told:#?}");
    }
}
