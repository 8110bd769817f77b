//! `ftr-lab`: the demonstration behind `scripts/demo`, and a confined command as systemd would start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_lab::cli::main()
}
