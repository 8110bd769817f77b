//! `ftr-lab`: the demonstration and the measurements, behind `scripts/demo` and `scripts/bench`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_lab::cli::main()
}
