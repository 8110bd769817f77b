//! Rules, routes and changes in the words of ip(8): what `--dry-run` prints can be run.
//!
//! Names of devices may be anybody's, and are quoted as words of a shell.

use ftr_core::Family;
use ftr_core::numbering::PROTOCOL;
use ftr_core::shell::quoted;
use ftr_netlink::{Action, Attribute, Label, Nexthop, Prefix, Route, RouteKind, Rule, Write};

use crate::plan::operation::Operation;
use crate::plan::sysctl::Setting;

/// Names a device by its number.
pub(crate) type Names<'a> = dyn Fn(u32) -> Option<&'a str> + 'a;

/// The command that makes the change.
pub(crate) fn command(operation: &Operation, names: &Names<'_>) -> String {
    match operation {
        Operation::Sysctl(setting) => sysctl(setting),
        Operation::Write { write, .. } => {
            let (family, words) = match write {
                Write::AddRoute(it) => (route_family(it), format!("route add {}", route(it, names))),
                Write::DeleteRoute(it) => (route_family(it), format!("route del {}", route(it, names))),
                Write::AddRule(it) => (rule_family(it), format!("rule add {}", rule(it))),
                Write::DeleteRule(it) => (rule_family(it), format!("rule del {}", rule(it))),
                Write::AddLabel(it) => ("", format!("addrlabel add {}", label(it, names))),
                Write::DeleteLabel(it) => ("", format!("addrlabel del {}", label(it, names))),
            };
            format!("ip {family}{words}")
        }
    }
}

/// sysctl(8) takes the first `=` for the end of the name, and a device may have one in its own.
fn sysctl(Setting { path, value }: &Setting) -> String {
    if path.chars().all(|c| c.is_ascii_alphanumeric() || "_.@/-".contains(c)) {
        format!("sysctl -q -w {}", quoted(&format!("{path}={value}")))
    } else {
        format!("printf '%s\\n' {} > {}", quoted(value), quoted(&format!("/proc/sys/{path}")))
    }
}

const fn rule_family(rule: &Rule) -> &'static str {
    match rule.family {
        Family::V4 => "",
        Family::V6 => "-6 ",
    }
}

/// An IPv4 route with an IPv6 gateway would be taken for one of IPv6.
fn route_family(route: &Route) -> &'static str {
    let is_strange = |nexthop: &Nexthop| nexthop.gateway.is_some_and(|gateway| Family::of(gateway) != route.family);
    match route.family {
        Family::V4 if route.nexthops.iter().any(is_strange) => "-4 ",
        Family::V4 => "",
        Family::V6 => "-6 ",
    }
}

/// A rule as `ip rule add` takes it.
pub(crate) fn rule(rule: &Rule) -> String {
    let mut words = vec![format!("priority {}", rule.priority)];
    if rule.invert {
        words.push("not".to_owned());
    }
    words.extend(rule.from.map(|from| format!("from {}", prefix(from))));
    words.extend(rule.to.map(|to| format!("to {}", prefix(to))));
    if rule.mark != 0 || rule.mask != 0 {
        // Without a mask ip(8) takes a mark of 0 for none asked.
        let is_whole = rule.mask == u32::MAX && rule.mark != 0;
        let mask = if is_whole { String::new() } else { format!("/{:#x}", rule.mask) };
        words.push(format!("fwmark {:#x}{mask}", rule.mark));
    }
    words.extend(rule.iif.iter().map(|device| format!("iif {}", quoted(device))));
    words.extend(rule.oif.iter().map(|device| format!("oif {}", quoted(device))));
    words.extend(rule.others.iter().filter_map(selector).filter(|words| !words.is_empty()));
    words.push(match rule.action {
        Action::Lookup(table) => format!("lookup {table}"),
        Action::Goto(priority) => format!("goto {priority}"),
        Action::Other(3) => "nop".to_owned(),
        Action::Other(6) => "blackhole".to_owned(),
        Action::Other(7) => "unreachable".to_owned(),
        Action::Other(8) => "prohibit".to_owned(),
        Action::Other(number) => format!("type {number}"),
    });
    words.extend(rule.suppress_prefixlength.map(|length| format!("suppress_prefixlength {length}")));
    words.push(format!("protocol {}", rule.protocol));
    words.join(" ")
}

