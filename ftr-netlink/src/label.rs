//! Address labels (`RTM_NEWADDRLABEL`, RFC 6724): which IPv6 source the kernel takes for which destination.
//!
//! Among addresses that are as good it takes one whose label is that of the destination. A label may be for what leaves by
//! one device, so an address of another device can be made the source of whatever leaves by this one.

use std::net::IpAddr;

use ftr_core::Prefix;
use neli::consts::rtnl::Rta;
use neli::rtnl::Rtattr;
use neli::types::{Buffer, RtBuffer};
use nix::libc;

use crate::Error;
use crate::attribute::{Attributes, Payload, from_bytes, to_bytes};

/// `struct ifaddrlblmsg` of `if_addrlabel.h`: family, one unused byte, prefix length, flags, device and sequence.
const HEADER: usize = 12;
/// `IFAL_ADDRESS` and `IFAL_LABEL`.
const ADDRESS: u16 = 1;
const LABEL: u16 = 2;

/// A label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The IPv6 addresses that have it.
    pub prefix: Prefix,
    /// On this device, or as destinations of what leaves by it; 0 for any.
    pub index: u32,
    /// Only sameness matters.
    pub number: u32,
}

impl Label {
    pub(crate) fn decode(body: &[u8]) -> Result<Option<Self>, Error> {
        const MALFORMED: Error = Error::Malformed("address label");
        let (header, attributes) = body.split_first_chunk::<HEADER>().ok_or(MALFORMED)?;
        let [family, _, length, _, index @ .., _, _, _, _] = *header;
        if i32::from(family) != libc::AF_INET6 {
            return Ok(None);
        }
        let (mut address, mut number) = (None, None);
        let attributes: RtBuffer<Rta, Buffer> = from_bytes(attributes, "address label")?;
        for attribute in attributes.iter() {
            match kind(attribute) {
                ADDRESS => address = Some(attribute.address("address of a label")?),
                LABEL => number = Some(attribute.number("address label")?),
                _ => {}
            }
        }
        let prefix = address.and_then(|address: IpAddr| Prefix::new(address, length)).ok_or(MALFORMED)?;
        Ok(Some(Self { prefix, index: u32::from_ne_bytes(index), number: number.ok_or(MALFORMED)? }))
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut attributes = Attributes::new();
        attributes.address(Rta::from(ADDRESS), self.prefix.address())?;
        attributes.number(Rta::from(LABEL), self.number)?;
        let mut body = header(self.prefix.length(), self.index);
        body.extend(to_bytes(&attributes.into_buffer())?);
        Ok(body)
    }

    /// The body of a request for every label.
    pub(crate) fn request() -> Vec<u8> {
        header(0, 0)
    }
}

fn header(length: u8, index: u32) -> Vec<u8> {
    let family = u8::try_from(libc::AF_INET6).unwrap_or_default();
    let [a, b, c, d] = index.to_ne_bytes();
    vec![family, 0, length, 0, a, b, c, d, 0, 0, 0, 0]
}

fn kind(attribute: &Rtattr<Rta, Buffer>) -> u16 {
    u16::from(*attribute.rta_type())
}

#[cfg(test)]
mod tests {
    use super::Label;
    use ftr_core::Prefix;
    use proptest::prelude::*;
    use std::net::IpAddr;

    proptest! {
        #[test]
        fn what_is_written_reads_back(octets: [u8; 16], length in 0u8..=128, index: u32, number: u32) {
            let label = Label { prefix: Prefix::new(IpAddr::from(octets), length).unwrap(), index, number };
            prop_assert_eq!(Label::decode(&label.encode().unwrap()), Ok(Some(label)));
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(0u8..40, 0..100)) {
            let _ = Label::decode(&bytes);
        }
    }
}
