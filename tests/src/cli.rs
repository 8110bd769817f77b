//! The command line of `ftr-lab`.

use crate::confined;
use crate::error::Result;
use crate::teardown;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "ftr-lab", version, about = "Shows ftr in network namespaces of this machine")]
struct Arguments {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Breaks an uplink before your eyes and shows the traffic moving and coming back.
    Demo,
    /// Becomes a command under the confinement that a systemd unit states, as root.
    Confined {
        /// The unit file.
        unit: PathBuf,
        /// The command.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<OsString>,
    },
    /// The second half of that.
    #[command(hide = true)]
    Filtered {
        /// The unit file.
        unit: PathBuf,
        /// The command.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<OsString>,
    },
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match teardown::on_signals().and_then(|()| work(arguments.work)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ftr-lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn work(work: Work) -> Result<()> {
    match work {
        Work::Demo => crate::demo::show(&mut std::io::stdout()),
        Work::Confined { unit, command } => confined::confined(&unit, &command).map(|never| match never {}),
        Work::Filtered { unit, command } => confined::filtered(&unit, &command).map(|never| match never {}),
    }
}
