//! The way through an uplink, as the kernel has it before anything is sent.

use std::net::IpAddr;

use ftr_core::record::Reason;
use ftr_netlink::Route;
use ftr_netlink::egress::{Device, Egress};

/// The way through an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// The address that packets leave with.
    pub(crate) address: IpAddr,
    /// The gateway, or the peer of a point-to-point device; none where the targets are on the link.
    pub(crate) gateway: Option<IpAddr>,
}

/// Where the way breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) reason: Reason,
    /// The address of the uplink, if it still has one.
    pub(crate) address: Option<IpAddr>,
}

impl Break {
    pub(crate) fn of(device: &Device<'_>, reason: Reason) -> Self {
        Self { reason, address: device.address() }
    }
}

/// The way through a device by the kernel's answer to the question where a packet would go.
pub(crate) fn way(device: &Device<'_>, answer: Option<&Route>) -> Result<Path, Break> {
    let egress = device.routed(answer).map_err(|reason| Break::of(device, reason))?;
    let Egress { source: Some(address), .. } = egress else { return Err(Break::of(device, Reason::NoAddress)) };
    Ok(Path { address, gateway: egress.far_end() })
}
