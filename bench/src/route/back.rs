//! An uplink goes and comes back: what others lose by it, and how soon it carries again.

use super::ear::Ear;
use super::pipeline::balanced;
use ftr_lab::client::{Client, Habit};
use ftr_lab::config;
use ftr_lab::error::{LabError, Result};
use ftr_lab::family;
use ftr_lab::fault::Fault;
use ftr_lab::lab::Lab;
use ftr_lab::plan::{self, Kind, Wish};
use ftr_lab::report::Report;
use ftr_lab::router::{self, Router};
use ftr_lab::server::Server;
use ftr_netlink::{Event, Family, Group};
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

/// How long a device stays away.
const AWAY: Duration = Duration::from_secs(2);

/// An uplink that is not back by then stays away.
const WITHIN: Duration = Duration::from_secs(10);

/// `RT_TABLE_MAIN`, where DHCP clients put their routes.
const MAIN: u32 = 254;

/// The table of the third uplink, and the balanced one.
const TABLES: (u32, u32) = (3, 4);

/// What happens to an uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// An Ethernet device is deleted and made again.
    Device,
    /// A point-to-point line hangs up and is dialled again.
    Line,
    /// The line gets another address while it is up.
    Address,
    /// DHCP hands out another gateway.
    Gateway,
}

impl Return {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Device, Self::Line, Self::Address, Self::Gateway];

    const fn device(self) -> &'static str {
        match self {
            Self::Device => "eth1",
            Self::Line | Self::Address => "ppp3",
            Self::Gateway => "eth3",
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Gateway => Kind::Dhcp,
            _ => Kind::Ppp,
        }
    }

    /// The address of the uplink, or of its gateway, that is new after this turn.
    fn sign(self, lab: &Lab, turn: u8) -> Result<Ipv4Addr> {
        let address = lab.uplink(self.device())?.address();
        let [network, ..] = address.octets();
        Ok(match self {
            Self::Device | Self::Line => address,
            Self::Address => Ipv4Addr::new(network, 0, 0, 10 + turn),
            // The provider answers to both.
            Self::Gateway => Ipv4Addr::new(network, 0, 0, if turn % 2 == 0 { 254 } else { 1 }),
        })
    }

    /// Whether an event tells that the sign has come.
    fn has_come(self, event: &Event, sign: IpAddr) -> bool {
        match event {
            Event::Address(new) => self != Self::Gateway && new.local == sign,
            Event::Route(route) => {
                let there = route.nexthops.iter().any(|nexthop| nexthop.gateway == Some(sign));
                self == Self::Gateway && route.table == MAIN && route.destination.is_none() && there
            }
            _ => false,
        }
    }

    /// Whether an event tells of the route that was awaited.
    fn carries(self, event: &Event, sign: IpAddr, index: Option<u32>) -> bool {
        let through = |event| balanced(event, TABLES.1).map(|route| &route.nexthops);
        match (self, event) {
            // The balanced route names no address, and stays: what has to be written is the uplink's own.
            (Self::Address, Event::Route(route)) => route.table == TABLES.0 && route.source == Some(sign),
            (Self::Gateway, event) => through(event).is_some_and(|all| all.iter().any(|one| one.gateway == Some(sign))),
            (_, event) => through(event).is_some_and(|all| all.iter().any(|one| Some(one.index) == index)),
        }
    }

    /// Lets it happen.
    fn make(self, lab: &mut Lab, turn: u8) -> Result<()> {
        let device = self.device();
        let sign = self.sign(lab, turn)?;
        match self {
            Self::Device | Self::Line => {
                lab.fail(device, Fault::Deleted)?;
                thread::sleep(AWAY);
                lab.mend(device)
            }
            Self::Address => {
                let uplink = lab.uplink(device)?;
                let gateway = uplink.gateway();
                let last = if turn == 0 { uplink.address() } else { self.sign(lab, turn - 1)? };
                lab.provider(device)?.space.ip(&format!("route add {sign} dev access"))?;
                let lines = [("del", last), ("add", sign)]
                    .map(|(verb, address)| format!("addr {verb} {address} peer {gateway} dev {device}"));
                lab.router.ip(&lines.join("\n")).map(drop)
            }
            Self::Gateway => lab.lease(device, None, Some(sign)),
        }
    }
}

/// What was seen.
#[derive(Debug)]
pub struct Outcome {
    /// From the kernel's word of the address, or of DHCP's route, to its word of the route that follows from it.
    pub back: Vec<Duration>,
    /// New connections that began meanwhile, and those of them that failed, whichever uplink they had.
    pub failed: (usize, usize),
}

/// Lets an uplink go and come back so many times under 40 new connections a second.
///
/// # Errors
/// When the lab or ftr fails, or the uplink does not come back.
pub fn measure(which: Return, times: u8, seed: u64) -> Result<Outcome> {
    let fixed = Wish { weight: Some(1), ..Wish::default() };
    let third = Wish { kind: which.kind(), ..fixed.clone() };
    let mut lab = Lab::build(&[fixed.clone(), fixed, third])?;
    let _server = Server::start(&lab.internet)?;
    let mut router = Router::prepare(&lab, &config::parse("{}")?)?;
    router.start(&lab)?;
    let all: Vec<String> = lab.uplinks.iter().map(plan::Uplink::device).collect();
    router::carries(&lab, &all, family::Family::V4, WITHIN)?;
    let client = Client::start(&lab.lan, &Habit { held: 0, seed, ..Habit::default() })?;
    let began = Instant::now();
    let mut back = Vec::new();
    for turn in 0..times {
        thread::sleep(Duration::from_secs(1));
        let time = once(&mut lab, which, turn);
        back.push(time.map_err(|error| LabError::Unexpected(format!("{error}: {}", router.log())))?);
        router::carries(&lab, &all, family::Family::V4, WITHIN)?;
    }
    Ok(Outcome { back, failed: failed(&client.finish()?, began) })
}

fn once(lab: &mut Lab, which: Return, turn: u8) -> Result<Duration> {
    let sign = IpAddr::from(which.sign(lab, turn)?);
    let mut ear = Ear::open(&lab.router, &[Group::Address(Family::V4), Group::Route(Family::V4)])?;
    thread::scope(|scope| {
        // What happens is heard while it happens, and not after it has been done.
        let made = scope.spawn(|| which.make(lab, turn));
        let heard = heard(&mut ear, which, sign);
        match made.join() {
            Ok(made) => made.and(heard),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn heard(ear: &mut Ear, which: Return, sign: IpAddr) -> Result<Duration> {
    let mut came: Option<(Instant, Option<u32>)> = None;
    let found = ear.first(Instant::now() + WITHIN, |now, event| {
        if which.has_come(event, sign) {
            let index = if let Event::Address(new) = event { Some(new.index) } else { None };
            came.get_or_insert((now, index));
        }
        let (at, index) = came?;
        which.carries(event, sign, index).then_some(at)
    })?;
    let (now, at) = found.ok_or_else(|| LabError::Unexpected(format!("{sign} carries nothing (came {came:?})")))?;
    Ok(now.saturating_duration_since(at))
}

fn failed(report: &Report, began: Instant) -> (usize, usize) {
    let end = Instant::now();
    (report.began(began, end).count(), report.failed(began, end).count())
}
