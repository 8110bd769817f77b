//! Plays a scenario in a lab of its own.

use crate::client::{Client, Habit};
use crate::deadline::wait_for;
use crate::error::{LabError, Result};
use crate::expect::{self, Evidence};
use crate::family::Family;
use crate::firewall::Firewall;
use crate::kernel;
use crate::router;
use crate::scenario::{Place, Scenario, Traffic};
use crate::stage::Stage;
use crate::step::Step;
use crate::watch::{Judgement, Watch};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// Builds the lab with this firewall, takes the steps, checks the expectations. A failure tells what the router's log and kernel said.
///
/// # Errors
/// The first step that could not be taken, or all expectations that were not met.
pub(crate) fn play(scenario: &Scenario, firewall: Firewall) -> Result<()> {
    let mut stage = Stage::set(scenario, firewall)?;
    let done = stage.act(scenario);
    done.map_err(|error| LabError::Unexpected(format!("{}\n{error}\n{}", scenario.about, stage.picture())))
}

impl Stage {
    fn act(&mut self, scenario: &Scenario) -> Result<()> {
        if scenario.monitor {
            self.router.start(&self.lab)?;
            let some = |seen: &BTreeMap<String, u32>| !seen.is_empty();
            for family in &scenario.client.families {
                let seen = || kernel::balanced(&self.lab, *family);
                wait_for("the first active uplinks", Duration::from_secs(8), seen, some)?;
            }
        }
        if !scenario.client.waits {
            self.begin_traffic()?;
        }
        for (number, step) in (1..).zip(&scenario.steps) {
            let named = |error| LabError::Unexpected(format!("step {number}, {step:?}: {error}"));
            self.take(step).map_err(named)?;
        }
        if let Some(client) = self.client.take() {
            self.report = client.finish()?;
        }
        let own = self.own.take().map(Client::finish).transpose()?;
        let checks = self.watch.as_ref().map(Watch::so_far).unwrap_or_default();
        let evidence = Evidence {
            report: &self.report,
            own: own.as_ref(),
            checks: &checks,
            marks: &self.marks,
            breaks: &self.breaks,
            lab: &self.lab,
        };
        expect::all(&scenario.expect, &evidence)
    }

    fn begin_traffic(&mut self) -> Result<()> {
        let habit = self.habit(&self.traffic)?;
        // Printed by the test runner when the scenario fails.
        eprintln!("seed of the client: {}", habit.seed);
        if let Some(rate) = self.traffic.router {
            self.own = Some(Client::start(
                &self.lab.router,
                &Habit { rate, sources: 0, held: 0, datagrams: 0, ..habit.clone() },
            )?);
        }
        let space = if self.traffic.place == Place::Router { &self.lab.router } else { &self.lab.lan };
        self.client = Some(Client::start(space, &habit)?);
        Ok(())
    }

    fn habit(&self, traffic: &Traffic) -> Result<Habit> {
        let number = |device: &String| self.lab.uplink(device).map(|uplink| uplink.number);
        Ok(Habit {
            families: traffic.families.clone(),
            rate: traffic.rate,
            // Programs of the router leave their own address to the kernel.
            sources: if traffic.place == Place::Router { 0 } else { traffic.sources },
            held: traffic.held,
            datagrams: traffic.datagrams,
            delegated: traffic.delegated.uplinks().iter().map(number).collect::<Result<_>>()?,
            seed: fastrand::u64(..),
        })
    }

    fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Break { uplink, by } => self.fail(uplink, *by)?,
            Step::Mend(uplink) => self.mend(uplink)?,
            Step::Lease { uplink, address, gateway } => self.lease(uplink, *address, *gateway)?,
            Step::Expire(uplink) => self.expire(uplink)?,
            Step::Advertise { uplink, lifetime, subnet, router } => {
                self.advertise(uplink, *lifetime, *subnet, *router)?;
            }
            Step::Saturate { uplink, rate } => self.saturate(uplink, rate)?,
            Step::Noise { uplink, rate } => self.make_noise(uplink, *rate)?,
            Step::Hostile { uplink, count, during } => self.attack(uplink, *count, *during)?,
            Step::Slander { uplink, target, count, during } => self.slander(uplink, *target, (*count, *during))?,
            Step::Poison { uplink, family, times, every } => self.poison(uplink, *family, (*times, *every))?,
            Step::Watch(arguments) => self.watch(arguments)?,
            Step::Judged { uplink, family, up, reason, within } => {
                let judgement = Judgement { uplink, family: *family, up: *up, reason: reason.as_deref() };
                self.judged(&judgement, *within)?;
            }
            Step::Carries { uplinks, family, within } => {
                router::carries(&self.lab, uplinks, *family, within.0)?;
                let over = if *family == Family::V6 { " over IPv6" } else { "" };
                self.mark(format!("carries {}{over}", uplinks.join(", ")));
            }
            Step::Keeps { uplinks, family, during } => self.keeps(uplinks, *family, *during)?,
            Step::Flow(time) => thread::sleep(time.0),
            Step::Start => self.router.start(&self.lab)?,
            Step::Traffic => self.begin_traffic()?,
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
            Step::Serve(place) => self.serve(place)?,
            Step::Run(command) => self.run(command)?,
            Step::Until(until) => self.until(until)?,
        }
        Ok(())
    }
}
