//! `ftr-monitor run --demo`: uplinks that come and go by chance, and what would be done. No root, no network.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use ftr_core::record::{Check, Reason, Record};
use ftr_core::{Config, Exit, Family};
use ftr_tool::cli::{Common, Failure, answer};
use ftr_tool::{Signals, clock, configuration, open, ready};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;

use crate::decide::Decider;
use crate::format;

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
pub(crate) fn run(common: &Common, debug: bool) -> Result<Exit, Failure> {
    let named = common.source.file().ok().filter(|file| common.source.config.is_some() || open::readable(file).is_ok());
    let config = match named {
        Some(file) => configuration::load(&file)?,
        None => Config::parse(Path::new("demo"), UPLINKS)?,
    };
    let waiting = |error: io::Error| Failure::new(Exit::Io, format!("signals: {error}"));
    let signals = Signals::watch(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]).map_err(waiting)?;
    let mut chance = fastrand::Rng::new();
    let mut up = vec![true; config.uplinks.len()];
    let mut decider = Decider::new(&config, None);
    if !common.quiet && !common.json {
        say("demo: made-up uplinks, nothing is sent and no routing is changed; Ctrl-C ends it")?;
    }
    loop {
        for (index, uplink) in config.uplinks.iter().enumerate() {
            let Some(works) = up.get_mut(index) else { continue };
            // One that works breaks in one round of twelve, one that is broken returns in one of four.
            *works = if *works { chance.u8(..12) != 0 } else { chance.u8(..4) == 0 };
            let check = made_up(uplink.name.clone(), uplink.tests.required, *works, &mut chance);
            let check = Record::Check(check);
            let follows = decider.handle(&check);
            let shown = Some(check).filter(|_| common.verbose || debug).into_iter().chain(follows);
            shown.filter(|_| !common.quiet).try_for_each(|record| show(&record, common.json))?;
        }
        let pause = config.tests.interval.min(Duration::from_secs(1));
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if ready::wait(&mut fds, Some(pause)).map_err(waiting)? > 0 {
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

fn show(record: &Record, as_json: bool) -> Result<(), Failure> {
    match record {
        record if as_json => answer(&record.line().unwrap_or_default()),
        Record::Check(check) => say(&format!("check: {}", format::check(check))),
        Record::Active(active) => say(&format!("route: {}", format::active(active))),
        Record::Event(event) => say(&format!("mail:  {}", format::event(event))),
        _ => Ok(()),
    }
}

fn say(line: &str) -> Result<(), Failure> {
    answer(&format!("{} {line}\n", clock::local()))
}
