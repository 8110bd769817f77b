//! `ftr-monitor once`: one cycle with remembered state, for cron and systemd timers.

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use ftr_core::cli::{Common, Failure, say};
use ftr_core::record::{Event, Record};
use ftr_core::{Config, Exit};

use crate::TOOL;
use crate::child::beside_us;
use crate::decide::Decider;
use crate::instance::Instance;
use crate::memory::{recall, remember};
use crate::words;

/// Prepares, probes every uplink once, decides, routes, notifies. Says what changed, so nothing where nothing did.
/// 0: all uplinks are up, 1: any is down.
pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let file = common.config_file()?;
    let config = Config::load(&file)?;
    // Held while anything is decided, so that two cycles, or a cycle and the daemon, never work against each other.
    let instance = Instance::claim_or_fail("once")?;
    expect_success("ftr-route", pipe("ftr-route", &file, &["prepare"], "")?.0)?;
    let (status, checks) = pipe("ftr-probe", &file, &["--json"], "")?;
    if !matches!(status.code(), Some(0 | 1)) {
        expect_success("ftr-probe", status)?;
    }
    let (memory, events) = recall(&config).unzip();
    let mut cycle =
        Cycle { decider: Decider::new(&config, memory), events: events.unwrap_or_default(), orders: String::new() };
    cycle.hear(common, &checks)?;
    // The route program may find that an uplink has no way out, which leaves the others to carry its part.
    for _ in 0..2 {
        let orders = std::mem::take(&mut cycle.orders);
        let (status, answers) = pipe("ftr-route", &file, &["apply", "-"], &orders)?;
        expect_success("ftr-route", status)?;
        cycle.decider.confirm_all();
        cycle.hear(common, &answers)?;
        if cycle.orders.is_empty() {
            break;
        }
    }
    let Cycle { decider, mut events, .. } = cycle;
    let keep = |events: &[Event]| {
        if let Err(error) = remember(&config, decider.memory(), events.iter()) {
            say(TOOL, &format!("once: what is known cannot be remembered: {error}"));
        }
    };
    events = if config.email.send { events } else { Vec::new() };
    keep(&events);
    // A mail server that takes its time must hold up neither the next cycle nor the daemon.
    drop(instance);
    if !events.is_empty() && notify(&file, &events)? {
        let again = Instance::claim().ok().flatten();
        // Another cycle may have come and gone meanwhile, and knows better.
        let latest = again.and_then(|_| recall(&config)).is_some_and(|(memory, _)| memory == *decider.memory());
        if latest {
            keep(&[]);
        }
    }
    let mut verdicts = decider.judged().map(|(.., judged)| judged.up() == Some(true)).peekable();
    if verdicts.peek().is_none() {
        return Err(Failure::new(Exit::Unavailable, "ftr-probe: told nothing of any uplink"));
    }
    Ok(if verdicts.all(|up| up) { Exit::Yes } else { Exit::No })
}

/// What is known and decided in a cycle.
struct Cycle {
    decider: Decider,
    events: Vec<Event>,
    /// Records for the route program.
    orders: String,
}

impl Cycle {
    /// Takes records of another program into account.
    fn hear(&mut self, common: &Common, records: &str) -> Result<(), Failure> {
        for record in records.lines().filter_map(|record| Record::parse(record.as_bytes()).ok()) {
            for decided in self.decider.hear(&record) {
                match decided {
                    Record::Active(active) => {
                        // Decided anew in every cycle, so no news: cron mails what it is told.
                        if common.verbose {
                            tell(common, &words::active(&active))?;
                        }
                        self.orders.push_str(&line(&Record::Active(active))?);
                    }
                    Record::Event(event) => {
                        tell(common, &words::event(&event))?;
                        self.events.push(event);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Hands events to the notifier; whether it took them. The next cycle tries again what it did not.
fn notify(config: &Path, events: &[Event]) -> Result<bool, Failure> {
    let mut lines = String::new();
    for event in events {
        lines.push_str(&line(&Record::Event(event.clone()))?);
    }
    let (status, _) = pipe("ftr-notify", config, &["-"], &lines)?;
    if !status.success() {
        say(TOOL, &format!("once: ftr-notify: ended with {status}; the next cycle tries again"));
    }
    Ok(status.success())
}

fn line(record: &Record) -> Result<String, Failure> {
    record.line().map_err(|error| Failure::new(Exit::Bug, format!("record: {error}")))
}

fn tell(common: &Common, line: &str) -> Result<(), Failure> {
    if common.quiet {
        return Ok(());
    }
    writeln!(std::io::stdout(), "{line}").map_err(|error| Failure::stdout(&error))
}

/// Runs a program with text for its input, and returns how it ended and what it said.
fn pipe(program: &str, config: &Path, args: &[&str], input: &str) -> Result<(ExitStatus, String), Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Unavailable, format!("{program}: cannot be run: {error}"));
    let mut child = Command::new(beside_us(program))
        .arg("-c")
        .arg(config)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut stdin = child.stdin.take();
    std::thread::scope(|scope| {
        // From a thread of its own: the program may answer before it has read everything.
        scope.spawn(move || {
            // One that ends without reading tells why by its exit code.
            let _ = stdin.as_mut().map(|stdin| stdin.write_all(input.as_bytes()));
            drop(stdin.take());
        });
        let output = child.wait_with_output().map_err(failed)?;
        Ok((output.status, String::from_utf8_lossy(&output.stdout).into_owned()))
    })
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
