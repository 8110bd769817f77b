//! Network devices (`RTM_NEWLINK`).

use neli::consts::rtnl::{Iff, Ifla, IflaInfo, RtAddrFamily};
use neli::rtnl::{Ifinfomsg, IfinfomsgBuilder};

use crate::attribute::{Payload, from_bytes, to_bytes};
use crate::{Counters, Error};

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, which a device of the same name made later does not share.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it does and can do.
    pub flags: LinkFlags,
    /// Its operational state (RFC 2863): 6 is up, 5 dormant, 2 down, 0 unknown.
    pub operational: u8,
    /// What kind of virtual device it is (`veth`, `tun`, `vlan`, …); none for hardware.
    pub kind: Option<String>,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// What went through it.
    pub counters: Counters,
}

/// `IFF_*` flags of a device, as netdevice(7) and the kernel's `include/uapi/linux/if.h` describe them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFlags(pub u32);

impl LinkFlags {
    const fn has(self, flag: Iff) -> bool {
        self.0 & flag.bits() != 0
    }

    /// The administrator has switched it on.
    #[must_use]
    pub const fn is_up(self) -> bool {
        self.has(Iff::UP)
    }

    /// There is a link partner. A device that is switched off never has one.
    #[must_use]
    pub const fn has_carrier(self) -> bool {
        self.has(Iff::LOWERUP)
    }

    /// It has exactly one peer: PPP, a tunnel.
    #[must_use]
    pub const fn is_point_to_point(self) -> bool {
        self.has(Iff::POINTOPOINT)
    }

    /// The host's own loop.
    #[must_use]
    pub const fn is_loopback(self) -> bool {
        self.has(Iff::LOOPBACK)
    }

    /// Neighbours need no address resolution.
    #[must_use]
    pub const fn no_arp(self) -> bool {
        self.has(Iff::NOARP)
    }
}

/// The operational state in which a device with a link partner waits for something above that (`IF_OPER_DORMANT` of the
/// kernel's `include/uapi/linux/if.h`).
const DORMANT: u8 = 5;

impl Link {
    /// It has carrier, and waits for something else before it can be used: to be let in by 802.1X, or to be registered.
    #[must_use]
    pub const fn is_dormant(&self) -> bool {
        self.flags.has_carrier() && self.operational == DORMANT
    }

    /// None for a message about a bridge's port, which shares the message type but is not about the device itself.
    pub(crate) fn decode(body: &[u8]) -> Result<Option<Self>, Error> {
        let message: Ifinfomsg = from_bytes(body, "link")?;
        if *message.ifi_family() != RtAddrFamily::Unspecified {
            return Ok(None);
        }
        let mut link = Self {
            index: u32::try_from(*message.ifi_index()).map_err(|_| Error::Malformed("link index"))?,
            name: String::new(),
            flags: LinkFlags(message.ifi_flags().bits()),
            operational: 0,
            kind: None,
            mtu: 0,
            counters: Counters::default(),
        };
        for attribute in message.rtattrs().iter() {
            match *attribute.rta_type() {
                Ifla::Ifname => link.name = attribute.text(),
                Ifla::Mtu => link.mtu = attribute.number("link mtu")?,
                Ifla::Operstate => link.operational = attribute.octet("link state")?,
                Ifla::Stats64 => link.counters = Counters::decode(attribute.octets())?,
                Ifla::Linkinfo => {
                    let nested = attribute.get_attr_handle::<IflaInfo>().map_err(|_| Error::Malformed("link kind"))?;
                    link.kind = nested.get_attribute(IflaInfo::Kind).map(Payload::text);
                }
                _ => {}
            }
        }
        Ok(Some(link))
    }

    /// The body of a request for every device.
    pub(crate) fn request() -> Result<Vec<u8>, Error> {
        let body = IfinfomsgBuilder::default()
            .ifi_family(RtAddrFamily::Unspecified)
            .build()
            .map_err(|_| Error::Encode("a link request"))?;
        to_bytes(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::Link;
    use proptest::prelude::*;

    #[test]
    fn a_bridge_port_is_no_device() {
        let mut body = Link::request().unwrap();
        body[0] = 7; // AF_BRIDGE
        assert_eq!(Link::decode(&body), Ok(None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Link::decode(&bytes);
        }
    }
}
