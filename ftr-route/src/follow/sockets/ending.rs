//! Whose sockets are being ended, and what became of it.

use ftr_core::numbering::Numbering;
use ftr_netlink::Error;
use nix::errno::Errno;

use super::Lost;
use super::sweep::Sweep;

/// The sockets that are being ended, of one flush after the other.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// The kernel cannot end sockets, and that has been said.
    given_up: bool,
    /// What is not done yet, and whose uplinks' it is.
    sweeps: Vec<(Sweep, String)>,
}

impl Ending {
    /// Finds the sockets of lost uplinks, with their names. Returns what went wrong.
    pub(crate) fn begin(&mut self, numbering: Numbering, lost: Lost, uplinks: &[(String, u32)]) -> Vec<String> {
        if self.given_up {
            return Vec::new();
        }
        let names: Vec<&str> = uplinks.iter().map(|(name, _)| name.as_str()).collect();
        let whose = names.join(", ");
        let begin = || {
            let mut sweep = Sweep::begin(numbering, lost)?;
            sweep.look()?;
            Ok(sweep)
        };
        match begin() {
            Ok(sweep) => {
                self.sweeps.push((sweep, whose));
                Vec::new()
            }
            Err(error) => vec![self.failed(&whose, &error)],
        }
    }

    /// Ends the sockets that were found to be lost. Returns what went wrong.
    pub(crate) fn end(&mut self) -> Vec<String> {
        self.each(Sweep::end)
    }

    /// Whether there are sockets left to look at.
    pub(crate) fn is_pending(&self) -> bool {
        !self.sweeps.is_empty()
    }

    /// Looks at more sockets, and ends those that are lost. Returns what went wrong.
    pub(crate) fn go_on(&mut self) -> Vec<String> {
        self.each(|sweep| {
            sweep.look()?;
            sweep.end()
        })
    }

    fn each(&mut self, mut work: impl FnMut(&mut Sweep) -> Result<(), Error>) -> Vec<String> {
        let mut warnings = Vec::new();
        for (mut sweep, whose) in std::mem::take(&mut self.sweeps) {
            match work(&mut sweep) {
                Ok(()) if sweep.is_done() => {}
                Ok(()) => self.sweeps.push((sweep, whose)),
                Err(error) => warnings.push(self.failed(&whose, &error)),
            }
        }
        warnings
    }

    fn failed(&mut self, whose: &str, error: &Error) -> String {
        let always = if is_lacking(error) { ", now and later" } else { "" };
        self.given_up |= is_lacking(error);
        format!("warning: the router's own connections of {whose} stay as they are{always}: {error}")
    }
}

/// Whether the kernel cannot tell of sockets (`ENOENT` without a module for them), or cannot end them.
pub(crate) const fn is_lacking(error: &Error) -> bool {
    match error {
        Error::Open(errno) => matches!(errno, Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT),
        Error::Rejected { error, .. } => matches!(error.errno, Errno::EOPNOTSUPP | Errno::ENOENT),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Errno, Error};
    use ftr_netlink::NetlinkError;

    #[test]
    fn a_kernel_that_cannot_end_sockets_is_told_once() {
        let refused =
            |errno| Error::Rejected { operation: "destroy socket", error: NetlinkError { errno, message: None } };
        let mut ending = Ending::default();
        let passing = ending.failed("eth1", &refused(Errno::ENOBUFS));
        assert!(!ending.given_up && !passing.contains("later"), "{passing}");
        let lacking = ending.failed("eth1", &refused(Errno::EOPNOTSUPP));
        assert!(ending.given_up && lacking.contains(" of eth1 stay as they are, now and later: "), "{lacking}");
    }
}
