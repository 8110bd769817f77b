//! The commands that change what the monitor does: each is one request to the one that runs.

use std::io;
use std::path::{Path, absolute};
use std::process::Stdio;
use std::time::Duration;

use ftr_core::sanitize::sanitize;
use ftr_core::{Exit, duration};
use ftr_tool::cli::{Common, Failure, answer, say};
use ftr_tool::programs;
use ftr_tool::run::{Bounds, finish};
use serde::de::DeserializeOwned;

use crate::ask::ask;
use crate::program::Program;
use crate::request::{Answer, Request};
use crate::status::{Status, UplinkStatus};
use crate::{cycles, tool};

/// How often a monitor is asked that was too busy to hear the request, and has said how things are instead.
const ATTEMPTS: usize = 5;
/// How long ftr-route may take to say what it would do, and how much that may be.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(30), bytes: 4 << 20 };

/// What a reload is to do.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ReloadOptions {
    /// Change nothing, and print what would change, in words and as commands
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Go back to the configuration before unless `ftr-monitor confirm` comes within this time
    ///
    /// Also where the monitor is killed or started again meanwhile. The file stays as it is; `status` says that it differs.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, conflicts_with = "dry_run")]
    confirm: Option<Duration>,
}

/// Has the configuration read anew, or says what that would bring.
pub(crate) fn reload(common: &Common, options: &ReloadOptions) -> Result<Exit, Failure> {
    if let Some(file) = &common.source.config {
        expect_own_file(file)?;
    }
    let confirm_ms = options.confirm.map(|term| u64::try_from(term.as_millis()).unwrap_or(u64::MAX));
    let exit = run(common, &Request::Reload { dry_run: options.dry_run, confirm_ms })?;
    if options.dry_run && exit == Exit::Yes && !common.json && !common.quiet {
        answer(&commands()?)?;
    }
    Ok(exit)
}

/// The monitor reads the file that it was started with, and no other.
fn expect_own_file(named: &Path) -> Result<(), Failure> {
    let Some(running) = status()?.configuration else { return Ok(()) };
    if is_same_file(named, running.file()) {
        return Ok(());
    }
    let (own, named) = (running.file().display(), named.display());
    Err(Failure::new(Exit::Usage, format!("reload: {named}: the monitor runs with {own}, and reads no other file")))
}

/// Whether both paths lead to one file; one that is gone is told by its name.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().or_else(|_| absolute(path)).unwrap_or_else(|_| path.to_owned());
    whole(one) == whole(other)
}

/// Has the monitor do something, and says what it has answered. Where none runs cycles are told, if they can do it.
pub(crate) fn run(common: &Common, request: &Request) -> Result<Exit, Failure> {
    let told = || match asked(request)? {
        None => Ok(cycles::operate(common, request)?.map(|answer| (answer.line(), ()))),
        answered => Ok(answered),
    };
    let (text, said, ()): (String, Answer, ()) = exchange("monitor", told)?;
    if common.json {
        answer(&format!("{}\n", sanitize(text.trim_end())))?;
    } else if matches!(said.exit(), Exit::Yes | Exit::No) {
        let lines: String = said.lines().map(|line| line + "\n").collect();
        answer(if common.quiet { "" } else { &lines })?;
    } else {
        said.lines().for_each(|line| say(tool::NAME, &line));
    }
    Ok(said.exit())
}

/// Asks, and reads the answer; what comes with it is given on. `what` stands before an error.
///
/// # Errors
/// Exit 69: no monitor runs, or it does not answer as this version does.
pub(crate) fn exchange<T: DeserializeOwned, C>(
    what: &str,
    ask: impl Fn() -> io::Result<Option<(String, C)>>,
) -> Result<(String, T, C), Failure> {
    let unavailable = |why: &str| Failure::new(Exit::Unavailable, format!("{what}: {why}"));
    for _ in 0..ATTEMPTS {
        let answered = ask().map_err(|error| unavailable(&error.to_string()))?;
        let (text, carried) = answered.ok_or_else(|| unavailable("ftr-monitor is not running; see `status`"))?;
        if let Ok(said) = serde_json::from_str(&text) {
            return Ok((text, said, carried));
        }
    }
    Err(unavailable(
        "the one that runs is of a former version, or has no time: restart it (systemctl restart ftr-monitor)",
    ))
}

/// The answer, with which nothing else comes.
fn asked(request: &Request) -> io::Result<Option<(String, ())>> {
    Ok(ask(request)?.map(|text| (text, ())))
}

/// How things are.
///
/// # Errors
/// As [`exchange`].
pub(crate) fn status() -> Result<Status, Failure> {
    exchange("monitor", || asked(&Request::Status {})).map(|(_, status, ())| status)
}

/// What ftr-route would do for the file, with the uplinks that carry new connections now.
fn commands() -> Result<String, Failure> {
    let status = status()?;
    let Some(running) = &status.configuration else { return Ok(String::new()) };
    let mut text = String::new();
    for family in [4, 6] {
        let routing = |one: &&UplinkStatus| one.family == family && one.routing;
        let uplinks: Vec<&str> = status.uplinks.iter().filter(routing).map(|one| one.uplink.as_str()).collect();
        if uplinks.is_empty() {
            continue;
        }
        text.push_str(&apply(running.file(), family, &uplinks)?);
    }
    Ok(text)
}

fn apply(file: &Path, family: u8, uplinks: &[&str]) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::new(Exit::Unavailable, format!("ftr-route apply -n: {error}"));
    // Those that the file no longer has carry nothing then.
    let known = ftr_tool::configuration::load(file)?;
    let uplinks = uplinks.iter().filter(|uplink| known.position(uplink).is_some());
    let mut command = programs::sibling(Program::Route.name()).map_err(failed)?;
    command.arg("-q").arg("-c").arg(file).arg(format!("-{family}")).args(["apply", "-n"]).args(uplinks);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let ended = command.spawn().and_then(|child| finish(child, b"", BOUNDS)).map_err(failed)?;
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::is_same_file;
    use std::path::Path;

    #[test]
    fn a_file_is_the_same_by_whichever_path() {
        let (here, other) = (Path::new("src/control.rs"), Path::new("src/../src/control.rs"));
        assert!(is_same_file(here, &here.canonicalize().unwrap()) && is_same_file(here, other));
        assert!(!is_same_file(here, Path::new("src/drain.rs")));
        assert!(is_same_file(Path::new("/nowhere/a"), Path::new("/nowhere/a")));
        assert!(!is_same_file(Path::new("/nowhere/a"), Path::new("/nowhere/b")));
    }
}
