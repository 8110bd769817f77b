//! What the kernel looks at to decide.

use std::net::IpAddr;

/// What the kernel looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) destination: IpAddr,
    /// None for a packet of this host whose source is not chosen yet.
    pub(crate) source: Option<IpAddr>,
    pub(crate) mark: u32,
    /// The device that it came in by; none for a packet of this host.
    pub(crate) iif: Option<&'a str>,
    /// The device that the sending socket is bound to.
    pub(crate) oif: Option<Device<'a>>,
    /// By number.
    pub(crate) protocol: u8,
    pub(crate) sport: Option<u16>,
    pub(crate) dport: Option<u16>,
    /// The user that the sending socket belongs to. What came in belongs to root.
    pub(crate) user: u32,
}

/// A device, as rules name it and as routes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Device<'a> {
    pub(crate) name: &'a str,
    pub(crate) index: u32,
}

impl Packet<'_> {
    /// A packet of this host, of no protocol, without source, mark or device.
    pub(crate) const fn to(destination: IpAddr) -> Self {
        Self {
            destination,
            source: None,
            mark: 0,
            iif: None,
            oif: None,
            protocol: 0,
            sport: None,
            dport: None,
            user: 0,
        }
    }
}
