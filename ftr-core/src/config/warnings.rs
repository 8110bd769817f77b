//! What is allowed and works, and is seldom meant: each of these has cost somebody an outage, or the mail that would have
//! told of one.

use std::net::{IpAddr, Ipv4Addr};

use super::email::Email;
use super::ipv4::UplinkKind;
use super::ipv6::Ipv6Kind;
use super::path::NodePath;
use super::problem::Problem;
use super::smtp::Encryption;
use super::tests_section::Tests;
use super::uplink::Uplink;
use super::whole::Config;
use crate::{Family, Prefix};

/// Names that are nobody's (RFC 2606).
const EXAMPLES: [&str; 3] = ["example.com", "example.net", "example.org"];
/// Where mail servers begin with TLS (RFC 8314), and where they begin without.
const IMPLICIT: u16 = 465;
const EXPLICIT: [u16; 2] = [25, 587];

/// Notes what is seldom meant.
pub(super) fn check(config: &Config, warnings: &mut Vec<Problem>) {
    targets(config, warnings);
    numbers_of_hosts(config, warnings);
    groups(config, warnings);
    policies(config, warnings);
    addresses(config, warnings);
    tunnels_through_ipv6(config, warnings);
    if config.email.send {
        mail(&config.email, warnings);
    }
}

/// The sections that say how uplinks are tested: the common one, and those that say something else about a thing.
pub(super) fn sections<T: PartialEq>(config: &Config, thing: impl Fn(&Tests) -> T) -> Vec<(NodePath, &Tests)> {
    let top = NodePath::default();
    let common = thing(&config.tests);
    let own = config.uplinks.iter().enumerate().filter(|(_, uplink)| thing(&uplink.tests) != common);
    let own = own.map(|(index, uplink)| (top.key("uplinks").index(index).key("tests"), &uplink.tests));
    [(top.key("tests"), &config.tests)].into_iter().chain(own).collect()
}

/// Hosts whose answers say nothing about the internet, and hosts that are listed again.
fn targets(config: &Config, warnings: &mut Vec<Problem>) {
    for (path, tests) in sections(config, |tests| tests.targets.clone()) {
        let path = path.key("ips");
        for (index, target) in tests.targets.iter().enumerate() {
            let told = near(config, target.address());
            warnings.extend(told.map(|what| Problem::new(path.index(tests.as_stated.index_in_file(index)), what)));
        }
        let again = tests.as_stated.again.iter().map(|index| path.index(*index));
        warnings.extend(again.map(|path| Problem::new(path, "listed again, and asked once")));
    }
}

/// What is wrong with asking a host, by what the configuration says of it.
pub(super) fn near(config: &Config, address: IpAddr) -> Option<String> {
    let uplink = |has: &dyn Fn(&Uplink) -> bool| config.uplinks.iter().find(|uplink| has(uplink));
    if let Some(Uplink { name, .. }) = uplink(&|uplink| addresses_of(uplink).contains(&address)) {
        return Some(format!("{address} is an address of {name}, which answers whatever its line is like"));
    }
    if let Some(Uplink { name, .. }) = uplink(&|uplink| gateways_of(uplink).contains(&address)) {
        return Some(beyond(address, name.as_str()));
    }
    let inner = config.uplinks.iter().flat_map(|uplink| uplink.prefixes6.iter()).chain(&config.downlinks.prefix6);
    inner.copied().find(|prefix| prefix.contains(address)).map(|prefix| inside(address, prefix))
}

/// A host that is asked although it is the gateway of an uplink.
pub(super) fn beyond(address: IpAddr, uplink: &str) -> String {
    format!(
        "{address} is the gateway of {uplink}, which answers while the line behind it is dead: ask hosts in the internet"
    )
}

/// A host that is asked although it is behind this router.
pub(super) fn inside(address: IpAddr, prefix: Prefix) -> String {
    format!("{address} is in {prefix}, behind this router, and says nothing about an uplink: ask hosts in the internet")
}

/// The addresses that the configuration gives an uplink.
pub(super) fn addresses_of(uplink: &Uplink) -> Vec<IpAddr> {
    let four = match uplink.kind {
        UplinkKind::Static { ip, .. } => Some(IpAddr::V4(ip)),
        UplinkKind::Ppp | UplinkKind::Dhcp => None,
    };
    let six = match uplink.ipv6 {
        Some(Ipv6Kind::Static { ip, .. }) => Some(IpAddr::V6(ip)),
        _ => None,
    };
    four.into_iter().chain(six).collect()
}

