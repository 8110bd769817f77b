//! `apply -`: follows `active` records and the kernel's own changes until its input ends.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ftr_core::cli::{Failure, say};
use ftr_core::config::ConnectionsOnDown;
use ftr_core::record::{Active, Record};
use ftr_core::{Config, Exit, Family, InterfaceName};
use ftr_netlink::{Group, Listener};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::TOOL;
use crate::balance;
use crate::cli::Apply;
use crate::drift::Drift;
use crate::error::Error;
use crate::flush::Flush;
use crate::followed::Followed;
use crate::following::Following;
use crate::given_up::{self, GivenUp};
use crate::iproute;
use crate::observed::{Carriers, Search};
use crate::once::refuse_conflicts;
use crate::pipe::Pipe;
use crate::sockets::Lost;
use crate::watched::{Call, Watched};

/// Runs until end of input or a signal, and leaves the kernel as it is then.
pub(crate) fn run(config: &Config, families: &[Family], apply: &Apply) -> Result<Exit, Failure> {
    if apply.uplinks.len() > 1 || apply.dry.dry_run || !apply.failed.is_empty() {
        return Err(Failure::new(Exit::Usage, "`apply -` takes no uplinks, no --failed and no --dry-run"));
    }
    // Whoever may not lock may not change routing either, and is told so then.
    let _following = Following::begin().ok();
    let mut follower = Follower::open(config, families)?;
    follower.start()?;
    while !follower.is_told_to_stop && !follower.pipe.has_ended() {
        follower.turn()?;
    }
    follower.pipe.drain()?;
    Ok(Exit::Yes)
}

/// The most events that are taken in before something else gets its turn: a host with a full table of the internet's
/// routes has many that do not concern us.
const EVENTS: u32 = 4096;

/// Why the kernel is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Start,
    /// Another set of uplinks is asked for.
    Asked,
    /// Something may have changed.
    Look,
}

struct Follower<'a> {
    config: &'a Config,
    routers: Vec<Followed<'a>>,
    listener: Listener,
    signals: SignalFd,
    pipe: Pipe,
    drift: Drift,
    flush: Flush,
    watched: Watched<'a>,
    is_told_to_stop: bool,
}

