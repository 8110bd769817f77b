//! The neighbour table: ARP and IPv6 neighbour discovery (`RTM_NEWNEIGH`).

use std::net::IpAddr;
use std::time::Duration;

use ftr_core::Family;
use neli::consts::rtnl::{Nda, Nud, Rtn};
use neli::rtnl::{Ndmsg, NdmsgBuilder};

use crate::attribute::{Attributes, Payload, from_bytes, to_bytes};
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
    /// How long ago it was last known to be there, in steps of 10 ms; none where the kernel does not say.
    pub confirmed: Option<Duration>,
}

/// The kernel tells ages in hundredths of a second, whatever its own clock ticks in (`USER_HZ`, time(7)).
const TICK: Duration = Duration::from_millis(10);

impl Neighbour {
    /// It was asked and has not answered.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.in_state(Nud::FAILED)
    }

    /// It is being asked or was asked, and has not answered: not yet (`NUD_INCOMPLETE`), or not at all (`NUD_FAILED`).
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.in_state(Nud::INCOMPLETE | Nud::FAILED)
    }

    /// The kernel asks for it and believes what it answers. It does neither of what the administrator has stated, and on
    /// a device where nobody is asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !self.in_state(Nud::PERMANENT | Nud::NOARP)
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
        let (mut address, mut link_address, mut confirmed) = (None, None, None);
        for attribute in message.rtattrs().iter() {
            match *attribute.rta_type() {
                Nda::Dst => address = Some(attribute.address("neighbour address")?),
                Nda::Lladdr => link_address = Some(attribute.octets().to_vec()),
                // `struct nda_cacheinfo` begins with it.
                Nda::Cacheinfo => {
                    let ticks = attribute.octets().first_chunk().map(|octets| u32::from_ne_bytes(*octets));
                    confirmed = ticks.map(|ticks| TICK.saturating_mul(ticks));
                }
                _ => {}
            }
        }
        let index = u32::try_from(*message.ndm_index()).map_err(|_| Error::Malformed("neighbour's device"))?;
        let state = message.ndm_state().bits();
        Ok(address.map(|address| Self { index, address, link_address, state, confirmed }))
    }

    /// The body of a request for every neighbour of a family.
    pub(crate) fn request(family: Family) -> Result<Vec<u8>, Error> {
        Self::encode(family, 0, Attributes::new())
    }

    /// The body of a request for one neighbour.
    pub(crate) fn request_one(index: u32, address: IpAddr) -> Result<Vec<u8>, Error> {
        let index = i32::try_from(index).map_err(|_| Error::Encode("a device number of more than 31 bits"))?;
        let mut attributes = Attributes::new();
        attributes.address(Nda::Dst, address)?;
        Self::encode(Family::of(address), index, attributes)
    }

    /// The kernel wants every field that is no part of the question to be zero.
    fn encode(family: Family, index: i32, attributes: Attributes<Nda>) -> Result<Vec<u8>, Error> {
        let body = NdmsgBuilder::default()
            .ndm_family(family::to_kernel(family))
            .ndm_index(index)
            .ndm_state(Nud::empty())
            .ndm_type(Rtn::Unspec)
            .rtattrs(attributes.into_buffer())
            .build()
            .map_err(|_| Error::Encode("a neighbour request"))?;
        to_bytes(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::{Neighbour, Nud};
    use proptest::prelude::*;
    use std::net::IpAddr;

    #[test]
    fn a_question_about_one_neighbour_names_its_device_and_address() {
        let address = IpAddr::from([192, 0, 2, 1]);
        let asked = Neighbour::decode(&Neighbour::request_one(7, address).unwrap()).unwrap();
        assert_eq!(asked, Some(Neighbour { index: 7, address, link_address: None, state: 0, confirmed: None }));
        assert!(Neighbour::request_one(1 << 31, address).is_err());
    }

    #[test]
    fn only_who_was_asked_in_vain_is_unanswered() {
        let in_state = |state: Nud| Neighbour {
            index: 7,
            address: IpAddr::from([192, 0, 2, 1]),
            link_address: None,
            state: state.bits(),
            confirmed: None,
        };
        assert!(in_state(Nud::INCOMPLETE).is_unanswered() && in_state(Nud::FAILED).is_unanswered());
        for state in [Nud::REACHABLE, Nud::STALE, Nud::DELAY, Nud::PROBE, Nud::NOARP, Nud::PERMANENT, Nud::empty()] {
            assert!(!in_state(state).is_unanswered(), "{state:?}");
            assert_eq!(in_state(state).is_asked(), state != Nud::NOARP && state != Nud::PERMANENT, "{state:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Neighbour::decode(&bytes);
        }
    }
}
