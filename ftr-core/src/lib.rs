//! The vocabulary that the ftr tools share.
//!
//! Pure: text and numbers in, text and numbers out. Nothing here opens a file or a socket, reads a clock or the environment,
//! starts a process, or prints. What does is in `ftr-tool`. The compiler's lints hold this to be so (`clippy.toml`).

pub mod config;
pub mod duration;
pub mod election;
pub mod exit;
pub mod family;
#[cfg(any(test, fuzzing, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod host;
pub mod lines;
pub mod name;
pub mod newest;
pub mod number;
pub mod numbering;
mod prefix;
pub mod rate_limiter;
pub mod record;
pub mod sanitize;
pub mod severity;
pub mod shell;

pub use config::Config;
pub use exit::Exit;
pub use family::Family;
pub use name::InterfaceName;
pub use prefix::{BadPrefix, Prefix};
pub use severity::Severity;
