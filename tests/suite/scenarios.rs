//! The scenarios that stand another lab beside them.

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_lab::trials::run(false)
}
