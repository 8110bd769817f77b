//! `ftr-monitor`: see [`ftr_monitor`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_monitor::main()
}
