//! `ftr-monitor check`: is the configuration right?

use std::io::Write;
use std::path::absolute;

use ftr_core::{Config, Exit};
use ftr_tool::cli::{Common, Failure, answer, show};
use ftr_tool::{assigned, configuration, running};

use crate::hazards::{self, Found};
use crate::host;
use crate::service;
use crate::starter::Starter;
use crate::tool;

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
    let line = |one: Found| format!("warning: {}: {}: {}", one.object, one.what, one.advice);
    Ok(hazards::find(&starter)?.into_iter().map(line).collect())
}
