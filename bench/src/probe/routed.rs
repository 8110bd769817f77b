//! A lab that ftr has routed, with no daemon at work: what a probe alone is measured in.

use ftr_lab::config::parse;
use ftr_lab::error::Result;
use ftr_lab::lab::Lab;
use ftr_lab::namespace::run;
use ftr_lab::plan::Wish;
use ftr_lab::program;
use ftr_lab::router::Router;
use std::process::Command;

/// A lab whose uplink tables, rules and balanced route are in place.
#[derive(Debug)]
pub(super) struct Routed {
    router: Router,
    /// The lab.
    pub(super) lab: Lab,
}

impl Routed {
    /// Builds the lab; new connections are carried by `active`, or by all uplinks when it names none.
    pub(super) fn build(wishes: &[Wish], overrides: &str, active: &[&str]) -> Result<Self> {
        let lab = Lab::build(wishes)?;
        let router = Router::prepare(&lab, &parse(overrides)?)?;
        run(router.command(&lab, "ftr-route")?.arg("apply").args(active))?;
        Ok(Self { router, lab })
    }

    /// A program of ftr with the lab's configuration. It has to be started by a thread inside the router: starting it
    /// with `ip netns exec` would take some milliseconds and count as its own processor time.
    pub(super) fn command(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(program::find(name)?);
        program::environment(&mut command, &self.router.run_directory())?;
        command.env("FTR_CONFIG", &self.router.config);
        Ok(command)
    }
}
