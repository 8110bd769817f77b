//! DNS over UDP (RFC 1035): a server works if it answers a query, be it with "there is no such name".

use std::os::fd::AsRawFd;

use ftr_core::config::DnsTarget;
use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{MsgFlags, recv, send};
use simple_dns::{CLASS, Name, OPCODE, Packet, PacketFlag, Question, RCODE, SimpleDnsError, TYPE, header_buffer};
use socket2::{Socket, Type};

use super::progress::Progress;
use super::socket::{failure, header, next_error, open};
use crate::outlet::{Outlet, errno};

/// The length of a UDP header.
const UDP: u64 = 8;
/// The length of a message's header. The question is behind it.
const HEADER: usize = 12;
/// How many datagrams are looked at before others have their turn.
const BATCH: usize = 64;

/// A query to one server.
#[derive(Debug)]
pub(crate) struct Dns {
    socket: Socket,
    query: Vec<u8>,
    foreign: u32,
    /// Of the network and UDP headers.
    headers: u64,
    bytes: u64,
}

impl Dns {
    pub(super) fn ask(target: &DnsTarget, id: u16, outlet: Outlet<'_>) -> Result<Self, Errno> {
        // A name that the configuration took has a place in a query.
        let query = query(&target.name, id).map_err(|_| Errno::EINVAL)?;
        let socket = open(target.server, Type::DGRAM, outlet)?;
        // Connected, so that nothing arrives but what claims to come from this server.
        socket.connect(&target.server.into()).map_err(|error| errno(&error))?;
        send(socket.as_raw_fd(), &query, MsgFlags::empty())?;
        let headers = header(target.server) + UDP;
        Ok(Self { socket, bytes: headers + query.len() as u64, query, foreign: 0, headers })
    }

    pub(super) fn progress(&mut self, scratch: &mut [u8]) -> Progress {
        let mut hint = None;
        for _ in 0..BATCH {
            // With this flag the length is that of the datagram, even if it does not fit.
            let length = match recv(self.socket.as_raw_fd(), scratch, MsgFlags::MSG_TRUNC) {
                Ok(length) => length,
                Err(Errno::EAGAIN) => match self.refused(scratch) {
                    Some(reason) => return Progress::Failed(reason),
                    None => break,
                },
                // What has failed is the datagram that somebody's error is about: who says so, and is it ours?
                Err(errno) => {
                    hint.get_or_insert(reason(errno));
                    if let Some(reason) = self.refused(scratch) {
                        return Progress::Failed(reason);
                    }
                    continue;
                }
            };
            self.bytes += self.headers + length as u64;
            match scratch.get(..length).and_then(|message| evaluate(&self.query, message)) {
                Some(Ok(())) => return Progress::Answered,
                Some(Err(reason)) => return Progress::Failed(reason),
                None => self.foreign = self.foreign.saturating_add(1),
            }
        }
        hint.map_or(Progress::Wait(EpollFlags::EPOLLIN), Progress::Hinted)
    }

    /// Why the query did not arrive, if one of the errors that wait proves that its sender has seen it.
    fn refused(&self, scratch: &mut [u8]) -> Option<&'static str> {
        for _ in 0..BATCH {
            let (errno, length) = next_error(&self.socket, scratch)?;
            if is_proof(&self.query, scratch.get(..length).unwrap_or_default()) {
                return Some(reason(errno));
            }
        }
        None
    }

    pub(super) const fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) const fn foreign(&self) -> u32 {
        self.foreign
    }
}

/// Whether an error that quotes this can only come from somebody who has seen the query, by its unpredictable id. The
/// port alone, which the kernel goes by, has some 28,000 values: whoever knows the server is soon through with them.
fn is_proof(query: &[u8], quoted: &[u8]) -> bool {
    let length = quoted.len().min(query.len());
    quoted.len() >= HEADER && query.get(..length) == quoted.get(..length)
}

/// What a router or the server's host says of a query, by the error of its socket.
const fn reason(errno: Errno) -> &'static str {
    match errno {
        Errno::ECONNREFUSED => "port-unreachable",
        errno => failure(errno),
    }
}

/// The query for a name's address, or for the name servers of the root, whose name is empty.
pub(super) fn query(name: &str, id: u16) -> Result<Vec<u8>, SimpleDnsError> {
    let kind = if name.is_empty() { TYPE::NS } else { TYPE::A };
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(Name::new(name)?, kind.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec()
}

/// Whether the server answered the query, and if it failed, how. None for a message that is no answer to it: one that
/// differs in id, opcode or question (RFC 5452 section 9.1).
///
/// The records of an answer do not matter. A server may write the question's name in letters of another case.
pub(super) fn evaluate(query: &[u8], message: &[u8]) -> Option<Result<(), &'static str>> {
    let is_response = header_buffer::has_flags(message, PacketFlag::RESPONSE).ok()?
        && header_buffer::opcode(message).ok()? == OPCODE::StandardQuery
        && header_buffer::id(message).ok()? == header_buffer::id(query).ok()?
        && header_buffer::questions(message).ok()? == 1;
    // Nothing stands before the question that its name could be compressed to. Lengths, type and class are no letters
    // and have to be the same.
    let asked = query.get(HEADER..)?;
    let answered = message.get(HEADER..query.len())?;
    if !is_response || !asked.eq_ignore_ascii_case(answered) {
        return None;
    }
    Some(match header_buffer::rcode(message).ok()? {
        RCODE::NoError | RCODE::NameError => Ok(()),
        RCODE::FormatError => Err("dns-formerr"),
        RCODE::ServerFailure => Err("dns-servfail"),
        RCODE::NotImplemented => Err("dns-notimp"),
        RCODE::Refused => Err("dns-refused"),
        _ => Err("dns-error"),
    })
}

