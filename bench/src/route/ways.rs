//! Who finds a way out, as the kernel itself answers (`RTM_GETROUTE`).

use super::host::{Host, netlink};
use ftr_lab::error::Result;
use ftr_netlink::{Error, Lookup, Rtnetlink};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where packets go to, for each family: the hash of addresses sends them to different uplinks.
const DESTINATIONS: u8 = 4;

/// The tables default, main and local.
const SYSTEM_TABLES: std::ops::RangeInclusive<u32> = 253..=255;

/// The destinations of a family.
pub(super) fn destinations(ipv6: bool) -> Vec<IpAddr> {
    let one = |last: u8| {
        if ipv6 {
            IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, last.into()))
        } else {
            IpAddr::from(Ipv4Addr::new(192, 0, 2, last))
        }
    };
    (1..=DESTINATIONS).map(one).collect()
}

/// New connections of both families: unmarked ones, one of each mark of uplinks and policies, and one bound to each
/// device of a number given.
pub(super) fn travellers(host: &Host, policies: u32, devices: &[u32]) -> Vec<Lookup> {
    let marks = u32::from(host.shape.uplinks) + policies;
    let mut all = Vec::new();
    let families: &[bool] = if host.shape.ipv6 { &[false, true] } else { &[false] };
    for destination in families.iter().flat_map(|ipv6| destinations(*ipv6)) {
        all.extend((0..=marks).map(|mark| Lookup { mark, ..Lookup::to(destination) }));
        all.extend(devices.iter().map(|index| Lookup { oif: Some(*index), ..Lookup::to(destination) }));
    }
    all
}

/// Which of them have a way through a table of ftr's. Without any route a bound IPv4 socket is told that every destination
/// is on the link, by the table main, which is no way.
pub(super) fn found(requests: &mut Rtnetlink, travellers: &[Lookup]) -> Result<Vec<bool>> {
    travellers
        .iter()
        .map(|traveller| match requests.lookup(traveller) {
            Ok(route) => Ok(!SYSTEM_TABLES.contains(&route.table)),
            Err(Error::Rejected { .. }) => Ok(false),
            Err(error) => Err(netlink(&error)),
        })
        .collect()
}
