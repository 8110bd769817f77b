//! `advertise`: what a daemon that sends router advertisements has to say about the prefixes of uplinks that are down.
//!
//! Text for the daemon that the administrator has: what it is told is the state, not the change, so a lost call does no harm.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ftr_core::config::Config;
use ftr_core::{Exit, Family, InterfaceName, Prefix, shell};
use ftr_netlink::{Address, Lifetime, Link};
use ftr_tool::cli::{Common, Failure, say};
use serde::Serialize;

use crate::answer::{TOOL, answer};
use crate::cli::{Advertise, Daemon, position};
use crate::kernel::Kernel;
use crate::plan::learned;
use crate::snapshot::{Search, Snapshot};

/// A network of a device inside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Network {
    /// The device that the network is at.
    device: String,
    /// The network.
    prefix: Prefix,
    /// The router's address there.
    address: IpAddr,
    /// The uplink whose provider has delegated it; null where it is of none.
    uplink: Option<InterfaceName>,
    /// Hosts shall prefer others.
    deprecated: bool,
    /// The router's own address says so already.
    is_marked: bool,
    /// For how many seconds that address is valid; null where it is for good.
    valid: Option<u32>,
    /// The kernel makes no route to the network of that address.
    #[serde(skip)]
    without_route: bool,
}

/// Prints it for the state that the kernel shows, or for these uplinks failed.
pub(crate) fn run(config: &Config, common: &Common, asked: &Advertise) -> Result<Exit, Failure> {
    let known = |names: &Vec<String>| names.iter().map(|name| position(config, name)).collect::<Result<_, _>>();
    let failed: Option<BTreeSet<usize>> = asked.failed.as_ref().map(known).transpose()?;
    let active: Option<BTreeSet<usize>> = asked.active.as_ref().map(known).transpose()?;
    let mut kernel = Kernel::open()?;
    let snapshot = Snapshot::look(&mut kernel, config, Family::V6, Search::Tables, &[])?;
    if let Some(name) = unknown(&asked.devices, &snapshot.links) {
        return Err(Failure::new(Exit::Usage, format!("{name}: no device of this host")));
    }
    let config = &*snapshot.learned.within(config);
    let mut dead = failed.map_or_else(|| snapshot.rescued_as_found(config), |failed| replaced(config, failed));
    if asked.standby {
        let carrying = || snapshot.carrying(config).iter().map(|member| member.uplink).collect();
        dead.extend(idle(config, &active.unwrap_or_else(carrying)));
    }
    let rescue = config.routing.ipv6_rescue;
    if !rescue.deprecates() && !common.quiet {
        say(TOOL, &format!("routing.ipv6_rescue is {}, so no prefix is deprecated", rescue.as_str()));
    }
    let dead = if rescue.deprecates() { dead } else { BTreeSet::new() };
    let devices: Vec<&str> = if asked.devices.is_empty() {
        config.downlinks.lan.iter().chain(&config.downlinks.dmz).map(InterfaceName::as_str).collect()
    } else {
        asked.devices.iter().map(String::as_str).collect()
    };
    let mut networks = networks(config, &devices, &snapshot.links, &kernel.addresses(Family::V6)?, &dead);
    let lifetimes = kernel.lifetimes(Family::V6)?;
    for network in &mut networks {
        let index = snapshot.links.iter().find(|link| link.name == network.device).map(|link| link.index);
        let its = |one: &&Lifetime| Some(one.index) == index && one.local == network.address;
        network.valid = lifetimes.iter().find(its).and_then(|one| one.valid);
    }
    // Daemons that repeat what the router's addresses say look at every one of them.
    if asked.daemon != Daemon::Odhcpd {
        once(&mut networks);
    }
    let former = former(config, &devices, &snapshot);
    networks
        .retain(|network| !former.iter().any(|gone| (&gone.device, gone.prefix) == (&network.device, network.prefix)));
    networks.extend(former);
    // By device, in the order in which they are named.
    networks.sort_by_key(|network| devices.iter().position(|device| *device == network.device));
    if common.json {
        let line = serde_json::to_string(&networks).map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
        answer([line])?;
    } else {
        answer(lines(asked.daemon, &networks))?;
    }
    Ok(Exit::Yes)
}

/// The first of these devices that this host does not have.
fn unknown<'a>(devices: &'a [String], links: &[Link]) -> Option<&'a str> {
    devices.iter().map(String::as_str).find(|name| !links.iter().any(|link| link.name == *name))
}

