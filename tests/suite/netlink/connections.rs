//! Tracked connections: found by what either side sees of them.

use crate::Test;
use crate::host::{FAMILIES, Host, gateway, own};
use caps::{CapSet, Capability};
use ftr_lab::error::{Context, LabError, Result};
use ftr_netlink::{Connection, Ctnetlink, Family, Flow, Transport};
use libtest_mimic::Failed;
use nix::errno::Errno;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroU32;

/// The tests of this file.
pub(crate) const TESTS: [(&str, Test); 6] = [
    ("a_translated_flow_is_found", a_translated_flow_is_found),
    ("an_echo_is_found", an_echo_is_found),
    ("what_is_not_tracked_is_not_found", what_is_not_tracked_is_not_found),
    ("a_family_is_flushed_alone", a_family_is_flushed_alone),
    ("those_of_one_sender_are_listed_and_forgotten", those_of_one_sender_are_listed_and_forgotten),
    ("without_the_capability_it_is_refused", without_the_capability_it_is_refused),
];

const MARK: u32 = 0x0102;
const PORT: u16 = 5000;
/// What connections that leave by device 1 are translated to, beside the address of that device.
const OUTSIDE: [&str; 2] = ["1.0.0.99", "2001:db8:1::99"];

/// A host that marks what leaves by device 1, and translates UDP there.
fn host() -> Result<Host> {
    let host = Host::new()?;
    let [v4, v6] = OUTSIDE;
    host.space.nft(&format!(
        "table inet t {{
            chain marks {{
                type filter hook output priority mangle
                oifname u1 ct mark set {MARK}
            }}
            chain translation {{
                type nat hook postrouting priority srcnat
                oifname u1 meta nfproto ipv4 meta l4proto udp snat ip to {v4}
                oifname u1 meta nfproto ipv6 meta l4proto udp snat ip6 to {v6}
            }}
        }}"
    ))?;
    Ok(host)
}

/// Sends a datagram to the gateway of device 1 and tells the port that it came from.
fn send(host: &Host, family: Family) -> Result<u16> {
    host.space.enter(|| {
        let from = SocketAddr::from((own(family, 1), 0));
        let to = SocketAddr::from((gateway(family, 1, 1), PORT));
        let socket = UdpSocket::bind(from).context(|| format!("bind to {from}"))?;
        socket.send_to(b"x", to).context(|| format!("send to {to}"))?;
        Ok(socket.local_addr().context(|| "look at the socket".to_owned())?.port())
    })
}

fn udp(source: IpAddr, from: u16, destination: IpAddr, to: u16) -> Flow {
    let protocol = 17;
    Flow { source, destination, transport: Transport::Ports { protocol, source: from, destination: to } }
}

fn a_translated_flow_is_found() -> std::result::Result<(), Failed> {
    let host = host()?;
    let mut connections = host.connections()?;
    for (family, outside) in FAMILIES.into_iter().zip(OUTSIDE) {
        let (here, there) = (own(family, 1), gateway(family, 1, 1));
        let port = send(&host, family)?;
        let original = udp(here, port, there, PORT);
        let found = connections.find(&original)?.ok_or("not found")?;
        let reply = udp(there, PORT, outside.parse()?, port);
        assert_eq!(found, Connection { mark: MARK, original, reply });
        assert_eq!(found.leaves_as().to_string(), outside);
        assert_eq!(connections.find(&reply)?, Some(found), "by what the other side sees");
    }
    Ok(())
}

fn an_echo_is_found() -> std::result::Result<(), Failed> {
    let host = host()?;
    let mut connections = host.connections()?;
    for (family, request, answer) in [(Family::V4, 8, 0), (Family::V6, 128, 129)] {
        let (here, there) = (own(family, 1), gateway(family, 1, 1));
        // Nobody answers: that a question was asked is enough.
        host.space.sh(&format!("ping -c 1 -W 0.01 -e 77 {there} || true"))?;
        let echo = |kind| Transport::Icmp { kind, code: 0, id: 77 };
        let original = Flow { source: here, destination: there, transport: echo(request) };
        let reply = Flow { source: there, destination: here, transport: echo(answer) };
        assert_eq!(connections.find(&original)?, Some(Connection { mark: MARK, original, reply }));
    }
    Ok(())
}

