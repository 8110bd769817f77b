//! What the service manager is told (`sd_notify(3)`): when others may rely on us, how things are in a line, and that the loop
//! still turns.
//!
//! Own code, because the crate for it sends by a socket that waits where the manager does not read: nothing in the loop may
//! wait for anybody.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use ftr_tool::clock;

/// How soon what the manager had no room for is sent again.
const RETRY: Duration = Duration::from_secs(1);

/// The service manager, where one has started us.
#[derive(Debug)]
pub(super) struct ServiceManager {
    address: Option<SocketAddr>,
    /// What it has not been told yet, each `NAME=value`.
    unsent: Vec<String>,
    /// When that is sent again.
    retry: Duration,
    watchdog: Option<Watchdog>,
    /// It counts us as started.
    is_ready: bool,
}

/// It ends us where it does not hear of us in time.
#[derive(Debug)]
struct Watchdog {
    period: Duration,
    due: Duration,
}

impl ServiceManager {
    /// The one that the environment names; it is known by name only, so nothing has to be there yet.
    pub(super) fn of_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name);
        let socket = variable("NOTIFY_SOCKET");
        Self::new(socket.as_deref(), watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id()))
    }

    fn new(socket: Option<&OsStr>, period: Option<Duration>) -> Self {
        Self {
            address: socket.and_then(address),
            unsent: Vec::new(),
            retry: Duration::ZERO,
            watchdog: period.map(|period| Watchdog { period, due: Duration::ZERO }),
            is_ready: false,
        }
    }

    /// Whether there is one.
    pub(super) const fn is_there(&self) -> bool {
        self.address.is_some()
    }

    /// How things are, and whether what comes after us may start.
    pub(super) fn announce(&mut self, ready: bool, status: &str, now: Duration) {
        self.put("STATUS", status);
        if ready && !self.is_ready {
            self.is_ready = true;
            self.put("READY", 1);
        }
        self.send(now);
    }

    /// The configuration is being read anew. One that is not ready yet says nothing of it: the next `READY` is its first.
    pub(super) fn reloading(&mut self, now: Duration) {
        if self.is_ready {
            self.put("RELOADING", 1);
            self.put("MONOTONIC_USEC", clock::monotonic().as_micros());
            self.send(now);
        }
    }

    /// It has been read, or not: we go on.
    pub(super) fn reloaded(&mut self, now: Duration) {
        if self.is_ready {
            // What it was not told is over.
            self.unsent.retain(|line| !line.starts_with("RELOADING=") && !line.starts_with("MONOTONIC_USEC="));
            self.put("READY", 1);
            self.send(now);
        }
    }

    /// We are ending.
    pub(super) fn stopping(&mut self, now: Duration) {
        self.put("STATUS", "stopping; routing stays as it is");
        self.put("STOPPING", 1);
        self.send(now);
    }

    /// The loop turns. Called by nothing but the loop, so that whatever holds it up is noticed.
    pub(super) fn turn(&mut self, now: Duration) {
        if let Some(watchdog) = self.watchdog.as_mut().filter(|watchdog| now >= watchdog.due) {
            watchdog.due = now + watchdog.period;
            self.put("WATCHDOG", 1);
            self.send(now);
        } else if now >= self.retry {
            self.send(now);
        }
    }

    /// When [`ServiceManager::turn`] has something to do.
    pub(super) fn due(&self) -> Option<Duration> {
        let watchdog = self.watchdog.as_ref().map(|watchdog| watchdog.due);
        let retry = (!self.unsent.is_empty()).then_some(self.retry);
        watchdog.into_iter().chain(retry).min()
    }

    /// A newer value takes the place of one that was not sent.
    fn put(&mut self, name: &str, value: impl Display) {
        if self.address.is_some() {
            self.unsent.retain(|line| line.split('=').next() != Some(name));
            self.unsent.push(format!("{name}={value}"));
        }
    }

    fn send(&mut self, now: Duration) {
        let Some(address) = self.address.as_ref().filter(|_| !self.unsent.is_empty()) else { return };
        match send(address, &self.unsent.join("\n")) {
            Ok(()) => self.unsent.clear(),
            Err(_) => self.retry = now + RETRY,
        }
    }
}

/// A socket for each message: the manager may make its own anew at any time (`systemctl daemon-reexec`).
fn send(address: &SocketAddr, message: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), address).map(drop)
}

/// A socket of a file, or with `@` of the abstract namespace; none for what is neither.
fn address(socket: &OsStr) -> Option<SocketAddr> {
    match socket.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(socket).ok(),
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
        _ => None,
    }
}

