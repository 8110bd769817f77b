//! What this host has, as `ftr-route detect` tells it.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use ftr_core::host::Host;
use ftr_tool::programs;
use ftr_tool::run::{Bounds, finish};
use nix::sys::prctl::set_no_new_privs;

use crate::confine;
use crate::privilege;
use crate::program::{Files, Program};

/// How long it may look, and how much it may tell: a host may have thousands of devices.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(20), bytes: 8 << 20 };

/// Asks for it. To look needs no capability, so the program gets none.
///
/// # Errors
/// It cannot be asked, or does not answer: why, in words.
pub(crate) fn find() -> Result<Host, String> {
    let named = |error: io::Error| format!("ftr-route detect: {error}");
    let mut command = programs::sibling(Program::Route.name()).map_err(named)?;
    let path = PathBuf::from(command.get_program());
    command.args(["detect", "--json"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // What is given up here is a matter of the thread, and of what it starts.
    let starter = thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        set_no_new_privs()?;
        confine::enter(Files::Read, &path).map_err(io::Error::other)?;
        privilege::restrict_thread(None)?;
        command.spawn()
    });
    let starter = starter.map_err(named)?;
    let child = starter.join().unwrap_or_else(|_| Err(io::Error::other("the thread that starts it panicked")));
    let text = child.and_then(|child| finish(child, b"", BOUNDS)).map_err(named)?.text()?;
    serde_json::from_str(&text).map_err(|error| format!("ftr-route detect: its answer is not understood: {error}"))
}
