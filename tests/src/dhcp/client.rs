//! DHCP clients on the router, as Debian has them, one process a device.
//!
//! Whatever they write to files goes to the lab's directory, by mounts that only they see.

use crate::error::{Context, Result};
use crate::namespace::Namespace;
use crate::plan::{DhcpClient, Uplink};
use crate::program::{self, Daemon};
use nix::sys::signal::Signal;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// Keeps leases, sockets and its number; hooks would set the host's name, clock and resolver. It takes an address at
/// once instead of asking the neighbours for seconds whether they have it.
const DHCPCD: &str = "mkdir -p /run/dhcpcd /var/lib/dhcpcd \
    && mount --bind \"$1/run\" /run/dhcpcd && mount --bind \"$1/lib\" /var/lib/dhcpcd \
    && exec dhcpcd --config \"$1/conf\" --script /bin/true --ipv4only --nobackground --noarp --noipv4ll \"$2\"";

/// Debian's script writes the resolver's file. A server that answers a renewal within a tenth of a millisecond, as here,
/// may not be heard: then it asks again, after a second.
const UDHCPC: &str = "mount --bind \"$1/conf\" /etc/resolv.conf && exec udhcpc -f -T 1 -i \"$2\"";

/// A running client. Dropping it kills it, which leaves the kernel as it is.
#[derive(Debug)]
pub(crate) struct Client {
    kind: DhcpClient,
    daemon: Daemon,
}

impl Client {
    /// Starts the client of an uplink.
    ///
    /// # Errors
    /// When its directory cannot be made or it cannot be started.
    pub(crate) fn start(router: &Namespace, uplink: &Uplink, directory: &Path) -> Result<Self> {
        let (kind, device) = (uplink.wish.client, uplink.device());
        let place = directory.join(format!("dhcp-{device}"));
        for part in ["run", "lib"] {
            let path = place.join(part);
            fs::create_dir_all(&path).context(|| format!("make {}", path.display()))?;
        }
        let path = place.join("conf");
        fs::write(&path, "nodelay\n").context(|| format!("write {}", path.display()))?;
        let script = match kind {
            DhcpClient::Dhcpcd => DHCPCD,
            DhcpClient::Udhcpc => UDHCPC,
        };
        let mut command = router.command("sh");
        command.args(["-c", script, "sh"]).arg(&place).arg(&device);
        let daemon = Daemon::start(&format!("{}-{device}", name(kind)), &mut command, directory)?;
        Ok(Self { kind, daemon })
    }

    /// Makes it ask the server again, now.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn renew(&self) -> Result<()> {
        let signal = match self.kind {
            // `dhcpcd --rebind`: in a renewal it would not hear a refusal, which is broadcast.
            DhcpClient::Dhcpcd => Signal::SIGHUP,
            DhcpClient::Udhcpc => Signal::SIGUSR1,
        };
        program::send(self.daemon.pid(), signal)
    }

    /// How many times it got this address so far, for the first time or again.
    #[must_use]
    pub(crate) fn got(&self, address: Ipv4Addr) -> usize {
        let says = match self.kind {
            DhcpClient::Dhcpcd => format!("leased {address} for "),
            DhcpClient::Udhcpc => format!("lease of {address} obtained"),
        };
        self.output().matches(&says).count()
    }

    /// The program's name.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        name(self.kind)
    }

    /// What it has said.
    #[must_use]
    pub(crate) fn output(&self) -> String {
        self.daemon.output()
    }
}

fn name(kind: DhcpClient) -> &'static str {
    match kind {
        DhcpClient::Dhcpcd => "dhcpcd",
        DhcpClient::Udhcpc => "udhcpc",
    }
}
