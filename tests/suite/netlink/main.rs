//! `ftr-netlink` and the real kernel: what it writes is what it reads back, and what the kernel tells is understood.

mod balance;
mod change;
mod connections;
mod events;
mod host;
mod lookups;
mod routes;
mod sockets;

use ftr_lab::suite;
use libtest_mimic::{Failed, Trial};
use std::process::ExitCode;

/// A test, and why it failed.
type Test = fn() -> Result<(), Failed>;

fn main() -> ExitCode {
    let all = [
        &routes::TESTS[..],
        &lookups::TESTS,
        &balance::TESTS,
        &change::TESTS,
        &connections::TESTS,
        &events::TESTS,
        &sockets::TESTS,
    ]
    .concat();
    suite::run(all.into_iter().map(|(name, test)| Trial::test(name, test)).collect())
}