/// The gateways that the configuration gives an uplink.
pub(super) fn gateways_of(uplink: &Uplink) -> Vec<IpAddr> {
    let four = match uplink.kind {
        UplinkKind::Static { gateway, .. } => gateway.map(IpAddr::V4),
        UplinkKind::Ppp | UplinkKind::Dhcp => None,
    };
    let six = match uplink.ipv6 {
        Some(Ipv6Kind::Static { gateway, .. }) => gateway.map(IpAddr::V6),
        _ => None,
    };
    four.into_iter().chain(six).collect()
}

/// Uplinks that go down because a single host does.
fn numbers_of_hosts(config: &Config, warnings: &mut Vec<Problem>) {
    for (path, tests) in sections(config, |tests| (tests.required, tests.targets.clone())) {
        let count = tests.targets.len();
        let what = match count {
            _ if !tests.as_stated.required => continue,
            1 => "only one host is asked: while it is away, every uplink counts as down".to_owned(),
            _ if tests.required == count => format!(
                "all {count} hosts have to answer, so an uplink counts as down while one of them is away: ask more \
                 hosts, or require fewer"
            ),
            _ => continue,
        };
        warnings.push(Problem::new(path.key(if count == 1 { "ips" } else { "required_successful" }), what));
    }
    for (path, tests) in sections(config, |tests| (tests.required, tests.targets.clone())) {
        let count = |family| tests.targets.iter().filter(|target| target.family() == family).count();
        let all = tests.targets.len();
        let stated = tests.as_stated.required && tests.required < all;
        let is_tested = |family| config.uplinks.iter().any(|uplink| uplink.has(family));
        let all_of = |family: &Family| (2..=tests.required).contains(&count(*family)) && is_tested(*family);
        for family in [Family::V4, Family::V6].into_iter().filter(|family| stated && all_of(family)) {
            let what = format!(
                "all {} {family} hosts have to answer, so {family} counts as down while one of them is away: ask more \
                 hosts of it, or require fewer",
                count(family)
            );
            warnings.push(Problem::new(path.key("required_successful"), what));
        }
    }
}

/// Uplinks that take no new connections because others state a group.
fn groups(config: &Config, warnings: &mut Vec<Problem>) {
    let (grouped, rest): (Vec<_>, Vec<_>) =
        config.uplinks.iter().enumerate().partition(|(_, uplink)| uplink.priority_group.is_some());
    // Who is not to take any takes none on purpose.
    let rest: Vec<_> = rest.into_iter().filter(|(_, uplink)| uplink.default_route).collect();
    let (Some((first, _)), false) = (rest.first(), grouped.is_empty()) else { return };
    let names = |uplinks: &[(usize, &Uplink)]| {
        let names: Vec<&str> = uplinks.iter().map(|(_, uplink)| uplink.name.as_str()).collect();
        names.join(", ")
    };
    let verb = |one: &'static str, many: &'static str, count| if count == 1 { one } else { many };
    let what = format!(
        "{} {} no priority_group while {} {}: {} no new connections",
        names(&rest),
        verb("states", "state", rest.len()),
        names(&grouped),
        verb("does", "do", grouped.len()),
        verb("it takes", "they take", rest.len()),
    );
    warnings.push(Problem::new(NodePath::default().key("uplinks").index(*first), what));
}

/// Policies that no connection reaches.
fn policies(config: &Config, warnings: &mut Vec<Problem>) {
    for (index, policy) in config.policies.iter().enumerate() {
        let matching = policy.matching.as_ref();
        let earlier =
            config.policies.iter().take(index).find(|other| matching.is_some() && other.matching.as_ref() == matching);
        warnings.extend(earlier.map(|earlier| {
            let path = NodePath::default().key("policies").index(index).key("match");
            Problem::new(path, format!("the same as that of {}, which takes these connections first", earlier.name))
        }));
    }
}

