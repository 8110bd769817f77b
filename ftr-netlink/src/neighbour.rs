//! The neighbour table: ARP and IPv6 neighbour discovery (`RTM_NEWNEIGH`).

use std::net::IpAddr;

use ftr_core::Family;
use neli::consts::rtnl::{Nda, Nud, Rtn};
use neli::rtnl::{Ndmsg, NdmsgBuilder};

use crate::attribute::{Payload, from_bytes, to_bytes};
use crate::{Error, family};

/// What the kernel knows of a host on a directly connected network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The device that it is behind.
    pub index: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its link-layer address, once it has answered.
    pub link_address: Option<Vec<u8>>,
    /// `NUD_*`.
    pub state: u16,
}

impl Neighbour {
    /// It was asked and has not answered.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.in_state(Nud::FAILED)
    }

    /// It has been heard lately, or is taken for granted.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.in_state(Nud::REACHABLE | Nud::PERMANENT | Nud::NOARP)
    }

    fn in_state(&self, states: Nud) -> bool {
        self.state & states.bits() != 0
    }

    /// None for an entry that is not about an IP address (bridges keep theirs in the same table).
    pub(crate) fn decode(body: &[u8]) -> Result<Option<Self>, Error> {
        let message: Ndmsg = from_bytes(body, "neighbour")?;
        if family::from_kernel(*message.ndm_family()).is_none() {
            return Ok(None);
        }
        let (mut address, mut link_address) = (None, None);
        for attribute in message.rtattrs().iter() {
            match *attribute.rta_type() {
                Nda::Dst => address = Some(attribute.address("neighbour address")?),
                Nda::Lladdr => link_address = Some(attribute.octets().to_vec()),
                _ => {}
            }
        }
        let index = u32::try_from(*message.ndm_index()).map_err(|_| Error::Malformed("neighbour's device"))?;
        Ok(address.map(|address| Self { index, address, link_address, state: message.ndm_state().bits() }))
    }

    /// The body of a request for every neighbour of a family.
    pub(crate) fn request(family: Family) -> Result<Vec<u8>, Error> {
        let body = NdmsgBuilder::default()
            .ndm_family(family::to_kernel(family))
            .ndm_index(0)
            .ndm_state(Nud::empty())
            .ndm_type(Rtn::Unspec)
            .build()
            .map_err(|_| Error::Encode("a neighbour request"))?;
        to_bytes(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::Neighbour;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Neighbour::decode(&bytes);
        }
    }
}
