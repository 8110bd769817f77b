//! `ftr-monitor decide`: check records from stdin, active and event records to stdout.

use std::io;
use std::os::fd::AsFd;

use ftr_core::Exit;
use ftr_core::record::Record;
use ftr_tool::cli::{Common, Failure, answer, say};
use ftr_tool::{Input, clock, ready};
use jiff::tz::TimeZone;
use nix::poll::{PollFd, PollFlags};

use crate::decide::Decider;
use crate::{format, tool};

/// Runs until the input ends or the output's reader goes away.
pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let config = common.source.load()?;
    let mut decider = Decider::new(&config, None).in_zone(&config, TimeZone::system());
    let mut input = Input::default();
    let remark = |told: Option<String>| {
        for told in told.iter().filter(|_| !common.quiet) {
            say(tool::NAME, &format!("decide: standard input: {told}"));
        }
    };
    while !input.has_ended() && wait_for_input(io::stdin()).map_err(|error| failed(&error))? {
        let (mut said, mut told) = (String::new(), Vec::new());
        // Not by way of std's buffer, whose content poll would not know of.
        let read = input.read(io::stdin(), |line, record| {
            if record == Record::Unknown {
                // Of a later version, for whoever reads what we say.
                said.push_str(&String::from_utf8_lossy(line));
                said.push('\n');
            }
            for decided in decider.handle(&record) {
                said.extend(decided.line());
                told.extend(Some(&decided).filter(|_| common.verbose && !common.quiet).and_then(format::decided));
                // The reader is told once: nobody answers here.
                if let Record::Active(active) = decided {
                    decider.confirm(active.family, None);
                }
            }
        });
        read.map_err(|error| failed(&error))?;
        answer(&said)?;
        for words in &told {
            say(tool::NAME, words);
        }
        remark(input.malformed.told(clock::since_boot()));
    }
    remark(input.malformed.told_at_last());
    Ok(Exit::Yes)
}

fn failed(error: &io::Error) -> Failure {
    Failure::new(Exit::Io, format!("standard input: {error}"))
}

/// Waits for input; false when the output's reader has gone away. There may be nothing to say to it for days, and whoever
/// writes to us should hear of it now.
pub(crate) fn wait_for_input(from: impl AsFd) -> io::Result<bool> {
    let output = io::stdout();
    loop {
        let mut fds = [PollFd::new(from.as_fd(), PollFlags::POLLIN), PollFd::new(output.as_fd(), PollFlags::empty())];
        ready::wait(&mut fds, None)?;
        let [input, output] = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        if output.intersects(PollFlags::POLLERR) {
            return Ok(false);
        }
        if !input.is_empty() {
            return Ok(true);
        }
    }
}
