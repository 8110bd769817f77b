//! Looks at sockets and ends them, a while at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ftr_core::Family;
use ftr_core::numbering::Numbering;
use ftr_netlink::{Ctnetlink, Error, Flow, InetSocket, Lookup, Rtnetlink, SockDiag, SocketProtocol, Transport};

use super::{Known, Lost};

/// For how long sockets are looked at before everything else has its turn.
const TURN: Duration = Duration::from_millis(50);

/// The sockets of one flush that are still to be looked at, or to be ended.
#[derive(Debug)]
pub(crate) struct Sweep {
    numbering: Numbering,
    lost: Lost,
    diagnosis: SockDiag,
    routing: Rtnetlink,
    /// None where the kernel tracks no connections.
    connections: Option<Ctnetlink>,
    left: VecDeque<InetSocket>,
    ended: Vec<InetSocket>,
}

impl Sweep {
    /// Lists the sockets that may be concerned.
    pub(crate) fn begin(numbering: Numbering, lost: Lost) -> Result<Self, Error> {
        let mut diagnosis = SockDiag::open()?;
        // An IPv6 socket may speak IPv4.
        let families: &[Family] = match lost.family {
            Family::V4 => &[Family::V4, Family::V6],
            Family::V6 => &[Family::V6],
        };
        let mut left = Vec::new();
        for protocol in [SocketProtocol::Tcp, SocketProtocol::Udp] {
            for family in families {
                let sockets = diagnosis.connected(*family, protocol)?;
                left.extend(sockets.into_iter().filter(|socket| lost.concerns(socket)));
            }
        }
        // Those that have an address of a lost uplink are the likeliest to use it.
        left.sort_by_key(|socket| lost.owners(socket).is_disjoint(&lost.uplinks));
        let left = VecDeque::from(left);
        let routing = Rtnetlink::open()?;
        Ok(Self { numbering, lost, diagnosis, routing, connections: Ctnetlink::open().ok(), left, ended: Vec::new() })
    }

    /// Looks at sockets for a while. What was tracked is known only until it is flushed.
    pub(crate) fn look(&mut self) -> Result<(), Error> {
        let end = Instant::now() + TURN;
        while let Some(socket) = self.left.pop_front() {
            let known = self.known(&socket)?;
            if self.lost.ends(&self.numbering, &socket, known) {
                self.ended.push(socket);
            }
            if Instant::now() >= end {
                break;
            }
        }
        Ok(())
    }

    /// Ends those that were found to be lost.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        for socket in self.ended.drain(..) {
            self.diagnosis.destroy(&socket)?;
        }
        Ok(())
    }

    /// Whether all were looked at.
    pub(crate) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    fn known(&mut self, socket: &InetSocket) -> Result<Known, Error> {
        let protocol = socket.protocol.number();
        let (source, destination) = (socket.local.ip(), socket.remote.ip());
        let transport = Transport::Ports { protocol, source: socket.local.port(), destination: socket.remote.port() };
        // Without an answer its address has to do.
        let tracked = self.connections.as_mut().and_then(|it| it.find(&Flow { source, destination, transport }).ok());
        let lookup = Lookup {
            source: Some(source),
            mark: socket.mark,
            protocol: Some(protocol),
            sport: Some(socket.local.port()),
            dport: Some(socket.remote.port()),
            ..Lookup::to(destination)
        };
        let elsewhere = match self.routing.lookup(&lookup) {
            Ok(route) => !self.numbering.has_table(route.table),
            // No route at all is none elsewhere: its device or its address is gone.
            Err(Error::Rejected { .. }) => false,
            Err(error) => return Err(error),
        };
        Ok(Known { tracked: tracked.flatten().map_or(0, |connection| connection.mark), elsewhere })
    }
}
