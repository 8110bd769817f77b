//! An uplink goes and comes back: what others lose by it, and how soon it carries again.

use super::ear::Ear;
use super::pipeline::balanced;
use crate::client::{Client, Habit};
use crate::config;
use crate::error::{LabError, Result};
use crate::fault::Fault;
use crate::lab::Lab;
use crate::plan::{Kind, Wish};
use crate::report::Report;
use crate::router::{self, Router};
use crate::server::Server;
use ftr_netlink::{Event, Family, Group};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

/// How long a device stays away.
const AWAY: Duration = Duration::from_secs(2);

/// An uplink that is not back by then stays away.
const WITHIN: Duration = Duration::from_secs(5);

/// What happens to an uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// An Ethernet device is deleted and made again.
    Device,
    /// A point-to-point line hangs up and is dialled again.
    Line,
    /// The line gets another address while it is up.
    Address,
}

impl Return {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Device, Self::Line, Self::Address];

    const fn device(self) -> &'static str {
        match self {
            Self::Device => "eth1",
            Self::Line | Self::Address => "ppp3",
        }
    }
}

/// What was seen.
#[derive(Debug)]
pub struct Outcome {
    /// From the kernel's word of the address to its word of the route by which new connections have it.
    pub back: Vec<Duration>,
    /// New connections that began meanwhile, and those of them that failed, whichever uplink they had.
    pub failed: (usize, usize),
}

/// Lets an uplink go and come back so many times under 40 new connections a second.
///
/// # Errors
/// When the lab or ftr fails, or the uplink does not come back.
pub fn measure(which: Return, times: u8, seed: u64) -> Result<Outcome> {
    let ppp = Wish { kind: Kind::Ppp, weight: Some(1), ..Wish::default() };
    let fixed = Wish { weight: Some(1), ..Wish::default() };
    let mut lab = Lab::build(&[fixed.clone(), fixed, ppp])?;
    let _server = Server::start(&lab.internet)?;
    let mut router = Router::prepare(&lab, &config::parse("{}")?)?;
    router.start(&lab)?;
    let all: Vec<String> = lab.uplinks.iter().map(crate::plan::Uplink::device).collect();
    router::carries(&lab, &all, Duration::from_secs(8))?;
    let client = Client::start(&lab.lan, &Habit { held: 0, seed, ..Habit::default() })?;
    let began = Instant::now();
    let mut back = Vec::new();
    for turn in 0..times {
        thread::sleep(Duration::from_secs(1));
        let mut ear = Ear::open(&lab.router, &[Group::Address(Family::V4), Group::Route(Family::V4)])?;
        return_once(&mut lab, which, turn)?;
        back.push(
            heard(&mut ear, which, wanted(&lab, which, turn)?)
                .map_err(|error| LabError::Unexpected(format!("{error}: {}", router.log())))?,
        );
        router::carries(&lab, &all, WITHIN)?;
    }
    Ok(Outcome { back, failed: failed(&client.finish()?, began) })
}

/// The address that the uplink has afterwards.
fn wanted(lab: &Lab, which: Return, turn: u8) -> Result<IpAddr> {
    let address = lab.uplink(which.device())?.address();
    let [network, ..] = address.octets();
    Ok(if which == Return::Address { [network, 0, 0, 10 + turn].into() } else { address.into() })
}

fn return_once(lab: &mut Lab, which: Return, turn: u8) -> Result<()> {
    let device = which.device();
    if which != Return::Address {
        lab.fail(device, Fault::Deleted)?;
        thread::sleep(AWAY);
        return lab.mend(device);
    }
    let uplink = lab.uplink(device)?;
    let gateway = uplink.gateway();
    let next = wanted(lab, which, turn)?;
    let last = if turn == 0 { uplink.address().into() } else { wanted(lab, which, turn - 1)? };
    lab.provider(device)?.space.ip(&format!("route add {next} dev access"))?;
    let lines = format!("addr del {last} peer {gateway} dev {device}\naddr add {next} peer {gateway} dev {device}");
    lab.router.ip(&lines).map(drop)
}

/// Whether the event is of the route that was awaited. Where the device stays so does the balanced route, which names no
/// address: what has to be written is the route of the uplink's own table.
fn carries(which: Return, event: &Event, (address, index): (IpAddr, u32)) -> bool {
    match (which, event) {
        (Return::Address, Event::Route(route)) => route.table == 3 && route.source == Some(address),
        _ => balanced(event, 4).is_some_and(|route| route.nexthops.iter().any(|nexthop| nexthop.index == index)),
    }
}

/// From the address to the route that has its device again.
fn heard(ear: &mut Ear, which: Return, address: IpAddr) -> Result<Duration> {
    let until = Instant::now() + WITHIN;
    let mut came: Option<(Instant, u32)> = None;
    let found = ear.first(until, |now, event| {
        if let Event::Address(new) = event {
            if new.local == address {
                came.get_or_insert((now, new.index));
            }
        }
        let (at, index) = came?;
        carries(which, event, (address, index)).then_some(at)
    })?;
    let (now, at) = found.ok_or_else(|| LabError::Unexpected(format!("{address} does not carry (seen {came:?})")))?;
    Ok(now.saturating_duration_since(at))
}

fn failed(report: &Report, began: Instant) -> (usize, usize) {
    let end = Instant::now();
    (report.began(began, end).count(), report.failed(began, end).count())
}
