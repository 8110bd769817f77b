//! Plays a scenario in a lab of its own.

use crate::client::{Client, Habit};
use crate::deadline::wait_for;
use crate::error::{LabError, Result, malformed};
use crate::expect;
use crate::kernel;
use crate::lab::Lab;
use crate::mail::{Line, Mailbox, MuteServer};
use crate::program;
use crate::report::Report;
use crate::router::{self, Router};
use crate::scenario::{Command, MailServer, Scenario, Step};
use crate::server::Server;
use crate::span::Span;
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

/// Builds the lab, takes the steps, checks the expectations. A failure tells what the router's log and kernel said.
///
/// # Errors
/// The first step that could not be taken, or all expectations that were not met.
pub fn play(scenario: &Scenario) -> Result<()> {
    let mut stage = Stage::set(scenario)?;
    let done = stage.act(scenario);
    done.map_err(|error| LabError::Unexpected(format!("{error}\n{}", stage.picture())))
}

/// What runs while a scenario is played. Fields drop in this order: traffic first, the lab last.
struct Stage {
    client: Option<Client>,
    _server: Server,
    router: Router,
    mailbox: Option<Mailbox>,
    _mute: Option<MuteServer>,
    lab: Lab,
    marks: BTreeMap<String, Instant>,
    signalled: BTreeMap<String, u32>,
    log_read: usize,
    report: Report,
}

impl Stage {
    fn set(scenario: &Scenario) -> Result<Self> {
        let lab = Lab::build(&scenario.uplinks)?;
        let line = match scenario.mail {
            MailServer::Real => Some(Line::Plain),
            MailServer::StartTls => Some(Line::StartTls),
            MailServer::Tls => Some(Line::Tls),
            MailServer::None | MailServer::Mute => None,
        };
        let mailbox = line.map(|line| Mailbox::open(&lab.router, lab.directory(), line)).transpose()?;
        let mute = match scenario.mail {
            MailServer::Mute => Some(MuteServer::open(&lab.router)?),
            _ => None,
        };
        Ok(Self {
            client: None,
            _server: Server::start(&lab.internet)?,
            router: Router::prepare(&lab, &scenario.config)?,
            mailbox,
            _mute: mute,
            lab,
            marks: BTreeMap::new(),
            signalled: BTreeMap::new(),
            log_read: 0,
            report: Report::default(),
        })
    }

    fn act(&mut self, scenario: &Scenario) -> Result<()> {
        if scenario.monitor {
            self.router.start(&self.lab)?;
            let some = |seen: &BTreeMap<String, u32>| !seen.is_empty();
            wait_for("the first active uplinks", Duration::from_secs(8), || kernel::balanced(&self.lab), some)?;
        }
        let traffic = &scenario.client;
        let habit = Habit { rate: traffic.rate, sources: traffic.sources, held: traffic.held, seed: fastrand::u64(..) };
        // Printed by the test runner when the scenario fails.
        eprintln!("seed of the client: {}", habit.seed);
        self.client = Some(Client::start(&self.lab.lan, &habit)?);
        for (number, step) in (1..).zip(&scenario.steps) {
            let named = |error| LabError::Unexpected(format!("step {number}, {step:?}: {error}"));
            self.take(step).map_err(named)?;
        }
        if let Some(client) = self.client.take() {
            self.report = client.finish()?;
        }
        expect::all(&scenario.expect, &self.report, &self.marks, &self.lab)
    }

    fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Break { uplink, by } => {
                self.lab.fail(uplink, *by)?;
                self.mark(format!("break {uplink}"));
            }
            Step::Mend(uplink) => {
                self.lab.mend(uplink)?;
                self.mark(format!("mend {uplink}"));
            }
            Step::Carries { uplinks, within } => router::carries(&self.lab, uplinks, within.0)?,
            Step::Keeps { uplinks, during } => self.keeps(uplinks, *during)?,
            Step::Flow(time) => thread::sleep(time.0),
            Step::Start => self.router.start(&self.lab)?,
            Step::Stop => drop(self.router.stop(Signal::SIGTERM)?),
            Step::Restart => {
                self.mark("restart".to_owned());
                self.router.stop(Signal::SIGTERM)?;
                self.router.start(&self.lab)?;
            }
            Step::Signal { program, signal } => self.signal(program, signal)?,
            Step::Respawned { program, within } => self.respawned(program, *within)?,
            Step::Mails { says, within } => self.mailbox()?.wait(says, within.0)?,
            Step::Logs { says, within } => self.logs(says, *within)?,
            Step::Run(command) => self.run(command)?,
            Step::At { place, run } => self.at(place, run)?,
        }
        Ok(())
    }

    fn mark(&mut self, name: String) {
        self.marks.insert(name, Instant::now());
    }

    fn keeps(&self, uplinks: &[String], during: Span) -> Result<()> {
        let wanted: BTreeSet<&String> = uplinks.iter().collect();
        let until = Instant::now() + during.0;
        while Instant::now() < until {
            let seen = kernel::balanced(&self.lab)?;
            if !seen.keys().eq(wanted.iter().copied()) {
                return Err(LabError::Unexpected(format!("new connections are carried by {seen:?}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn signal(&mut self, program: &str, signal: &str) -> Result<()> {
        let signal: Signal =
            format!("SIG{signal}").parse().map_err(|error| malformed(format!("signal {signal}"), &error))?;
        let pid = self.router.pid_of(program)?;
        program::send(pid, signal)?;
        self.signalled.insert(program.to_owned(), pid);
        self.mark(format!("signal {program}"));
        Ok(())
    }

    fn respawned(&self, program: &str, within: Span) -> Result<()> {
        let old = self.signalled.get(program);
        let root = self.router.monitor()?.pid();
        let other = |pid: &Option<u32>| pid.as_ref().is_some_and(|pid| Some(pid) != old);
        wait_for(&format!("another {program}"), within.0, || crate::process::descendant(root, program), other).map(drop)
    }

    fn mailbox(&self) -> Result<&Mailbox> {
        self.mailbox.as_ref().ok_or_else(|| LabError::Unexpected("the scenario has no `mail: real`".to_owned()))
    }

    fn logs(&mut self, says: &str, within: Span) -> Result<()> {
        let from = self.log_read;
        let unread = || Ok(self.router.log().get(from..).unwrap_or_default().to_owned());
        let text = wait_for(&format!("the log to say {says:?}"), within.0, unread, |text| text.contains(says))?;
        self.log_read += text.find(says).map_or(0, |at| at + says.len());
        Ok(())
    }

    fn run(&self, command: &Command) -> Result<()> {
        let began = Instant::now();
        let output = self.router.shell(&self.lab, &command.line)?;
        let took = began.elapsed();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let complain = |what: String| Err(LabError::Unexpected(format!("{what}; it printed:\n{text}")));
        if output.status.code() != Some(command.exit) {
            return complain(format!("ended with {}", output.status));
        }
        let mut rest = text.as_str();
        for part in &command.says {
            let Some((_, after)) = rest.split_once(part.as_str()) else {
                return complain(format!("does not say {part:?} in its place"));
            };
            rest = after;
        }
        if let Some(part) = command.never.iter().find(|part| text.contains(part.as_str())) {
            return complain(format!("says {part:?}"));
        }
        match command.within {
            Some(within) if took > within.0 => complain(format!("took {took:?}")),
            _ => Ok(()),
        }
    }

    fn at(&self, place: &str, line: &str) -> Result<()> {
        let space = match place {
            "lan" => &self.lab.lan,
            "internet" => &self.lab.internet,
            uplink => &self.lab.provider(uplink)?.space,
        };
        space.sh(line).map(drop)
    }

    fn picture(&self) -> String {
        let mut text = format!("--- log\n{}{}", self.router.log(), kernel::picture(&self.lab));
        if let Some(mailbox) = &self.mailbox {
            for message in mailbox.messages().unwrap_or_default() {
                // Writing to a String cannot fail.
                let _ = write!(text, "--- mail\n{message}");
            }
        }
        text
    }
}
