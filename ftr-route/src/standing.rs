//! How each uplink stands: its device, its addresses and the way out that they give it.

mod device;

use std::net::IpAddr;

use ftr_core::config::{Config, Uplink};
use ftr_core::layout::Layout;
use ftr_core::{Family, InterfaceName, Prefix};
use ftr_netlink::{Address, Link, Route};

use device::Device;

/// An uplink as the host has it now, for one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) name: InterfaceName,
    /// The configuration gives it this family.
    pub(crate) configured: bool,
    pub(crate) device: DeviceState,
    /// Every address of the device that others can reach.
    pub(crate) addresses: Vec<IpAddr>,
    /// The networks that are reachable directly because of them.
    pub(crate) networks: Vec<Prefix>,
    /// The way out; none while there is no device, it is switched off, or its address or gateway is missing.
    pub(crate) way: Option<Way>,
}

/// How far the device of an uplink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeviceState {
    Absent,
    /// Switched off by the administrator.
    Off,
    /// No link partner.
    NoCarrier,
    Running,
}

impl Standing {
    /// The device is there, in whatever state.
    pub(crate) fn is_present(&self) -> bool {
        self.device != DeviceState::Absent
    }

    /// What people call the far end: the gateway, or the peer of a point-to-point device.
    pub(crate) fn far_end(&self) -> Option<IpAddr> {
        self.way.as_ref().and_then(|way| way.gateway.or(way.peer))
    }
}

/// A way out of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// The number of the device.
    pub(crate) index: u32,
    /// The address that packets are sent from.
    pub(crate) source: IpAddr,
    /// The router that packets are sent to; none on a point-to-point device.
    pub(crate) gateway: Option<IpAddr>,
    /// No network of the device holds the gateway.
    pub(crate) onlink: bool,
    /// The far end of a point-to-point device.
    pub(crate) peer: Option<IpAddr>,
}

/// What the host has, of one family.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Host<'a> {
    pub(crate) links: &'a [Link],
    pub(crate) addresses: &'a [Address],
    /// The default routes of the table main: what DHCP clients and router advertisements have brought.
    pub(crate) defaults: &'a [Route],
    /// The hosts that do not answer the kernel's question for their link-layer address, each with its device.
    pub(crate) silent: &'a [(u32, IpAddr)],
    /// The routes of our tables, which remember what was learned.
    pub(crate) ours: &'a [Route],
}

/// How every uplink of the configuration stands, in file order.
pub(crate) fn standings(config: &Config, family: Family, host: Host<'_>) -> Vec<Standing> {
    let layout = Layout::of(config);
    let standing = |(place, uplink)| standing(uplink, layout.table(place), family, host);
    config.uplinks.iter().enumerate().map(standing).collect()
}

fn standing(uplink: &Uplink, table: u32, family: Family, host: Host<'_>) -> Standing {
    let link = host.links.iter().find(|link| link.name == uplink.name.as_str());
    let configured = uplink.has(family);
    let own: Vec<&Address> = host
        .addresses
        .iter()
        .filter(|address| configured && link.is_some_and(|link| link.index == address.index))
        .filter(|address| address.family() == family && address.is_global() && !address.is_tentative())
        .collect();
    let mut reachable: Vec<IpAddr> = own.iter().map(|address| address.local).collect();
    reachable.sort_unstable();
    reachable.dedup();
    let mut networks: Vec<Prefix> = own.iter().filter_map(|address| address.network()).collect();
    networks.sort_unstable();
    networks.dedup();
    let way = link
        .filter(|link| link.flags.is_up())
        .and_then(|link| Device { link, own: &own, table, host }.way(uplink, family));
    Standing {
        name: uplink.name.clone(),
        configured,
        device: match link.map(|link| link.flags) {
            None => DeviceState::Absent,
            Some(flags) if !flags.is_up() => DeviceState::Off,
            Some(flags) if !flags.has_carrier() => DeviceState::NoCarrier,
            Some(_) => DeviceState::Running,
        },
        addresses: reachable,
        networks,
        way,
    }
}

#[cfg(test)]
pub(crate) mod tests;
