//! The name servers of uplinks: those that are stated, and those that clients of DHCP and PPP have been told.
//!
//! Read are networkd's leases, what resolvconf(8), openresolv and dhcpcd keep of each device, leases of dhcpcd (RFC 2131, 2;
//! RFC 2132, 3.8) and of dhclient, and pppd's file where one uplink alone can have written it.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ftr_core::Family;
use ftr_core::config::{Config, Resolver, Uplink, UplinkKind, is_routable};
use ftr_netlink::{Address, Link};

use super::Lease;

/// Of networkd, by the number of the device.
const NETWORKD: &str = "run/systemd/netif/leases";
/// A file for each device and program, such as `eth1.dhclient`, in the form of resolv.conf(5).
const RECORDS: [&str; 4] = [
    "run/resolvconf/interface",
    "run/resolvconf/interfaces",
    "run/resolvconf/keys",
    "run/dhcpcd/hook-state/resolv.conf",
];
const DHCPCD: &str = "var/lib/dhcpcd";
const DHCLIENT: &str = "var/lib/dhcp";
/// One file for all of its connections.
const PPPD: [&str; 2] = ["run/ppp/resolv.conf", "etc/ppp/resolv.conf"];
/// Where the options of an answer begin, behind their cookie.
const OPTIONS: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const SERVERS: u8 = 6;
const PAD: u8 = 0;
const END: u8 = 255;
/// More than these of one uplink nobody asks.
const MOST: usize = 8;

/// The name servers of each uplink, in the order in which they are stated.
pub(crate) fn resolvers(config: &Config, family: Family, links: &[Link], addresses: &[Address]) -> Vec<Vec<IpAddr>> {
    below(Path::new("/"), config, family, links, addresses)
}

/// The same with the files below a root directory.
fn below(root: &Path, config: &Config, family: Family, links: &[Link], addresses: &[Address]) -> Vec<Vec<IpAddr>> {
    let is_ppp = |uplink: &&Uplink| uplink.kind == UplinkKind::Ppp;
    let one_ppp = config.uplinks.iter().filter(is_ppp).count() == 1;
    let of = |uplink: &Uplink| {
        let mut all: Vec<IpAddr> = Vec::new();
        for resolver in uplink.dns.iter().filter(|_| uplink.has(family)) {
            match resolver {
                Resolver::Address(address) => all.push(*address),
                Resolver::Learned => {
                    let Some(link) = links.iter().find(|link| uplink.name == *link.name) else { continue };
                    let own = addresses.iter().filter(|address| address.index == link.index);
                    let own: Vec<IpAddr> = own.map(|address| address.local).collect();
                    all.extend(learned(root, family, link, &own, one_ppp && is_ppp(&uplink)));
                }
            }
        }
        all.retain(|address| Family::of(*address) == family);
        let mut each = std::collections::BTreeSet::new();
        all.retain(|address| each.insert(*address));
        all
    };
    config.uplinks.iter().map(of).collect()
}

/// By the first of those who tell any of the family.
fn learned(root: &Path, family: Family, link: &Link, own: &[IpAddr], is_only_ppp: bool) -> Vec<IpAddr> {
    let is_current = |lease: &Lease| own.iter().any(|address| lease.names(*address));
    let read = |path: PathBuf| super::lease(&root.join(path));
    let networkd = || read(Path::new(NETWORKD).join(link.index.to_string())).map(|lease| networkd(&lease.text));
    let records = || {
        let directories = RECORDS.iter().map(|directory| root.join(directory));
        Some(directories.flat_map(|directory| records(&directory, &link.name)).collect())
    };
    let dhcpcd = || {
        let lease = read(Path::new(DHCPCD).join(format!("{}.lease", link.name))).filter(is_current)?;
        Some(dhcpcd(&lease.text))
    };
    let dhclient = || {
        let leases = super::within(&root.join(DHCLIENT));
        leases.iter().filter(|lease| is_current(lease)).map(|lease| dhclient(&lease.text, &link.name, own)).next_back()
    };
    let pppd = || {
        let mut files = PPPD.iter().filter(|_| is_only_ppp).filter_map(|file| read(PathBuf::from(file)));
        files.next().map(|lease| nameservers(&lease.text))
    };
    let tellers: [&dyn Fn() -> Option<Vec<IpAddr>>; 5] = [&networkd, &records, &dhcpcd, &dhclient, &pppd];
    let usable = |mut told: Vec<IpAddr>| {
        told.retain(|address| Family::of(*address) == family && is_routable(*address));
        told.truncate(MOST);
        Some(told).filter(|told| !told.is_empty())
    };
    tellers.iter().find_map(|teller| usable(teller()?)).unwrap_or_default()
}

