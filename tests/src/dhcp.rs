//! DHCP on an uplink: a server at the provider hands out one address, and a client that people use takes it.

pub mod client;
pub mod server;

use crate::deadline::wait_for;
use crate::error::{LabError, Result};
use crate::lab::Lab;
use crate::namespace::Namespace;
use crate::plan::Uplink;
use client::Client;
use server::Server;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

/// How long a client may take; after a refusal that of busybox waits for three seconds before it asks again.
const TAKES_WITHIN: Duration = Duration::from_secs(10);

/// Both ends of an uplink with DHCP. Dropping it ends them; what the client has put into the kernel stays.
#[derive(Debug)]
pub struct Lease {
    server: Server,
    client: Client,
}

impl Lease {
    /// Starts both and waits until the router has the uplink's address and gateway.
    ///
    /// # Errors
    /// When a program is not installed, or the client gets nothing.
    pub fn begin(router: &Namespace, provider: &Namespace, uplink: &Uplink, directory: &Path) -> Result<Self> {
        server::prepare(provider, uplink)?;
        let server = Server::start(provider, uplink, Some(uplink.address()), directory)?;
        let client = Client::start(router, uplink, directory)?;
        let lease = Self { server, client };
        arrives(router, uplink).map_err(|error| LabError::Unexpected(format!("{error}\n{}", lease.story())))?;
        Ok(lease)
    }

    /// What both have said.
    #[must_use]
    pub fn story(&self) -> String {
        format!("--- dnsmasq\n{}--- {}\n{}", self.server.output(), self.client.name(), self.client.output())
    }
}

/// Waits until the router has the address and the gateway that the server hands out.
fn arrives(router: &Namespace, uplink: &Uplink) -> Result<()> {
    let device = uplink.device();
    let (address, gateway) = (format!("inet {}/", uplink.address()), format!("via {} ", uplink.gateway()));
    let complete = |(addresses, routes): &(String, String)| addresses.contains(&address) && routes.contains(&gateway);
    let what = format!("{device} to have {address}24 and a default route {gateway}");
    wait_for(&what, TAKES_WITHIN, || configured(router, &device), complete).map(drop)
}

/// The addresses of a device and the default routes through it in main, as `ip` shows them.
fn configured(router: &Namespace, device: &str) -> Result<(String, String)> {
    let addresses = router.ip(&format!("addr show dev {device}"))?;
    Ok((addresses, router.ip(&format!("route show default dev {device}"))?))
}

impl Lab {
    /// From now on the server of an uplink hands out this address and this gateway, and what it did before where there
    /// is none; the client asks for it now. Returns when the router has both.
    ///
    /// The provider accepts addresses of the network `i.0.0.0/24`, and is itself `i.0.0.254` as well.
    ///
    /// # Errors
    /// When the uplink is not one with DHCP, or the client does not follow.
    pub fn lease(&mut self, device: &str, address: Option<Ipv4Addr>, gateway: Option<Ipv4Addr>) -> Result<()> {
        let number = self.uplink(device)?.number;
        for uplink in self.uplinks.iter_mut().filter(|uplink| uplink.number == number) {
            uplink.wish.address = address.or(uplink.wish.address);
            uplink.wish.gateway = gateway.or(uplink.wish.gateway);
        }
        let uplink = self.uplink(device)?.clone();
        let count = |lab: &Self| lab.leases.get(device).map_or(0, |lease| lease.client.got(uplink.address()));
        let before = count(self);
        self.ask_again(&uplink, Some(uplink.address()))?;
        let what = format!("the client of {device} to get {}", uplink.address());
        wait_for(&what, TAKES_WITHIN, || Ok(count(self)), |now| *now > before)?;
        arrives(&self.router, &uplink)
    }

    /// From now on the server of an uplink has nothing to hand out and says so. Returns when the router has no address.
    ///
    /// # Errors
    /// When the uplink is not one with DHCP, or the client does not give up its address.
    pub fn expire(&mut self, device: &str) -> Result<()> {
        let uplink = self.uplink(device)?.clone();
        self.ask_again(&uplink, None)?;
        let what = format!("{device} to have no address");
        wait_for(
            &what,
            TAKES_WITHIN,
            || configured(&self.router, device),
            |(addresses, _)| !addresses.contains("inet "),
        )
        .map(drop)
    }

    /// Starts another server and makes the client renew.
    fn ask_again(&mut self, uplink: &Uplink, offer: Option<Ipv4Addr>) -> Result<()> {
        let device = uplink.device();
        let without = || LabError::Unexpected(format!("{device}: no DHCP there, or the device is gone"));
        let Lease { server, client } = self.leases.remove(&device).ok_or_else(without)?;
        drop(server);
        let server = Server::start(&self.provider(&device)?.space, uplink, offer, self.directory())?;
        client.renew()?;
        self.leases.insert(device, Lease { server, client });
        Ok(())
    }
}
