//! A host of its own: a namespace with four devices, and sockets inside it.

use ftr_lab::deadline::wait_for;
use ftr_lab::error::{LabError, Result};
use ftr_lab::namespace::Namespace;
use ftr_netlink::{Ctnetlink, Error, Family, Group, Listener, Lookup, Nexthop, RouteKind, Rtnetlink, Write};
use libtest_mimic::Failed;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// How many devices a host has: device i, from 1, is `u<i>` with the addresses `i.0.0.2/24` and `2001:db8:i::2/64`.
pub(crate) const DEVICES: u32 = 4;

/// A host, as long as this value lives.
#[derive(Debug)]
pub(crate) struct Host {
    /// Where it is.
    pub(crate) space: Namespace,
    /// Requests to its kernel.
    pub(crate) netlink: Rtnetlink,
}

impl Host {
    /// Makes a host. Its devices are up and have carrier.
    pub(crate) fn new() -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let space = Namespace::create(&format!("ftr{}x{number}-netlink", std::process::id()))?;
        let mut lines = String::new();
        for i in 1..=DEVICES {
            // Were both ends of the same number, the kernel would be in no hurry to tell of their carrier.
            let _ = writeln!(
                lines,
                "link add u{i} index {} type veth peer name far{i} index {}",
                Self::index(i),
                Self::far_index(i)
            );
            let _ = writeln!(lines, "addr add {i}.0.0.2/24 dev u{i}");
            let _ = writeln!(lines, "addr add 2001:db8:{i}::2/64 dev u{i} nodad");
            let _ = writeln!(lines, "link set u{i} up");
            let _ = writeln!(lines, "link set far{i} up");
        }
        space.ip(&lines)?;
        let mut netlink = inside(&space, Rtnetlink::open)?;
        for i in 1..=DEVICES {
            in_use(&mut netlink, own(Family::V6, i))?;
        }
        Ok(Self { space, netlink })
    }

    /// The number of device i.
    pub(crate) const fn index(i: u32) -> u32 {
        10 + i
    }

    /// The number of the far end of device i.
    pub(crate) const fn far_index(i: u32) -> u32 {
        100 + i
    }

    /// A fresh socket for requests.
    pub(crate) fn requests(&self) -> Result<Rtnetlink> {
        inside(&self.space, Rtnetlink::open)
    }

    /// A socket that hears of these from now on.
    pub(crate) fn listener(&self, groups: &[Group]) -> Result<Listener> {
        inside(&self.space, || Listener::open(groups))
    }

    /// A socket for requests about tracked connections.
    pub(crate) fn connections(&self) -> Result<Ctnetlink> {
        inside(&self.space, Ctnetlink::open)
    }
}

/// Opens a socket there: it belongs to that namespace wherever it is used.
fn inside<T: Send>(space: &Namespace, open: impl FnOnce() -> std::result::Result<T, Error> + Send) -> Result<T> {
    space.enter(|| open().map_err(|error| LabError::Unexpected(error.to_string())))
}

/// Waits until the host is at home at an IPv6 address: the kernel sets it up in the background.
fn in_use(netlink: &mut Rtnetlink, address: IpAddr) -> Result<()> {
    let mut look = || Ok(netlink.lookup(&Lookup::to(address)).is_ok_and(|route| route.kind == RouteKind::Local));
    wait_for(&format!("{address} in use"), Duration::from_secs(5), &mut look, |used| *used).map(drop)
}

/// The host's address on a device.
pub(crate) fn own(family: Family, device: u32) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from_bits(device << 24 | 2).into(),
        Family::V6 => Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(device) << 80 | 2).into(),
    }
}

/// The n-th gateway on the network of a device.
pub(crate) fn gateway(family: Family, device: u32, n: u16) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from_bits(device << 24 | u32::from(n)).into(),
        Family::V6 => Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(device) << 80 | u128::from(n)).into(),
    }
}

/// A host somewhere in the internet.
pub(crate) fn far(family: Family) -> IpAddr {
    match family {
        Family::V4 => [203, 0, 113, 9].into(),
        Family::V6 => Ipv6Addr::from_bits(0x2001_0db8_ffff << 80 | 9).into(),
    }
}

/// By the first gateway of a device.
pub(crate) fn hop(family: Family, device: u32) -> Nexthop {
    Nexthop::new(Some(gateway(family, device, 1)), Host::index(device))
}

/// Makes these changes; none may be refused.
pub(crate) fn write(netlink: &mut Rtnetlink, writes: &[Write]) -> std::result::Result<(), Failed> {
    for (write, fate) in writes.iter().zip(netlink.write(writes)?) {
        fate.map_err(|error| format!("{error}: {write:?}"))?;
    }
    Ok(())
}
