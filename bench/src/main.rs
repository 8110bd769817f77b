//! `ftr-bench`: the measurements behind `scripts/bench`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ftr_bench::cli::main()
}
