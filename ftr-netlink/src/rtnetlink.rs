//! Reading and writing the kernel's links, addresses, routes, rules and neighbours.

use std::net::IpAddr;

use ftr_core::Family;
use neli::consts::nl::{NlmF, Nlmsg};
use neli::consts::rtnl::Rtm;
use nix::errno::Errno;
use nix::sys::socket::{SockFlag, SockProtocol};

use crate::frame::{Frames, Outcome, outcome};
use crate::socket::{End, Socket};
use crate::{
    Address, Counters, Error, Label, Lifetime, Link, Lookup, Neighbour, NetlinkError, Route, Rule, Write, counters,
};

/// How often a dump is begun anew because the table changed under it.
const ATTEMPTS: u32 = 8;
/// Requests that go to the kernel in one datagram: their acknowledgements must fit into the receive queue together.
const BATCH: usize = 64;
/// The bytes at which a datagram is full: the kernel takes no larger one than its send buffer, some 200 KB.
const FULL: usize = 64 * 1024;

/// A socket for requests about links, addresses, routes, rules and neighbours. Reading needs no capability, writing
/// `CAP_NET_ADMIN`.
#[derive(Debug)]
pub struct Rtnetlink {
    socket: Socket,
}

impl Rtnetlink {
    /// Opens a socket.
    ///
    /// # Errors
    /// The kernel gives none.
    pub fn open() -> Result<Self, Error> {
        let mut socket = Socket::open(SockProtocol::NetlinkRoute, 0, SockFlag::empty())?;
        // A dump comes in buffers as large as the largest that the kernel has seen us read with, and as small as a page
        // before it has seen one: a route of some hundred nexthops would be left out of the first list, silently.
        socket.ask((Nlmsg::Noop.into(), NlmF::ACK, &[]), |_| Ok(()))?;
        Ok(Self { socket })
    }

