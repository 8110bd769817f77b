//! Asks a gateway for its link-layer address, though the kernel believes to know it.
//!
//! The kernel trusts a neighbour that it has heard for half a minute, so its table alone tells too late that a gateway
//! has fallen silent. The answer to a question of ours confirms the entry in that table; a missing one leaves it old.
//!
//! What the kernel trusts may be wrong as well: anybody on the link can say that the gateway is elsewhere (RFC 826 has no
//! signatures), and the kernel goes on asking there alone. So all are asked too, and the gateway's own answer puts the
//! entry right: at once over IPv6 (RFC 4861 section 7.2.5), over IPv4 if the entry has not changed for a second
//! (`locktime`, arp(7)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::libc::ARPHRD_ETHER;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, bind, send, socket};

type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];

const ETHERNET: usize = 14;
const ARP: usize = 28;
const IPV6: usize = 40;
const SOLICITATION: usize = 32;

/// Asks by one device, if that has Ethernet addresses at all.
#[derive(Debug)]
pub(crate) struct Solicitor {
    /// A socket that sends whole frames (packet(7)) and receives none, and the device's own address.
    link: Option<(OwnedFd, Mac)>,
}

/// Who asks whom: addresses of one family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) from: IpAddr,
    pub(crate) gateway: IpAddr,
    /// The gateway's link-layer address, as far as is known.
    pub(crate) mac: Mac,
}

/// What asking took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) packets: u64,
    /// From the IP header on.
    pub(crate) bytes: u64,
}

impl Solicitor {
    /// Gets ready to ask by a device.
    pub(crate) fn open(device: &str) -> Result<Self, Errno> {
        Ok(Self { link: open(device)? })
    }

    /// Asks the address that is known, as the kernel does, and everybody. Nothing is sent where the device has no
    /// Ethernet addresses.
    pub(crate) fn ask(&self, question: Question) -> Result<Sent, Errno> {
        let Some((socket, mac)) = &self.link else { return Ok(Sent::default()) };
        let mut sent = Sent::default();
        let mut put_out = |frame: &[u8], bytes: usize| {
            send(socket.as_raw_fd(), frame, MsgFlags::empty())?;
            sent = Sent { packets: sent.packets + 1, bytes: sent.bytes + bytes as u64 };
            Ok::<(), Errno>(())
        };
        match (question.from, question.gateway) {
            (IpAddr::V4(from), IpAddr::V4(gateway)) => {
                for to in [question.mac, BROADCAST] {
                    put_out(&arp((*mac, from), (to, gateway)), 0)?;
                }
            }
            (IpAddr::V6(from), IpAddr::V6(gateway)) => {
                for to in [(question.mac, gateway), group(gateway)] {
                    put_out(&solicitation((*mac, from), to, gateway), IPV6 + SOLICITATION)?;
                }
            }
            _ => {}
        }
        Ok(sent)
    }
}

/// All who may have this address: its solicited-node multicast group (RFC 2464 section 7, RFC 4291 section 2.7.1).
fn group(address: Ipv6Addr) -> (Mac, Ipv6Addr) {
    let [.., high, middle, low] = address.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(high), u16::from_be_bytes([middle, low]));
    ([0x33, 0x33, 0xff, high, middle, low], group)
}

fn open(device: &str) -> Result<Option<(OwnedFd, Mac)>, Errno> {
    let addresses = getifaddrs()?.filter(|address| address.interface_name == device);
    let link = addresses.filter_map(|address| address.address?.as_link_addr().copied()).find(is_ethernet);
    let Some((link, mac)) = link.and_then(|link| Some((link, link.addr()?))) else { return Ok(None) };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    // Without a protocol it is never handed a packet.
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    bind(socket.as_raw_fd(), &link)?;
    Ok(Some((socket, mac)))
}

fn is_ethernet(link: &LinkAddr) -> bool {
    link.hatype() == ARPHRD_ETHER && link.halen() == size_of::<Mac>()
}

