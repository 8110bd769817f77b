//! `log`: where the daemon writes what it does.

use std::path::PathBuf;

use super::form::{FILE, FLAG, Maybe, Within};
use super::key::keys;

keys! {
    /// Where the daemon writes what it does.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Log {
        /// The log file; without one, stderr. A terminal is shown the lines in any case.
        "file" => pub file: Option<PathBuf> = None, Maybe(FILE);
        /// The size at which the log file is put aside and a new one begun.
        "max_size" => pub max_size: u64 = 1_024_000, Within(1024, u64::MAX, "bytes");
        /// How many files put aside are kept.
        "old_files" => pub old_files: usize = 10, Within(0, 1000, "");
        /// Whether the system log gets the lines as well.
        "syslog" => pub syslog: bool = false, FLAG;
    }
}