/// Of uplinks that do not work those that another one takes over from: all, or none.
fn replaced(config: &Config, failed: BTreeSet<usize>) -> BTreeSet<usize> {
    let mut six = config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.has(Family::V6));
    if six.all(|(i, _)| failed.contains(&i)) { BTreeSet::new() } else { failed }
}

/// The uplinks that carry no new connections while others do.
fn idle(config: &Config, active: &BTreeSet<usize>) -> BTreeSet<usize> {
    let six = config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.has(Family::V6));
    let idle = six.map(|(i, _)| i).filter(|i| !active.is_empty() && !active.contains(i));
    idle.collect()
}

/// Each network once, however many addresses the router has there.
fn once(networks: &mut Vec<Network>) {
    networks.dedup_by(|other, first| {
        let is_same = (&other.device, other.prefix) == (&first.device, first.prefix);
        // One that is preferred says that the network is.
        first.is_marked &= other.is_marked || !is_same;
        is_same
    });
}

/// The networks of these devices, by device, for each address that the router has there.
fn networks(
    config: &Config,
    devices: &[&str],
    links: &[Link],
    addresses: &[Address],
    dead: &BTreeSet<usize>,
) -> Vec<Network> {
    let mut networks: Vec<Network> = Vec::new();
    for device in devices {
        let index = links.iter().find(|link| link.name == *device).map(|link| link.index);
        let usable = |address: &&Address| {
            Some(address.index) == index && address.is_global() && !address.is_tentative() && !address.is_secondary()
        };
        let of_device = addresses.iter().filter(usable).filter_map(|address| {
            let prefix = address.network().filter(|prefix| prefix.length() < Family::V6.bits())?;
            let uplink = config.delegated().find(|(_, whole)| whole.contains(address.local)).map(|(uplink, _)| uplink);
            Some(Network {
                device: (*device).to_owned(),
                prefix,
                address: address.local,
                uplink: uplink.and_then(|uplink| Some(config.uplinks.get(uplink)?.name.clone())),
                deprecated: uplink.is_some_and(|uplink| dead.contains(&uplink)),
                is_marked: address.is_deprecated(),
                valid: None,
                without_route: address.is_without_route(),
            })
        });
        let mut of_device: Vec<Network> = of_device.collect();
        of_device.sort_unstable();
        networks.extend(of_device);
    }
    networks
}

/// The networks of these devices whose prefix is gone. Hosts are told so whatever `ipv6_rescue` says: it will not return.
fn former(config: &Config, devices: &[&str], snapshot: &Snapshot) -> Vec<Network> {
    let network = |former: &learned::Network| {
        let device = snapshot.name(former.index).filter(|name| devices.contains(name))?;
        Some(Network {
            device: device.to_owned(),
            prefix: former.prefix,
            address: former.prefix.address(),
            uplink: config.uplinks.get(former.uplink).map(|uplink| uplink.name.clone()),
            deprecated: true,
            is_marked: true,
            valid: None,
            without_route: false,
        })
    };
    snapshot.learned.former.iter().filter_map(network).collect()
}

fn lines(daemon: Daemon, networks: &[Network]) -> Vec<String> {
    let delegated = || networks.iter().filter(|network| network.uplink.is_some());
    match daemon {
        Daemon::Radvd => radvd(networks),
        Daemon::Dnsmasq => delegated().map(dnsmasq).collect(),
        Daemon::Networkd => delegated().flat_map(networkd).collect(),
        Daemon::Odhcpd => delegated().filter(|network| network.deprecated != network.is_marked).map(odhcpd).collect(),
    }
}

/// How long hosts may use what a provider has delegated, in seconds, and prefer it, from each advertisement on. A prefix that
/// was replaced is known for two hours ([`learned`]), and hosts are to forget it in that time (RFC 4862, 5.5.3).
const VALID: u32 = 7200;
const PREFERRED: u32 = 2700;

/// It reads one file, which names each device once. What is not stated is the daemon's usual.
fn radvd(networks: &[Network]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut device = None;
    let end = |lines: &mut Vec<String>| lines.push("};".to_owned());
    for network in networks {
        if device != Some(&network.device) {
            if device.is_some() {
                end(&mut lines);
            }
            lines.push(format!("interface {} {{", network.device));
            lines.extend(
                ["  AdvSendAdvert on;", "  MinRtrAdvInterval 3;", "  MaxRtrAdvInterval 10;"].map(str::to_owned),
            );
            device = Some(&network.device);
        }
        let lifetime = |preferred| format!(" AdvValidLifetime {VALID}; AdvPreferredLifetime {preferred};");
        // What nobody carries any more is deprecated by whoever has set up the address.
        let is_gone = network.uplink.is_none() && network.is_marked;
        let lifetime = (network.uplink.is_some() || is_gone)
            .then(|| lifetime(if network.deprecated || is_gone { 0 } else { PREFERRED }));
        lines.push(format!("  prefix {} {{{} }};", network.prefix, lifetime.unwrap_or_default()));
    }
    if device.is_some() {
        end(&mut lines);
    }
    lines
}

