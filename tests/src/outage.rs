//! Breaks the uplinks of a lab and mends them.

use crate::deadline::wait_for;
use crate::error::{LabError, Result};
use crate::fault::{self, Fault};
use crate::ipv6;
use crate::lab::Lab;
use crate::plan::{Kind, Uplink};
use std::time::Duration;

/// How long the router's kernel may take to hear of a cable that is out.
const HEARS_WITHIN: Duration = Duration::from_secs(5);

impl Lab {
    /// Breaks an uplink.
    ///
    /// # Errors
    /// When the fault cannot be made, for example the carrier of a point-to-point line.
    pub fn fail(&mut self, device: &str, fault: Fault) -> Result<()> {
        let uplink = self.uplink(device)?.clone();
        match (fault, uplink.wish.kind) {
            (Fault::Carrier, Kind::Ppp | Kind::Tunnel) => {
                return Err(LabError::Unexpected(format!("{device}: a point-to-point line has no cable")));
            }
            (Fault::Carrier, _) => drop(self.provider(device)?.space.ip("link set access down")?),
            (Fault::AdminDown, _) => drop(self.router.ip(&format!("link set {device} down"))?),
            (Fault::Deleted, Kind::Ppp | Kind::Tunnel) => drop(self.lines.remove(device)),
            (Fault::Deleted, _) => {
                self.router.ip(&format!("link del {device}"))?;
                // Who watches devices ends the DHCP client of one that is gone.
                self.leases.remove(device);
            }
            (Fault::Delay(millis), _) => self.delay(device, Duration::from_millis(millis.into()))?,
            (Fault::ProxyArp, _) => self.provider(device)?.answer_arp_for_all(true)?,
            (Fault::AnsweredElsewhere, _) => self.detour(&uplink)?,
            _ => {}
        }
        if let Some(script) = fault::script(fault) {
            self.provider(device)?.space.nft(&script)?;
        }
        self.faults.entry(device.to_owned()).or_default().push(fault);
        Ok(())
    }

    /// Waits until the router's kernel has taken note of a fault that it hears of by itself. A worker of the kernel takes
    /// routes out of use when the cable is out, a moment later: until then connections are sent into the dead line.
    ///
    /// # Errors
    /// When it takes no note.
    pub(crate) fn noticed(&self, device: &str, fault: Fault) -> Result<()> {
        // The cable of a macvlan device leads to the switch, and stays in.
        if fault != Fault::Carrier || self.uplink(device)?.wish.kind == Kind::Macvlan {
            return Ok(());
        }
        let shown = || self.router.ip(&format!("link show dev {device}"));
        wait_for(&format!("{device} to lose its carrier"), HEARS_WITHIN, shown, |shown| !shown.contains("state UP"))
            .map(drop)
    }

    /// Mends everything that was broken on an uplink.
    ///
    /// # Errors
    /// When a fault cannot be taken back.
    pub fn mend(&mut self, device: &str) -> Result<()> {
        let uplink = self.uplink(device)?.clone();
        for fault in self.faults.remove(device).unwrap_or_default().into_iter().rev() {
            match fault {
                Fault::Carrier => {
                    self.provider(device)?.space.ip("link set access up")?;
                    self.join_ipv6(&uplink)?;
                }
                Fault::AdminDown => {
                    self.router.ip(&format!("link set {device} up"))?;
                    self.join_ipv6(&uplink)?;
                }
                Fault::Deleted => self.attach(&uplink)?,
                Fault::Delay(_) => self.delay(device, Duration::ZERO)?,
                Fault::ProxyArp => self.provider(device)?.answer_arp_for_all(false)?,
                Fault::AnsweredElsewhere => self.straighten(&uplink)?,
                _ => self.provider(device)?.space.nft(&fault::mending(fault))?,
            }
        }
        Ok(())
    }

    fn delay(&self, device: &str, delay: Duration) -> Result<()> {
        let without = || LabError::Unexpected(format!("{device}: only a point-to-point line can be slow"));
        self.lines.get(device).ok_or_else(without)?.delay(delay);
        Ok(())
    }

    /// What comes back for this uplink goes through the next uplink's provider.
    fn detour(&self, uplink: &Uplink) -> Result<()> {
        let other = self.next_to(uplink)?;
        let provider = &self.provider(&other.device())?.space;
        provider.ip(&format!("route add {} via {}", uplink.network(), other.address()))?;
        self.internet.ip(&format!("route replace {} via {}", uplink.seen_network(), other.transit()))?;
        if self.ipv6 {
            provider.ip(&format!("route add {} via {} dev access", ipv6::network(uplink), ipv6::local(&other)))?;
            self.internet.ip(&format!("route replace {} via {}", ipv6::network(uplink), ipv6::transit(&other)))?;
        }
        Ok(())
    }

    fn straighten(&self, uplink: &Uplink) -> Result<()> {
        let other = self.next_to(uplink)?;
        let provider = &self.provider(&other.device())?.space;
        self.internet.ip(&format!("route replace {} via {}", uplink.seen_network(), uplink.transit()))?;
        provider.ip(&format!("route del {}", uplink.network()))?;
        if self.ipv6 {
            self.internet.ip(&format!("route replace {} via {}", ipv6::network(uplink), ipv6::transit(uplink)))?;
            provider.ip(&format!("route del {}", ipv6::network(uplink)))?;
        }
        Ok(())
    }

    fn next_to(&self, uplink: &Uplink) -> Result<Uplink> {
        let other = self.uplinks.iter().cycle().skip(usize::from(uplink.number)).take(self.uplinks.len() - 1).next();
        other.cloned().ok_or_else(|| LabError::Unexpected("a lab with one uplink has no other".to_owned()))
    }
}
