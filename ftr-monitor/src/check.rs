//! `ftr-monitor check`: is the configuration right?

use std::io::Write;

use ftr_core::Exit;
use ftr_core::cli::{Common, Failure};
use ftr_core::running;

use crate::hazards;

/// Problems end with exit 78; warnings go to stderr and leave it at 0.
pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let config = common.load()?;
    let mut err = std::io::stderr();
    let other = running::difference(&config);
    for warning in config.warning_lines().iter().chain(&hazards::of_this_host(&config)).chain(&other) {
        // The answer is the exit code; nobody is left to warn when stderr is gone.
        let _ = writeln!(err, "{warning}");
    }
    let text = match (common.quiet, common.json, common.verbose) {
        (true, ..) => String::new(),
        (_, true, _) => format!("{}\n", config.effective()),
        (_, _, true) => config.effective_yaml(),
        _ => format!("{}: configuration is right, {} uplinks\n", config.file.display(), config.uplinks.len()),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::stdout(&error))?;
    Ok(Exit::Yes)
}
