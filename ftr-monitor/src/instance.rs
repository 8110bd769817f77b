//! One monitor per network namespace, and a way to ask it how things are: an abstract socket, which belongs to the
//! network namespace and vanishes with its owner.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use caps::Capability;
use ftr_core::Exit;
use ftr_core::cli::Failure;
use ftr_core::running::directory as run_dir;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::{User, geteuid};

const NAME: &[u8] = b"ftr-monitor";
/// How many askers are answered in one go, so that a crowd does not hold up the checks.
const ASKERS: usize = 16;
/// The longest answer that is believed.
const LONGEST: u64 = 1024 * 1024;

/// The right to be the monitor of this network namespace.
pub(crate) struct Instance {
    listener: UnixListener,
}

impl Instance {
    /// Claims the right; none if another process has it.
    ///
    /// # Errors
    /// The socket cannot be made for another reason.
    pub(crate) fn claim() -> io::Result<Option<Self>> {
        match UnixListener::bind_addr(&SocketAddr::from_abstract_name(NAME)?) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Some(Self { listener }))
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Claims the right for a task, or says who has it.
    ///
    /// # Errors
    /// Exit 75 if another process has it, 74 if the socket cannot be made.
    pub(crate) fn claim_or_fail(task: &str) -> Result<Self, Failure> {
        let claimed = Self::claim().map_err(|error| Failure::new(Exit::Io, format!("{task}: instance: {error}")))?;
        claimed.ok_or_else(|| {
            let who = holder();
            Failure::new(Exit::Again, format!("{task}: another ftr-monitor runs in this network namespace ({who})"))
        })
    }

    /// Answers those who ask at the moment. The answer fits into a socket's buffer, so nobody is waited for; one who goes
    /// away meanwhile gets none.
    pub(crate) fn answer(&self, text: &str) {
        for _ in 0..ASKERS {
            let Ok((mut asker, _)) = self.listener.accept() else { return };
            let _ = asker.set_nonblocking(true).and_then(|()| asker.write_all(text.as_bytes()));
        }
    }
}

impl AsFd for Instance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Asks the monitor of this network namespace; none if there is none.
///
/// # Errors
/// It does not answer in time.
pub(crate) fn ask() -> io::Result<Option<String>> {
    let monitor = match UnixStream::connect_addr(&SocketAddr::from_abstract_name(NAME)?) {
        Ok(monitor) => monitor,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) => return Err(error),
    };
    monitor.set_read_timeout(Some(Duration::from_secs(2)))?;
    // The name belongs to whoever comes first: not everybody on this host is to be believed.
    let holder = getsockopt(&monitor, PeerCredentials)?;
    let owner = fs::metadata(run_dir()).ok().map(|dir| dir.uid());
    // The run directory may be gone, and the service still run.
    let service = User::from_name("ftr").ok().flatten().map(|user| user.uid.as_raw());
    let known = [Some(0), Some(geteuid().as_raw()), owner, service].contains(&Some(holder.uid()));
    if !known && !routes(holder.pid()) {
        let who = format!("process {} of user {} holds its name, and is not the monitor", holder.pid(), holder.uid());
        return Err(io::Error::new(ErrorKind::PermissionDenied, who));
    }
    let mut text = String::new();
    monitor.take(LONGEST).read_to_string(&mut text).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => io::Error::new(ErrorKind::TimedOut, "the monitor does not answer"),
        _ => error,
    })?;
    Ok(Some(text))
}

/// Whether a process may change the routes of this network namespace (`CAP_NET_ADMIN`, proc(5)), and does not merely say so
/// in a user namespace of its own. Root can find out.
fn routes(pid: i32) -> bool {
    let user_namespace = |of: &str| fs::metadata(format!("/proc/{of}/ns/user")).ok().map(|namespace| namespace.ino());
    let process = pid.to_string();
    let ours = user_namespace("self");
    ours.is_some()
        && user_namespace(&process) == ours
        && fs::read_to_string(format!("/proc/{process}/status")).is_ok_and(|status| has_net_admin(&status))
}

/// `CapPrm:` and a mask in hexadecimal digits.
fn has_net_admin(status: &str) -> bool {
    let permitted = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapPrm:")?.trim(), 16).ok());
    permitted.is_some_and(|permitted| permitted & Capability::CAP_NET_ADMIN.bitmask() != 0)
}

/// Who holds the name, for messages.
fn holder() -> String {
    let credentials = SocketAddr::from_abstract_name(NAME)
        .and_then(|name| UnixStream::connect_addr(&name))
        .and_then(|monitor| Ok(getsockopt(&monitor, PeerCredentials)?));
    credentials
        .map_or_else(|_| "another process".to_owned(), |who| format!("process {} of user {}", who.pid(), who.uid()))
}

#[cfg(test)]
mod tests {
    use super::has_net_admin;

    #[test]
    fn who_may_change_routes_is_told_from_who_may_not() {
        let status = |mask: &str| format!("Name:\tftr-monitor\nCapInh:\t0000000000003000\nCapPrm:\t{mask}\n");
        assert!(has_net_admin(&status("0000000000003000")) && has_net_admin(&status("000001ffffffffff")));
        assert!(!has_net_admin(&status("0000000000002000")) && !has_net_admin(&status("0000000000000000")));
        assert!(!has_net_admin("Name:\tftr-monitor\n"));
    }
}
