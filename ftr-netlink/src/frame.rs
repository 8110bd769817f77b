//! The envelope of every netlink message: `struct nlmsghdr`, and the acknowledgements of netlink(7).
//!
//! Requests are put together by neli. Datagrams are taken apart here, because a datagram holds several messages of
//! differing kinds, an acknowledgement may carry attributes behind the request that it quotes, and no length in it
//! may be trusted before it is checked.

use neli::consts::nl::{NlmF, Nlmsg};
use neli::nl::{NlPayload, NlmsghdrBuilder};
use neli::types::Buffer;
use nix::errno::Errno;

use crate::{Error, NetlinkError, attribute};

const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// `NLA_TYPE_MASK`: above it an attribute's kind has two flags, "has attributes inside" and "network byte order".
const KIND: u16 = 0x3fff;
/// `NLMSGERR_ATTR_MSG`: the text of an extended acknowledgement.
const ACKNOWLEDGEMENT_TEXT: u16 = 1;

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: NlmF,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

/// The messages of one datagram, in order. Ends after the first malformed one.
#[derive(Debug)]
pub(crate) struct Frames<'a>(&'a [u8]);

impl<'a> Frames<'a> {
    pub(crate) const fn of(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }

    fn take(&mut self) -> Option<Frame<'a>> {
        let length = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let frame = Frame {
            kind: u16_at(self.0, 4)?,
            flags: NlmF::from_bits_retain(u16_at(self.0, 6)?),
            sequence: u32_at(self.0, 8)?,
            body: self.0.get(HEADER..length)?,
        };
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some(frame)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let frame = self.take();
        if frame.is_none() {
            self.0 = &[];
        }
        Some(frame.ok_or(Error::Malformed("message header")))
    }
}

/// A request, ready to be sent.
pub(crate) fn request(kind: u16, flags: NlmF, sequence: u32, body: &[u8]) -> Result<Vec<u8>, Error> {
    let message = NlmsghdrBuilder::default()
        .nl_type(kind)
        .nl_flags(NlmF::REQUEST | flags)
        .nl_seq(sequence)
        .nl_payload(NlPayload::Payload(Buffer::from(body)))
        .build()
        .map_err(|_| Error::Encode("its header"))?;
    attribute::to_bytes(&message)
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was done, or a dump is complete.
    Done,
    /// It was refused.
    Rejected(NetlinkError),
    /// Not an end: the frame carries an answer.
    Answer,
}

/// Whether the frame ends the request that it answers, and how.
pub(crate) fn outcome(frame: &Frame<'_>) -> Result<Outcome, Error> {
    let quoted = match Nlmsg::from(frame.kind) {
        Nlmsg::Error => {
            let request = u32_at(frame.body, 4).ok_or(Error::Malformed("acknowledgement"))?;
            // The kernel quotes the whole request after an error, unless NETLINK_CAP_ACK says otherwise.
            let capped = frame.flags.contains(NlmF::CAPPED);
            if capped { HEADER } else { usize::try_from(request).map_err(|_| Error::Malformed("acknowledgement"))? }
        }
        Nlmsg::Done => 0,
        Nlmsg::Overrun => return Ok(Outcome::Rejected(NetlinkError { errno: Errno::ENOBUFS, message: None })),
        _ => return Ok(Outcome::Answer),
    };
    let code = match frame.body.get(..4).and_then(|code| code.try_into().ok()) {
        Some(code) => i32::from_ne_bytes(code),
        // The end of a dump may come without a code.
        None => 0,
    };
    if code >= 0 {
        return Ok(Outcome::Done);
    }
    let message = if frame.flags.contains(NlmF::ACK_TLVS) {
        frame.body.get(aligned(quoted).saturating_add(4)..).and_then(explanation)
    } else {
        None
    };
    Ok(Outcome::Rejected(NetlinkError { errno: Errno::from_raw(code.wrapping_neg()), message }))
}

/// The text among the attributes of an extended acknowledgement.
fn explanation(attributes: &[u8]) -> Option<String> {
    let payload = payload(attributes, ACKNOWLEDGEMENT_TEXT)?;
    let text = payload.strip_suffix(&[0]).unwrap_or(payload);
    Some(String::from_utf8_lossy(text).into_owned())
}

/// What the first attribute of a kind carries; none where there is no such attribute before the end or a malformed one.
pub(crate) fn payload(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let payload = attributes.get(ATTRIBUTE_HEADER..length)?;
        if u16_at(attributes, 2)? & KIND == kind {
            return Some(payload);
        }
        attributes = attributes.get(aligned(length)..)?;
    }
}

/// Puts an attribute behind the others.
pub(crate) fn append(attributes: &mut Vec<u8>, kind: u16, payload: &[u8]) -> Result<(), Error> {
    let length = u16::try_from(ATTRIBUTE_HEADER + payload.len());
    attributes.extend(length.map_err(|_| Error::Encode("an attribute of more than 64 KiB"))?.to_ne_bytes());
    attributes.extend(kind.to_ne_bytes());
    attributes.extend(payload);
    attributes.resize(aligned(attributes.len()), 0);
    Ok(())
}

