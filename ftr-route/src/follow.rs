//! `apply -`: follows `active` records and the kernel's own changes until its input ends.

pub(crate) mod flush;
mod followed;
mod given_up;
mod hazards;
mod lookout;
mod pace;
mod pipe;
mod reconcile;
pub(crate) mod renumbered;
mod sockets;
mod watched;

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ftr_core::config::ConnectionsOnDown;
use ftr_core::record::{Active, Record};
use ftr_core::{Config, Exit, Family, InterfaceName};
use ftr_netlink::{Group, Listener};
use ftr_tool::cli::{Common, Failure, say};
use ftr_tool::{Signals, Watch, clock, ready, run_path};
use nix::poll::{PollFd, PollFlags};

use crate::answer::TOOL;
use crate::cli::Apply;
use crate::error::Error;
use crate::iproute;
use crate::kernel::following::Following;
use crate::plan::active_set::ActiveSet;
use crate::plan::balance;
use crate::plan::found::LeftBehind;
use crate::plan::given_up::are_translated;
use crate::router::refuse_conflicts;
use crate::snapshot::Search;
use flush::Flush;
use followed::Followed;
use given_up::GivenUp;
use lookout::Lookout;
use pipe::Pipe;
use reconcile::Reconciler;
use renumbered::Renumbered;
use watched::{Call, Watched};

/// Runs until end of input or a signal, and leaves the kernel as it is then.
pub(crate) fn run(config: &Config, common: &Common, families: &[Family], apply: &Apply) -> Result<Exit, Failure> {
    if apply.uplinks.len() > 1 || apply.dry.dry_run || !apply.failed.is_empty() {
        return Err(Failure::new(Exit::Usage, "`apply -` takes no uplinks, no --failed and no --dry-run"));
    }
    // Whoever may not lock may not change routing either, and is told so then.
    let _following = Following::begin().ok();
    let mut follower = Follower::open(config, common.verbose, families)?;
    follower.start()?;
    while !follower.is_told_to_stop && !follower.pipe.has_ended() {
        follower.turn()?;
    }
    for error in follower.remember() {
        say(TOOL, &error.to_string());
    }
    for loss in follower.pipe.finish() {
        say(TOOL, &loss);
    }
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
    signals: Signals,
    pipe: Pipe,
    reconciler: Reconciler,
    flush: Flush,
    watched: Watched<'a>,
    lookout: Lookout,
    /// Tells that the run directory is gone.
    run_directory: Option<Watch>,
    is_told_to_stop: bool,
    /// Every change is told as a command.
    tells_changes: bool,
}

