//! Balancing: a packet leaves by the device that a look-up names.

use crate::Test;
use crate::host::{FAMILIES, Host, far, gateway, hop, own, write};
use ftr_lab::error::{Context, Result};
use ftr_lab::namespace::Namespace;
use ftr_netlink::{Family, Lookup, Nexthop, Route, RouteKind, Rule, Write};
use libtest_mimic::Failed;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::time::{Duration, Instant};

/// The tests of this file.
pub(crate) const TESTS: [(&str, Test); 1] = [("packets_go_where_the_answer_says", packets_go_where_the_answer_says)];

const TABLE: u32 = 1001;
/// The client's device; the others lead out, one a little more than the other.
const LAN: u32 = 4;
const WEIGHTS: [u16; 3] = [1, 2, 3];
/// The client sends from each of these ports to this one.
const FROM: Range<u16> = 20_000..20_064;
const TO: u16 = 443;
/// Far more than the packets take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client in a namespace of its own that gives its packets no flow label, and a host that balances by ports and records what leaves it.
fn balancing() -> std::result::Result<(Host, Namespace), Failed> {
    let mut host = Host::new()?;
    let lan = Namespace::create(&format!("{}-lan", host.space.name()))?;
    host.space.ip(&format!("link set far{LAN} netns {}", lan.name()))?;
    lan.ip(&format!("link set far{LAN} up"))?;
    for family in FAMILIES {
        let (client, router) = (gateway(family, LAN, 9), own(family, LAN));
        let length = if family == Family::V4 { 24 } else { 64 };
        lan.ip(&format!("addr add {client}/{length} dev far{LAN} nodad\nroute add default via {router}"))?;
        let nexthops = (1..).zip(WEIGHTS).map(|(i, weight)| Nexthop { weight, ..hop(family, i) }).collect();
        let route = Route { metric: 1, nexthops, ..Route::default(family, TABLE, RouteKind::Unicast) };
        let rule = Rule::lookup(family, 30_000, TABLE);
        write(&mut host.netlink, &[Write::AddRoute(route), Write::AddRule(rule)])?;
    }
    // A label is hashed with the packet (and the hash that made it travels along it, to this kernel), and a look-up has none.
    lan.sysctl("net/ipv6/auto_flowlabels", "0")?;
    host.space.sysctl("net/ipv4/ip_forward", "1")?;
    host.space.sysctl("net/ipv6/conf/all/forwarding", "1")?;
    host.space.sysctl("net/ipv4/fib_multipath_hash_policy", "1")?;
    host.space.sysctl("net/ipv6/fib_multipath_hash_policy", "1")?;
    host.space.nft(
        "table inet t {
            set left { typeof meta nfproto . udp sport . meta oifname; flags dynamic; size 4096; }
            chain c {
                type filter hook postrouting priority 0
                update @left { meta nfproto . udp sport . meta oifname }
            }
        }",
    )?;
    Ok((host, lan))
}

/// Sends one datagram from each port, over each family.
fn send(lan: &Namespace) -> Result<()> {
    lan.enter(|| {
        for family in FAMILIES {
            let to = SocketAddr::from((far(family), TO));
            for port in FROM {
                let from = SocketAddr::from((gateway(family, LAN, 9), port));
                let socket = UdpSocket::bind(from).context(|| format!("bind to {from}"))?;
                socket.send_to(b"x", to).context(|| format!("send to {to}"))?;
            }
        }
        Ok(())
    })
}

/// Of which family, from which port and by which device packets left, as the lines of the set name them.
fn left(host: &Host) -> std::result::Result<BTreeSet<(String, u64, String)>, Failed> {
    let listed: Value = serde_json::from_str(&host.space.sh("nft -j list set inet t left")?)?;
    let elements = listed.pointer("/nftables/1/set/elem").and_then(Value::as_array);
    let packet = |element: &Value| {
        let text = |i| element.pointer(&format!("/concat/{i}"))?.as_str().map(str::to_owned);
        Some((text(0)?, element.pointer("/concat/1")?.as_u64()?, text(2)?))
    };
    Ok(elements.into_iter().flatten().filter_map(packet).filter(|(_, port, _)| *port >= FROM.start.into()).collect())
}

fn packets_go_where_the_answer_says() -> std::result::Result<(), Failed> {
    let (mut host, lan) = balancing()?;
    let mut expected = BTreeSet::new();
    for (family, name) in FAMILIES.into_iter().zip(["ipv4", "ipv6"]) {
        for port in FROM {
            let way = host.netlink.lookup(&Lookup {
                source: Some(gateway(family, LAN, 9)),
                iif: Some(Host::index(LAN)),
                protocol: Some(17),
                sport: Some(port),
                dport: Some(TO),
                ..Lookup::to(far(family))
            })?;
            let index = way.nexthops.first().ok_or("no next hop")?.index;
            let device = (1..LAN).find(|i| Host::index(*i) == index).ok_or("another device")?;
            expected.insert((name.to_owned(), u64::from(port), format!("u{device}")));
        }
        let used: BTreeSet<_> = expected.iter().filter(|packet| packet.0 == name).map(|packet| &packet.2).collect();
        assert_eq!(used.len(), WEIGHTS.len(), "{name}: {used:?}");
    }
    send(&lan)?;
    let deadline = Instant::now() + PATIENCE;
    let mut seen = left(&host)?;
    while seen.len() < expected.len() && Instant::now() < deadline {
        seen = left(&host)?;
    }
    assert_eq!(seen, expected);
    Ok(())
}
