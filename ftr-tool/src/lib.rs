//! The plumbing that the programs share: what each of them does at its edges, so that what it decides can stay pure.
//!
//! - A program: its common flags, exit and messages ([`cli`]), what shells complete ([`completion`]), its configuration
//!   ([`configuration`]), the clock ([`clock`]), signals to wait for ([`signals`], [`ready`]), the journal that may read its
//!   messages ([`journal`]).
//! - A pipe of records: [`input`] with what is [`malformed`] in it, [`output`] with the [`queue`] behind it. Both are
//!   bounded.
//! - Another program: found where nobody but root can have put it ([`programs`]), and run with a limit of time and of what
//!   it prints ([`run`]).
//! - Files: the run directory ([`Directory`]) with its locks ([`Lock`]) and what the monitor tells there ([`running`]), the
//!   state directory with the networks that hosts may have addresses of ([`delegated`]),
//!   whether somebody takes it away ([`Watch`]); a file that is appended to ([`Place`]), a file that whoever calls may read
//!   ([`open`]).
//!
//! Root's programs read and write files in directories of the service's user. A program of that user that somebody has
//! taken over must not gain anything by that: no file outside is opened, changed or waited for, whatever lies there.

mod append;
pub mod assigned;
pub mod cli;
pub mod clock;
pub mod completion;
pub mod configuration;
pub mod delegated;
mod directory;
mod here;
#[cfg(any(test, feature = "hostile"))]
pub mod hostile;
pub mod input;
pub mod journal;
mod lock;
pub mod malformed;
pub mod open;
pub mod output;
mod plain;
pub mod programs;
pub mod queue;
pub mod ready;
pub mod run;
pub mod running;
pub mod signals;
mod watch;

pub use append::Place;
pub use directory::{Directory, Stamp, run_path, state_path};
pub use input::Input;
pub use lock::{Lock, holder_text};
pub use malformed::Malformed;
pub use output::Output;
pub use plain::brief;
pub use queue::{Overflow, Queue};
pub use signals::Signals;
pub use watch::Watch;
