//! Gives an uplink of a running lab another address or gateway, by DHCP or by router advertisements.

use crate::deadline::wait_for;
use crate::dhcp;
use crate::error::{LabError, Result};
use crate::ipv6::advertiser::Terms;
use crate::lab::Lab;
use crate::plan::Uplink;
use std::net::Ipv4Addr;

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
        let count = |lab: &Self| lab.leases.get(device).map_or(0, |lease| lease.got(uplink.address()));
        let before = count(self);
        self.ask_again(&uplink, Some(uplink.address()))?;
        let what = format!("the client of {device} to get {}", uplink.address());
        wait_for(&what, dhcp::TAKES_WITHIN, || Ok(count(self)), |now| *now > before)?;
        dhcp::arrives(&self.router, &uplink)
    }

    /// From now on the server of an uplink has nothing to hand out and says so. Returns when the router has no address.
    ///
    /// # Errors
    /// When the uplink is not one with DHCP, or the client does not give up its address.
    pub fn expire(&mut self, device: &str) -> Result<()> {
        let uplink = self.uplink(device)?.clone();
        self.ask_again(&uplink, None)?;
        dhcp::leaves(&self.router, device)
    }

    fn ask_again(&mut self, uplink: &Uplink, offer: Option<Ipv4Addr>) -> Result<()> {
        let device = uplink.device();
        let without = || LabError::Unexpected(format!("{device}: no DHCP there, or the device is gone"));
        let lease = self.leases.remove(&device).ok_or_else(without)?;
        let lease = lease.ask_again(&self.provider(&device)?.space, uplink, offer, self.directory())?;
        self.leases.insert(device, lease);
        Ok(())
    }

    /// From now on the router of an uplink's provider advertises this, and what it did before where there is none.
    ///
    /// # Errors
    /// When nothing is advertised there.
    pub(crate) fn advertise(&mut self, device: &str, change: impl FnOnce(&mut Terms)) -> Result<()> {
        let uplink = self.uplink(device)?.clone();
        let nothing = || LabError::Unexpected(format!("{device}: nothing is advertised there"));
        let advertiser = self.advertisers.remove(device).ok_or_else(nothing)?;
        let advertiser = advertiser.change(change, &self.provider(device)?.space, &uplink, self.directory())?;
        self.advertisers.insert(device.to_owned(), advertiser);
        Ok(())
    }
}
