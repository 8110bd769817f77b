//! `ftr-monitor decide`: check records from stdin, active and event records to stdout.

use std::io::{Read, Write};

use ftr_core::Exit;
use ftr_core::cli::{Common, Failure, say};
use ftr_core::lines::{Line, Lines};
use ftr_core::record::Record;

use crate::TOOL;
use crate::decide::Decider;

/// Runs until the input ends or the output's reader goes away.
pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let config = common.load()?;
    let mut decider = Decider::new(&config, None);
    let mut lines = Lines::default();
    let mut malformed = 0u64;
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut chunk = [0; 16 * 1024];
    loop {
        let count = match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::new(Exit::Io, format!("standard input: {error}"))),
        };
        let mut said = String::new();
        lines.push(chunk.get(..count).unwrap_or_default(), |line| match line {
            Line::Whole(line) => match Record::parse(line) {
                Ok(record) => said.extend(decider.hear(&record).iter().filter_map(|record| record.line().ok())),
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
