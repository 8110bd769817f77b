//! `ftr-monitor follow`: what happens, while it happens.

use std::io;
use std::os::unix::net::UnixStream;

use ftr_core::Exit;
use ftr_core::record::Record;
use ftr_tool::Input;
use ftr_tool::cli::{Common, Failure, answer, say};

use crate::control::exchange;
use crate::decide_command::wait_for_input;
use crate::request::Answer;
use crate::{ask, format, tool};

/// Runs until the monitor ends, or the output's reader goes away.
pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let monitor = begin("follow")?;
    let failed = |error: io::Error| Failure::new(Exit::Io, format!("follow: the monitor: {error}"));
    let mut input = Input::default();
    while !input.has_ended() {
        if !wait_for_input(&monitor).map_err(failed)? {
            return Ok(Exit::Yes);
        }
        let mut said = String::new();
        let read = input.read(&monitor, |line, record| match record {
            Record::Event(event) if !common.json => said.push_str(&(format::event(&event) + "\n")),
            _ => said.push_str(&(String::from_utf8_lossy(line) + "\n")),
        });
        read.map_err(failed)?;
        answer(&said)?;
    }
    if let Some(told) = input.malformed.told_at_last().filter(|_| !common.quiet) {
        say(tool::NAME, &format!("follow: {told}"));
    }
    Err(Failure::new(Exit::Unavailable, "follow: the monitor has ended"))
}

/// Follows the monitor of this network namespace, for a command of this name.
///
/// # Errors
/// Exit 69: there is none, or it does not answer; else the exit code of its answer, which says why it refuses.
pub(crate) fn begin(command: &str) -> Result<UnixStream, Failure> {
    let (_, said, monitor): (_, Answer, _) = exchange(command, ask::follow)?;
    match said.exit() {
        Exit::Yes => Ok(monitor),
        refused => Err(Failure::new(refused, format!("{command}: {}", said.lines().collect::<Vec<_>>().join("; ")))),
    }
}
