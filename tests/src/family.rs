//! The two families of addresses.

use serde::Deserialize;
use std::fmt;
use std::net::IpAddr;

/// A family, as records and scenarios have it: 4 or 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(try_from = "u8")]
pub enum Family {
    /// The usual one.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Whether this one is meant, where none is named both are.
    #[must_use]
    pub fn is_meant(self, named: Option<Self>) -> bool {
        named.is_none_or(|named| named == self)
    }
}

impl TryFrom<u8> for Family {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            4 => Ok(Self::V4),
            6 => Ok(Self::V6),
            other => Err(format!("{other} is no family, allowed: 4, 6")),
        }
    }
}

/// As the option of ip(8): `-4` is `-` and this.
impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "4",
            Self::V6 => "6",
        })
    }
}