/// Addresses and prefixes of one uplink that are another's.
fn addresses(config: &Config, warnings: &mut Vec<Problem>) {
    let top = NodePath::default().key("uplinks");
    for (index, uplink) in config.uplinks.iter().enumerate() {
        for address in addresses_of(uplink) {
            let of = config.uplinks.iter().find(|other| gateways_of(other).contains(&address));
            let key = if address.is_ipv4() { "ip" } else { "ip6" };
            warnings.extend(of.filter(|other| other.name != uplink.name).map(|other| {
                Problem::new(top.index(index).key(key), format!("{address} is the gateway of {} as well", other.name))
            }));
        }
        let earlier = || config.uplinks.iter().take(index);
        for prefix in uplink.prefixes6.iter() {
            let mut note = |what: String| warnings.push(Problem::new(top.index(index).key("prefix6"), what));
            if let Some(special) = special(*prefix) {
                note(format!("{prefix} is {special}, and no prefix that a provider gives hosts"));
            }
            let overlaps = |of: &Prefix| of.contains(prefix.address()) || prefix.contains(of.address());
            let of = |other: &Uplink| other.prefixes6.iter().copied().find(overlaps);
            match earlier().find_map(|other| Some((other, of(other)?))) {
                None => {}
                Some((other, of)) if of == *prefix => {
                    note(format!("{prefix} is a prefix of {} as well, which takes what comes from it", other.name));
                }
                Some((other, of)) => {
                    note(format!("{prefix} overlaps {of} of {}, which takes what comes from both", other.name));
                }
            }
        }
    }
}

/// What a prefix is for where it is for no hosts behind a router (RFC 4291, 2.4).
fn special(prefix: Prefix) -> Option<&'static str> {
    let IpAddr::V6(address) = prefix.address() else { return None };
    match address.segments()[0] {
        first if first & 0xffc0 == 0xfe80 => Some("for a single link"),
        first if first & 0xff00 == 0xff00 => Some("for multicast"),
        _ => None,
    }
}

/// IPv4 that goes through IPv6 (DS-Lite, RFC 6333; 464XLAT, RFC 6877), as the addresses for that tell (RFC 7335). The
/// provider translates, as it does for a mobile modem, so nothing else is wrong with it.
fn tunnels_through_ipv6(config: &Config, warnings: &mut Vec<Problem>) {
    let Some(tunnels) = Prefix::new(Ipv4Addr::new(192, 0, 0, 0).into(), 29) else { return };
    for (index, uplink) in config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.clamp_mss.is_none()) {
        if let Some(ip) = addresses_of(uplink).into_iter().find(|ip| tunnels.contains(*ip)) {
            let what = format!(
                "{ip} is that of a tunnel through IPv6 (DS-Lite, 464XLAT), whose packets are smaller than those of the local \
                 network, so that some sites hang: clamp_mss: true"
            );
            warnings.push(Problem::new(NodePath::default().key("uplinks").index(index).key("ip"), what));
        }
    }
}

/// Mail that nobody gets. No address is repeated here.
fn mail(email: &Email, warnings: &mut Vec<Problem>) {
    let path = NodePath::default().key("email");
    let is_example = |address: &str| {
        let host = address.rsplit_once('@').map(|(_, host)| host.trim_end_matches('>').to_ascii_lowercase());
        host.is_some_and(|host| EXAMPLES.iter().any(|name| host == *name || host.ends_with(&format!(".{name}"))))
    };
    let mut warn = |path: NodePath, what: &str| warnings.push(Problem::new(path, what));
    for (index, recipient) in email.recipients.iter().enumerate() {
        if is_example(recipient) {
            warn(path.key("recipients").index(index), "an address of the example, which reaches nobody");
        }
    }
    let smtp = path.key("smtp_parameters");
    if email.smtp.address.split_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        warn(
            smtp.key("address"),
            "a name with a port, which nothing is found by, so mail waits: port is a key of its own",
        );
    }
    for (key, stated) in
        [("password", email.smtp.password.is_some()), ("password_file", email.smtp.password_file.is_some())]
    {
        if stated && email.smtp.user_name.is_none() {
            warn(smtp.key(key), "without user_name it is not used: nobody logs in at the server");
        }
    }
    let (port, implicit) = (email.smtp.port, email.smtp.encryption == Encryption::Implicit);
    if port == IMPLICIT && !implicit {
        warn(smtp.key("port"), "servers expect TLS from the first byte at this port, so mail waits: say tls: true");
    }
    if EXPLICIT.contains(&port) && implicit {
        warn(
            smtp.key("port"),
            "servers speak without TLS first at this port, so mail waits: say enable_starttls: true instead, or port: 465",
        );
    }
}
