//! What a shell is offered for an argument that names an uplink: those of the configuration.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap_complete::{ArgValueCandidates, CompletionCandidate};
use ftr_core::config::Uplink;

use crate::cli::Source;

/// The uplinks of the configuration that the command line names so far, or of the usual one. None where it cannot be read
/// or is wrong: whoever types a command wants to hear of that from the command.
#[must_use]
pub fn uplinks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(""))
}

/// The same for an argument that says something of an uplink, such as `eth1=down`.
#[must_use]
pub fn uplinks_and(said: &'static str) -> ArgValueCandidates {
    ArgValueCandidates::new(move || candidates(said))
}

fn candidates(said: &str) -> Vec<CompletionCandidate> {
    // Before the first `--` stands how the shell calls the program, behind it the line that is typed.
    let typed: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let source = Source { config: stated(&typed) };
    let uplinks = source.load().map(|config| config.uplinks).unwrap_or_default();
    let candidate = |uplink: &Uplink| {
        let help = (uplink.description != uplink.name.as_str()).then(|| uplink.description.clone().into());
        CompletionCandidate::new(format!("{}{said}", uplink.name)).help(help)
    };
    uplinks.iter().map(candidate).collect()
}

/// The file that -c names in a line that need not be complete. Some shells make a word of its own of an equals sign.
fn stated(typed: &[OsString]) -> Option<PathBuf> {
    let mut words = typed.iter().filter(|word| *word != "=");
    while let Some(word) = words.next() {
        if word == "-c" || word == "--config" {
            return words.next().map(PathBuf::from);
        }
        let bytes = word.as_bytes();
        let behind = bytes.strip_prefix(b"--config=").or_else(|| bytes.strip_prefix(b"-c"));
        if let Some(path) = behind {
            return Some(PathBuf::from(OsString::from_vec(path.to_vec())));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::stated;
    use std::ffi::OsString;
    use std::path::PathBuf;

    #[test]
    fn the_file_is_found_however_it_is_stated() {
        let stated = |line: &str| stated(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in [
            "ftr-route -c a/b apply",
            "ftr-route apply --config a/b",
            "x --config=a/b e",
            "x --config = a/b e",
            "x -ca/b",
        ] {
            assert_eq!(stated(line), Some(PathBuf::from("a/b")), "{line}");
        }
        for line in ["ftr-route apply eth1", "ftr-route -c", "ftr-route apply --config"] {
            assert_eq!(stated(line), None, "{line}");
        }
    }
}
