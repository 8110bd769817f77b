//! How the tests that make namespaces are run.

use crate::teardown;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// Runs the tests one after the other, with the command line of `cargo test`; a signal takes the lab away.
///
/// nextest runs each test in a process of its own, and several at a time where they let it: see `.config/nextest.toml`.
#[must_use]
pub fn run(trials: Vec<Trial>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    if !arguments.list {
        if let Err(error) = teardown::on_signals() {
            eprintln!("lab: {error}");
            return ExitCode::FAILURE;
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether root is root here, and not the only user of a user namespace.
#[must_use]
pub fn has_every_user() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    // First inside, first outside, how many (user_namespaces(7)).
    map.split_whitespace().eq(["0", "0", "4294967295"])
}
