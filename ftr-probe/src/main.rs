//! The command `ftr-probe`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_core::cli::run("ftr-probe", ftr_probe::run)
}