fn what_is_not_tracked_is_not_found() -> std::result::Result<(), Failed> {
    let host = host()?;
    let mut connections = host.connections()?;
    for family in FAMILIES {
        let (here, there) = (own(family, 1), gateway(family, 1, 1));
        let port = send(&host, family)?;
        let near = [udp(here, port, there, PORT + 1), udp(here, port ^ 1, there, PORT), udp(there, port, here, PORT)];
        for flow in near {
            assert_eq!(connections.find(&flow)?, None);
        }
        let bare = |protocol| Flow { source: here, destination: there, transport: Transport::Other(protocol) };
        assert_eq!(connections.find(&bare(50))?, None);
        let misfit = connections.find(&bare(17)).err().ok_or("UDP without ports")?;
        assert_eq!(misfit.netlink_error().map(|refusal| refusal.errno), Some(Errno::EINVAL));
    }
    Ok(())
}

fn a_family_is_flushed_alone() -> std::result::Result<(), Failed> {
    let host = host()?;
    let mut connections = host.connections()?;
    for flushed in FAMILIES {
        let flows = [Family::V4, Family::V6].map(|family| {
            send(&host, family).map(|port| (family, udp(own(family, 1), port, gateway(family, 1, 1), PORT)))
        });
        let counted = |connections: &mut Ctnetlink| {
            let count = |family| connections.marked(family, MARK, NonZeroU32::MAX).map(|all| all.len());
            FAMILIES.map(count)
        };
        connections.flush(flushed, MARK, NonZeroU32::MAX)?;
        let kept = FAMILIES.map(|family| Ok(usize::from(family != flushed)));
        assert_eq!(counted(&mut connections), kept);
        for flow in flows {
            let (family, flow) = flow?;
            assert_eq!(connections.find(&flow)?.is_some(), family != flushed, "{family:?} after {flushed:?}");
        }
    }
    Ok(())
}

fn those_of_one_sender_are_listed_and_forgotten() -> std::result::Result<(), Failed> {
    let host = host()?;
    let mut connections = host.connections()?;
    for family in FAMILIES {
        let here = own(family, 1);
        let ports = [send(&host, family)?, send(&host, family)?];
        host.space.sh(&format!("ping -c 1 -W 0.01 {} || true", gateway(family, 2, 1)))?;
        let mut found = connections.opened_from(here, 17)?;
        found.sort_by_key(|connection| connection.original != udp(here, ports[0], gateway(family, 1, 1), PORT));
        let [first, second] = found.as_slice() else { return Err(format!("not two: {found:?}").into()) };
        assert!(connections.opened_from(own(family, 2), 17)?.is_empty());
        assert!(connections.forget(&first.original)? && !connections.forget(&first.original)?);
        assert_eq!(connections.opened_from(here, 17)?, [*second]);
    }
    Ok(())
}

fn without_the_capability_it_is_refused() -> std::result::Result<(), Failed> {
    let host = host()?;
    let mut connections = host.connections()?;
    let flow = udp(own(Family::V4, 1), 1, gateway(Family::V4, 1, 1), PORT);
    // The thread ends with what it was deprived of.
    let found = host.space.enter(|| {
        caps::drop(None, CapSet::Effective, Capability::CAP_NET_ADMIN)
            .map_err(|error| LabError::Unexpected(error.to_string()))?;
        Ok(connections.find(&flow))
    })?;
    let error = found.err().ok_or("not refused")?;
    assert!(error.is_permission() && !error.is_transient(), "{error}");
    assert_eq!(error.to_string(), "look up tracked connection: Operation not permitted (EPERM)");
    Ok(())
}
