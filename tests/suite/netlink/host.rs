//! A host of its own: a namespace with four devices, and sockets inside it.

use ftr_lab::error::{LabError, Result};
use ftr_lab::namespace::Namespace;
use ftr_netlink::{Error, Group, Listener, Rtnetlink};
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};

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
            // The far ends have other numbers than the near ones would get: see "linkwatch" in the kernel.
            let _ = writeln!(lines, "link add u{i} index {} type veth peer name far{i} index {}", 10 + i, 100 + i);
            let _ = writeln!(lines, "addr add {i}.0.0.2/24 dev u{i}");
            let _ = writeln!(lines, "addr add 2001:db8:{i}::2/64 dev u{i} nodad");
            let _ = writeln!(lines, "link set u{i} up");
            let _ = writeln!(lines, "link set far{i} up");
        }
        space.ip(&lines)?;
        let netlink = inside(&space, Rtnetlink::open)?;
        Ok(Self { space, netlink })
    }

    /// The number of device i.
    pub(crate) const fn index(i: u32) -> u32 {
        10 + i
    }

    /// A fresh socket for requests.
    pub(crate) fn requests(&self) -> Result<Rtnetlink> {
        inside(&self.space, Rtnetlink::open)
    }

    /// A socket that hears of these from now on.
    pub(crate) fn listener(&self, groups: &[Group]) -> Result<Listener> {
        inside(&self.space, || Listener::open(groups))
    }
}

/// Opens a socket there: it belongs to that namespace wherever it is used.
fn inside<T: Send>(space: &Namespace, open: impl FnOnce() -> std::result::Result<T, Error> + Send) -> Result<T> {
    space.enter(|| open().map_err(|error| LabError::Unexpected(error.to_string())))
}