fn dnsmasq(network: &Network) -> String {
    let lifetime = if network.deprecated { ",deprecated".to_owned() } else { format!(",{VALID}") };
    format!("dhcp-range={},ra-only,{}{lifetime}", network.prefix.address(), network.prefix.length())
}

fn networkd(network: &Network) -> Vec<String> {
    let mut lines = vec!["[IPv6Prefix]".to_owned(), format!("Prefix={}", network.prefix)];
    lines.extend(network.deprecated.then(|| "PreferredLifetimeSec=0".to_owned()));
    lines
}

/// What is not stated becomes the kernel's usual: an address for good, with a route to its network.
fn odhcpd(network: &Network) -> String {
    let address = format!("{}/{}", network.address, network.prefix.length());
    let valid = network.valid.map_or_else(|| "forever".to_owned(), |seconds| seconds.to_string());
    // It may not be preferred for longer than it is valid.
    let preferred = if network.deprecated { "0" } else { &valid };
    let change = ["ip", "-6", "address", "change", &address, "dev", &network.device];
    let lifetimes = ["valid_lft", &valid, "preferred_lft", preferred];
    let route = network.without_route.then_some("noprefixroute");
    shell::line(change.into_iter().chain(lifetimes).chain(route))
}

#[cfg(test)]
mod tests {
    use super::{Network, idle, lines, networks, once, replaced, unknown};
    use crate::cli::Daemon;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use ftr_netlink::Address;
    use nix::libc;

    fn told(daemon: Daemon, dead: &[usize], deprecated: bool) -> Vec<String> {
        let six = |i: u8| format!("ip6: '2001:db8:{i}::2', gateway6: 'fe80::1', prefix6: '2001:db8:{i}:100::/56'");
        let text = CONFIG
            .replace("gateway: 1.0.0.1", &format!("gateway: 1.0.0.1, {}", six(1)))
            .replace("gateway: 2.0.0.1", &format!("gateway: 2.0.0.1, {}", six(2)));
        let links = [link(2, "eth0"), link(3, "eth1"), link(9, "eth9")];
        let own = |index, text: &str| address(index, text, None, 64);
        let mut addresses = [
            own(2, "fd00::1"),
            own(2, "2001:db8:2:100::1"),
            own(2, "2001:db8:2:100::7"),
            own(2, "2001:db8:1:100::1"),
            own(3, "2001:db8:1::2"),
            own(9, "2001:db8:2:109::1"),
            Address { scope: 253, ..own(2, "fe80::1") },
        ];
        if deprecated {
            addresses[1].flags |= libc::IFA_F_DEPRECATED;
        }
        let dead = dead.iter().copied().collect();
        let mut networks = networks(&config(&text), &["eth0", "eth9"], &links, &addresses, &dead);
        if daemon != Daemon::Odhcpd {
            once(&mut networks);
        }
        lines(daemon, &networks)
    }

