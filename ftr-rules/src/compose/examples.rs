//! Addresses that stand in examples: those of the original, and the like in IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ftr_core::{Family, Prefix};

const fn v4(octets: [u8; 4]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]))
}

const fn v6(start: [u16; 2], last: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(start[0], start[1], 0, 0, 0, 0, 0, last))
}

const fn pick(family: Family, four: [u8; 4], six: [u16; 2], last: u16) -> IpAddr {
    match family {
        Family::V4 => v4(four),
        Family::V6 => v6(six, last),
    }
}

/// A server in the local network.
pub(super) const fn server(family: Family) -> IpAddr {
    pick(family, [192, 168, 0, 10], [0xfd00, 0], 0x10)
}

/// A server in the DMZ.
pub(super) const fn dmz_server(family: Family) -> IpAddr {
    pick(family, [192, 168, 1, 10], [0xfd00, 1], 0x10)
}

/// A second address of an uplink.
pub(super) const fn second(family: Family) -> IpAddr {
    pick(family, [198, 51, 100, 3], [0x2001, 0xdb8], 3)
}

/// A host of the local network.
pub(super) const fn host(family: Family) -> Prefix {
    Prefix::host(pick(family, [192, 168, 0, 20], [0xfd00, 0], 0x20))
}

/// A host in the internet.
pub(super) const fn far(family: Family) -> Prefix {
    Prefix::host(pick(family, [198, 51, 100, 20], [0x2001, 0xdb8], 0x20))
}
