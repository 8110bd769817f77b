//! Address prefixes such as `192.0.2.0/24`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::family::Family;

/// A network prefix. The bits behind its length are always zero, as the kernel demands of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPrefix {
    /// It does not have the form of one.
    #[error("{text:?} {}", self.what(), text = .0)]
    Form(String),
    /// Bits behind the length are set.
    #[error("{text:?} {}", self.what(), text = .0)]
    HostBits(String, Prefix),
}

impl BadPrefix {
    /// What is wrong, to be said of the text.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Form(_) => {
                "is no prefix, allowed: such as 192.0.2.0/24, 2001:db8::/32 or a single address".to_owned()
            }
            Self::HostBits(_, meant) => format!("has bits behind its length, did you mean {meant}?"),
        }
    }
}

impl Prefix {
    /// The prefix of this length that holds `address`; none where the length exceeds the address's bits.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        if length > Family::of(address).bits() {
            return None;
        }
        let address = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        };
        Some(Self { address, length })
    }

    /// The prefix that holds this address alone.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self { address, length: Family::of(address).bits() }
    }

    /// The first address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits are fixed: 0 to 32 or 128.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Which family it belongs to.
    #[must_use]
    pub const fn family(self) -> Family {
        Family::of(self.address)
    }

    /// The address that reaches all hosts of an IPv4 network (RFC 919); none of one with two addresses or a single one
    /// (RFC 3021).
    #[must_use]
    pub fn broadcast(self) -> Option<IpAddr> {
        match self.address {
            IpAddr::V4(address) if self.length < 31 => {
                Some(IpAddr::V4((u32::from(address) | (u32::MAX >> self.length)).into()))
            }
            _ => None,
        }
    }

    /// Whether the address lies within; never across families.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        Family::of(address) == self.family() && Self::new(address, self.length) == Some(self)
    }

    /// Whether it begins with a global unicast address of IPv6, `2000::/3` (RFC 4291).
    #[must_use]
    pub fn is_global(self) -> bool {
        Self::new(IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0)), 3)
            .is_some_and(|global| global.contains(self.address))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = BadPrefix;

    /// An address with a length, or without one for itself alone.
    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let form = || BadPrefix::Form(text.to_owned());
        let Some((address, length)) = text.split_once('/') else {
            return text.parse().map(Self::host).map_err(|_| form());
        };
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let length: u8 = length.parse().map_err(|_| form())?;
        let prefix = Self::new(address, length).ok_or_else(form)?;
        if prefix.address == address { Ok(prefix) } else { Err(BadPrefix::HostBits(text.to_owned(), prefix)) }
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Prefix;

    fn prefix(address: &str, length: u8) -> Option<Prefix> {
        Prefix::new(address.parse().unwrap(), length)
    }

    #[test]
    fn host_bits_are_cleared() {
        assert_eq!(prefix("192.0.2.77", 24).unwrap().to_string(), "192.0.2.0/24");
        assert_eq!(prefix("192.0.2.77", 0).unwrap().to_string(), "0.0.0.0/0");
        assert_eq!(prefix("2001:db8::77", 64).unwrap().to_string(), "2001:db8::/64");
        assert_eq!(prefix("2001:db8::77", 128).unwrap().to_string(), "2001:db8::77/128");
        assert_eq!(prefix("192.0.2.77", 33), None);
    }

    #[test]
    fn a_network_of_more_than_two_has_a_broadcast_address() {
        let broadcast = |address, length| Some(prefix(address, length)?.broadcast()?.to_string());
        assert_eq!(broadcast("192.0.2.0", 24).as_deref(), Some("192.0.2.255"));
        assert_eq!(broadcast("192.0.2.8", 30).as_deref(), Some("192.0.2.11"));
        assert_eq!(broadcast("0.0.0.0", 0).as_deref(), Some("255.255.255.255"));
        assert_eq!(
            (broadcast("192.0.2.8", 31), broadcast("192.0.2.8", 32), broadcast("2001:db8::", 64)),
            (None, None, None)
        );
    }

    #[test]
    fn holds_its_own_and_no_other_family() {
        let net = prefix("192.0.2.0", 24).unwrap();
        assert!(net.contains("192.0.2.255".parse().unwrap()));
        assert!(!net.contains("192.0.3.0".parse().unwrap()));
        assert!(!prefix("::", 0).unwrap().contains("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn texts_are_prefixes_or_single_addresses() {
        assert_eq!("192.0.2.0/24".parse(), Ok(prefix("192.0.2.0", 24).unwrap()));
        assert_eq!("2001:db8::1".parse(), Ok(prefix("2001:db8::1", 128).unwrap()));
        let slip = "192.0.2.1/24".parse::<Prefix>().unwrap_err().to_string();
        assert!(slip.ends_with("did you mean 192.0.2.0/24?"), "{slip}");
        for text in ["", "/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2/24", "x/1"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
