//! `ftr-monitor init`: an example configuration to begin with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ftr_core::Exit;
use ftr_core::cli::Failure;

/// The example, which is a valid configuration.
const EXAMPLE: &str = include_str!("example.yaml");

/// Prints the example, or writes it to a file that is not there yet.
pub(crate) fn run(file: Option<&Path>) -> Result<Exit, Failure> {
    let Some(file) = file else {
        std::io::stdout().write_all(EXAMPLE.as_bytes()).map_err(|error| Failure::stdout(&error))?;
        return Ok(Exit::Yes);
    };
    // It may come to hold a password, so nobody else may read it.
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut new| new.write_all(EXAMPLE.as_bytes()));
    written.map_err(|error| Failure::new(Exit::Io, format!("{}: cannot be written: {error}", file.display())))?;
    Ok(Exit::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ftr_core::Config;

    #[test]
    fn the_example_is_right_and_raises_no_warning() {
        let config = Config::parse(Path::new("example"), EXAMPLE).unwrap();
        assert_eq!(config.warnings, []);
        assert!(
            config.base_priority < ftr_core::layout::MAIN_PRIORITY && config.fwmark_mask.is_some() && config.log.syslog
        );
    }
}
