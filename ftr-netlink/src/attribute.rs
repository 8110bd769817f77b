//! Attributes: the typed values behind the fixed header of a message.

use std::io::Cursor;
use std::net::IpAddr;

use neli::consts::rtnl::RtaType;
use neli::rtnl::{Rtattr, RtattrBuilder};
use neli::types::{Buffer, RtBuffer};
use neli::{FromBytesWithInput, ToBytes};

use crate::{Error, family};

/// An attribute that this library does not interpret, kept so that two values that differ in it are unequal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    /// Its number within its kind of message.
    pub kind: u16,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// Attributes on their way into a message.
#[derive(Debug)]
pub(crate) struct Attributes<T>(RtBuffer<T, Buffer>);

impl<T: RtaType> Attributes<T> {
    pub(crate) fn new() -> Self {
        Self(RtBuffer::new())
    }

    pub(crate) fn bytes(&mut self, kind: T, payload: Vec<u8>) -> Result<(), Error> {
        if payload.len() > usize::from(u16::MAX) - 4 {
            return Err(Error::Encode("an attribute of more than 64 KiB"));
        }
        let attribute = RtattrBuilder::default()
            .rta_type(kind)
            .rta_payload(Buffer::from(payload))
            .build()
            .map_err(|_| Error::Encode("an attribute"))?;
        self.0.push(attribute);
        Ok(())
    }

    pub(crate) fn number(&mut self, kind: T, value: u32) -> Result<(), Error> {
        self.bytes(kind, value.to_ne_bytes().to_vec())
    }

    pub(crate) fn address(&mut self, kind: T, address: IpAddr) -> Result<(), Error> {
        self.bytes(kind, family::octets(address))
    }

    /// Text with the final NUL that the kernel expects.
    pub(crate) fn text(&mut self, kind: T, text: &str) -> Result<(), Error> {
        let mut payload = text.as_bytes().to_vec();
        payload.push(0);
        self.bytes(kind, payload)
    }

    pub(crate) fn into_buffer(self) -> RtBuffer<T, Buffer> {
        self.0
    }
}

/// A message body as bytes.
pub(crate) fn to_bytes(body: &impl ToBytes) -> Result<Vec<u8>, Error> {
    let mut cursor = Cursor::new(Vec::new());
    body.to_bytes(&mut cursor).map_err(|_| Error::Encode("its header"))?;
    Ok(cursor.into_inner())
}

/// A message body from its bytes.
pub(crate) fn from_bytes<B: FromBytesWithInput<Input = usize>>(bytes: &[u8], what: &'static str) -> Result<B, Error> {
    B::from_bytes_with_input(&mut Cursor::new(bytes), bytes.len()).map_err(|_| Error::Malformed(what))
}

/// Reads the payload of one attribute.
pub(crate) trait Payload {
    fn octets(&self) -> &[u8];

    fn number(&self, what: &'static str) -> Result<u32, Error> {
        self.octets().try_into().map(u32::from_ne_bytes).map_err(|_| Error::Malformed(what))
    }

    fn octet(&self, what: &'static str) -> Result<u8, Error> {
        self.octets().first().copied().ok_or(Error::Malformed(what))
    }

    fn address(&self, what: &'static str) -> Result<IpAddr, Error> {
        family::address(self.octets()).ok_or(Error::Malformed(what))
    }

    /// Text up to the first NUL; what is no UTF-8 is replaced, for the kernel does not promise any encoding.
    fn text(&self) -> String {
        let octets = self.octets();
        let end = octets.iter().position(|&octet| octet == 0).unwrap_or(octets.len());
        String::from_utf8_lossy(octets.get(..end).unwrap_or_default()).into_owned()
    }
}

impl<T> Payload for Rtattr<T, Buffer> {
    fn octets(&self) -> &[u8] {
        self.rta_payload().as_ref()
    }
}

/// The attribute as it stands, for comparison.
pub(crate) fn opaque<T: RtaType>(attribute: &Rtattr<T, Buffer>) -> Attribute {
    Attribute { kind: (*attribute.rta_type()).into(), payload: attribute.octets().to_vec() }
}
