//! DHCP on an uplink: a server at the provider hands out one address, and a client that people use takes it.

pub(crate) mod client;
pub(crate) mod server;

use crate::deadline::wait_for;
use crate::error::{LabError, Result};
use crate::namespace::Namespace;
use crate::plan::Uplink;
use client::Client;
use server::Server;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

/// How long a client may take; after a refusal that of busybox waits for three seconds before it asks again.
pub(crate) const TAKES_WITHIN: Duration = Duration::from_secs(10);

/// Both ends of an uplink with DHCP. Dropping it ends them; what the client has put into the kernel stays.
#[derive(Debug)]
pub(crate) struct Lease {
    server: Server,
    client: Client,
}

impl Lease {
    /// Starts both and waits until the router has the uplink's address and gateway.
    ///
    /// # Errors
    /// When a program is not installed, or the client gets nothing.
    pub(crate) fn begin(router: &Namespace, provider: &Namespace, uplink: &Uplink, directory: &Path) -> Result<Self> {
        server::prepare(provider, uplink)?;
        let server = Server::start(provider, uplink, Some(uplink.address()), directory)?;
        let client = Client::start(router, uplink, directory)?;
        let lease = Self { server, client };
        arrives(router, uplink).map_err(|error| LabError::Unexpected(format!("{error}\n{}", lease.story())))?;
        Ok(lease)
    }

    /// How often the client has got an address.
    pub(crate) fn got(&self, address: Ipv4Addr) -> usize {
        self.client.got(address)
    }

    /// Starts another server, which offers this address or refuses any, and makes the client renew.
    ///
    /// # Errors
    /// When a program is not installed, or the client does not run any more.
    pub(crate) fn ask_again(
        self,
        provider: &Namespace,
        uplink: &Uplink,
        offer: Option<Ipv4Addr>,
        directory: &Path,
    ) -> Result<Self> {
        let Self { server, client } = self;
        drop(server);
        let server = Server::start(provider, uplink, offer, directory)?;
        client.renew()?;
        Ok(Self { server, client })
    }

    /// What both have said.
    #[must_use]
    pub(crate) fn story(&self) -> String {
        format!("--- dnsmasq\n{}--- {}\n{}", self.server.output(), self.client.name(), self.client.output())
    }
}

/// Waits until the router has the address and the gateway that the server hands out.
///
/// # Errors
/// When it has them too late.
pub(crate) fn arrives(router: &Namespace, uplink: &Uplink) -> Result<()> {
    let device = uplink.device();
    let (address, gateway) = (format!("inet {}/", uplink.address()), format!("via {} ", uplink.gateway()));
    let complete = |(addresses, routes): &(String, String)| addresses.contains(&address) && routes.contains(&gateway);
    let what = format!("{device} to have {address}24 and a default route {gateway}");
    wait_for(&what, TAKES_WITHIN, || configured(router, &device), complete).map(drop)
}

/// Waits until the router has no address on the uplink.
///
/// # Errors
/// When it has one for too long.
pub(crate) fn leaves(router: &Namespace, device: &str) -> Result<()> {
    let none = |(addresses, _): &(String, String)| !addresses.contains("inet ");
    wait_for(&format!("{device} to have no address"), TAKES_WITHIN, || configured(router, device), none).map(drop)
}

/// The addresses of a device and the default routes through it in main, as `ip` shows them.
fn configured(router: &Namespace, device: &str) -> Result<(String, String)> {
    let addresses = router.ip(&format!("addr show dev {device}"))?;
    Ok((addresses, router.ip(&format!("route show default dev {device}"))?))
}
