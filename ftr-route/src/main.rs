//! `ftr-route`: see [`ftr_route`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_route::main()
}
