//! How an uplink finds its way to the internet, and whether the gateway on it is there.

use std::net::IpAddr;
use std::time::Duration;

use ftr_core::record::Reason;
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::gateway::{Ahead, Gateway};
use super::{STALE, Shared, Uplink};
use crate::Error;
use crate::echo::EchoSocket;
use crate::outlet::Outlet;
use crate::path::{Break, Path};

impl Uplink {
    /// The way through the device with this number, with the socket ready for it.
    pub(super) fn way(&mut self, index: u32, shared: &mut Shared, now: Duration) -> Result<Result<Path, Break>, Error> {
        let no_route = Break { reason: Reason::NoRoute, address: None };
        let Some(target) = self.check.first_target() else { return Ok(Err(no_route)) };
        let known = self.known.filter(|(at, of, _)| now < *at + STALE && *of == index);
        let way = match known {
            Some((_, _, way)) => way,
            None => match shared.host.way(self.plan.terms(shared.config.as_ref()), target)? {
                Ok(way) => {
                    self.known = Some((now, index, way));
                    way
                }
                Err(broken) => {
                    self.known = None;
                    return Ok(Err(broken));
                }
            },
        };
        if self.socket.as_ref().is_some_and(|socket| socket.is_bound_to(index)) {
            return Ok(Ok(way));
        }
        let [high, low, ..] = shared.tokens.next()?;
        match self.open(index, u16::from_be_bytes([high, low]), shared) {
            Ok(()) => Ok(Ok(way)),
            Err(Errno::ENODEV) => Ok(Err(Break { reason: Reason::NoInterface, address: None })),
            Err(Errno::EPERM | Errno::EACCES) => Err(Error::NotPermitted { uplink: self.plan.uplink.clone() }),
            Err(errno) => Err(Error::Socket { uplink: self.plan.uplink.clone(), operation: "open ICMP socket", errno }),
        }
    }

    fn open(&mut self, index: u32, id: u16, shared: &Shared) -> Result<(), Errno> {
        let outlet = Outlet::of(self.plan.terms(shared.config.as_ref()));
        let socket = EchoSocket::open(self.plan.family, outlet, index, id)?;
        shared.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, self.mark))?;
        self.socket = Some(socket);
        self.gateway = Gateway::default();
        Ok(())
    }

    /// Has the gateway show that it is there, if there is one that the kernel believes to know.
    pub(super) fn solicit(&mut self, way: Path, index: u32, shared: &mut Shared, now: Duration) -> Result<(), Error> {
        let Some(gateway) = way.gateway else { return Ok(()) };
        let Some(question) = shared.host.question(index, gateway, way.address)? else { return Ok(()) };
        let asked = self.gateway.ask(self.plan.uplink.as_str(), question);
        self.blind.gateway(&self.plan.uplink, asked.map(|_| ()).map_err(Errno::desc));
        if let Ok(sent) = asked {
            self.bytes += sent.bytes;
            self.packets += sent.packets;
            self.gateway.asked = Some(now).filter(|_| sent.packets > 0);
        }
        Ok(())
    }

    /// Asks the gateway of a line that is down, a little before the next check.
    pub(super) fn solicit_ahead(&mut self, shared: &mut Shared, now: Duration) -> Result<(), Error> {
        match self.gateway.ahead.take_if(|ahead| ahead.at <= now) {
            Some(Ahead { way, index, .. }) => self.solicit(way, index, shared, now),
            None => Ok(()),
        }
    }

    pub(super) fn is_silent(
        &self,
        gateway: IpAddr,
        index: u32,
        shared: &mut Shared,
        now: Duration,
    ) -> Result<bool, Error> {
        let asked = self.gateway.asked.map(|at| now.saturating_sub(at));
        Ok(shared.host.is_silent(index, gateway, asked)?)
    }
}
