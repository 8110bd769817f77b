//! The address that packets of this host leave with.

use std::net::IpAddr;

use ftr_core::{Family, Prefix};

use super::Terms;
use crate::{Address, Link};

/// The addresses that may be used with a device.
#[derive(Clone, Debug)]
pub(super) struct Sources<'a> {
    terms: Terms<'a>,
    index: u32,
    links: &'a [Link],
    addresses: &'a [Address],
    /// Those of the device that others can reach and that are ready to be used.
    pub(super) own: Vec<&'a Address>,
}

/// An address of another device that is no uplink.
struct Elsewhere<'a> {
    address: &'a Address,
    /// It is out of a prefix that is routed here through this uplink.
    is_delegated: bool,
}

impl<'a> Sources<'a> {
    pub(super) fn of(terms: Terms<'a>, link: &'a Link, links: &'a [Link], addresses: &'a [Address]) -> Self {
        let mut sources = Self { terms, index: link.index, links, addresses, own: Vec::new() };
        sources.own = sources.usable().filter(|address| address.index == link.index).collect();
        sources
    }

    /// The networks that the device reaches directly.
    pub(super) fn networks(&self) -> impl Iterator<Item = Prefix> {
        let own = self.addresses.iter().filter(|one| one.index == self.index && one.family() == self.terms.family);
        own.filter_map(Address::network)
    }

    /// This address, if packets of the uplink may leave with it: it is the device's, or of a device that is no uplink.
    pub(super) fn find(&self, ip: IpAddr) -> Option<&'a Address> {
        let own = self.own.iter().copied().find(|address| address.local == ip);
        own.or_else(|| self.elsewhere(|address| address.local == ip).next().map(|found| found.address))
    }

    /// Whether packets may leave with this address, which the kernel has chosen or been told.
    pub(super) fn permit(&self, ip: IpAddr) -> bool {
        // Where nothing is known of other devices, the kernel's choice is as good as any.
        self.terms.configured.is_none()
            || self.own.iter().any(|address| address.local == ip)
            || self.elsewhere(|address| address.local == ip).any(|found| found.is_sendable())
    }

    /// The address of the device that names its far end, else its first one.
    pub(super) fn with_peer(&self) -> Option<&'a Address> {
        let with_peer = self.own.iter().copied().find(|address| address.peer.is_some());
        with_peer.or_else(|| self.choose(None, None, None))
    }

    /// The address to send from: the one that the route names, else the one that the kernel would choose. `in_use` is
    /// the one that packets leave with now.
    pub(super) fn choose(
        &self,
        named: Option<IpAddr>,
        gateway: Option<IpAddr>,
        in_use: Option<IpAddr>,
    ) -> Option<&'a Address> {
        named.and_then(|named| self.find(named)).or_else(|| match self.terms.family {
            Family::V4 => self.first(gateway),
            Family::V6 => self.best(in_use),
        })
    }

    /// The kernel's choice of an IPv4 address for a route that names none: the first in the gateway's network, else the
    /// first of all; secondary ones only where there is nothing else (`inet_select_addr`).
    pub(super) fn first(&self, gateway: Option<IpAddr>) -> Option<&'a Address> {
        let primary = || self.own.iter().copied().filter(|address| !address.is_secondary());
        let holds = |network: Prefix| gateway.is_some_and(|gateway| network.contains(gateway));
        let near = primary().find(|address| address.network().is_some_and(holds));
        near.or_else(|| primary().next()).or_else(|| self.own.first().copied())
    }

    /// The IPv6 address with the fewest blemishes; of several that are as good the one in use. One out of a delegated
    /// prefix is taken where the device has none that is as good, and one that no prefix is stated for only where there is
    /// nothing else.
    fn best(&self, in_use: Option<IpAddr>) -> Option<&'a Address> {
        let mut all: Vec<([bool; 4], &Address)> = self.own.iter().map(|one| (blemishes(one, false), *one)).collect();
        if self.terms.configured.is_some_and(|(_, uplink)| !uplink.prefixes6.is_empty()) {
            let delegated = self.elsewhere(|_| true).filter(|found| found.is_delegated);
            all.extend(delegated.map(|found| (blemishes(found.address, true), found.address)));
        }
        if all.is_empty() {
            let free = self.elsewhere(|_| true).filter(Elsewhere::is_sendable);
            all.extend(free.map(|found| (blemishes(found.address, true), found.address)));
        }
        let best = all.iter().map(|(blemishes, _)| *blemishes).min()?;
        let good = || all.iter().filter(|(blemishes, _)| *blemishes == best).map(|(_, address)| *address);
        good().find(|address| Some(address.local) == in_use).or_else(|| good().next())
    }

    /// The addresses of this kind that devices have which are no uplinks, but for those of another uplink's prefix.
    fn elsewhere(&self, wanted: impl Fn(&Address) -> bool) -> impl Iterator<Item = Elsewhere<'a>> {
        let config = self.terms.configured;
        let others = self.usable().filter(move |address| address.index != self.index && wanted(address));
        others.filter_map(move |address| {
            let (config, uplink) = config?;
            let device = self.links.iter().find(|link| link.index == address.index)?;
            let within = |prefixes: &[Prefix]| prefixes.iter().any(|prefix| prefix.contains(address.local));
            let is_delegated = within(&uplink.prefixes6);
            let is_foreign = || config.uplinks.iter().any(|other| within(&other.prefixes6));
            if config.position(&device.name).is_some() || (!is_delegated && is_foreign()) {
                return None;
            }
            Some(Elsewhere { address, is_delegated })
        })
    }

    /// The addresses of the family that others can reach and that are ready to be used.
    fn usable(&self) -> impl Iterator<Item = &'a Address> + use<'a> {
        let family = self.terms.family;
        let of_family = self.addresses.iter().filter(move |address| address.family() == family);
        of_family.filter(|address| address.is_global() && !address.is_tentative())
    }
}

impl Elsewhere<'_> {
    /// The internet knows the way back.
    fn is_sendable(&self) -> bool {
        self.is_delegated || !is_unique_local(self.address)
    }
}

/// What speaks against sending from an address, the worst first: it is deprecated, it is of a local network that the
/// internet does not know, it is another device's, it is temporary.
fn blemishes(address: &Address, elsewhere: bool) -> [bool; 4] {
    let local = !elsewhere && is_unique_local(address);
    [address.is_deprecated(), local, elsewhere, address.is_secondary()]
}

/// RFC 4193.
fn is_unique_local(address: &Address) -> bool {
    matches!(address.local, IpAddr::V6(address) if address.is_unique_local())
}
