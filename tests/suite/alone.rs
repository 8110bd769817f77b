//! The scenarios that measure milliseconds, and so have the machine to themselves.

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_lab::trials::run(true)
}
