//! dnsmasq as the DHCP server of a provider.

use crate::deadline::wait_for;
use crate::error::Result;
use crate::namespace::Namespace;
use crate::plan::Uplink;
use crate::program::Daemon;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

/// How long it may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(5);
/// What it says as soon as it hears clients.
const LISTENS: &str = "sockets bound exclusively to interface access";

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    daemon: Daemon,
}

impl Server {
    /// Starts a server that hands out one address and the uplink's gateway, or refuses every request.
    ///
    /// It remembers nothing of its predecessor: who asks for the address that it has gets it.
    ///
    /// # Errors
    /// When dnsmasq is not installed or does not start.
    pub(crate) fn start(space: &Namespace, uplink: &Uplink, offer: Option<Ipv4Addr>, directory: &Path) -> Result<Self> {
        let mut command = space.command("dnsmasq");
        // As a daemon it would become another user, which a user namespace does not have.
        command.args(["--no-daemon", "--log-facility=-", "--conf-file=/dev/null", "--port=0"]);
        command.args(["--interface=access", "--bind-dynamic", "--dhcp-authoritative", "--leasefile-ro", "--no-ping"]);
        // To an address that the router has not got yet, it would forward the answer to another provider.
        command.arg("--dhcp-broadcast");
        command.arg(format!("--dhcp-option=option:router,{}", uplink.gateway()));
        command.arg(format!("--dhcp-option-force=option:dns-server,10.{}.1.1", uplink.number));
        command.arg(match offer {
            // It has no shorter leases than two minutes.
            Some(address) => format!("--dhcp-range={address},{address},255.255.255.0,2m"),
            // Only for clients that are named, and none is.
            None => format!("--dhcp-range={}.0.0.0,static,255.255.255.0,2m", uplink.number),
        });
        let name = format!("dnsmasq-{}", uplink.device());
        let heard = |output: &str| output.matches(LISTENS).count();
        // There is no such file before the first server of an uplink.
        let earlier = std::fs::read_to_string(directory.join(format!("{name}.out"))).unwrap_or_default();
        let daemon = Daemon::start(&name, &mut command, directory)?;
        let what = format!("{name} to listen");
        wait_for(&what, STARTS_WITHIN, || Ok(daemon.output()), |all| heard(all) > heard(&earlier))?;
        Ok(Self { daemon })
    }

    /// What it and its predecessors have said.
    #[must_use]
    pub(crate) fn output(&self) -> String {
        self.daemon.output()
    }
}

/// Gives the provider its second address, another gateway to hand out.
///
/// # Errors
/// When the kernel refuses it.
pub(crate) fn prepare(space: &Namespace, uplink: &Uplink) -> Result<()> {
    space.ip(&format!("addr add {}.0.0.254/24 dev access", uplink.number)).map(drop)
}