impl<'a> Follower<'a> {
    fn open(config: &'a Config, tells_changes: bool, families: &[Family]) -> Result<Self, Error> {
        let signals = Signals::ending().map_err(|reason| Error::Wait { operation: "watch signals", reason })?;
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
            reconciler: Reconciler::new(Instant::now()),
            flush: Flush::default(),
            watched,
            lookout: Lookout::start(config, families)?,
            run_directory: Watch::begin(&run_path()),
            is_told_to_stop: false,
            tells_changes,
        })
    }

    /// Brings every family into shape, or none where rules of others stop us.
    ///
    /// Where an earlier run was at work they do not: to stop would leave nobody to act on a failure, and the hosts behind
    /// us without a route where ours are gone.
    fn start(&mut self) -> Result<(), Error> {
        let compare = |followed: &mut Followed<'_>| followed.router.compare(&followed.active_set);
        let seen = self.routers.iter_mut().map(compare).collect::<Result<Vec<_>, Error>>()?;
        let remembers = || self.routers.iter().any(|followed| followed.router.remembered.has_served());
        if !seen.iter().any(|(snapshot, _)| snapshot.has_ours()) && !remembers() {
            refuse_conflicts(seen.iter().map(|(_, plan)| plan))?;
        } else if seen.iter().any(|(_, plan)| !plan.conflicts.is_empty()) {
            say(TOOL, "warning: rules of others stand between ours; going on, for we have been at work here before");
        }
        let left: Vec<LeftBehind> = seen.iter().map(|(snapshot, _)| snapshot.left_behind(self.config)).collect();
        for ((followed, (snapshot, _)), left) in self.routers.iter_mut().zip(&seen).zip(&left) {
            followed.given_up = GivenUp::found(snapshot.given_up_as_found(self.config));
            followed.renumbered = Renumbered::found(&left.addresses);
        }
        for index in 0..self.routers.len() {
            self.apply(index, Why::Start)?;
        }
        for (followed, left) in self.routers.iter().zip(&left) {
            for (mark, sources) in &left.uplinks {
                let (family, addresses) = (followed.router.family, followed.addresses.clone());
                self.flush.departed(self.config, family, (*mark, sources), addresses);
            }
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
        self.handle_events()?;
        if self.run_directory.as_ref().is_some_and(Watch::is_removed) {
            self.run_directory = Watch::begin(&run_path());
            // Whether it could be done shows at the next look.
            self.remember();
        }
        if ready.stdin {
            self.pipe.read()?;
        }
        // The routes of every family first: to give up connections takes longer.
        let mut applied = Vec::new();
        for index in 0..self.routers.len() {
            applied.extend(self.apply_record(index)?.map(|active| (index, active)));
        }
        for (index, active) in &applied {
            self.flush(*index, active);
        }
        if self.reconciler.is_due(Instant::now()) {
            self.look()?;
        }
        for applied in self.routers.iter_mut().filter_map(Followed::held_back) {
            self.pipe.put(&Record::Applied(applied));
        }
        if self.flush.is_pending() {
            self.flush.go_on();
        }
        for hazard in self.lookout.turn(Instant::now(), clock::now) {
            self.pipe.put(&Record::Hazard(hazard));
        }
        for loss in self.pipe.losses(clock::since_boot()) {
            say(TOOL, &loss);
        }
        Ok(())
    }

    /// Writes again what is to be put back one day, where it is gone with the run directory. Returns why it could not.
    fn remember(&mut self) -> Vec<Error> {
        let renew = |followed: &mut Followed<'_>| followed.router.remembered.renew().err();
        self.routers.iter_mut().filter_map(renew).collect()
    }

    /// Takes in what the kernel tells of its own accord.
    fn handle_events(&mut self) -> Result<(), Error> {
        for _ in 0..EVENTS {
            let Some(event) = self.listener.next_event()? else { break };
            if self.watched.may_be_hazard(&event) {
                self.lookout.suspect(Instant::now());
            }
            match self.watched.evaluate(&event) {
                Some(Call::Change) => self.reconciler.change(),
                Some(Call::Reconciler) => self.reconciler.suspect(),
                // Anything may have happened.
                Some(Call::Everything) => {
                    self.reconciler.change();
                    self.reconciler.suspect();
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Does what the newest record of a family asks for, where there is one: the record, if the routes are as it says.
    fn apply_record(&mut self, index: usize) -> Result<Option<Active>, Error> {
        let Some(followed) = self.routers.get_mut(index) else { return Ok(None) };
        let Some(active) = self.pipe.inbox.take(followed.router.family) else { return Ok(None) };
        let (members, unknown) = balance::asked(self.config, &active);
        if !unknown.is_empty() && self.pipe.may_remark(clock::since_boot()) {
            say(TOOL, &format!("active record: no such uplinks: {}", unknown.join(", ")));
        }
        let Some(members) = members else {
            if self.pipe.may_remark(clock::since_boot()) {
                say(TOOL, "active record: ignored, for it names none of our uplinks; is it of another configuration?");
            }
            // Whoever asked waits for an answer.
            return self.apply(index, Why::Asked).map(|_| None);
        };
        let indexes = |names: &[InterfaceName]| -> Vec<usize> {
            names.iter().filter_map(|uplink| self.config.position(uplink.as_str())).collect()
        };
        let (failed, flush) = (indexes(&active.failed), indexes(&active.flush));
        let carries: Vec<usize> = members.iter().map(|member| member.uplink).collect();
        followed.given_up.decide(&carries, &failed, &flush, Instant::now());
        let policies = balance::policies(self.config, &active);
        followed.active_set = ActiveSet::These { members, failed: Some(failed), given_up: None, policies };
        match self.apply(index, Why::Asked) {
            Ok(_) => Ok(Some(active)),
            Err(error) => {
                self.postpone(error)?;
                self.pipe.inbox.put_back(active);
                Ok(None)
            }
        }
    }

    /// Looks again soon where the kernel changes too fast to be read, or is short of memory.
    fn postpone(&mut self, error: Error) -> Result<(), Error> {
        match error {
            Error::Netlink(error) if error.is_transient() => {
                say(TOOL, &format!("{error}; trying again soon"));
                self.reconciler.fail(Instant::now());
                Ok(())
            }
            error => Err(error),
        }
    }

    /// Looks at every family, and repairs what is not as wanted.
    fn look(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if self.reconciler.is_resting(now) {
            match self.missing() {
                Ok(missing) if self.reconciler.put_off(now, &missing) => return Ok(()),
                Ok(_) => {}
                Err(error) => return self.postpone(error),
            }
        }
        let (mut repairs, mut moved) = (Vec::new(), false);
        for index in 0..self.routers.len() {
            match self.apply(index, Why::Look) {
                Ok(more) => {
                    repairs.extend(more.commands);
                    moved |= more.moved;
                }
                Err(error) => return self.postpone(error),
            }
        }
        if self.reconciler.looked(Instant::now(), &repairs, moved) {
            let what = repairs.first().map_or("", String::as_str);
            say(TOOL, &format!("warning: somebody undoes this again and again, so it is repaired less often: {what}"));
        }
        Ok(())
    }

    /// The changes that all families need, as commands.
    fn missing(&mut self) -> Result<Vec<String>, Error> {
        let mut missing = Vec::new();
        for followed in &mut self.routers {
            let (snapshot, plan) = followed.router.compare(&followed.active_set)?;
            let names = |index| snapshot.name(index);
            missing.extend(plan.stages.iter().flatten().map(|operation| iproute::command(operation, &names)));
        }
        Ok(missing)
    }

    /// Makes the changes that one family needs.
    fn apply(&mut self, index: usize, why: Why) -> Result<Repairs, Error> {
        let Some(followed) = self.routers.get_mut(index) else { return Ok(Repairs::default()) };
        let brought = followed.apply()?;
        for command in brought.report.commands.iter().filter(|_| self.tells_changes) {
            say(TOOL, command);
        }
        self.watched.learn(&brought.report.snapshot);
        let record = followed.record(brought.report.applied, why != Why::Look);
        if let Some(applied) = record {
            self.pipe.put(&Record::Applied(applied));
        }
        if self.config.routing.connections_on_down == ConnectionsOnDown::Flush {
            let family = followed.router.family;
            for former in brought.former {
                self.flush.renumbered(self.config, family, former);
            }
        }
        Ok(Repairs { commands: brought.report.commands, moved: brought.moved })
    }

    /// Gives up the connections that the record names, now that the routes are in.
    fn flush(&mut self, index: usize, active: &Active) {
        let Some(followed) = self.routers.get_mut(index) else { return };
        self.flush.policies(self.config, active, &followed.addresses);
        let Some(lost) = followed.lost(active) else { return };
        let (config, family) = (self.config, lost.family);
        let concerns_datagrams = lost.uplinks.iter().any(|uplink| are_translated(config, family, *uplink));
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
        let interest = self.pipe.interest();
        fds.extend(interest.map(|flags| PollFd::new(stdout.as_fd(), flags)));
        fds.extend(self.run_directory.as_ref().map(|watch| PollFd::new(watch.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.lookout.watched().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        let now = Instant::now();
        let others = self.routers.iter().filter_map(|followed| followed.wait(now)).chain(self.lookout.wait(now));
        let idle = if self.flush.is_pending() {
            Duration::ZERO
        } else {
            others.fold(self.reconciler.wait(now), Duration::min)
        };
        ready::wait(&mut fds, Some(idle)).map_err(|reason| Error::Wait { operation: "wait for events", reason })?;
        let is_ready = |at: usize| fds.get(at).and_then(PollFd::any).unwrap_or(false);
        Ok(Ready { signal: is_ready(0), stdin: is_ready(2), stdout: interest.is_some() && is_ready(3) })
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
