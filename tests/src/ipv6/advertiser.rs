//! Router advertisements on an uplink: dnsmasq at the provider sends them, the router's kernel takes them.

use super::subnet;
use crate::deadline::wait_for;
use crate::error::Result;
use crate::namespace::Namespace;
use crate::plan::{Kind6, Uplink};
use crate::program::Daemon;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

/// How long dnsmasq may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(5);
/// What it says when it has started.
const STARTED: &str = "IPv6 router advertisement enabled";
/// How long the router may take to hear: a new network is advertised at a random time within three seconds.
const HEARS_WITHIN: Duration = Duration::from_secs(10);
/// Seconds between advertisements, the fewest that dnsmasq allows.
const INTERVAL: u8 = 4;

/// What a provider's router says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Which of the provider's networks is that of the uplink.
    pub subnet: u16,
    /// Its address on the uplink, that packets are sent to.
    pub router: Ipv6Addr,
    /// For how many seconds it is a default router; with 0 it is none.
    pub lifetime: u32,
}

impl Terms {
    fn usual(uplink: &Uplink) -> Self {
        let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, super::group(uplink.number), 1);
        Self { subnet: 0, router, lifetime: 1800 }
    }

    /// Its addresses, as ip(8) wants them.
    fn addresses(&self, uplink: &Uplink) -> [String; 2] {
        let own = Ipv6Addr::from_bits(subnet(uplink.number, self.subnet).to_bits() | 1);
        [self.router, own].map(|address| format!("{address}/64 dev access"))
    }
}

/// A router that advertises itself. Dropping it ends it without a farewell.
#[derive(Debug)]
pub struct Advertiser {
    terms: Terms,
    daemon: Daemon,
}

impl Advertiser {
    /// Puts the addresses of an uplink's advertising router in place, and starts it if it does not run yet.
    ///
    /// # Errors
    /// When dnsmasq is not installed or does not start.
    pub(crate) fn raise(running: Option<Self>, space: &Namespace, uplink: &Uplink, directory: &Path) -> Result<Self> {
        let terms = running.as_ref().map_or_else(|| Terms::usual(uplink), |advertiser| advertiser.terms.clone());
        space.ip(&terms.addresses(uplink).map(|address| format!("addr replace {address}\n")).concat())?;
        running.map_or_else(|| Self::start(space, uplink, terms, directory), Ok)
    }

    fn start(space: &Namespace, uplink: &Uplink, terms: Terms, directory: &Path) -> Result<Self> {
        let mut command = space.command("dnsmasq");
        // As a daemon it would become another user, which a user namespace does not have.
        command.args(["--no-daemon", "--log-facility=-", "--conf-file=/dev/null", "--port=0", "--leasefile-ro"]);
        command.args(["--interface=access", "--bind-dynamic", "--enable-ra"]);
        command.arg("--dhcp-range=::,constructor:access,ra-only");
        command.arg(format!("--ra-param=access,{INTERVAL},{}", terms.lifetime));
        let name = format!("advertiser-{}", uplink.device());
        let starts = |output: &str| output.matches(STARTED).count();
        // There is no such file before the first one of an uplink.
        let earlier = std::fs::read_to_string(directory.join(format!("{name}.out"))).unwrap_or_default();
        let daemon = Daemon::start(&name, &mut command, directory)?;
        let what = format!("{name} to start");
        wait_for(&what, STARTS_WITHIN, || Ok(daemon.output()), |all| starts(all) > starts(&earlier))?;
        Ok(Self { terms, daemon })
    }

    /// From now on it advertises something else.
    ///
    /// Another network is announced by the running dnsmasq, which says that the old one is no longer to be used. For
    /// anything else it is replaced, as a router that fails by one that has never heard of it.
    ///
    /// # Errors
    /// When an address cannot be changed, or the other one does not start.
    pub(crate) fn change(
        mut self,
        change: impl FnOnce(&mut Terms),
        space: &Namespace,
        uplink: &Uplink,
        directory: &Path,
    ) -> Result<Self> {
        let old = self.terms.clone();
        change(&mut self.terms);
        let new = self.terms.clone();
        if old.subnet != new.subnet {
            // In an orderly renumbering the old network works for some time yet.
            space.ip(&format!("route add {}/64 dev access", subnet(uplink.number, old.subnet)))?;
        }
        for (old, new) in old.addresses(uplink).into_iter().zip(new.addresses(uplink)) {
            if old != new {
                space.ip(&format!("addr add {new}\naddr del {old}"))?;
            }
        }
        if old.router != new.router {
            let [.., last] = new.router.octets();
            // Who asks for the old address by its hardware's gets no answer; IPv4 is told of the change.
            space.sysctl("net/ipv4/conf/access/arp_notify", "1")?;
            space.ip(&format!("link set access address 02:00:00:00:{:02x}:{last:02x}", uplink.number))?;
        }
        if (old.router, old.lifetime) == (new.router, new.lifetime) {
            return Ok(self);
        }
        drop(self);
        Self::start(space, uplink, new, directory)
    }

    /// What it has said.
    #[must_use]
    pub fn story(&self) -> String {
        format!("--- dnsmasq, advertising\n{}", self.daemon.output())
    }
}

/// Waits until the router has an address and a default route of every advertising provider.
///
/// # Errors
/// When one of them is late.
pub(crate) fn heard(router: &Namespace, uplinks: &[Uplink]) -> Result<()> {
    for uplink in uplinks.iter().filter(|uplink| uplink.wish.type6 == Kind6::Ra) {
        let device = uplink.device();
        let line = format!("ip -6 addr show dev {device} scope global; ip -6 route show default dev {device}");
        let heard = |seen: &String| seen.contains("dynamic") && seen.contains("proto ra");
        wait_for(&format!("{device} to be told address and gateway"), HEARS_WITHIN, || router.sh(&line), heard)?;
    }
    Ok(())
}
