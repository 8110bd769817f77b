//! Connections of an uplink that went down: forgotten, so that both ends notice at once.

use std::num::NonZeroU32;

use ftr_core::cli::say;
use ftr_core::config::Config;
use ftr_core::layout::Layout;
use ftr_core::record::{Active, Applied};
use ftr_netlink::{Ctnetlink, Error};
use nix::errno::Errno;

use crate::TOOL;

/// Deletes tracked connections by the mark of their uplink.
#[derive(Debug, Default)]
pub(crate) struct Flush {
    /// The kernel cannot do it, and that has been said.
    given_up: bool,
}

impl Flush {
    /// Forgets the connections that the record names, now that the routes are in.
    ///
    /// Without a working uplink to take them they are better off waiting for theirs to return.
    pub(crate) fn run(&mut self, config: &Config, active: &Active, applied: &Applied) {
        let works = applied.active.iter().any(|uplink| !active.failed.contains(uplink));
        if active.flush.is_empty() || !works || self.given_up {
            return;
        }
        let layout = Layout::of(config);
        let Some(mask) = NonZeroU32::new(layout.mask().unwrap_or(u32::MAX)) else { return };
        let known = |name: &str| config.position(name).map(|uplink| (name.to_owned(), layout.mark(uplink)));
        let marks: Vec<(String, u32)> = active.flush.iter().filter_map(|uplink| known(uplink.as_str())).collect();
        let warnings = match Ctnetlink::open() {
            Ok(mut connections) => self.each(&marks, |mark| connections.flush(active.family, mark, mask)),
            Err(error) => vec![self.failed("failed uplinks", &error)],
        };
        for warning in warnings {
            say(TOOL, &warning);
        }
    }

    /// Flushes one uplink after the other: one that fails does not keep the others from it. Returns what went wrong.
    fn each(&mut self, marks: &[(String, u32)], mut flush: impl FnMut(u32) -> Result<(), Error>) -> Vec<String> {
        let mut warnings = Vec::new();
        for (uplink, mark) in marks {
            if let Err(error) = flush(*mark) {
                warnings.push(self.failed(uplink, &error));
            }
            if self.given_up {
                break;
            }
        }
        warnings
    }

    fn failed(&mut self, whose: &str, error: &Error) -> String {
        self.given_up = is_lacking(error);
        let always = if self.given_up { ", now and later" } else { "" };
        format!("warning: connections of {whose} stay as they are{always}: {error}")
    }
}

/// Whether the kernel has no connection tracking, or none that takes requests: no attempt will ever succeed.
///
/// `EINVAL` is how nfnetlink refuses a subsystem that it cannot load, and a protocol of sockets that is out of range;
/// `EOPNOTSUPP` how one refuses what it was built without.
const fn is_lacking(error: &Error) -> bool {
    match error {
        Error::Open(errno) => {
            matches!(errno, Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP | Errno::EINVAL)
        }
        Error::Refused { refusal, .. } => {
            matches!(refusal.errno, Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EINVAL)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Errno, Error, Flush, is_lacking};
    use ftr_netlink::Refusal;

    fn refused(errno: Errno) -> Error {
        Error::Refused { operation: "delete tracked connections", refusal: Refusal { errno, message: None } }
    }

    /// Flushes two uplinks, the first of which fails so. Returns the marks tried and the warnings.
    fn flush(flush: &mut Flush, error: &Error) -> (Vec<u32>, Vec<String>) {
        let mut tried = Vec::new();
        let warnings = flush.each(&[("eth1".to_owned(), 1), ("eth2".to_owned(), 2)], |mark| {
            tried.push(mark);
            if mark == 1 { Err(error.clone()) } else { Ok(()) }
        });
        (tried, warnings)
    }

    #[test]
    fn one_uplink_that_fails_keeps_no_other_from_its_flush() {
        let mut it = Flush::default();
        for error in [Error::Receive(Errno::ENOBUFS), refused(Errno::EBUSY), refused(Errno::EPERM)] {
            let (tried, warnings) = flush(&mut it, &error);
            assert_eq!((tried, warnings.len(), it.given_up), (vec![1, 2], 1, false));
            assert!(warnings[0].starts_with("warning: connections of eth1 stay as they are: "), "{warnings:?}");
        }
    }

    #[test]
    fn a_kernel_that_cannot_do_it_is_asked_no_more() {
        let mut it = Flush::default();
        let (tried, warnings) = flush(&mut it, &refused(Errno::EOPNOTSUPP));
        assert_eq!((tried, warnings.len(), it.given_up), (vec![1], 1, true));
    }

    #[test]
    fn only_what_is_not_there_is_lacking() {
        for errno in [Errno::EOPNOTSUPP, Errno::EPROTONOSUPPORT, Errno::EINVAL] {
            assert!(is_lacking(&Error::Open(errno)) && is_lacking(&refused(errno)), "{errno}");
        }
        for errno in [Errno::EMFILE, Errno::ENOMEM, Errno::EPERM] {
            assert!(!is_lacking(&Error::Open(errno)) && !is_lacking(&refused(errno)), "{errno}");
        }
        assert!(!is_lacking(&Error::Receive(Errno::EINVAL)));
    }
}