impl<'a> Follower<'a> {
    fn open(config: &'a Config, families: &[Family]) -> Result<Self, Error> {
        let wait = |operation| move |errno: Errno| Error::Wait { operation, reason: errno.into() };
        let mut set = SigSet::empty();
        set.add(Signal::SIGTERM);
        set.add(Signal::SIGINT);
        set.thread_block().map_err(wait("block signals"))?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).map_err(wait("watch signals"))?;
        let watched = Watched::new(config);
        let mut groups = watched.groups();
        groups.extend(
            families
                .iter()
                .flat_map(|&family| [Group::Address, Group::Route, Group::Rule, Group::Netconf].map(|of| of(family))),
        );
        // Before the first look, so that nothing that happens meanwhile is missed.
        let listener = Listener::open(&groups)?;
        let follow = |&family| Followed::new(config, family);
        Ok(Self {
            config,
            routers: families.iter().map(follow).collect::<Result<_, Error>>()?,
            listener,
            signals,
            pipe: Pipe::default(),
            drift: Drift::new(Instant::now()),
            flush: Flush::default(),
            watched,
            is_told_to_stop: false,
        })
    }

    /// Brings every family into shape, or none where rules of others stop us.
    ///
    /// Where an earlier run was at work they do not: to stop would leave nobody to act on a failure, and the hosts behind
    /// us without a route where ours are gone.
    fn start(&mut self) -> Result<(), Error> {
        let compare = |followed: &mut Followed<'_>| followed.router.compare(&followed.carriers);
        let seen = self.routers.iter_mut().map(compare).collect::<Result<Vec<_>, Error>>()?;
        let remembers = || self.routers.iter().any(|followed| followed.router.remembered.has_served());
        if !seen.iter().any(|(observed, _)| observed.has_ours()) && !remembers() {
            refuse_conflicts(seen.iter().map(|(_, plan)| plan))?;
        } else if seen.iter().any(|(_, plan)| !plan.conflicts.is_empty()) {
            say(TOOL, "warning: rules of others stand between ours; going on, for we have been at work here before");
        }
        for (followed, (observed, _)) in self.routers.iter_mut().zip(&seen) {
            followed.given_up = GivenUp::found(observed.given_up_as_found(self.config, followed.router.family));
        }
        for place in 0..self.routers.len() {
            self.apply(place, Why::Start)?;
        }
        let served = self.routers.first_mut().map_or(Ok(()), |followed| followed.router.remembered.serve());
        served.unwrap_or_else(|error| say(TOOL, &format!("{error}; a restart may not know that we have been at work")));
        // What was left behind is gone now.
        self.routers.iter_mut().for_each(|followed| followed.router.search = Search::Tables);
        Ok(())
    }

    /// Waits for something to happen, and does what is to be done.
    fn turn(&mut self) -> Result<(), Error> {
        let ready = self.wait()?;
        if ready.stdout {
            self.pipe.write();
        }
        if ready.signal {
            self.is_told_to_stop = true;
            return Ok(());
        }
        self.hear()?;
        if ready.stdin {
            self.pipe.read()?;
        }
        for place in 0..self.routers.len() {
            self.obey(place)?;
        }
        if self.drift.is_due(Instant::now()) {
            self.look()?;
        }
        for applied in self.routers.iter_mut().filter_map(Followed::held_back) {
            self.pipe.put(&Record::Applied(applied));
        }
        if self.flush.is_pending() {
            self.flush.go_on();
        }
        for loss in self.pipe.losses() {
            say(TOOL, &loss);
        }
        Ok(())
    }

    /// Takes in what the kernel tells of its own accord.
    fn hear(&mut self) -> Result<(), Error> {
        for _ in 0..EVENTS {
            let Some(event) = self.listener.next_event()? else { break };
            match self.watched.judge(&event) {
                Some(Call::Change) => self.drift.change(),
                Some(Call::Drift) => self.drift.suspect(),
                // Anything may have happened.
                Some(Call::Everything) => {
                    self.drift.change();
                    self.drift.suspect();
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Does what the newest record of a family asks for, where there is one.
    fn obey(&mut self, place: usize) -> Result<(), Error> {
        let Some(followed) = self.routers.get_mut(place) else { return Ok(()) };
        let Some(active) = self.pipe.inbox.next(followed.router.family) else { return Ok(()) };
        let (parts, unknown) = balance::asked(self.config, &active);
        if !unknown.is_empty() {
            say(TOOL, &format!("active record: no such uplinks: {}", unknown.join(", ")));
        }
        let Some(parts) = parts else {
            say(TOOL, "active record: ignored, for it names none of our uplinks; is it of another configuration?");
            // Whoever asked waits for an answer.
            return self.apply(place, Why::Asked).map(|_| ());
        };
        let places = |names: &[InterfaceName]| -> Vec<usize> {
            names.iter().filter_map(|uplink| self.config.position(uplink.as_str())).collect()
        };
        let (failed, flush) = (places(&active.failed), places(&active.flush));
        let carries: Vec<usize> = parts.iter().map(|part| part.uplink).collect();
        followed.given_up.decide(&carries, &failed, &flush, Instant::now());
        followed.carriers = Carriers::These { parts, failed: Some(failed), given_up: None };
        match self.apply(place, Why::Asked) {
            Ok(_) => self.flush(place, &active),
            Err(error) => {
                self.postpone(error)?;
                self.pipe.inbox.put_back(active);
            }
        }
        Ok(())
    }

    /// Looks again soon where the kernel changes too fast to be read, or is short of memory.
    fn postpone(&mut self, error: Error) -> Result<(), Error> {
        match error {
            Error::Netlink(error) if error.is_transient() => {
                say(TOOL, &format!("{error}; trying again soon"));
                self.drift.fail(Instant::now());
                Ok(())
            }
            error => Err(error),
        }
    }

    /// Looks at every family, and repairs what is not as wanted.
    fn look(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if self.drift.is_resting(now) {
            match self.missing() {
                Ok(missing) if self.drift.put_off(now, &missing) => return Ok(()),
                Ok(_) => {}
                Err(error) => return self.postpone(error),
            }
        }
        let (mut repairs, mut moved) = (Vec::new(), false);
        for place in 0..self.routers.len() {
            match self.apply(place, Why::Look) {
                Ok(more) => {
                    repairs.extend(more.commands);
                    moved |= more.moved;
                }
                Err(error) => return self.postpone(error),
            }
        }
        if self.drift.looked(Instant::now(), &repairs, moved) {
            let what = repairs.first().map_or("", String::as_str);
            say(TOOL, &format!("warning: somebody undoes this again and again, so it is repaired less often: {what}"));
        }
        Ok(())
    }

    /// The changes that all families need, as commands.
    fn missing(&mut self) -> Result<Vec<String>, Error> {
        let mut missing = Vec::new();
        for followed in &mut self.routers {
            let (observed, plan) = followed.router.compare(&followed.carriers)?;
            let names = |index| observed.name(index);
            missing.extend(plan.stages.iter().flatten().map(|operation| iproute::command(operation, &names)));
        }
        Ok(missing)
    }

    /// Makes the changes that one family needs.
    fn apply(&mut self, place: usize, why: Why) -> Result<Repairs, Error> {
        let Some(followed) = self.routers.get_mut(place) else { return Ok(Repairs::default()) };
        let report = followed.apply()?;
        (self.watched.devices, self.watched.inside) = (report.devices, report.inside);
        let record = followed.record(report.applied, why != Why::Look);
        if let Some(applied) = record {
            self.pipe.put(&Record::Applied(applied));
        }
        if self.config.routing.connections_on_down == ConnectionsOnDown::Flush {
            let family = followed.router.family;
            for former in report.former {
                self.flush.renumbered(self.config, family, former);
            }
        }
        Ok(Repairs { commands: report.commands, moved: report.moved })
    }

    /// Gives up the connections that the record names, now that the routes are in.
    ///
    /// Without a working uplink to take them they are better off waiting for theirs to return.
    fn flush(&mut self, place: usize, active: &Active) {
        let Some(followed) = self.routers.get_mut(place) else { return };
        let carries = followed.applied().map_or(&[][..], |applied| &applied.active);
        let uplinks = active.flush.iter().filter_map(|uplink| self.config.position(uplink.as_str()));
        let (config, family) = (self.config, active.family);
        let uplinks: BTreeSet<usize> = uplinks.collect();
        let are_sent_elsewhere = |uplink: &usize| given_up::are_translated(config, family, *uplink);
        // From one that works it is for a while only.
        let stay_there = |uplink: &usize| followed.given_up.is_dead(*uplink) && are_sent_elsewhere(uplink);
        let concerns_datagrams = uplinks.iter().any(are_sent_elsewhere);
        let lost = Lost {
            family,
            moved: uplinks.iter().copied().filter(stay_there).collect(),
            addresses: followed.addresses.clone(),
            uplinks,
        };
        if lost.uplinks.is_empty() || carries.iter().all(|uplink| active.failed.contains(uplink)) {
            return;
        }
        self.flush.run(config, lost);
        if let Some(Err(error)) = concerns_datagrams.then(|| followed.router.announce()) {
            say(TOOL, &format!("warning: tunnels of the router may be late to leave a dead uplink: {error}"));
        }
    }

    fn wait(&self) -> Result<Ready, Error> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let mut fds = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
        ];
        fds.extend(self.pipe.interest().map(|flags| PollFd::new(stdout.as_fd(), flags)));
        // Rounded up, lest the last fraction of a millisecond is spent turning.
        let now = Instant::now();
        let held_back = self.routers.iter().filter_map(|followed| followed.wait(now));
        let idle =
            if self.flush.is_pending() { Duration::ZERO } else { held_back.fold(self.drift.wait(now), Duration::min) };
        let wait = idle + Duration::from_micros(999);
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::Wait { operation: "wait for events", reason: errno.into() }),
        }
        let is_ready = |at: usize| fds.get(at).and_then(PollFd::any).unwrap_or(false);
        Ok(Ready { signal: is_ready(0), stdin: is_ready(2), stdout: is_ready(3) })
    }
}

/// What a look has brought.
#[derive(Default)]
struct Repairs {
    commands: Vec<String>,
    /// Addresses, gateways or devices are others than the last time.
    moved: bool,
}

/// What can be done without waiting.
struct Ready {
    signal: bool,
    stdin: bool,
    stdout: bool,
}
