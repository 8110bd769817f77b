//! `ftr-monitor run --demo`: uplinks that come and go by chance, and what would be done. No root, no network.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use ftr_core::cli::{Common, Failure};
use ftr_core::record::{Check, Reason, Record};
use ftr_core::{Config, Exit, Family};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use crate::clock;
use crate::daemon::watch_signals;
use crate::decide::Decider;
use crate::words;

/// The configuration where none is there or may be read: people who try a program out have none yet.
const UPLINKS: &str = "\
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, description: Fibre, weight: 2, priority_group: 1}
- {interface: eth2, ip: 198.51.100.2, gateway: 198.51.100.1, description: Cable, priority_group: 1}
- {interface: ppp0, type: ppp, description: Mobile, priority_group: 2}
downlinks: {lan: eth0}
tests: {ips: [8.8.8.8, 8.8.4.4, 1.1.1.1, 9.9.9.9], required_successful: 3, interval: 1s}
";

/// Runs until it is told to stop, or its reader goes away.
pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let named = common.config_file().ok().filter(|file| common.config.is_some() || File::open(file).is_ok());
    let config = match named {
        Some(file) => Config::load(&file)?,
        None => Config::parse(Path::new("demo"), UPLINKS)?,
    };
    let signals = watch_signals(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])?;
    let mut chance = fastrand::Rng::new();
    let mut up = vec![true; config.uplinks.len()];
    let mut decider = Decider::new(&config, None);
    say("demo: made-up uplinks, nothing is sent and no routing is changed; Ctrl-C ends it")?;
    loop {
        for (place, uplink) in config.uplinks.iter().enumerate() {
            let Some(works) = up.get_mut(place) else { continue };
            // One that works breaks in one round of twelve, one that is broken returns in one of four.
            *works = if *works { chance.u8(..12) != 0 } else { chance.u8(..4) == 0 };
            let check = made_up(uplink.name.clone(), uplink.tests.required, *works, &mut chance);
            for record in decider.hear(&Record::Check(check)) {
                match record {
                    Record::Active(active) => say(&format!("route: {}", words::active(&active)))?,
                    Record::Event(event) => say(&format!("mail:  {}", words::event(&event)))?,
                    _ => {}
                }
            }
        }
        if stopped(&signals, config.tests.interval.min(Duration::from_secs(1)))? {
            return Ok(Exit::Yes);
        }
    }
}

fn made_up(uplink: ftr_core::InterfaceName, required: usize, up: bool, chance: &mut fastrand::Rng) -> Check {
    let required = u32::try_from(required).unwrap_or(u32::MAX);
    let reasons = [Reason::NoAnswer, Reason::NoCarrier, Reason::GatewaySilent];
    let reason = if up { None } else { chance.choice(reasons) };
    let check = Check::without_questions(clock::now(), uplink, Family::V4, up, reason);
    Check { answered: if up { required } else { 0 }, required, asked: required, ..check }
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{} {line}", clock::now().time).and_then(|()| out.flush()).map_err(|error| Failure::stdout(&error))
}

/// Waits for a signal; whether one came within the time.
fn stopped(signals: &SignalFd, wait: Duration) -> Result<bool, Failure> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(0) => Ok(false),
        Ok(_) => Ok(true),
        Err(error) => Err(Failure::new(Exit::Io, format!("waiting: {error}"))),
    }
}