    #[test]
    fn radvd_is_told_all_networks_of_a_device_at_once() {
        let expected = "\
interface eth0 {
  AdvSendAdvert on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 10;
  prefix 2001:db8:1:100::/64 { AdvValidLifetime 7200; AdvPreferredLifetime 2700; };
  prefix 2001:db8:2:100::/64 { AdvValidLifetime 7200; AdvPreferredLifetime 0; };
  prefix fd00::/64 { };
};
interface eth9 {
  AdvSendAdvert on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 10;
  prefix 2001:db8:2:109::/64 { AdvValidLifetime 7200; AdvPreferredLifetime 0; };
};";
        assert_eq!(told(Daemon::Radvd, &[1], false).join("\n"), expected);
        assert!(!told(Daemon::Radvd, &[], false).join("\n").contains("AdvPreferredLifetime 0"));
    }

    /// A network that no uplink carries, and whether its address is deprecated.
    fn of_nobody(device: &str, is_marked: bool) -> Network {
        Network {
            device: device.to_owned(),
            prefix: "2001:db8:9:100::/64".parse().unwrap(),
            address: "2001:db8:9:100::1".parse().unwrap(),
            uplink: None,
            deprecated: false,
            is_marked,
            valid: None,
            without_route: false,
        }
    }

    #[test]
    fn hosts_forget_a_prefix_of_nobody_whose_address_is_deprecated() {
        let said = |is_marked| lines(Daemon::Radvd, &[of_nobody("eth0", is_marked)])[4].clone();
        assert_eq!(said(false), "  prefix 2001:db8:9:100::/64 { };");
        assert_eq!(said(true), "  prefix 2001:db8:9:100::/64 { AdvValidLifetime 7200; AdvPreferredLifetime 0; };");
    }

    #[test]
    fn a_network_with_a_preferred_address_is_preferred() {
        for (marks, expected) in [([true, false], false), ([false, true], false), ([true, true], true)] {
            let mut all: Vec<Network> = marks.map(|mark| of_nobody("eth0", mark)).into();
            all.push(of_nobody("eth9", false));
            once(&mut all);
            assert_eq!(all.iter().map(|one| one.is_marked).collect::<Vec<_>>(), [expected, false]);
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_a_mistake_and_not_one_without_networks() {
        let links = [link(2, "eth0"), link(9, "eth9")];
        let named = ["eth9", "br0", "eth0"].map(str::to_owned);
        assert_eq!(unknown(&named, &links), Some("br0"));
        assert_eq!(unknown(&named[..1], &links), None);
    }

    #[test]
    fn where_all_are_down_no_prefix_is_better_than_the_others() {
        let two = config(
            &CONFIG.replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, type6: ra").replace("weight: 2", "type6: ra"),
        );
        let left = |failed: &[usize]| replaced(&two, failed.iter().copied().collect()).len();
        assert_eq!([left(&[]), left(&[1]), left(&[0, 1]), left(&[0, 1, 2])], [0, 1, 0, 0]);
        let idle = |active: &[usize]| idle(&two, &active.iter().copied().collect()).into_iter().collect::<Vec<_>>();
        assert_eq!([idle(&[]), idle(&[0]), idle(&[1, 2]), idle(&[0, 1])], [vec![], vec![1], vec![0], vec![]]);
    }

    #[test]
    fn others_are_told_what_providers_delegate() {
        let expected = [
            "dhcp-range=2001:db8:1:100::,ra-only,64,7200",
            "dhcp-range=2001:db8:2:100::,ra-only,64,deprecated",
            "dhcp-range=2001:db8:2:109::,ra-only,64,deprecated",
        ];
        assert_eq!(told(Daemon::Dnsmasq, &[1], false), expected);
        let expected = ["[IPv6Prefix]", "Prefix=2001:db8:1:100::/64", "PreferredLifetimeSec=0"];
        assert_eq!(told(Daemon::Networkd, &[0], false)[..3], expected);
    }

    #[test]
    fn addresses_of_the_router_are_changed_where_they_say_something_else() {
        let change = |address: &str, device: &str, lifetime: &str| {
            format!("ip -6 address change {address}/64 dev {device} valid_lft forever preferred_lft {lifetime}")
        };
        let all = [("2001:db8:2:100::1", "eth0"), ("2001:db8:2:100::7", "eth0"), ("2001:db8:2:109::1", "eth9")];
        let all = all.map(|(address, device)| change(address, device, "0"));
        assert_eq!(told(Daemon::Odhcpd, &[1], false), all);
        assert_eq!(told(Daemon::Odhcpd, &[1], true), all[1..]);
        assert_eq!(told(Daemon::Odhcpd, &[], true), [change("2001:db8:2:100::1", "eth0", "forever")]);
        assert_eq!(told(Daemon::Odhcpd, &[], false), [""; 0]);
    }

    #[test]
    fn an_address_that_is_changed_stays_for_as_long_as_before_and_without_a_route() {
        let said = |deprecated| {
            let network = Network {
                device: "eth0".to_owned(),
                prefix: "2001:db8:2:100::/64".parse().unwrap(),
                address: "2001:db8:2:100::1".parse().unwrap(),
                uplink: "eth2".parse().ok(),
                deprecated,
                is_marked: !deprecated,
                valid: Some(7000),
                without_route: true,
            };
            lines(Daemon::Odhcpd, &[network]).concat()
        };
        let change = "ip -6 address change 2001:db8:2:100::1/64 dev eth0 valid_lft 7000 preferred_lft";
        assert_eq!(said(true), format!("{change} 0 noprefixroute"));
        assert_eq!(said(false), format!("{change} 7000 noprefixroute"));
    }
}