fn networkd(text: &[u8]) -> Vec<IpAddr> {
    let text = String::from_utf8_lossy(text);
    let stated = text.lines().filter_map(|line| line.strip_prefix("DNS="));
    stated.flat_map(str::split_whitespace).filter_map(|word| word.parse().ok()).collect()
}

/// Those in the files of a device.
fn records(directory: &Path, device: &str) -> Vec<IpAddr> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_its = |name: &str| {
        name.strip_prefix(device).is_some_and(|rest| match rest.strip_prefix('.') {
            None => rest.is_empty(),
            // Else it is of a VLAN, whose name has a dot itself.
            Some(program) => !program.contains('.') && !program.bytes().all(|byte| byte.is_ascii_digit()),
        })
    };
    let mut paths: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_its))
        .map(|entry| entry.path())
        .take(super::MOST)
        .collect();
    paths.sort();
    paths.iter().filter_map(|path| super::lease(path)).flat_map(|record| nameservers(&record.text)).collect()
}

/// As resolv.conf(5) has them.
fn nameservers(text: &[u8]) -> Vec<IpAddr> {
    let text = String::from_utf8_lossy(text);
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok()).flatten()
    };
    text.lines().filter_map(address).collect()
}

/// As the server's answer has them, which dhcpcd keeps.
fn dhcpcd(answer: &[u8]) -> Vec<IpAddr> {
    let mut servers = Vec::new();
    if answer.get(OPTIONS - COOKIE.len()..OPTIONS) != Some(&COOKIE[..]) {
        return servers;
    }
    let mut rest = answer.get(OPTIONS..).unwrap_or_default();
    while let Some((code, behind)) = rest.split_first() {
        rest = match *code {
            PAD => behind,
            END => break,
            code => {
                let Some((length, behind)) = behind.split_first() else { break };
                let Some((value, behind)) = behind.split_at_checked(usize::from(*length)) else { break };
                if code == SERVERS {
                    let octets = value.chunks_exact(4).filter_map(|chunk| <[u8; 4]>::try_from(chunk).ok());
                    servers.extend(octets.map(IpAddr::from));
                }
                behind
            }
        };
    }
    servers
}

/// Those of the last lease of a device for an address that it has.
fn dhclient(text: &[u8], device: &str, own: &[IpAddr]) -> Vec<IpAddr> {
    let text = String::from_utf8_lossy(text);
    let statements = |block: &str| -> Vec<String> { block.split(';').map(|part| part.trim().to_owned()).collect() };
    let is_its = |statements: &Vec<String>| {
        let has = |wanted: &String| statements.iter().any(|statement| statement.ends_with(wanted.as_str()));
        has(&format!("interface \"{device}\"")) && own.iter().any(|own| has(&format!("fixed-address {own}")))
    };
    let last = text.rsplit("lease {").map(statements).find(is_its).unwrap_or_default();
    let servers = last.iter().filter_map(|statement| statement.strip_prefix("option domain-name-servers "));
    servers.flat_map(|list| list.split(',')).filter_map(|word| word.trim().parse().ok()).collect()
}

/// Reads it as each client's file.
#[cfg(any(test, fuzzing))]
pub(super) fn read_any(bytes: &[u8]) {
    let own = [IpAddr::from([192, 0, 2, 17])];
    let told = [networkd(bytes), nameservers(bytes), dhcpcd(bytes), dhclient(bytes, "eth1", &own)];
    assert!(told.iter().all(|servers| servers.len() <= bytes.len()));
}

#[cfg(test)]
mod tests {
    use super::{below, dhclient, dhcpcd};
    use crate::diagnose::look::tests::Root;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use ftr_core::Family;
    use proptest::prelude::*;
    use std::net::IpAddr;

    /// An answer of a server that hands out 1.0.0.2, and these options.
    fn answer(options: &[u8]) -> Vec<u8> {
        let mut answer = vec![0; 236];
        answer[0] = 2;
        answer[16..20].copy_from_slice(&[1, 0, 0, 2]);
        answer.extend([99, 130, 83, 99]);
        answer.extend(options);
        answer
    }

