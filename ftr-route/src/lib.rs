//! `ftr-route` makes the kernel's routing what a router with several uplinks needs.
//!
//! A module for each command: `apply` (and `prepare`), `follow` (`apply -`), `show`, `check`, `explain`, `connections`,
//! `advertise`, `dns`, `clear`, `detect`. What they share: `snapshot` (what the kernel has), `plan` (what it should have, and the
//! changes that lead there: data in, data out), `router` (look, compare, change), `iproute` (changes in the words of
//! ip(8)), `walk` (how the kernel decides about a packet), `diagnose` (what works against several uplinks) and
//! `remembered` (what to put back one day).
//!
//! The kernel, files and other programs are touched in `kernel`, in `diagnose::look`, in `leases` and by
//! `remembered`; in `follow` by those that listen (`follow`, `lookout`) and those that end connections (`flush`,
//! `sockets::sweep`); and `connections` counts these. Everything else is data in, data out, or asks one of these.

mod advertise;
mod answer;
mod apply;
mod check;
mod clear;
mod cli;
mod connections;
mod detect;
mod diagnose;
mod dns;
mod error;
mod explain;
mod follow;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod iproute;
mod kernel;
mod leases;
mod plan;
mod remembered;
mod router;
mod show;
mod snapshot;
mod walk;

use std::process::ExitCode;

use ftr_core::{Exit, Family};
use ftr_tool::cli::{Failure, say};
use ftr_tool::running;

use answer::TOOL;
use cli::{Cli, Command};

/// The command line, for its man page and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    ftr_tool::cli::run(TOOL, run)
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    let asked = |family: &Family| match family {
        Family::V4 => cli.ipv4 || !cli.ipv6,
        Family::V6 => cli.ipv6 || !cli.ipv4,
    };
    if let Command::Detect = &cli.command {
        let families: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(asked).collect();
        return detect::run(&cli.common, &families);
    }
    let config = cli.common.source.load_numbered()?;
    if !cli.common.quiet {
        for line in config.warning_lines().iter().chain(&running::difference(&config)) {
            say(TOOL, line);
        }
    }
    if let Command::Clear(clear) = &cli.command {
        let families: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(asked).collect();
        return clear::run(&config, &cli.common, &families, *clear);
    }
    if let Command::Explain(explain) = &cli.command {
        if !asked(&Family::of(explain.to)) {
            return Err(Failure::new(Exit::Usage, format!("{}: not of the family that is asked for", explain.to)));
        }
        return explain::run(&config, &cli.common, explain);
    }
    if let Command::Advertise(asked) = &cli.command {
        return advertise::run(&config, &cli.common, asked);
    }
    let families: Vec<Family> = snapshot::families(&config)?.into_iter().filter(asked).collect();
    if families.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("-6: no uplink of {} has IPv6", config.file.display())));
    }
    match &cli.command {
        Command::Prepare(dry) => apply::prepare(&config, &cli.common, &families, *dry),
        Command::Apply(apply) if apply.follows() => follow::run(&config, &cli.common, &families, apply),
        Command::Apply(apply) => apply::apply(&config, &cli.common, &families, apply),
        Command::Show => show::run(&config, &cli.common, &families),
        Command::Connections { uplinks } => connections::run(&config, &cli.common, &families, uplinks),
        Command::Dns(asked) => dns::run(&config, &cli.common, &families, asked),
        Command::Check => check::run(&config, &cli.common, &families),
        Command::Clear(_) | Command::Explain(_) | Command::Advertise(_) | Command::Detect => Ok(Exit::Yes),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    /// Where the kernel, files and other programs are touched.
    const TOUCHING: [&str; 12] = [
        "connections.rs",
        "kernel.rs",
        "kernel/",
        "remembered.rs",
        "diagnose/look.rs",
        "diagnose/look/",
        "leases.rs",
        "leases/",
        "follow.rs",
        "follow/flush.rs",
        "follow/lookout.rs",
        "follow/sockets/sweep.rs",
    ];
    /// What it takes to touch them.
    const TOUCH: [&str; 9] = [
        "Rtnetlink",
        "Ctnetlink",
        "SockDiag",
        "Listener::open",
        "fs::",
        "File::",
        "programs::",
        "Command::new",
        "env::",
    ];

    fn sources(directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn the_kernel_is_touched_where_it_is_said_and_nowhere_else() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut seen = [false; TOUCHING.len()];
        for path in sources(&root) {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            let is_for_tests = ["tests.rs", "fuzz.rs", "hostile.rs"].iter().any(|end| name.ends_with(end));
            let code = product.lines().filter(|line| !line.trim_start().starts_with("//"));
            let touched: Vec<&str> = code.filter(|line| TOUCH.iter().any(|word| line.contains(word))).collect();
            if touched.is_empty() || is_for_tests || name.contains("/tests/") {
                continue;
            }
            let place =
                TOUCHING.iter().position(|place| name == *place || (place.ends_with('/') && name.starts_with(place)));
            match place.and_then(|place| seen.get_mut(place)) {
                Some(seen) => *seen = true,
                None => panic!("{name}: {touched:#?}"),
            }
        }
        assert_eq!(seen, [true; TOUCHING.len()], "{TOUCHING:?}");
    }
}
