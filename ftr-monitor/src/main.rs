//! Decides which uplinks carry traffic, and keeps the other ftr tools running.

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_core::cli::run("ftr-monitor", ftr_monitor::main)
}
