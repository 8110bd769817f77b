//! `ftr-rules`: see [`ftr_rules`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_rules::main()
}
