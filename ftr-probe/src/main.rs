//! `ftr-probe`: see [`ftr_probe`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_probe::main()
}