    const DHCLIENT: &str = "\
lease {
  interface \"eth1\";
  fixed-address 1.0.0.2;
  option domain-name-servers 10.1.1.9;
}
lease {
  interface \"eth2\";
  fixed-address 2.0.0.2;
  option domain-name-servers 10.2.1.9;
}
lease {
  interface \"eth1\";
  fixed-address 1.0.0.2;
  option domain-name-servers 10.1.1.1, 10.1.1.2;
  option domain-name \"a;b\";
}
";

    /// What is told of eth1, which has a lease, and of ppp0.
    fn told(files: &[(&str, &str)], stated: &str, family: Family) -> [Vec<String>; 2] {
        let text = CONFIG
            .replace("ip: 1.0.0.2, gateway: 1.0.0.1", &format!("type: dhcp, type6: ra, dns: {stated}"))
            .replace("type: ppp", "type: ppp, dns: auto");
        let links = [link(3, "eth1"), link(4, "eth2"), link(5, "ppp0")];
        let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
        let root = Root::with(files);
        let found = below(root.path(), &config(&text), family, &links, &addresses);
        [0, 2].map(|i: usize| found[i].iter().map(ToString::to_string).collect())
    }

    #[test]
    fn each_client_is_read_where_it_keeps_them() {
        let first = |files: &[(&str, &str)]| told(files, "auto", Family::V4)[0].join(" ");
        assert_eq!(first(&[]), "");
        let networkd =
            ("run/systemd/netif/leases/3", "ADDRESS=1.0.0.2\nDNS=10.1.1.1 127.0.0.53 10.1.1.2 x\nNTP=10.9.9.9\n");
        assert_eq!(first(&[networkd, ("run/systemd/netif/leases/4", "DNS=10.2.1.1\n")]), "10.1.1.1 10.1.1.2");
        for record in ["interface/eth1.dhclient", "interfaces/eth1.dhcp", "keys/eth1.dhcp", "interface/eth1"] {
            let path = format!("run/resolvconf/{record}");
            let text = "# nameserver 1.1.1.1\nsearch x\nnameserver 10.1.1.3\nnameserver fe80::1%eth1\n";
            assert_eq!(first(&[(&path, text)]), "10.1.1.3", "{record}");
            assert_eq!(first(&[(&path, text), networkd]), "10.1.1.1 10.1.1.2");
        }
        for record in ["eth1.10", "eth1.10.dhcp", "eth2.dhcp", "eth11.dhcp"] {
            assert_eq!(
                first(&[(&format!("run/resolvconf/interface/{record}"), "nameserver 10.1.1.3\n")]),
                "",
                "{record}"
            );
        }
        assert_eq!(first(&[("var/lib/dhcp/dhclient.leases", DHCLIENT)]), "10.1.1.1 10.1.1.2");
        assert_eq!(first(&[("var/lib/dhcp/dhclient.leases", &DHCLIENT.replace("1.0.0.2", "1.0.0.3"))]), "");
    }

    #[test]
    fn of_a_kind_that_cannot_say_whose_they_are_there_has_to_be_one() {
        let pppd = ("etc/ppp/resolv.conf", "nameserver 10.3.1.1\n");
        assert_eq!(told(&[pppd], "auto", Family::V4), [vec![], vec!["10.3.1.1".to_owned()]]);
        let two = CONFIG.replace("interface: eth1, ip: 1.0.0.2, gateway: 1.0.0.1", "interface: ppp1, type: ppp");
        let two = config(&two.replace("type: ppp", "type: ppp, dns: auto"));
        let found = below(Root::with(&[pppd]).path(), &two, Family::V4, &[link(5, "ppp0"), link(6, "ppp1")], &[]);
        assert!(found.iter().all(Vec::is_empty), "{found:?}");
    }

    #[test]
    fn the_families_are_apart_and_each_server_counts_once() {
        let record =
            ("run/resolvconf/interface/eth1.dhcp", "nameserver 10.1.1.1\nnameserver 2001:db8::1\nnameserver ::1\n");
        let stated = "[9.9.9.9, auto, 10.1.1.1, '2001:db8::9']";
        assert_eq!(told(&[record], stated, Family::V4)[0], ["9.9.9.9", "10.1.1.1"]);
        assert_eq!(told(&[record], stated, Family::V6)[0], ["2001:db8::1", "2001:db8::9"]);
    }

    #[test]
    fn an_answer_is_read_option_by_option() {
        let servers = |options: &[u8]| -> Vec<IpAddr> { dhcpcd(&answer(options)) };
        let two: [IpAddr; 2] = [[10, 1, 1, 1].into(), [10, 1, 1, 2].into()];
        assert_eq!(servers(&[53, 1, 5, 0, 6, 8, 10, 1, 1, 1, 10, 1, 1, 2, 255, 6, 4, 9, 9, 9, 9]), two);
        assert_eq!(servers(&[6, 4, 10, 1, 1, 1, 6, 4, 10, 1, 1, 2]), two);
        assert_eq!((servers(&[6, 9, 10, 1, 1, 1]), servers(&[6]), servers(&[6, 3, 1, 1, 1])), (vec![], vec![], vec![]));
        assert!(dhcpcd(&[0; 300]).is_empty());
    }

    proptest! {
        #[test]
        fn whatever_a_lease_holds_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..90), text in "(lease \\{|interface \"eth1\";|\\PC|\n){0,30}") {
            dhcpcd(&answer(&bytes));
            dhclient(text.as_bytes(), "eth1", &[[1, 0, 0, 2].into()]);
        }
    }
}
