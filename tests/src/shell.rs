//! The steps that run a line of shell: `run` once, `until` again and again.

use crate::command::{Answer, Command, Until, told};
use crate::deadline::Stretch;
use crate::error::{LabError, Result};
use crate::namespace::Namespace;
use crate::server::Server;
use crate::stage::Stage;
use std::thread;
use std::time::Duration;

/// How long `until` waits before it asks again: seldom enough that asking is no load.
const APART: Duration = Duration::from_millis(50);

impl Stage {
    pub(crate) fn run(&self, command: &Command) -> Result<()> {
        let stretch = Stretch::begin();
        let answer = self.ask(command, None)?;
        let took = stretch.elapsed();
        let late = command.within.filter(|within| took > within.0).map(|_| told(&format!("took {took:?}"), &answer));
        command.complaint(&answer).or(late).map_or(Ok(()), |complaint| Err(LabError::Unexpected(complaint)))
    }

    /// Fails at once when the line says what it never may, and at the end of the time when it never was as wanted.
    pub(crate) fn until(&self, Until { command, within }: &Until) -> Result<()> {
        let stretch = Stretch::begin();
        loop {
            let left = within.saturating_sub(stretch.elapsed());
            let answer = self.ask(command, Some(left))?;
            if let Some(forbidden) = command.forbidden(&answer) {
                return Err(LabError::Unexpected(told(&forbidden, &answer)));
            }
            let Some(complaint) = command.complaint(&answer) else { return Ok(()) };
            if stretch.elapsed() >= *within {
                return Err(LabError::Late { what: command.line.clone(), within: *within, seen: complaint });
            }
            thread::sleep(APART);
        }
    }

    fn ask(&self, command: &Command, limit: Option<Duration>) -> Result<Answer> {
        self.router.shell(self.space(&command.place)?, &command.line, limit).map(Answer::from)
    }

    pub(crate) fn serve(&mut self, place: &str) -> Result<()> {
        let server = Server::start(self.space(place)?)?;
        self.servers.push(server);
        Ok(())
    }

    fn space(&self, place: &str) -> Result<&Namespace> {
        match place {
            "router" => Ok(&self.lab.router),
            "lan" => Ok(&self.lab.lan),
            "internet" => Ok(&self.lab.internet),
            "dmz" => self.lab.dmz(),
            uplink => self.lab.provider(uplink).map(|provider| &provider.space),
        }
    }
}
