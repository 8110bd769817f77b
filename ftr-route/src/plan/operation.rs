//! A single change to the kernel.

use ftr_netlink::Write;

use crate::plan::sysctl::Setting;

/// A single change to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Sets a sysctl.
    Sysctl(Setting),
    /// Adds or deletes a rule or a route.
    Write {
        write: Write,
        /// The uplink that is to blame if the kernel refuses.
        uplink: Option<usize>,
    },
}

impl Operation {
    /// A change that no single uplink is to blame for.
    pub(crate) const fn write(write: Write) -> Self {
        Self::Write { write, uplink: None }
    }

    /// The setting, where it is one.
    pub(crate) const fn setting(&self) -> Option<&Setting> {
        match self {
            Self::Sysctl(setting) => Some(setting),
            Self::Write { .. } => None,
        }
    }

    /// The uplink that is to blame if the kernel refuses.
    pub(crate) const fn uplink(&self) -> Option<usize> {
        match self {
            Self::Sysctl(_) => None,
            Self::Write { uplink, .. } => *uplink,
        }
    }
}
