//! The answer on standard output, and the name that messages begin with.

use ftr_core::sanitize::sanitize;
use ftr_tool::cli::{self, Common, Failure};

pub(crate) const TOOL: &str = "ftr-route";

/// Prints lines of the answer.
pub(crate) fn answer<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Result<(), Failure> {
    let text: String =
        lines.into_iter().flat_map(|line| [sanitize(line.as_ref()).into_owned(), "\n".to_owned()]).collect();
    cli::answer(&text)
}

/// Prints commands that were or would be carried out: for sh, or as one JSON object.
pub(crate) fn answer_commands(common: &Common, commands: Vec<String>) -> Result<(), Failure> {
    if common.json { answer([serde_json::json!({ "commands": commands }).to_string()]) } else { answer(commands) }
}
