//! The vocabulary that the ftr tools share.
//!
//! Everything here is text and numbers: no sockets, no clock. The one thing that is read from outside is the
//! configuration file, because every tool reads the same one in the same way.

pub mod clean;
pub mod cli;
pub mod config;
pub mod duration;
pub mod exit;
pub mod family;
pub mod layout;
pub mod lines;
pub mod name;
mod prefix;
pub mod record;
pub mod running;

pub use config::Config;
pub use exit::Exit;
pub use family::Family;
pub use name::InterfaceName;
pub use prefix::{BadPrefix, Prefix};
