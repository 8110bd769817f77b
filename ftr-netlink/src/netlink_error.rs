//! The kernel's "no", in its own words.

use std::fmt;

use nix::errno::Errno;

/// Why the kernel refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetlinkError {
    /// The error number.
    pub errno: Errno,
    /// What the kernel had to say beyond the number (the extended acknowledgement of netlink(7)).
    pub message: Option<String>,
}

impl NetlinkError {
    /// Whether a capability is missing. `EACCES` means something else: IPv6 is disabled on the device of a nexthop, or a
    /// route prohibits what was looked up.
    #[must_use]
    pub const fn is_permission(&self) -> bool {
        matches!(self.errno, Errno::EPERM)
    }
}

impl fmt::Display for NetlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.message.as_deref().unwrap_or_else(|| self.errno.desc());
        write!(f, "{} ({:?})", words.trim_end_matches('.'), self.errno)
    }
}

impl std::error::Error for NetlinkError {}

#[cfg(test)]
mod tests {
    use super::NetlinkError;
    use nix::errno::Errno;

    #[test]
    fn the_kernels_words_come_first() {
        let mut error = NetlinkError { errno: Errno::EINVAL, message: Some("Nexthop has invalid gateway".to_owned()) };
        assert_eq!(error.to_string(), "Nexthop has invalid gateway (EINVAL)");
        error.message = None;
        assert_eq!(error.to_string(), "Invalid argument (EINVAL)");
    }
}
