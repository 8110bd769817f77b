//! `ftr-monitor decide`: check records from stdin, active and event records to stdout.

use std::io::{self, Write};
use std::os::fd::AsFd;

use ftr_core::Exit;
use ftr_core::cli::{Common, Failure, say};
use ftr_core::lines::{Line, Lines};
use ftr_core::record::Record;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::read;

use crate::TOOL;
use crate::decide::Decider;

/// Runs until the input ends or the output's reader goes away.
pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let config = common.load()?;
    let mut decider = Decider::new(&config, None);
    let mut lines = Lines::default();
    let mut malformed = 0u64;
    let mut output = io::stdout().lock();
    let mut chunk = [0; 16 * 1024];
    while wait_for_input()? {
        // Not by way of std's buffer, whose content poll would not know of.
        let count = match read(io::stdin(), &mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(Failure::new(Exit::Io, format!("standard input: {error}"))),
        };
        let mut said = String::new();
        lines.push(chunk.get(..count).unwrap_or_default(), |line| match line {
            Line::Whole(line) => match Record::parse(line) {
                Ok(record) => {
                    for decided in decider.hear(&record) {
                        said.extend(decided.line());
                        // The reader is told once: nobody answers here.
                        if let Record::Active(active) = decided {
                            decider.confirm(active.family);
                        }
                    }
                }
                Err(_) => malformed += 1,
            },
            Line::TooLong => malformed += 1,
        });
        output.write_all(said.as_bytes()).and_then(|()| output.flush()).map_err(|error| Failure::stdout(&error))?;
    }
    malformed += u64::from(lines.has_rest());
    if malformed > 0 && !common.quiet {
        say(TOOL, &format!("decide: {malformed} malformed lines skipped"));
    }
    Ok(Exit::Yes)
}

/// Waits for input; false when the output's reader has gone away. There may be nothing to say to it for days, and whoever
/// writes to us should hear of it now.
fn wait_for_input() -> Result<bool, Failure> {
    let (input, output) = (io::stdin(), io::stdout());
    loop {
        let mut fds = [PollFd::new(input.as_fd(), PollFlags::POLLIN), PollFd::new(output.as_fd(), PollFlags::empty())];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(Failure::new(Exit::Io, format!("waiting for input: {error}"))),
        }
        let [input, output] = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        if output.intersects(PollFlags::POLLERR) {
            return Ok(false);
        }
        if !input.is_empty() {
            return Ok(true);
        }
    }
}