/// How often the manager wants to hear of us: twice in the time after which it ends us, as `sd_watchdog_enabled(3)` advises.
fn watchdog(usec: Option<OsString>, pid: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: &OsString| text.to_str()?.parse::<u64>().ok();
    let is_ours = pid.is_none_or(|pid| number(&pid) == Some(u64::from(own)));
    let usec = number(&usec?).filter(|usec| is_ours && *usec > 0)?;
    Some(Duration::from_micros(usec / 2))
}

#[cfg(test)]
mod tests {
    use super::{RETRY, ServiceManager, watchdog};
    use std::ffi::OsStr;
    use std::os::unix::net::UnixDatagram;
    use std::path::PathBuf;
    use std::time::Duration;

    const NOW: Duration = Duration::from_secs(100);

    /// A manager's socket.
    struct Socket(UnixDatagram, PathBuf);

    impl Drop for Socket {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.1);
        }
    }

    /// A manager's socket, and what is told to it.
    fn manager(name: &str, period: Option<Duration>) -> (Socket, ServiceManager) {
        let path = std::env::temp_dir().join(format!("ftr-notify-{}-{name}", std::process::id()));
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let manager = ServiceManager::new(Some(path.as_os_str()), period);
        (Socket(socket, path), manager)
    }

    fn heard(socket: &Socket) -> Vec<String> {
        let mut buffer = [0; 4096];
        let next =
            || socket.0.recv(&mut buffer).ok().map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn it_is_told_once_that_we_are_ready_and_of_each_reload() {
        let (socket, mut manager) = manager("ready", None);
        manager.reloading(NOW);
        manager.reloaded(NOW);
        manager.announce(false, "untested", NOW);
        manager.announce(true, "eth1 up", NOW);
        manager.announce(true, "eth1 down", NOW);
        assert_eq!(heard(&socket), ["STATUS=untested", "STATUS=eth1 up\nREADY=1", "STATUS=eth1 down"]);
        manager.reloading(NOW);
        manager.reloaded(NOW);
        manager.stopping(NOW);
        let told = heard(&socket);
        assert!(told[0].starts_with("RELOADING=1\nMONOTONIC_USEC=") && told.len() == 3, "{told:?}");
        assert_eq!(told[1..], ["READY=1", "STATUS=stopping; routing stays as it is\nSTOPPING=1"]);
        assert_eq!(manager.due(), None);
    }

    #[test]
    fn one_that_does_not_read_holds_nothing_up_and_is_told_the_newest_later() {
        let (socket, mut manager) = manager("full", None);
        for number in 0..10_000 {
            manager.announce(false, &number.to_string(), NOW);
        }
        manager.announce(true, "eth1 up", NOW);
        manager.reloading(NOW);
        manager.reloaded(NOW);
        assert_eq!(manager.due(), Some(NOW + RETRY));
        assert!(heard(&socket).iter().all(|message| !message.contains("READY")));
        manager.turn(NOW + RETRY);
        assert_eq!((heard(&socket), manager.due()), (vec!["STATUS=eth1 up\nREADY=1".to_owned()], None));
        drop(socket);
        manager.announce(true, "eth2 up", NOW);
        assert_eq!(manager.due(), Some(NOW + RETRY), "it may have a successor");
    }

    #[test]
    fn the_watchdog_hears_of_us_as_long_as_we_turn() {
        let period = Duration::from_secs(15);
        let (socket, mut manager) = manager("watchdog", Some(period));
        manager.turn(NOW);
        assert_eq!(manager.due(), Some(NOW + period));
        manager.turn(NOW + period / 2);
        manager.turn(NOW + period);
        assert_eq!(heard(&socket), ["WATCHDOG=1", "WATCHDOG=1"]);
    }

    #[test]
    fn without_a_manager_nothing_is_due_and_nothing_said() {
        for socket in [None, Some(""), Some("relative"), Some("vsock:2:1234")] {
            let mut manager = ServiceManager::new(socket.map(OsStr::new), None);
            manager.announce(true, "eth1 up", NOW);
            manager.stopping(NOW);
            assert!(!manager.is_there() && manager.due().is_none(), "{socket:?}");
        }
        let mut abstracted = ServiceManager::new(Some(OsStr::new("@ftr-no-such-manager")), None);
        abstracted.stopping(NOW);
        assert!(abstracted.is_there() && abstracted.due().is_some());
    }

    #[test]
    fn a_watchdog_of_another_process_is_none_of_ours() {
        let period = |usec: Option<&str>, pid: Option<&str>| watchdog(usec.map(Into::into), pid.map(Into::into), 7);
        let half = Some(Duration::from_secs(15));
        assert_eq!((period(Some("30000000"), Some("7")), period(Some("30000000"), None)), (half, half));
        for (usec, pid) in [(Some("30000000"), Some("8")), (Some("0"), None), (Some("soon"), None), (None, Some("7"))] {
            assert_eq!(period(usec, pid), None, "{usec:?} {pid:?}");
        }
    }
}
