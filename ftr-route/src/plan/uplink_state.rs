//! How each uplink stands: its device, its addresses and its egress.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ftr_core::config::{Config, Uplink};
use ftr_core::numbering::Numbering;
use ftr_core::record::{NoWay, Reason};
use ftr_core::{Family, InterfaceName, Prefix};
pub(crate) use ftr_netlink::egress::HostView;
use ftr_netlink::egress::{Device, Egress, Terms};
use ftr_netlink::{Address, Link};

/// An uplink as the host has it now, for one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UplinkState {
    pub(crate) name: InterfaceName,
    /// The configuration gives it this family.
    pub(crate) configured: bool,
    pub(crate) device: DeviceState,
    /// Every address of the device that others can reach.
    pub(crate) addresses: Vec<IpAddr>,
    /// Those of them that no new connection shall be made from.
    pub(crate) deprecated: Vec<IpAddr>,
    /// The networks that are reachable directly because of them.
    pub(crate) networks: Vec<Prefix>,
    /// Where packets leave; none while there is no device, it is switched off, or its address or gateway is missing.
    pub(crate) egress: Option<Egress>,
    /// Why there is no egress.
    pub(crate) missing: Option<Reason>,
    /// Its address comes by itself.
    learned: bool,
    /// The address that MASQUERADE gives the packets of others (IPv4 only).
    pub(crate) masquerade: Option<Address>,
    /// What the kernel would say of the address that packets leave with.
    pub(crate) source: Source,
}

/// How far the device of an uplink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeviceState {
    Absent,
    /// Switched off by the administrator.
    Off,
    /// No link partner.
    NoCarrier,
    /// It waits to be let in, or to be registered.
    Dormant,
    Running,
}

/// How the kernel would rate the address that packets leave with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It would choose it, or there is none.
    Good,
    /// It would rather choose one of another device that is not deprecated.
    Deprecated,
    /// It is of another device itself, for this one has none.
    Elsewhere,
}

impl Source {
    const fn of(own: Option<&Address>) -> Self {
        match own {
            Some(address) if address.is_deprecated() => Self::Deprecated,
            Some(_) => Self::Good,
            None => Self::Elsewhere,
        }
    }
}

impl UplinkState {
    /// The device is there, in whatever state.
    pub(crate) fn is_present(&self) -> bool {
        self.device != DeviceState::Absent
    }

    /// What people call the far end: the gateway, or the peer of a point-to-point device.
    pub(crate) fn far_end(&self) -> Option<IpAddr> {
        self.egress.as_ref().and_then(Egress::far_end)
    }

    /// What an egress lacks, where there is none and no failure of the line explains it: the device is on and has
    /// its link partner. That an address has not come, or was taken away, is such a failure.
    pub(crate) fn unexplained(&self) -> Option<NoWay> {
        let reason = self.missing.filter(|_| self.configured && self.device == DeviceState::Running)?;
        let expired = self.learned && reason == Reason::NoAddress;
        (!expired).then(|| NoWay { uplink: self.name.clone(), reason })
    }
}

/// How every uplink of the configuration stands, in file order.
pub(crate) fn uplink_states(config: &Config, family: Family, host: HostView<'_>) -> Vec<UplinkState> {
    let numbering = Numbering::of(config);
    let state = |(i, uplink)| uplink_state(config, uplink, numbering.table(i), family, host);
    config.uplinks.iter().enumerate().map(state).collect()
}

fn uplink_state(config: &Config, uplink: &Uplink, table: u32, family: Family, host: HostView<'_>) -> UplinkState {
    let configured = uplink.has(family);
    let terms = Terms::of(config, uplink, family);
    let device = Device::find(terms, host.links, host.addresses);
    let own = device.as_ref().map(Device::addresses).unwrap_or_default();
    let own = || own.iter().copied().filter(|_| configured);
    let egress = device.as_ref().map_err(|reason| *reason).and_then(|device| device.egress(table, host));
    let masquerade = egress.as_ref().ok().zip(device.as_ref().ok());
    let masquerade = masquerade.and_then(|(egress, device)| device.masquerade(egress.gateway)).cloned();
    let mut addresses: Vec<IpAddr> = own().map(|address| address.local).collect();
    // One of another device is the uplink's where that is said, and not merely the best that there is.
    let source = egress.as_ref().ok().and_then(|egress| egress.source);
    let stated = source.filter(|_| family == Family::V4 || !terms.learns_address());
    addresses.extend(stated);
    addresses.sort_unstable();
    addresses.dedup();
    let mut networks: Vec<Prefix> = own().filter_map(Address::network).collect();
    networks.sort_unstable();
    networks.dedup();
    UplinkState {
        name: uplink.name.clone(),
        configured,
        device: device_state(host.links.iter().find(|link| link.name == uplink.name.as_str())),
        addresses,
        deprecated: own().filter(|address| address.is_deprecated()).map(|address| address.local).collect(),
        networks,
        missing: egress.as_ref().err().copied(),
        egress: egress.ok(),
        learned: terms.learns_address(),
        masquerade,
        source: source.map_or(Source::Good, |source| Source::of(own().find(|address| address.local == source))),
    }
}

const fn device_state(link: Option<&Link>) -> DeviceState {
    match link {
        None => DeviceState::Absent,
        Some(link) if !link.flags.is_up() => DeviceState::Off,
        Some(link) if !link.flags.has_carrier() => DeviceState::NoCarrier,
        Some(link) if link.is_dormant() => DeviceState::Dormant,
        Some(_) => DeviceState::Running,
    }
}

/// The addresses of each uplink, by index.
pub(crate) type Addresses = BTreeMap<usize, BTreeSet<Prefix>>;

/// The uplinks that the configuration gives the family, by index.
pub(crate) fn configured(states: &[UplinkState]) -> impl Iterator<Item = (usize, &UplinkState)> {
    states.iter().enumerate().filter(|(_, state)| state.configured)
}

/// What leaves by an uplink and no other: its addresses, and the prefixes that its provider delegates.
pub(crate) fn sources<'a>(
    config: &'a Config,
    family: Family,
    uplink: usize,
    state: &'a UplinkState,
) -> impl Iterator<Item = Prefix> + 'a {
    let addresses = state.addresses.iter().copied().map(Prefix::host);
    let delegated = config.uplinks.get(uplink).map_or(&[][..], |uplink| &uplink.prefixes6.known);
    addresses.chain(delegated.iter().copied().filter(move |prefix| prefix.family() == family))
}

#[cfg(test)]
pub(crate) mod tests;