/// One of those of a rule that this program has no use for itself; none where it is not known.
pub(crate) fn selector(other: &Attribute) -> Option<String> {
    let range = |name: &str, first: String, last: String| {
        if first == last { format!("{name} {first}") } else { format!("{name} {first}-{last}") }
    };
    let ports = |name: &str| {
        let [a, b, c, d] = *other.payload else { return None };
        let port = |octets| u16::from_ne_bytes(octets).to_string();
        Some(range(name, port([a, b]), port([c, d])))
    };
    match (other.kind, other.payload.as_slice()) {
        (Rule::IP_PROTOCOL, [6]) => Some("ipproto tcp".to_owned()),
        (Rule::IP_PROTOCOL, [17]) => Some("ipproto udp".to_owned()),
        (Rule::IP_PROTOCOL, [number]) => Some(format!("ipproto {number}")),
        (Rule::SOURCE_PORTS, _) => ports("sport"),
        (Rule::DESTINATION_PORTS, _) => ports("dport"),
        // Newer kernels tell of a single port that all of its bits count.
        (Rule::SOURCE_PORT_BITS | Rule::DESTINATION_PORT_BITS, [0xff, 0xff]) => Some(String::new()),
        (Rule::USERS, payload) => {
            let (first, last) = payload.split_at_checked(4)?;
            let user = |octets: &[u8]| octets.try_into().ok().map(u32::from_ne_bytes);
            Some(format!("uidrange {}-{}", user(first)?, user(last)?))
        }
        _ => None,
    }
}

/// A route as `ip route add` takes it.
pub(crate) fn route(route: &Route, names: &Names<'_>) -> String {
    let mut words = match route.kind {
        RouteKind::Unicast => Vec::new(),
        RouteKind::Local => vec!["local".to_owned()],
        RouteKind::Blackhole => vec!["blackhole".to_owned()],
        RouteKind::Unreachable => vec!["unreachable".to_owned()],
        RouteKind::Prohibit => vec!["prohibit".to_owned()],
        RouteKind::Throw => vec!["throw".to_owned()],
        RouteKind::Other(number) => vec![format!("type {number}")],
    };
    words.push(route.destination.map_or_else(|| "default".to_owned(), |destination| destination.to_string()));
    if let [only] = route.nexthops.as_slice() {
        words.extend(nexthop(only, route.family, names));
        words.extend(only.onlink.then(|| "onlink".to_owned()));
    }
    words.push(format!("table {} proto {}", route.table, route.protocol));
    words.extend(route.source.map(|source| format!("src {source}")));
    if route.metric != 0 {
        words.push(format!("metric {}", route.metric));
    }
    if route.nexthops.len() > 1 {
        for each in &route.nexthops {
            words.push("nexthop".to_owned());
            words.extend(nexthop(each, route.family, names));
            words.push(format!("weight {}", each.weight));
            words.extend(each.onlink.then(|| "onlink".to_owned()));
        }
    }
    words.join(" ")
}

/// A label as `ip addrlabel add` takes it.
fn label(label: &Label, names: &Names<'_>) -> String {
    let device =
        (label.index != 0).then(|| names(label.index).map_or_else(|| format!("if{}", label.index), str::to_owned));
    let device = device.map(|device| format!(" dev {}", quoted(&device))).unwrap_or_default();
    format!("prefix {}{device} label {}", label.prefix, label.number)
}

fn nexthop(nexthop: &Nexthop, family: Family, names: &Names<'_>) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(nexthop.gateway.map(|gateway| match Family::of(gateway) {
        other if other == family => format!("via {gateway}"),
        Family::V4 => format!("via inet {gateway}"),
        Family::V6 => format!("via inet6 {gateway}"),
    }));
    if nexthop.index != 0 {
        let name = names(nexthop.index).map_or_else(|| format!("if{}", nexthop.index), str::to_owned);
        words.push(format!("dev {}", quoted(&name)));
    }
    words
}

