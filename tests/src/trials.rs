//! The scenario files as tests.

use crate::firewall::Firewall;
use crate::play::play;
use crate::scenario::Scenario;
use crate::suite;
use libtest_mimic::{Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Runs every file in `scenarios/` that wants the machine to itself (`alone: true`), or every other one, as a test of
/// its name; one that names several firewalls is a test for each.
#[must_use]
pub fn run(alone: bool) -> ExitCode {
    match trials(alone) {
        Ok(trials) => suite::run(trials),
        Err(error) => {
            eprintln!("scenarios: {error}");
            ExitCode::FAILURE
        }
    }
}

fn trials(alone: bool) -> std::io::Result<Vec<Trial>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    let yaml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yaml");
    Ok(paths.into_iter().filter(yaml).flat_map(|path| of_file(&path, alone)).collect())
}

fn of_file(path: &Path, alone: bool) -> Vec<Trial> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let scenario = match Scenario::read(path) {
        Ok(scenario) if scenario.alone != alone => return Vec::new(),
        Ok(scenario) => Arc::new(scenario),
        // Once is enough.
        Err(_) if alone => return Vec::new(),
        Err(error) => return vec![Trial::test(name, move || Err(error.into()))],
    };
    match scenario.firewall.as_slice() {
        [] => vec![Trial::test(name, || Err("it names no firewall to be played under".into()))],
        [one] => vec![trial(name, &scenario, *one)],
        several => several.iter().map(|one| trial(format!("{name}-{one}"), &scenario, *one)).collect(),
    }
}

fn trial(name: String, scenario: &Arc<Scenario>, firewall: Firewall) -> Trial {
    let impossible = scenario.root && !suite::has_every_user();
    let scenario = Arc::clone(scenario);
    Trial::test(name, move || play(&scenario, firewall).map_err(Failed::from)).with_ignored_flag(impossible)
}
