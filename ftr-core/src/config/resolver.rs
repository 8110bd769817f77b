//! `dns` of an uplink: the name servers that are reached by it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::form::{Scalar, parsed};

/// A name server of an uplink, or those that its provider tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// Those that the uplink's DHCP or PPP client has been told.
    Learned,
    /// This one.
    Address(IpAddr),
}

impl Resolver {
    /// The address, where it is stated.
    #[must_use]
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Learned => None,
            Self::Address(address) => Some(address),
        }
    }
}

/// Whether routing by an uplink can lead to the address.
#[must_use]
pub fn is_routable(address: IpAddr) -> bool {
    let on_link = match address {
        IpAddr::V4(four) => four.is_link_local() || four.is_broadcast(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    !(on_link || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

/// What stands for those that are learned.
const LEARNED: &str = "auto";

pub(super) const RESOLVER: Scalar<Resolver> =
    parsed("the address of a name server, or auto for those that are learned");

impl FromStr for Resolver {
    type Err = String;

    /// An address, or `auto`; the error is to be said of the text.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == LEARNED {
            return Ok(Self::Learned);
        }
        let address = text.parse().ok().filter(|address| is_routable(*address));
        address.map(Self::Address).ok_or_else(|| {
            "is no address that an uplink leads to, allowed: the address of a name server, or auto".to_owned()
        })
    }
}

impl fmt::Display for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Learned => f.write_str(LEARNED),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Resolver;

    #[test]
    fn what_an_uplink_can_lead_to() {
        for text in ["auto", "192.0.2.53", "2001:db8::53"] {
            assert_eq!(text.parse::<Resolver>().unwrap().to_string(), text);
        }
        for text in
            ["", "Auto", "127.0.0.53", "0.0.0.0", "169.254.1.1", "fe80::1", "::1", "ns.example", "192.0.2.53#5353"]
        {
            assert!(text.parse::<Resolver>().is_err(), "{text}");
        }
    }
}
