//! What `ftr-probe` alone costs, how soon it knows, and what it must not be fooled by.

mod console;
mod cost;
mod once;
mod round_trip;
mod routed;
pub(crate) mod rows;
mod soon;
mod steady_fping;
mod verdicts;
mod watch;

pub(super) use console::Console;
