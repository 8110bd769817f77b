//! Conditions as iptables-extensions(8) writes them: a rule for each combination of what it takes only one of.

use ftr_core::config::{Ports, Protocol};
use ftr_core::{Family, InterfaceName, Prefix};

use crate::model::{Claim, Local, Mark, State, When};

/// How many ports a rule can list, where a range counts twice (iptables-extensions(8), multiport).
const MOST_PORTS: usize = 15;

/// The conditions of each rule that is needed, each beginning with a space.
pub(super) fn each(when: &When, family: Family, mask: Option<u32>) -> Vec<String> {
    // Beside a multiport match `--dport` would be taken for its `--dports`.
    let plain = when.sports.len() <= 1 && when.dports.len() <= 1;
    let lists = [
        devices("-i", &when.inputs),
        devices("-o", &when.outputs),
        prefixes("-s", &when.sources),
        prefixes("-d", &when.destinations),
        vec![when.protocol.map(|protocol| format!(" -p {}", word(protocol, family))).unwrap_or_default()],
        ports("sport", &when.sports, plain),
        ports("dport", &when.dports, plain),
        vec![rest(when, family, mask)],
    ];
    let begin = vec![String::new()];
    lists.iter().fold(begin, |texts, list| {
        texts.iter().flat_map(|text| list.iter().map(move |more| format!("{text}{more}"))).collect()
    })
}

/// What takes one rule alone.
fn rest(when: &When, family: Family, mask: Option<u32>) -> String {
    let set = when.set.as_ref().map(|set| format!(" -m set --match-set {} dst", set.ipset(family)));
    let mut text = set.unwrap_or_default();
    text.push_str(match when.local {
        None => "",
        Some(Local::Any) => " -m addrtype --dst-type LOCAL",
        Some(Local::Elsewhere) => " -m addrtype --dst-type LOCAL -m addrtype ! --dst-type LOCAL --limit-iface-in",
    });
    text.push_str(match when.claim {
        None => "",
        Some(Claim::Behind(_)) => " -m rpfilter --validmark --invert",
        Some(Claim::Ours) => " -m addrtype --src-type LOCAL",
    });
    if when.opens {
        text.push_str(" --tcp-flags SYN,RST SYN");
    }
    if when.unencrypted {
        text.push_str(" -m policy --dir out --pol none");
    }
    text.push_str(match when.state {
        None => "",
        Some(State::New) => " -m conntrack --ctstate NEW",
        Some(State::Known) => " -m conntrack --ctstate RELATED,ESTABLISHED",
        Some(State::Stray) => " -m conntrack --ctstate INVALID",
        Some(State::Forwarded) => " -m conntrack --ctstate DNAT",
    });
    let bits = mask.map(|mask| format!("/{mask:#x}")).unwrap_or_default();
    match when.mark {
        None => text,
        Some(Mark::PacketNone) => format!("{text} -m mark --mark 0{bits}"),
        Some(Mark::ConnectionNone) => format!("{text} -m connmark --mark 0{bits}"),
        Some(Mark::ConnectionSome) => format!("{text} -m connmark ! --mark 0{bits}"),
    }
}

const fn word(protocol: Protocol, family: Family) -> &'static str {
    match (protocol, family) {
        (Protocol::Icmp, Family::V6) => "icmpv6",
        (other, _) => other.as_str(),
    }
}

/// One text for each, or an empty one where all fit.
fn devices(option: &str, names: &[InterfaceName]) -> Vec<String> {
    some(names.iter().map(|name| format!(" {option} {name}")).collect())
}

fn prefixes(option: &str, prefixes: &[Prefix]) -> Vec<String> {
    some(prefixes.iter().map(|prefix| format!(" {option} {}", network(*prefix))).collect())
}

/// A prefix, or the address alone where it holds no other.
pub(crate) fn network(prefix: Prefix) -> String {
    if prefix == Prefix::host(prefix.address()) { prefix.address().to_string() } else { prefix.to_string() }
}

fn some(texts: Vec<String>) -> Vec<String> {
    if texts.is_empty() { vec![String::new()] } else { texts }
}

/// A single port or range, or lists as multiport takes them.
fn ports(option: &str, ports: &[Ports], plain: bool) -> Vec<String> {
    match ports {
        [] => vec![String::new()],
        [single] if plain => vec![format!(" --{option} {}", range(*single))],
        several => batches(several).into_iter().map(|list| format!(" -m multiport --{option}s {list}")).collect(),
    }
}

fn batches(ports: &[Ports]) -> Vec<String> {
    let mut batches: Vec<(usize, Vec<String>)> = Vec::new();
    for ports in ports {
        let size = if ports.first == ports.last { 1 } else { 2 };
        match batches.last_mut() {
            Some((used, list)) if *used + size <= MOST_PORTS => {
                *used += size;
                list.push(range(*ports));
            }
            _ => batches.push((size, vec![range(*ports)])),
        }
    }
    batches.into_iter().map(|(_, list)| list.join(",")).collect()
}

fn range(ports: Ports) -> String {
    if ports.first == ports.last { ports.first.to_string() } else { format!("{}:{}", ports.first, ports.last) }
}

#[cfg(test)]
mod tests {
    use super::each;
    use crate::model::{Mark, Set, SetKind, State, When};
    use ftr_core::Family;
    use ftr_core::config::{Ports, Protocol};

    #[test]
    fn what_a_rule_takes_only_one_of_is_multiplied() {
        let when = When {
            inputs: vec!["eth0".parse().unwrap(), "eth9".parse().unwrap()],
            sources: vec!["192.168.0.0/24".parse().unwrap(), "192.168.1.9".parse().unwrap()],
            ..When::default()
        };
        let texts = each(&when, Family::V4, None);
        assert_eq!(texts.len(), 4);
        assert_eq!(texts[3], " -i eth9 -s 192.168.1.9");
        assert_eq!(each(&When::default(), Family::V6, None), [""]);
    }

    #[test]
    fn many_ports_need_several_rules() {
        let port = |first| Ports { first, last: first + 1 };
        let when = When {
            protocol: Some(Protocol::Udp),
            dports: (1..=16).map(|n| port(n * 10)).collect(),
            set: Some(Set { name: "bulk".to_owned(), kind: SetKind::Networks }),
            state: Some(State::New),
            mark: Some(Mark::PacketNone),
            ..When::default()
        };
        let texts = each(&when, Family::V6, Some(0xff00));
        assert_eq!(texts.len(), 3, "{texts:#?}");
        let end = "-m multiport --dports 150:151,160:161 -m set --match-set bulk6 dst -m conntrack --ctstate NEW \
                   -m mark --mark 0/0xff00";
        assert_eq!(texts[2], format!(" -p udp {end}"));
        let single = When { dports: vec![port(7)], ..when.clone() };
        assert!(each(&single, Family::V4, None)[0].starts_with(" -p udp --dport 7:8 -m set --match-set bulk dst"));
        let mixed = When { dports: vec![port(7)], sports: vec![port(1), port(3)], ..when };
        assert!(
            each(&mixed, Family::V4, None)[0]
                .starts_with(" -p udp -m multiport --sports 1:2,3:4 -m multiport --dports 7:8")
        );
    }
}
