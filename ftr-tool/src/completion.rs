//! What a shell is offered for an argument that names an uplink: those of the configuration, or of the running monitor.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use clap_complete::{ArgValueCandidates, CompletionCandidate};
use serde::Deserialize;

use crate::cli::Source;
use crate::programs;
use crate::run::{Bounds, finish};

/// What `ftr-monitor status` may take while somebody waits for the tabulator.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), bytes: 1 << 20 };

/// Of the answer of `ftr-monitor status -j` what is needed.
#[derive(Deserialize)]
struct Status {
    uplinks: Vec<Named>,
}

/// An uplink, in one of its families.
#[derive(Deserialize)]
struct Named {
    uplink: String,
    description: String,
}

/// The uplinks of the configuration that the command line names so far, or of the usual one. Where that cannot be opened, as the
/// package's cannot by ordinary users, the running monitor is asked, which tells everybody. None where the file is wrong, or
/// nobody knows any: whoever types a command wants to hear of that from the command.
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
    let is_open = source.file().is_ok_and(|file| File::open(file).is_ok());
    let uplinks = if is_open || source.config.is_some() { configured(&source) } else { running().unwrap_or_default() };
    let candidate = |Named { uplink, description }: Named| {
        let help = (description != uplink).then(|| description.into());
        CompletionCandidate::new(format!("{uplink}{said}")).help(help)
    };
    uplinks.into_iter().map(candidate).collect()
}

fn configured(source: &Source) -> Vec<Named> {
    let uplinks = source.load().map(|config| config.uplinks).unwrap_or_default();
    uplinks
        .into_iter()
        .map(|uplink| Named { uplink: uplink.name.to_string(), description: uplink.description })
        .collect()
}

/// Those of the monitor that runs here.
fn running() -> Option<Vec<Named>> {
    let mut command = programs::sibling("ftr-monitor").ok()?;
    command.args(["status", "-j"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    told(&finish(command.spawn().ok()?, b"", BOUNDS).ok()?.stdout)
}

/// What a monitor has answered, each uplink once.
fn told(status: &[u8]) -> Option<Vec<Named>> {
    let status: Status = serde_json::from_slice(status).ok()?;
    let uplinks: BTreeMap<String, String> =
        status.uplinks.into_iter().map(|one| (one.uplink, one.description)).collect();
    Some(uplinks.into_iter().map(|(uplink, description)| Named { uplink, description }).collect())
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
    use super::{stated, told};
    use std::ffi::OsString;
    use std::path::PathBuf;

    #[test]
    fn the_monitor_names_each_uplink_once() {
        let status = br#"{"uplinks":[{"uplink":"eth1","family":4,"description":"Cable"},{"uplink":"eth1","family":6,
            "description":"Cable"},{"uplink":"ppp0","family":4,"description":"ppp0"}],"hazards":[]}"#;
        let names: Vec<String> = told(status).unwrap().into_iter().map(|one| one.uplink).collect();
        assert_eq!(names, ["eth1", "ppp0"]);
        assert!(told(b"").is_none() && told(b"[]").is_none());
    }

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
