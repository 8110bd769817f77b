//! Asking the monitor of this network namespace.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use caps::Capability;
use ftr_tool::{Directory, ready, run_path, running};
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::sockopt::{PeerCredentials, SendTimeout};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, UnixCredentials, connect, getsockopt, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::{User, geteuid};

use crate::request::Request;

/// How long the whole answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same where programs are replaced, and others may be before us.
const LONG_PATIENCE: Duration = Duration::from_secs(20);
/// How long a monitor may take to make its socket again where somebody has removed the run directory.
const ABSENCE: Duration = Duration::from_millis(300);
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(10);
/// The longest answer that is believed.
const LONGEST: u64 = 1024 * 1024;
/// Where former versions are asked: a name that any local user can take.
const FORMER: &[u8] = b"ftr-monitor";

/// The name of the socket in the run directory.
pub(crate) fn socket_name(namespace: u64) -> String {
    format!("monitor-{namespace}.sock")
}

/// Asks the monitor of this network namespace; none if there is none. The answer is a line.
///
/// # Errors
/// It does not answer in time, or what answers is not the monitor.
pub(crate) fn ask(request: &Request) -> io::Result<Option<String>> {
    let end = Instant::now() + if matches!(request, Request::Reload { .. }) { LONG_PATIENCE } else { PATIENCE };
    reach(request)?.map(|monitor| read(&monitor, end, 4096)).transpose()
}

/// Follows the monitor of this network namespace: its answer, and the connection on which it says what happens from then on;
/// none if there is none.
///
/// # Errors
/// It does not answer in time, or what answers is not the monitor.
pub(crate) fn follow() -> io::Result<Option<(String, UnixStream)>> {
    let Some(monitor) = reach(&Request::Follow {})? else { return Ok(None) };
    // A byte at a time: what comes behind the answer is for whoever reads on.
    let answer = read(&monitor, Instant::now() + PATIENCE, 1)?;
    monitor.set_nonblocking(false)?;
    Ok(Some((answer, monitor)))
}

/// Connects to the monitor, and says what is wanted.
fn reach(request: &Request) -> io::Result<Option<UnixStream>> {
    let Some((mut monitor, owner)) = find(Instant::now() + ABSENCE)? else {
        return former().map_or(Ok(None), |process| {
            let reason =
                format!("process {process} is a monitor of a former version: restart it (systemctl restart ftr)");
            Err(io::Error::new(ErrorKind::Unsupported, reason))
        });
    };
    let holder = getsockopt(&monitor, PeerCredentials)?;
    if !is_known(&holder, Some(owner)) && !routes(holder.pid()) {
        let who = format!("process {} of user {} holds its socket, and is not the monitor", holder.pid(), holder.uid());
        return Err(io::Error::new(ErrorKind::PermissionDenied, who));
    }
    match monitor.write_all(request.line().as_bytes()) {
        // One of a former version has answered and gone, without listening.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
        _ => {}
    }
    Ok(Some(monitor))
}

/// The monitor's socket, connected, and the owner of the run directory. One that is absent may be made at any moment, so it
/// is looked for until `end`; one that nobody listens on is what a monitor that has ended leaves behind.
fn find(end: Instant) -> io::Result<Option<(UnixStream, u32)>> {
    let name = socket_name(running::namespace()?);
    loop {
        let found = Directory::open(&run_path()).and_then(|directory| {
            let (_held, path) = directory.socket(&name)?;
            Ok((connected(&path).map_err(|error| named(&directory, &name, &error))?, directory.owner()))
        });
        match found {
            Ok(found) => return Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(None),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Err(_) if Instant::now() > end => return Ok(None),
            // There is nothing to wait on where there is no directory.
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

/// Connects to a socket, where the kernel waits no longer than [`PATIENCE`] for room in its queue.
fn connected(path: &Path) -> io::Result<UnixStream> {
    let socket: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let patience = TimeVal::milliseconds(i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX));
    setsockopt(&socket, SendTimeout, &patience)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// Reads a line, or all there is, so many bytes at once.
fn read(mut monitor: &UnixStream, end: Instant, at_once: usize) -> io::Result<String> {
    monitor.set_nonblocking(true)?;
    let late = || io::Error::new(ErrorKind::TimedOut, "the monitor does not answer");
    let (mut text, mut chunk) = (Vec::new(), vec![0; at_once]);
    loop {
        let left = end.checked_duration_since(Instant::now()).ok_or_else(late)?;
        ready::wait(&mut [PollFd::new(monitor.as_fd(), PollFlags::POLLIN)], Some(left))?;
        match monitor.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            // One of a former version does not read what it is asked, which resets the connection behind its answer.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !text.is_empty() => break,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        if text.ends_with(b"\n") {
            break;
        }
        if text.len() as u64 > LONGEST {
            return Err(io::Error::new(ErrorKind::InvalidData, "the monitor does not stop talking"));
        }
    }
    String::from_utf8(text).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// The process of a monitor of a former version, which is asked by a socket of the abstract namespace. Anybody can take
/// that name, and is not believed.
pub(crate) fn former() -> Option<u32> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None);
    let socket = socket.ok()?;
    connect(socket.as_raw_fd(), &UnixAddr::new_abstract(FORMER).ok()?).ok()?;
    let holder = getsockopt(&socket, PeerCredentials).ok()?;
    is_known(&holder, None).then(|| u32::try_from(holder.pid()).ok()).flatten()
}

/// Whether it is root, whoever asks, the service, or who owns the run directory. That may be gone, and the service still run.
fn is_known(holder: &UnixCredentials, owner: Option<u32>) -> bool {
    let service = User::from_name("ftr").ok().flatten().map(|user| user.uid.as_raw());
    [Some(0), Some(geteuid().as_raw()), owner, service].contains(&Some(holder.uid()))
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

fn named(directory: &Directory, name: &str, error: &io::Error) -> io::Error {
    let reason = match error.kind() {
        ErrorKind::WouldBlock => "too many ask, or the monitor does not answer".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("{}: {reason}", directory.path_of(name).display()))
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