    /// Every device.
    ///
    /// # Errors
    /// The exchange fails.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        self.dump("list links", Rtm::Getlink, &Link::request()?, Link::decode)
    }

    /// What went through every device so far, by its number, into a list that is used again: where it has the room,
    /// nothing is allocated.
    ///
    /// # Errors
    /// The exchange fails; the kernel is older than Linux 4.7 (`EOPNOTSUPP`). The list is incomplete then.
    pub fn counters(&mut self, into: &mut Vec<(u32, Counters)>) -> Result<(), Error> {
        self.whole("read device counters (RTM_GETSTATS)", |socket| {
            into.clear();
            let number = socket.number();
            socket.send(counters::request(number).as_flattened())?;
            socket.answers(number, |frame| {
                into.push(counters::decode(frame.body)?);
                Ok(())
            })
        })
    }

    /// Every address of a family, or of both.
    ///
    /// # Errors
    /// The exchange fails.
    pub fn addresses(&mut self, family: Option<Family>) -> Result<Vec<Address>, Error> {
        self.dump("list addresses", Rtm::Getaddr, &Address::request(family)?, Address::decode)
    }

    /// For how long each address of a family is valid.
    ///
    /// # Errors
    /// The exchange fails.
    pub fn lifetimes(&mut self, family: Family) -> Result<Vec<Lifetime>, Error> {
        self.dump("list addresses", Rtm::Getaddr, &Address::request(Some(family))?, Lifetime::decode)
    }

    /// Every route of a family, or of one table of it. A table that was never used is empty.
    ///
    /// # Errors
    /// The exchange fails.
    pub fn routes(&mut self, family: Family, table: Option<u32>) -> Result<Vec<Route>, Error> {
        match self.dump("list routes", Rtm::Getroute, &Route::request(family, table, 0)?, Route::decode) {
            Err(Error::Rejected { error: NetlinkError { errno: Errno::ENOENT, .. }, .. }) if table.is_some() => {
                Ok(Vec::new())
            }
            routes => routes,
        }
    }

    /// Every route of a family that was made by whoever has this number in `rt_protos`, in whatever table.
    ///
    /// # Errors
    /// The exchange fails.
    pub fn routes_by(&mut self, family: Family, protocol: u8) -> Result<Vec<Route>, Error> {
        self.dump("list routes", Rtm::Getroute, &Route::request(family, None, protocol)?, Route::decode)
    }

    /// Every rule of a family, in the order in which they are asked.
    ///
    /// # Errors
    /// The exchange fails.
    pub fn rules(&mut self, family: Family) -> Result<Vec<Rule>, Error> {
        self.dump("list rules", Rtm::Getrule, &Rule::request(family)?, Rule::decode)
    }

    /// Every address label (IPv6 only). Where the kernel has none of them the list is empty.
    ///
    /// # Errors
    /// The exchange fails.
    pub fn labels(&mut self) -> Result<Vec<Label>, Error> {
        match self.dump("list address labels", Rtm::Getaddrlabel, &Label::request(), Label::decode) {
            Err(Error::Rejected { error: NetlinkError { errno: Errno::EOPNOTSUPP, .. }, .. }) => Ok(Vec::new()),
            labels => labels,
        }
    }

    /// Every neighbour of a family.
    ///
    /// # Errors
    /// The exchange fails.
    pub fn neighbours(&mut self, family: Family) -> Result<Vec<Neighbour>, Error> {
        self.dump("list neighbours", Rtm::Getneigh, &Neighbour::request(family)?, Neighbour::decode)
    }

    /// One neighbour; none where the kernel does not know it, or its device is gone. Needs Linux 5.0.
    ///
    /// # Errors
    /// The exchange fails.
    pub fn neighbour(&mut self, index: u32, address: IpAddr) -> Result<Option<Neighbour>, Error> {
        let mut neighbour = None;
        let request = Neighbour::request_one(index, address)?;
        let end = self.socket.ask((Rtm::Getneigh.into(), NlmF::ACK, &request), |frame| {
            neighbour = Neighbour::decode(frame.body)?;
            Ok(())
        })?;
        match end.error {
            Some(NetlinkError { errno: Errno::ENOENT | Errno::ENODEV, .. }) => Ok(None),
            Some(error) => Err(Error::Rejected { operation: "look up neighbour", error }),
            None => neighbour.ok_or(Error::Malformed("answer to a neighbour lookup")).map(Some),
        }
    }

    /// The way that the kernel would send this packet: the table and the one nexthop. A packet of this host that names no
    /// source is given one; IPv4 tells none to a packet that names its own.
    ///
    /// Of several nexthops it is the one that a forwarded packet takes, unless that has an IPv6 flow label, or its
    /// network card has hashed its ports already: the kernel balances by these then, and a look-up has neither.
    ///
    /// # Errors
    /// There is none ([`Error::Rejected`]): no route (`ENETUNREACH`), or one that refuses (`EHOSTUNREACH`, `EACCES` of a
    /// prohibiting one, `EINVAL` of a black hole). A packet of this host has a foreign IPv4 source (`ENETUNREACH`). A
    /// packet that came in over IPv4 is not forwarded by its device (`EHOSTUNREACH`), or has no source, one of our own
    /// or one that the reverse path filter rejects (`EINVAL`; `EXDEV` of older kernels); IPv6 looks at none of these.
    /// The protocol is not to be asked about (`EOPNOTSUPP`). Or the exchange fails.
    pub fn lookup(&mut self, lookup: &Lookup) -> Result<Route, Error> {
        let mut route = None;
        let end = self.socket.ask((Rtm::Getroute.into(), NlmF::ACK, &lookup.encode()?), |frame| {
            route = Route::decode(frame.body)?;
            Ok(())
        })?;
        match end.error {
            Some(error) => Err(Error::Rejected { operation: "look up route", error }),
            None => route.ok_or(Error::Malformed("answer to a route lookup")),
        }
    }

    /// Asks for these changes, in this order, and reports what became of each. An error does not stop those behind it.
    ///
    /// # Errors
    /// A change cannot be put into a message: none was made then. The exchange itself fails: which changes were made is
    /// unknown then.
    pub fn write(&mut self, writes: &[Write]) -> Result<Vec<Result<(), NetlinkError>>, Error> {
        let mut requests = Vec::with_capacity(writes.len());
        for write in writes {
            let number = self.socket.number();
            requests.push((number, write.encode(number)?));
        }
        let mut fates = Vec::with_capacity(writes.len());
        let (mut datagram, mut numbers) = (Vec::new(), Vec::new());
        for (number, request) in requests {
            datagram.extend(request);
            numbers.push(number);
            if numbers.len() == BATCH || datagram.len() >= FULL {
                self.exchange(&mut datagram, &mut numbers, &mut fates)?;
            }
        }
        self.exchange(&mut datagram, &mut numbers, &mut fates)?;
        Ok(fates)
    }

    /// Sends the requests of these numbers and leaves room for the next ones.
    fn exchange(
        &mut self,
        datagram: &mut Vec<u8>,
        numbers: &mut Vec<u32>,
        fates: &mut Vec<Result<(), NetlinkError>>,
    ) -> Result<(), Error> {
        if numbers.is_empty() {
            return Ok(());
        }
        self.socket.send(datagram)?;
        self.acknowledgements(numbers, fates)?;
        datagram.clear();
        numbers.clear();
        Ok(())
    }

    /// Collects the acknowledgements of these requests, which the kernel sends in their order.
    fn acknowledgements(&mut self, numbers: &[u32], fates: &mut Vec<Result<(), NetlinkError>>) -> Result<(), Error> {
        let mut awaited = numbers.iter().peekable();
        while awaited.peek().is_some() {
            for frame in Frames::of(self.socket.receive()?) {
                let frame = frame?;
                if awaited.peek().is_none_or(|number| **number != frame.sequence) {
                    continue;
                }
                match outcome(&frame)? {
                    Outcome::Answer => continue,
                    Outcome::Done => fates.push(Ok(())),
                    Outcome::Rejected(error) => fates.push(Err(error)),
                }
                awaited.next();
            }
        }
        Ok(())
    }

    fn dump<T>(
        &mut self,
        operation: &'static str,
        kind: Rtm,
        body: &[u8],
        decode: impl Fn(&[u8]) -> Result<Option<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.whole(operation, |socket| {
            found.clear();
            socket.ask((kind.into(), NlmF::DUMP, body), |frame| {
                found.extend(decode(frame.body)?);
                Ok(())
            })
        })?;
        Ok(found)
    }

    /// Repeats a dump until nothing has changed while it was read.
    fn whole(
        &mut self,
        operation: &'static str,
        mut dump: impl FnMut(&mut Socket) -> Result<End, Error>,
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let end = dump(&mut self.socket)?;
            if let Some(error) = end.error {
                return Err(Error::Rejected { operation, error });
            }
            if !end.interrupted {
                return Ok(());
            }
        }
        Err(Error::Interrupted { operation, attempts: ATTEMPTS })
    }
}
