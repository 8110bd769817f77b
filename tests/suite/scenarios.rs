//! Every file in `scenarios/` is a test of that name.

use ftr_lab::play::play;
use ftr_lab::scenario::Scenario;
use ftr_lab::suite;
use libtest_mimic::{Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    match trials() {
        Ok(trials) => suite::run(trials),
        Err(error) => {
            eprintln!("scenarios: {error}");
            ExitCode::FAILURE
        }
    }
}

fn trials() -> std::io::Result<Vec<Trial>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    let yaml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yaml");
    Ok(paths.into_iter().filter(yaml).map(|path| trial(&path)).collect())
}

fn trial(path: &Path) -> Trial {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let scenario = Scenario::read(path);
    let impossible = scenario.as_ref().is_ok_and(|scenario| scenario.root) && !suite::has_every_user();
    Trial::test(name, move || play(&scenario.map_err(Failed::from)?).map_err(Failed::from))
        .with_ignored_flag(impossible)
}