/// An ARP request (RFC 826) in its frame.
fn arp((mac, from): (Mac, Ipv4Addr), (to_mac, gateway): (Mac, Ipv4Addr)) -> [u8; ETHERNET + ARP] {
    let mut frame = [0; ETHERNET + ARP];
    let kind = [0x08, 0x06];
    // Ethernet, IPv4, addresses of 6 and 4 octets, request.
    let head = [0, 1, 0x08, 0x00, 6, 4, 0, 1];
    put(&mut frame, &[&to_mac, &mac, &kind, &head, &mac, &from.octets(), &[0; 6], &gateway.octets()]);
    frame
}

/// A neighbour solicitation (RFC 4861) in its frame.
fn solicitation(
    (mac, from): (Mac, Ipv6Addr),
    (to_mac, to): (Mac, Ipv6Addr),
    gateway: Ipv6Addr,
) -> [u8; ETHERNET + IPV6 + SOLICITATION] {
    const ICMPV6: u8 = 58;
    let length = [0, 32];
    let (from, to, gateway) = (from.octets(), to.octets(), gateway.octets());
    // Type, code, checksum, reserved; target; our own link-layer address as an option of 8 octets.
    let message = |sum: [u8; 2]| {
        let mut message = [0; SOLICITATION];
        put(&mut message, &[&[135, 0], &sum, &[0; 4], &gateway, &[1, 1], &mac]);
        message
    };
    let mut summed = [0; IPV6 + SOLICITATION];
    put(&mut summed, &[&from, &to, &[0, 0], &length, &[0, 0, 0, ICMPV6], &message([0; 2])]);
    let sum = crate::icmp::checksum(&summed).to_be_bytes();
    let mut frame = [0; ETHERNET + IPV6 + SOLICITATION];
    // No router may have passed it on: its hop limit says so.
    let head = [0x60, 0, 0, 0];
    put(&mut frame, &[&to_mac, &mac, &[0x86, 0xdd], &head, &length, &[ICMPV6, 255], &from, &to, &message(sum)]);
    frame
}

/// Writes the parts one behind the other.
fn put(into: &mut [u8], parts: &[&[u8]]) {
    into.iter_mut().zip(parts.iter().copied().flatten()).for_each(|(octet, part)| *octet = *part);
}

#[cfg(test)]
mod tests {
    use super::{arp, group, solicitation};

    const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 2];

    #[test]
    fn an_arp_request_as_rfc_826_lays_it_out() {
        let frame = arp((OURS, [192, 0, 2, 2].into()), (THEIRS, [192, 0, 2, 1].into()));
        assert_eq!(frame[..14], [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6]);
        assert_eq!(frame[14..22], [0, 1, 8, 0, 6, 4, 0, 1]);
        assert_eq!(frame[22..32], [2, 0, 0, 0, 0, 1, 192, 0, 2, 2]);
        assert_eq!(frame[32..], [0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
    }

    #[test]
    fn a_solicitation_has_a_right_checksum_and_the_hop_limit_of_the_link() {
        let (from, gateway) = ("2001:db8::2".parse().unwrap(), "2001:db8::12:3456".parse().unwrap());
        for to in [(THEIRS, gateway), group(gateway)] {
            let frame = solicitation((OURS, from), to, gateway);
            assert_eq!((&frame[..6], &frame[38..54]), (&to.0[..], &to.1.octets()[..]));
            assert_eq!((&frame[12..14], frame[20], frame[21]), (&[0x86, 0xdd][..], 58, 255));
            let mut summed = frame[22..].to_vec();
            summed.extend([0, 0, 0, 32, 0, 0, 0, 58]);
            assert_eq!(crate::icmp::checksum(&summed), 0);
            assert_eq!((frame[54], &frame[62..78]), (135, &gateway.octets()[..]));
            assert_eq!(frame[78..86], [1, 1, 2, 0, 0, 0, 0, 1]);
        }
    }

    #[test]
    fn all_who_may_have_an_address_are_a_group() {
        let address = "2001:db8::12:3456".parse().unwrap();
        assert_eq!(group(address), ([0x33, 0x33, 0xff, 0x12, 0x34, 0x56], "ff02::1:ff12:3456".parse().unwrap()));
    }
}
