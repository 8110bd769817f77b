//! `ftr-monitor check`: is the configuration right?

use std::io::Write;
use std::path::absolute;
use std::process::Stdio;
use std::time::Duration;

use ftr_core::{Config, Exit};
use ftr_tool::cli::{Common, Failure, answer, show};
use ftr_tool::run::{Bounds, finish};
use ftr_tool::{assigned, configuration, running};
use serde::Deserialize;

use crate::host;
use crate::program::Program;
use crate::service;
use crate::starter::Starter;
use crate::tool;

/// How long ftr-route may look for hazards, and how much it may tell of them.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(30), bytes: 4 << 20 };

/// Problems end with exit 78; warnings go to stderr and leave it at 0.
pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let (mut config, text) = configuration::load_with_text(&common.source.file()?)?;
    if common.quiet {
        return Ok(Exit::Yes);
    }
    // What is not to be believed is the monitor's to tell.
    let _ = assigned::assign(&mut config);
    let mut err = std::io::stderr();
    show(&config.warned());
    let mut found = Vec::new();
    let host = host::find().map_err(|why| found.push(unknown("what this host has is", &why))).ok();
    show(&config.on_host(&text, host.as_ref(), &service::faults(&config)));
    found.extend(hazards(&config, &text));
    for warning in found.iter().chain(&running::difference(&config)) {
        // The answer is the exit code; nobody is left to warn when stderr is gone.
        let _ = writeln!(err, "{warning}");
    }
    let text = match (common.json, common.verbose) {
        (true, _) => format!("{}\n", config.effective()),
        (_, true) => config.effective_yaml(),
        _ => format!("{}: configuration is right, {} uplinks\n", config.file.display(), config.uplinks.len()),
    };
    answer(&text)?;
    Ok(Exit::Yes)
}

/// What ftr-route finds on this host that works against several uplinks, as warnings; or why that is not known.
fn hazards(config: &Config, text: &str) -> Vec<String> {
    let found = find(config, text).unwrap_or_else(|why| vec![unknown("hazards of this host are", &why)]);
    found.iter().map(|line| ftr_core::sanitize::sanitize(line).into_owned()).collect()
}

/// A warning that something could not be found out.
fn unknown(what: &str, why: &str) -> String {
    format!("{}: warning: {what} not known: {}", tool::NAME, ftr_core::sanitize::sanitize(why))
}

fn find(config: &Config, text: &str) -> Result<Vec<String>, String> {
    let file = absolute(&config.file).unwrap_or_else(|_| config.file.clone());
    let (starter, _) = Starter::new(config, text, &file)
        .map_err(|_| "its part of the configuration cannot be told apart".to_owned())?;
    let child = starter.start(Program::Route, &["check", "--json"], |command| {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    });
    let ended =
        child.and_then(|child| finish(child, b"", BOUNDS)).map_err(|error| format!("ftr-route check: {error}"))?;
    read(&ended.stdout).ok_or_else(|| {
        let said = String::from_utf8_lossy(&ended.stderr);
        said.lines().last().map_or_else(|| format!("ftr-route check: ended with {}", ended.status), str::to_owned)
    })
}

/// The warnings of an answer of `ftr-route check -j`: a line for each family, and one with the hazards, without which it is
/// no answer. What ftr-route puts right itself as soon as it runs is nothing to warn of.
fn read(answer: &[u8]) -> Option<Vec<String>> {
    let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parts: Vec<Part> = lines.map(serde_json::from_slice).collect::<Result<_, _>>().ok()?;
    let hazards: Vec<&Hazard> = parts.iter().find_map(|part| part.hazards.as_ref())?.iter().collect();
    // The commands of ftr-route are quiet, its advice is not.
    let commands: Vec<String> =
        parts.iter().flat_map(|part| &part.commands).map(|line| line.replace("sysctl -q ", "sysctl ")).collect();
    let is_ours = |one: &&Hazard| commands.contains(&one.advice);
    let line = |one: &Hazard| format!("warning: {}: {}: {}", one.object, one.what, one.advice);
    Some(hazards.into_iter().filter(|one| !is_ours(one)).map(line).collect())
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    commands: Vec<String>,
    #[serde(default)]
    hazards: Option<Vec<Hazard>>,
}

/// What is said of a hazard.
#[derive(Deserialize)]
struct Hazard {
    object: String,
    what: String,
    advice: String,
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn hazards_are_told_unless_they_are_put_right_anyway() {
        let answer = br#"{"family":4,"differs":true,"commands":["ip rule add","sysctl -q -w net/ipv4/ip_forward=1"],"foreign":[]}
{"hazards":[
    {"hazard":"forwarding","object":"router","loses_traffic":true,"what":"off","advice":"sysctl -w net/ipv4/ip_forward=1"},
    {"hazard":"foreign-rule","object":"rule 7","loses_traffic":false,"what":"comes first","advice":"ip rule del priority 7"}]}
"#;
        let answer = String::from_utf8_lossy(answer).replace("[\n    ", "[").replace(",\n    ", ",");
        assert_eq!(read(answer.as_bytes()).unwrap(), ["warning: rule 7: comes first: ip rule del priority 7"]);
        assert_eq!(read(b"{\"hazards\":[]}\n").unwrap(), [""; 0]);
        assert_eq!((read(b""), read(b"ftr-route: rubbish\n"), read(b"{\"family\":4}\n")), (None, None, None));
    }
}
