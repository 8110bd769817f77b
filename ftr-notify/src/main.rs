//! `ftr-notify`: see [`ftr_notify`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_notify::main()
}