#[cfg(test)]
mod tests {
    use super::{evaluate, is_proof, query};
    use proptest::prelude::*;
    use simple_dns::{Name, Packet, QTYPE, RCODE, ResourceRecord, TYPE, rdata};

    fn answer(query: &[u8], rcode: RCODE) -> Vec<u8> {
        let mut packet = Packet::parse(query).unwrap().into_reply();
        *packet.rcode_mut() = rcode;
        let address = rdata::RData::A(rdata::A { address: 1 });
        packet.answers.push(ResourceRecord::new(Name::new("a.example").unwrap(), simple_dns::CLASS::IN, 1, address));
        packet.build_bytes_vec_compressed().unwrap()
    }

    #[test]
    fn an_error_is_proof_only_if_it_quotes_the_query() {
        let asked = query("", 0x1234).unwrap();
        assert!(is_proof(&asked, &asked) && is_proof(&asked, &asked[..12]));
        assert!(is_proof(&asked, &[&asked[..], &[0; 100]].concat()), "padded as RFC 4884 says");
        assert!(!is_proof(&asked, &[]) && !is_proof(&asked, &asked[..4]));
        assert!(!is_proof(&asked, &query("", 0x1235).unwrap()));
    }

    #[test]
    fn a_query_as_rfc_1035_draws_it() {
        let wanted = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01";
        assert_eq!(query("a.example", 0x1234).unwrap(), wanted);
    }

    #[test]
    fn the_root_is_asked_for_its_name_servers() {
        let query = query("", 7).unwrap();
        let packet = Packet::parse(&query).unwrap();
        assert_eq!((packet.id(), packet.questions[0].qtype), (7, QTYPE::TYPE(TYPE::NS)));
        assert_eq!(query.get(12..), Some(&[0, 0, 2, 0, 1][..]));
    }

    #[test]
    fn an_answer_may_say_no() {
        let query = query("a.example", 7).unwrap();
        for (rcode, wanted) in [
            (RCODE::NoError, Ok(())),
            (RCODE::NameError, Ok(())),
            (RCODE::ServerFailure, Err("dns-servfail")),
            (RCODE::Refused, Err("dns-refused")),
            (RCODE::FormatError, Err("dns-formerr")),
            (RCODE::NotImplemented, Err("dns-notimp")),
            (RCODE::NOTAUTH, Err("dns-error")),
        ] {
            assert_eq!(evaluate(&query, &answer(&query, rcode)), Some(wanted), "{rcode:?}");
        }
    }

    #[test]
    fn what_is_cut_short_or_in_other_letters_is_an_answer() {
        let query = query("a.example", 7).unwrap();
        let mut cut = answer(&query, RCODE::NoError);
        cut[2] |= 0x02;
        cut.truncate(query.len());
        cut[15..22].make_ascii_uppercase();
        assert_eq!(evaluate(&query, &cut), Some(Ok(())));
    }

    #[test]
    fn the_query_itself_is_no_answer() {
        let query = query("a.example", 7).unwrap();
        assert_eq!(evaluate(&query, &query), None);
    }

    #[test]
    fn the_answer_to_another_question_is_foreign() {
        let ours = query("a.example", 7).unwrap();
        for other in ["b.example", "a.example.org", "example", ""] {
            assert_eq!(evaluate(&ours, &answer(&query(other, 7).unwrap(), RCODE::NoError)), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_name_of_a_configuration_can_be_asked_for(id: u16, name in "[a-z0-9_-]{1,63}(\\.[a-z0-9_-]{1,63}){0,2}") {
            let query = query(&name, id).unwrap();
            prop_assert_eq!(evaluate(&query, &answer(&query, RCODE::NoError)), Some(Ok(())));
            let packet = Packet::parse(&query).unwrap();
            prop_assert_eq!(packet.questions[0].qname.to_string(), name);
        }

        #[test]
        fn an_answer_that_differs_in_what_makes_it_ours_is_foreign(byte in 0usize..27, bit in 0u32..8) {
            let query = query("a.example", 7).unwrap();
            let mut message = answer(&query, RCODE::NoError);
            message[byte] ^= 1 << bit;
            let flags = matches!((byte, bit), (2, 0..=2) | (3, _));
            let counts = matches!(byte, 6..=11);
            let case = bit == 5 && query[byte].is_ascii_alphabetic();
            prop_assert_eq!(evaluate(&query, &message).is_some(), flags || counts || case);
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), id: u16) {
            let _ = evaluate(&query("a.example", id).unwrap(), &bytes);
            prop_assert_eq!(evaluate(&bytes, &bytes[..bytes.len().min(11)]), None);
        }
    }
}
