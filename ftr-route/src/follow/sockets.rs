//! The router's own sockets on an uplink that is given up: nobody else would tell their programs.
//!
//! A TCP connection of the router keeps the source address that it began with, and waits for its dead uplink for a quarter
//! of an hour. So it is ended here, as the reset of the far end ends one that is forwarded.
//!
//! Which uplink a socket uses is what connection tracking knows of it, since a policy or a mark may have sent it
//! elsewhere than its address tells. Where that knows nothing it is the uplink that has the address.

pub(crate) mod ending;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};

use ftr_core::numbering::Numbering;
use ftr_core::{Config, Family, Prefix};
use ftr_netlink::{InetSocket, SocketProtocol};

use crate::plan::uplink_state::Addresses;

/// The ports of DHCP, which asks by an uplink whether that works or not.
const DHCP: [u16; 4] = [67, 68, 546, 547];

/// Notes in `known` what the uplinks have now. What an uplink that has none any more had is kept: its sockets have it still.
pub(crate) fn remember(known: &mut Addresses, now: Addresses) {
    for (uplink, prefixes) in now {
        let kept = known.entry(uplink).or_default();
        if !prefixes.is_empty() {
            *kept = prefixes;
        }
    }
}

/// Whose sockets are to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) family: Family,
    pub(crate) uplinks: BTreeSet<usize>,
    /// Those of them whose datagrams leave by another uplink without being told, because a rule sends them there.
    pub(crate) moved: BTreeSet<usize>,
    /// Of every uplink.
    pub(crate) addresses: Addresses,
    /// Of every uplink.
    pub(crate) marks: BTreeMap<usize, u32>,
}

/// The marks of the uplinks of the configuration.
pub(crate) fn marks(config: &Config) -> BTreeMap<usize, u32> {
    let numbering = Numbering::of(config);
    (0..config.uplinks.len()).map(|uplink| (uplink, numbering.mark(uplink))).collect()
}

/// What is known of one socket's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// The mark of its tracked connection; 0 where it has none, or is not tracked.
    tracked: u32,
    /// No table of ours leads to the far end: another connection would go the same way.
    elsewhere: bool,
}

impl Lost {
    /// Whether the socket may be worth a look: bound to no device, from an address of an uplink, and no DHCP client's.
    /// What is bound to a device is about that device, such as a probe.
    fn concerns(&self, socket: &InetSocket) -> bool {
        let local = socket.local.ip();
        let dhcp = || [socket.local, socket.remote].iter().any(|end| DHCP.contains(&end.port()));
        socket.device.is_none()
            && Family::of(local) == self.family
            && self.addresses.values().flatten().any(|prefix| prefix.contains(local))
            && !(socket.protocol == SocketProtocol::Udp && dhcp())
    }

    /// Whether the socket is to be ended.
    fn ends(&self, numbering: &Numbering, socket: &InetSocket, known: Known) -> bool {
        let bits = |mark: u32| mark & numbering.mask().unwrap_or(u32::MAX);
        let uplinks: BTreeSet<usize> = match (bits(known.tracked), bits(socket.mark)) {
            (0, 0) => self.owners(socket),
            (0, mark) | (mark, _) => {
                self.marks.iter().filter(|(_, of)| **of == mark).map(|(uplink, _)| *uplink).collect()
            }
        };
        // What the firewall has no mark for would not be translated either, and get lost on the way that it is sent now.
        let marked = bits(known.tracked) != 0;
        let moves = socket.protocol == SocketProtocol::Udp && marked && uplinks.is_subset(&self.moved);
        !uplinks.is_empty() && uplinks.is_subset(&self.uplinks) && !known.elsewhere && !moves
    }

    /// The uplinks that have the address of the socket.
    fn owners(&self, socket: &InetSocket) -> BTreeSet<usize> {
        let has = |prefixes: &BTreeSet<Prefix>| prefixes.iter().any(|prefix| prefix.contains(socket.local.ip()));
        self.addresses.iter().filter(|(_, prefixes)| has(prefixes)).map(|(uplink, _)| *uplink).collect()
    }
}

#[cfg(test)]
mod tests;