/// Netlink aligns messages and attributes to four bytes.
pub(crate) const fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::{Frames, Outcome, append, outcome, payload, request};
    use neli::consts::nl::NlmF;
    use nix::errno::Errno;
    use proptest::prelude::*;

    /// An acknowledgement as the kernel writes it: the code, the request quoted, then attributes.
    fn acknowledgement(code: i32, flags: NlmF, quoted: &[u8], attributes: &[u8]) -> Vec<u8> {
        let mut body = code.to_ne_bytes().to_vec();
        body.extend(quoted);
        body.extend(attributes);
        request(2, flags, 7, &body).unwrap()
    }

    fn end(datagram: &[u8]) -> Outcome {
        outcome(&Frames::of(datagram).next().unwrap().unwrap()).unwrap()
    }

    const TEXT: &[u8] = b"\x0a\x00\x01\x00no dev\x00\x00"; // 10 bytes long and padded, as on a little-endian machine

    #[test]
    fn the_explanation_stands_behind_the_request() {
        let asked = request(24, NlmF::ACK, 7, b"a body of 20 bytes..").unwrap();
        let datagram = acknowledgement(-22, NlmF::ACK_TLVS, &asked, TEXT);
        let Outcome::Rejected(error) = end(&datagram) else { panic!("not refused") };
        assert_eq!((error.errno, error.message.as_deref()), (Errno::EINVAL, Some("no dev")));

        let datagram = acknowledgement(-22, NlmF::ACK_TLVS | NlmF::CAPPED, &asked[..16], TEXT);
        let Outcome::Rejected(error) = end(&datagram) else { panic!("not refused") };
        assert_eq!(error.message.as_deref(), Some("no dev"));
    }

    #[test]
    fn messages_follow_an_acknowledgement_with_attributes() {
        let asked = request(24, NlmF::ACK, 7, b"").unwrap();
        let mut datagram = acknowledgement(-1, NlmF::ACK_TLVS, &asked, TEXT);
        datagram.extend(request(16, NlmF::MULTI, 8, b"link").unwrap());
        let frames: Vec<_> = Frames::of(&datagram).map(Result::unwrap).collect();
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[1].kind, frames[1].sequence, frames[1].body), (16, 8, &b"link"[..]));
    }

    #[test]
    fn an_acknowledgement_without_error_is_success() {
        let asked = request(24, NlmF::ACK, 7, b"").unwrap();
        assert_eq!(end(&acknowledgement(0, NlmF::empty(), &asked, b"")), Outcome::Done);
        assert_eq!(end(&request(3, NlmF::MULTI, 7, &0i32.to_ne_bytes()).unwrap()), Outcome::Done);
        assert_eq!(end(&request(24, NlmF::MULTI, 7, b"").unwrap()), Outcome::Answer);
    }

    #[test]
    fn a_dump_can_end_in_an_error() {
        let done = request(3, NlmF::MULTI, 7, &(-2i32).to_ne_bytes()).unwrap();
        let Outcome::Rejected(error) = end(&done) else { panic!("not refused") };
        assert_eq!(error.errno, Errno::ENOENT);
    }

    #[test]
    fn attributes_are_found_whatever_flags_they_carry() {
        let mut attributes = Vec::new();
        for (kind, text) in [(1, &b"odd"[..]), (2 | 0x8000, b"nested"), (3 | 0x4000, b""), (2, b"second")] {
            append(&mut attributes, kind, text).unwrap();
        }
        assert_eq!(attributes.len(), 8 + 12 + 4 + 12);
        assert_eq!(
            [1, 2, 3, 4].map(|kind| payload(&attributes, kind)),
            [Some(&b"odd"[..]), Some(b"nested"), Some(b""), None]
        );
        assert!(append(&mut attributes, 1, &vec![0; 65_532]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut frames = 0;
            for frame in Frames::of(&bytes).flatten() {
                let _ = outcome(&frame);
                frames += 1;
            }
            prop_assert!(frames * 16 <= bytes.len());
        }

        #[test]
        fn short_lengths_and_codes_are_taken_apart_without_panic(
            kind in 0u16..4, flags: u16, code in -200i32..3, quoted in 0u32..64, tail in prop::collection::vec(0u8..8, 0..80),
        ) {
            let mut body = code.to_ne_bytes().to_vec();
            body.extend(quoted.to_ne_bytes());
            body.extend(&tail);
            let datagram = request(kind, NlmF::from_bits_retain(flags), 1, &body).unwrap();
            for frame in Frames::of(&datagram) {
                let _ = outcome(&frame.unwrap());
            }
        }
    }
}
