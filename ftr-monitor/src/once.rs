//! `ftr-monitor once`: one cycle with remembered state, for cron and systemd timers.

use std::collections::BTreeSet;
use std::iter;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use caps::Capability;
use ftr_core::config::Uplink;
use ftr_core::record::{Event, Record};
use ftr_core::sanitize::sanitize;
use ftr_core::{Config, Exit};
use ftr_tool::cli::{Common, Failure, answer, say};
use ftr_tool::run::{Bounds, finish};
use ftr_tool::{Input, assigned, clock, delegated};
use jiff::tz::TimeZone;

use crate::decide::Decider;
use crate::instance::Instance;
use crate::memory::{forget, recall, recall_text, remember, remember_text};
use crate::privilege;
use crate::program::Program;
use crate::starter::Starter;
use crate::trial::{self, Start};
use crate::{change, down_before, format, hazards, state, tool};

/// How long a program may take that asks nobody in the internet; the notifier this much beside what a delivery may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a program may answer, in bytes: a record for each of the most uplinks, many times over.
const LONGEST: usize = 16 << 20;

/// Prepares, probes every uplink once, decides, routes, notifies. Says what changed, so nothing where nothing did.
/// 0: all uplinks are up, 1: any is down.
pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let now = clock::since_boot();
    let Start { mut config, text, trial, .. } = trial::start(&common.source.file()?, now)?.unless_refused(now)?;
    if trial.is_some_and(|trial| trial.is_rejected()) && !common.quiet {
        let file = config.file.display();
        say(tool::NAME, &format!("once: {file}: nobody has confirmed it, so the configuration before is used"));
    }
    if let Err(error) = assigned::assign(&mut config) {
        say(tool::NAME, &format!("once: tables and marks follow the file anew: {error}"));
    }
    // Held while anything is decided, so that two cycles, or a cycle and the daemon, never work against each other.
    let mut instance = Instance::claim_or_fail("once")?;
    // While it still can be done; whether it is of use is seen when something is remembered.
    let _ = instance.take_over();
    if let Err(error) = assigned::remember(&config) {
        say(tool::NAME, &format!("once: whose tables and marks are whose cannot be remembered: {error}"));
    }
    privilege::keep_only(&[Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW])?;
    let file = std::path::absolute(&config.file).unwrap_or_else(|_| config.file.clone());
    let (starter, remarks) = Starter::new(&config, &text, &file)?;
    let remembered = recall(&config).unwrap_or_else(|error| {
        say(tool::NAME, &format!("once: what was known is not believed: {error}"));
        None
    });
    // Said once, in the first cycle: cron mails what it is told, and this does not change.
    let wanted = !common.quiet && (common.verbose || remembered.is_none());
    for remark in config.warning_lines().iter().chain(&remarks).filter(|_| wanted) {
        say(tool::NAME, remark);
    }
    let (prepared, _) = pipe(&starter, Program::Route, &["--quiet", "prepare"], "", PATIENCE)?;
    // Where cycles have been at work, rules that others have put among ours leave nobody on a dead uplink: `apply -` goes on.
    if remembered.is_none() || prepared.code() != Some(1) {
        expect_success("ftr-route", prepared)?;
    }
    let longest = config.uplinks.iter().map(Uplink::patience).max().unwrap_or_default();
    let (memory, events) = remembered.unzip();
    let decider = Decider::new(&config, memory).in_zone(&config, TimeZone::system()).in_cycles();
    let down = down_before::arguments(&decider);
    let args: Vec<&str> = iter::once("--json").chain(down.iter().map(String::as_str)).collect();
    let (status, checks) = pipe(&starter, Program::Probe, &args, "", PATIENCE.max(longest))?;
    if !matches!(status.code(), Some(0 | 1)) {
        expect_success("ftr-probe", status)?;
    }
    let (decider, said) = state::resume(decider, &config);
    if let Some(said) = said {
        say(tool::NAME, &format!("once: {said}"));
    }
    let events = events.unwrap_or_default();
    let before = events.len();
    let mut cycle = Cycle { decider, events, told: before, orders: String::new() };
    let is_new_text = cycle.compare(&config, &text);
    cycle.handle(common, Program::Probe, &checks)?;
    // The route program may find that an uplink has no egress, which leaves the others to carry its part.
    for _ in 0..2 {
        let orders = std::mem::take(&mut cycle.orders);
        let (status, answers) = pipe(&starter, Program::Route, &["--quiet", "apply", "-"], &orders, PATIENCE)?;
        expect_success("ftr-route", status)?;
        cycle.handle(common, Program::Route, &answers)?;
        if cycle.orders.is_empty() {
            break;
        }
    }
    if let Some(error) = cycle.decider.meter.write().and_then(|usage| state::remember(&usage).err()) {
        say(tool::NAME, &format!("once: what was used of quotas cannot be remembered: {error}"));
    }
    if let Some(error) = cycle.decider.networks.write().and_then(|networks| delegated::remember(&networks).err()) {
        say(tool::NAME, &format!("once: {}", state::unnoted(&error)));
    }
    // Before the look, which takes its time: whoever is killed meanwhile has routed.
    cycle.keep(&config);
    // Whoever reads this and asks for the state is told the new one.
    cycle.tell(common)?;
    if let Some(error) = is_new_text.then(|| remember_text(&text)).and_then(Result::err) {
        say(tool::NAME, &format!("once: this configuration cannot be remembered: {error}"));
    }
    cycle.look(common, &starter);
    cycle.keep(&config);
    cycle.tell(common)?;
    let Cycle { decider, mut events, .. } = cycle;
    let news = events.get(before..).unwrap_or_default().to_vec();
    events.retain(|_| config.email.send);
    // A mail server that takes its time must hold up neither the next cycle nor the daemon.
    drop(instance);
    let taken = if events.is_empty() { Vec::new() } else { notify(&config, &starter, events)? };
    if !taken.is_empty() {
        // Another cycle may have come and gone meanwhile, or somebody who drains an uplink.
        let again = Instance::claim().ok().and_then(Result::ok);
        if let Some(Err(error)) = again.map(|_held| forget(&taken)) {
            say(tool::NAME, &format!("once: what the notifier has taken charge of cannot be remembered: {error}"));
        }
    }
    run_hooks(&config, &starter, &news)?;
    let mut verdicts = decider.health().map(|(.., health)| health.up() == Some(true)).peekable();
    if verdicts.peek().is_none() {
        return Err(Failure::new(Exit::Unavailable, "ftr-probe: told nothing of any uplink"));
    }
    Ok(if verdicts.all(|up| up) { Exit::Yes } else { Exit::No })
}

