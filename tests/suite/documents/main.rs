//! What documents say is so: every command of README, docs, help texts and ftr(7) is typed on a router of the lab, and every
//! piece of configuration is read. A block that says neither how it is tested nor why not fails.

mod fence;
mod usage;
mod world;

use fence::Way;
use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::suite;
use libtest_mimic::{Failed, Trial};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use world::World;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The page that has commands and is made from no command line.
const OVERVIEW: &str = include_str!("../../../dist/pages/ftr.7");

fn main() -> ExitCode {
    match trials() {
        Ok(trials) => suite::run(trials),
        Err(error) => {
            eprintln!("documents: {error}");
            ExitCode::FAILURE
        }
    }
}

fn trials() -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for path in documents()? {
        let name = path.strip_prefix(ROOT).unwrap_or(&path).with_extension("").display().to_string();
        trials.push(Trial::test(name.replace('/', "_"), move || play(&path).map_err(Failed::from)));
    }
    for program in usage::PROGRAMS {
        let play = move || usage::examples_of(program).and_then(|examples| usage::play(&examples));
        trials.push(Trial::test(format!("examples_of_{program}"), move || play().map_err(Failed::from)));
    }
    let overview = || usage::play(&usage::page_lines(OVERVIEW));
    trials.push(Trial::test("ftr_7", move || overview().map_err(Failed::from)));
    trials.push(Trial::test("commands_in_sentences_are_known", || sentences().map_err(Failed::from)));
    trials.push(Trial::test("marks_are_of_examples", || usage::marks_are_used().map_err(Failed::from)));
    Ok(trials)
}

/// What people read before or beside the programs. CHANGELOG.md tells what was.
fn documents() -> Result<Vec<PathBuf>> {
    let mut documents = Vec::new();
    for folder in ["", "docs", "docs/guides"] {
        let folder = Path::new(ROOT).join(folder);
        let entries = fs::read_dir(&folder).context(|| format!("read {}", folder.display()))?;
        for entry in entries {
            let path = entry.context(|| format!("read {}", folder.display()))?.path();
            if path.extension().is_some_and(|ending| ending == "md") && !path.ends_with("CHANGELOG.md") {
                documents.push(path);
            }
        }
    }
    documents.sort();
    Ok(documents)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).context(|| format!("read {}", path.display()))
}

fn play(path: &Path) -> Result<()> {
    let name = path.display().to_string();
    let blocks = fence::blocks(&name, &read(path)?)?;
    if blocks.iter().all(|block| block.way == Way::Untested) {
        return Ok(());
    }
    let mut world = World::new()?;
    for block in &blocks {
        world.play(block).map_err(|error| LabError::Unexpected(format!("{name}:{}: {error}", block.line)))?;
    }
    Ok(())
}

fn sentences() -> Result<()> {
    let mut cache = BTreeMap::new();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for path in documents()? {
        for (line, span) in fence::spans(&read(&path)?) {
            seen += usize::from(usage::PROGRAMS.iter().any(|name| span.starts_with(name)));
            if let Some(what) = usage::unknown(&span, &mut cache)? {
                wrong.push(format!("{}:{line}: {what}", path.display()));
            }
        }
    }
    assert!(seen > 100, "{seen} commands in sentences: not all are found");
    if wrong.is_empty() { Ok(()) } else { Err(LabError::Unexpected(wrong.join("\n"))) }
}