fn prefix(prefix: Prefix) -> String {
    if Prefix::host(prefix.address()) == prefix { prefix.address().to_string() } else { prefix.to_string() }
}

/// Whether a protocol number is our tag.
pub(crate) const fn is_ours(protocol: u8) -> bool {
    protocol == PROTOCOL
}

#[cfg(test)]
mod tests {
    use super::command;
    use crate::plan::operation::Operation;
    use crate::plan::sysctl::Setting;
    use ftr_core::Family;
    use ftr_netlink::{Nexthop, Route, RouteKind, Rule, Write};

    #[test]
    fn commands_can_be_run_as_they_are() {
        let text = |operation: &Operation| command(operation, &|_| None);
        let setting = Setting { path: "net/ipv4/conf/e.10/rp_filter".to_owned(), value: "2".to_owned() };
        assert_eq!(text(&Operation::Sysctl(setting)), "sysctl -q -w net/ipv4/conf/e.10/rp_filter=2");
        let rule = Rule { protocol: 117, ..Rule::lookup(Family::V6, 5, 6) };
        let write = Write::DeleteRule(rule);
        assert_eq!(text(&Operation::write(write)), "ip -6 rule del priority 5 lookup 6 protocol 117");
        let route = Route { protocol: 117, ..Route::default(Family::V4, 9, RouteKind::Unreachable) };
        assert_eq!(
            text(&Operation::write(Write::AddRoute(route))),
            "ip route add unreachable default table 9 proto 117"
        );
    }

    #[test]
    fn foreign_names_are_words_and_no_commands() {
        let rule = Rule { oif: Some("x;id>o;#".to_owned()), ..Rule::lookup(Family::V4, 5, 6) };
        assert_eq!(super::rule(&rule), "priority 5 oif 'x;id>o;#' lookup 6 protocol 0");
        let set = |path: &str| {
            let setting = Setting { path: path.to_owned(), value: "0;id".to_owned() };
            command(&Operation::Sysctl(setting), &|_| None)
        };
        assert_eq!(set("net/ipv4/conf/a/forwarding"), "sysctl -q -w 'net/ipv4/conf/a/forwarding=0;id'");
        let odd = "printf '%s\\n' '0;id' > '/proc/sys/net/ipv4/conf/$(id)/forwarding'";
        assert_eq!(set("net/ipv4/conf/$(id)/forwarding"), odd);
        assert!(set("net/ipv4/conf/a=b/forwarding").ends_with("> /proc/sys/net/ipv4/conf/a=b/forwarding"));
        let mut route = Route { protocol: 117, ..Route::default(Family::V4, 9, RouteKind::Unicast) };
        route.nexthops.push(Nexthop::new(None, 3));
        let add = command(&Operation::write(Write::AddRoute(route)), &|_| Some("`id`"));
        assert_eq!(add, "ip route add default dev '`id`' table 9 proto 117");
    }

    #[test]
    fn a_gateway_of_the_other_family_says_so() {
        let mut route = Route { protocol: 117, ..Route::default(Family::V4, 9, RouteKind::Unicast) };
        route.nexthops.push(Nexthop::new(Some("fe80::1".parse().unwrap()), 3));
        let add = |route: &Route| command(&Operation::write(Write::AddRoute(route.clone())), &|_| Some("eth1"));
        assert_eq!(add(&route), "ip -4 route add default via inet6 fe80::1 dev eth1 table 9 proto 117");
        route.nexthops.insert(0, Nexthop::new(Some("1.0.0.1".parse().unwrap()), 3));
        assert_eq!(
            add(&route),
            "ip -4 route add default table 9 proto 117 nexthop via 1.0.0.1 dev eth1 weight 1 nexthop via inet6 fe80::1 \
             dev eth1 weight 1"
        );
    }
}