/// What is known and decided in a cycle.
struct Cycle {
    decider: Decider,
    events: Vec<Event>,
    /// How many of them people were told of.
    told: usize,
    /// Records for the route program.
    orders: String,
}

impl Cycle {
    /// Tells people of the events that they do not know yet.
    fn tell(&mut self, common: &Common) -> Result<(), Failure> {
        let news = self.events.get(self.told..).unwrap_or_default();
        news.iter().try_for_each(|event| tell(common, &Record::Event(event.clone()), &format::event(event)))?;
        self.told = self.events.len();
        Ok(())
    }

    /// Remembers what is known, and what is to be mailed.
    fn keep(&self, config: &Config) {
        let events = self.events.iter().filter(|_| config.email.send);
        if let Err(error) = remember(config, self.decider.memory(), events) {
            say(tool::NAME, &format!("once: what is known cannot be remembered: {error}"));
        }
    }

    /// Compares the configuration with that of the latest cycle. Whether it has another text.
    fn compare(&mut self, config: &Config, text: &str) -> bool {
        // One that is not to be believed is written anew.
        let before = recall_text().ok().flatten();
        if before.as_deref() == Some(text) {
            return false;
        }
        let lines = before.and_then(|before| Config::parse(&config.file, &before).ok());
        let lines = lines.map(|before| change::lines(&before, config)).unwrap_or_default();
        if !lines.is_empty() {
            let event = change::event(&lines, "its file", clock::now());
            self.number(event);
        }
        true
    }

    /// Looks for what works against several uplinks on this host, and tells of what has come or gone.
    fn look(&mut self, common: &Common, starter: &Starter) {
        let found = match hazards::find(starter) {
            Ok(found) => found,
            Err(why) if common.verbose && !common.quiet => {
                say(tool::NAME, &format!("once: hazards of this host are not known: {}", sanitize(&why)));
                return;
            }
            Err(_) => return,
        };
        let (now, events) = hazards::news(&self.decider.memory().hazards, found, &clock::now());
        self.decider.find_hazards(now);
        for event in events {
            self.number(event);
        }
    }

    fn number(&mut self, event: Event) {
        let seq = self.decider.number();
        self.events.push(Event { seq, ..event });
    }

