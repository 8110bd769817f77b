//! Questions of the kind "which way would this packet go?" (`RTM_GETROUTE`).

use std::net::IpAddr;

use ftr_core::Family;
use neli::consts::rtnl::{RtScope, RtTable, Rta, RtmF, Rtn, Rtprot};
use neli::rtnl::RtmsgBuilder;
use nix::libc;

use crate::attribute::{Attributes, to_bytes};
use crate::{Error, family};

/// Attributes of `include/uapi/linux/rtnetlink.h` that are younger than neli's list.
const IP_PROTO: u16 = 27;
const SPORT: u16 = 28;
const DPORT: u16 = 29;

/// A packet whose way is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Where it goes to.
    pub destination: IpAddr,
    /// Where it comes from; none for a packet of this host that has no source yet. An IPv4 packet that came in needs one.
    pub source: Option<IpAddr>,
    /// The device that the sending socket is bound to.
    pub oif: Option<u32>,
    /// The device that it came in by; none for a packet of this host.
    pub iif: Option<u32>,
    /// Its mark.
    pub mark: u32,
    /// Its protocol, by number: 6 is TCP, 17 UDP, 1 ICMP and 58 that of IPv6; the kernel takes no other. None is UDP to
    /// IPv4, and no protocol at all to IPv6.
    pub protocol: Option<u8>,
    /// The port that it comes from.
    pub sport: Option<u16>,
    /// The port that it goes to.
    pub dport: Option<u16>,
    /// Its traffic class.
    pub tos: u8,
}

impl Lookup {
    /// A packet of this host, without source, device, mark or ports.
    #[must_use]
    pub const fn to(destination: IpAddr) -> Self {
        Self {
            destination,
            source: None,
            oif: None,
            iif: None,
            mark: 0,
            protocol: None,
            sport: None,
            dport: None,
            tos: 0,
        }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let family = Family::of(self.destination);
        // IPv4 names the main table in its answer unless asked for the one that was used; IPv6 always names that one,
        // and refuses to be asked.
        let flags = if family == Family::V4 { libc::RTM_F_LOOKUP_TABLE } else { 0 };
        let body = RtmsgBuilder::default()
            .rtm_family(family::to_kernel(family))
            .rtm_dst_len(family.bits())
            .rtm_src_len(if self.source.is_some() { family.bits() } else { 0 })
            .rtm_tos(self.tos)
            .rtm_table(RtTable::Unspec)
            .rtm_protocol(Rtprot::Unspec)
            .rtm_scope(RtScope::Universe)
            .rtm_type(Rtn::Unspec)
            .rtm_flags(RtmF::from_bits_retain(flags))
            .rtattrs(self.attributes()?.into_buffer())
            .build()
            .map_err(|_| Error::Encode("a route lookup"))?;
        to_bytes(&body)
    }

    fn attributes(&self) -> Result<Attributes<Rta>, Error> {
        let mut attributes = Attributes::new();
        attributes.address(Rta::Dst, self.destination)?;
        if let Some(source) = self.source {
            attributes.address(Rta::Src, source)?;
        }
        for (kind, device) in [(Rta::Oif, self.oif), (Rta::Iif, self.iif)] {
            if let Some(device) = device {
                attributes.number(kind, device)?;
            }
        }
        if self.iif.is_some() {
            // Packets that come in are root's; an IPv6 look-up would take them for nobody's.
            attributes.number(Rta::Uid, 0)?;
        }
        if self.mark != 0 {
            attributes.number(Rta::Mark, self.mark)?;
        }
        if let Some(protocol) = self.protocol {
            attributes.bytes(Rta::from(IP_PROTO), vec![protocol])?;
        }
        for (kind, port) in [(SPORT, self.sport), (DPORT, self.dport)] {
            if let Some(port) = port {
                attributes.bytes(Rta::from(kind), port.to_be_bytes().to_vec())?;
            }
        }
        Ok(attributes)
    }
}