    /// Takes what a program has answered into account.
    fn handle(&mut self, common: &Common, program: Program, said: &[u8]) -> Result<(), Failure> {
        let (mut input, mut records) = (Input::default(), Vec::new());
        input.push(said, |_, record| records.push(record));
        input.end();
        if let Some(told) = input.malformed.told_at_last() {
            say(tool::NAME, &format!("once: {}: {told}", program.name()));
        }
        for record in records {
            if let Record::Applied(answer) = &record {
                self.decider.confirm_by(answer);
            }
            for decided in self.decider.handle(&record) {
                match decided {
                    Record::Active(active) => {
                        // Decided anew in every cycle, so no news: cron mails what it is told.
                        let words = format::active(&active);
                        let record = Record::Active(active);
                        if common.verbose {
                            tell(common, &record, &words)?;
                        }
                        self.orders.push_str(&line(&record)?);
                    }
                    Record::Event(event) => self.events.push(event),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Hands events to the notifier. Returns those that it has mailed or given up; the next cycle tries again with the others.
fn notify(config: &Config, starter: &Starter, events: Vec<Event>) -> Result<Vec<Event>, Failure> {
    let patience = config.email.smtp.longest().saturating_add(PATIENCE);
    let (status, said) = pipe(starter, Program::Notify, &["-"], &lines(&events)?, patience)?;
    let (mut input, mut spooled) = (Input::default(), BTreeSet::new());
    input.push(&said, |_, record| {
        if let Record::Spooled(one) = record {
            spooled.insert(one.seq);
        }
    });
    let (taken, left): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| spooled.contains(&event.seq));
    if !left.is_empty() {
        say(tool::NAME, &format!("once: ftr-notify: ended with {status}; the next cycle tries again"));
    }
    Ok(taken)
}

/// Runs what the configuration has for these events, apart from what needs root, which nothing of a cycle has.
fn run_hooks(config: &Config, starter: &Starter, events: &[Event]) -> Result<(), Failure> {
    let timeouts = config.hooks.iter().filter(|hook| !hook.privileged).map(|hook| hook.timeout);
    let Some(longest) = timeouts.max().filter(|_| !events.is_empty()) else { return Ok(()) };
    let (_, args) = Program::Hooks.command();
    // Those of one uplink run one after the other. Each ends in its own time, and with it what it has started.
    let patience = longest.saturating_mul(u32::try_from(events.len()).unwrap_or(u32::MAX)).saturating_add(PATIENCE);
    let (status, _) = pipe(starter, Program::Hooks, args, &lines(events)?, patience)?;
    if !status.success() {
        say(tool::NAME, &format!("once: hooks: ended with {status}"));
    }
    Ok(())
}

/// The records of events.
fn lines(events: &[Event]) -> Result<String, Failure> {
    events.iter().map(|event| line(&Record::Event(event.clone()))).collect()
}

fn line(record: &Record) -> Result<String, Failure> {
    record.line().map_err(|error| Failure::new(Exit::Bug, format!("record: {error}")))
}

/// Prints what was decided, in words or as the record.
fn tell(common: &Common, record: &Record, words: &str) -> Result<(), Failure> {
    if common.quiet {
        return Ok(());
    }
    let text = if common.json { line(record)? } else { format!("{words}\n") };
    answer(&text)
}

/// Runs a program with text for its input, and returns how it ended and what it said.
fn pipe(
    starter: &Starter,
    program: Program,
    args: &[&str],
    input: &str,
    time: Duration,
) -> Result<(ExitStatus, Vec<u8>), Failure> {
    let streams = |command: &mut Command| {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
    };
    let bounds = Bounds { time, bytes: LONGEST };
    let ended = starter.start(program, args, streams).and_then(|child| finish(child, input.as_bytes(), bounds));
    let ended = ended
        .map_err(|error| Failure::new(Exit::Unavailable, format!("{}: cannot be run: {error}", program.name())))?;
    Ok((ended.status, ended.stdout))
}

/// Passes on the exit code of a program that failed; it has said on stderr why.
fn expect_success(program: &str, status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    let exit = match status.code() {
        Some(77) => Exit::NotPermitted,
        Some(78) => Exit::Config,
        Some(75) => Exit::Again,
        Some(1) => Exit::No,
        _ => Exit::Unavailable,
    };
    Err(Failure::new(exit, format!("{program}: ended with {status}")))
}
