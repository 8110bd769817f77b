//! The code blocks of a document, and what their first lines say of how they are tested.
//!
//! ```text
//! ```sh tested                 run on the lab's router, with the monitor at work; every line ends with 0
//! ```sh tested exit=1          the last line ends with 1
//! ```sh tested monitor=off     no monitor runs
//! ```sh tested endless         no monitor runs, and the line goes on until uplinks carry connections
//! ```sh tested bare            there is no configuration yet
//! ```sh tested on=lan          in another place of the lab
//! ```sh debian                 a newcomer's command: scripts/test-debian types it in a fresh Debian
//! ```sh untested: REASON       cannot be run here
//! ```yaml tested               merged into the lab's configuration it is right
//! ```
//! ```

use ftr_lab::error::{LabError, Result};

/// What is told of blocks that nobody could type.
const SHOWN: [&str; 4] = ["text", "json", "ini", "console"];

/// A code block that can be tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it begins.
    pub(crate) line: usize,
    /// Its text.
    pub(crate) text: String,
    /// How it is tested.
    pub(crate) way: Way,
}

/// How a block is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Run by a shell.
    Shell { exit: i32, place: String, monitor: bool, endless: bool, bare: bool },
    /// Read as a part of a configuration.
    Configuration,
    /// Not at all.
    Untested,
}

/// All blocks of a document that are no mere picture.
pub(crate) fn blocks(document: &str, text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
        let wrong = |why: &str| LabError::Unexpected(format!("{document}:{}: ```{info}: {why}", number + 1));
        let (language, marks) = info.split_once(' ').unwrap_or((info, ""));
        if SHOWN.contains(&language) && marks.is_empty() {
            continue;
        }
        let way = way(language, marks).map_err(wrong)?;
        blocks.push(Block { line: number + 1, text: body.join("\n") + "\n", way });
    }
    Ok(blocks)
}

fn way(language: &str, marks: &str) -> std::result::Result<Way, &'static str> {
    if let Some(reason) = marks.strip_prefix("untested:") {
        return if reason.trim().is_empty() { Err("untested, and no reason") } else { Ok(Way::Untested) };
    }
    if (language, marks) == ("sh", "debian") {
        return Ok(Way::Untested);
    }
    let mut marks = marks.split_whitespace();
    if marks.next() != Some("tested") {
        return Err("neither tested nor untested: REASON");
    }
    match language {
        "yaml" if marks.next().is_none() => return Ok(Way::Configuration),
        "sh" => {}
        _ => return Err("only sh and yaml can be tested"),
    }
    let (mut exit, mut place, mut monitor, mut endless, mut bare) = (0, "router".to_owned(), true, false, false);
    for mark in marks {
        match mark.split_once('=') {
            Some(("exit", code)) => exit = code.parse().map_err(|_| "exit= wants a number")?,
            Some(("on", of)) => of.clone_into(&mut place),
            Some(("monitor", "off")) => monitor = false,
            None if mark == "endless" => (endless, monitor) = (true, false),
            None if mark == "bare" => (bare, monitor) = (true, false),
            _ => return Err("a mark that nobody knows"),
        }
    }
    Ok(Way::Shell { exit, place, monitor, endless, bare })
}

/// What stands between backticks in the text outside of blocks, and where.
pub(crate) fn spans(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut prose = String::new();
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if !fence && !fenced {
            prose.push_str(line);
        }
        prose.push('\n');
        fenced ^= fence;
    }
    let mut line = 1;
    let mut spans = Vec::new();
    for (at, part) in prose.split('`').enumerate() {
        // A paragraph ends what was never closed.
        if at % 2 == 1 && !part.contains("\n\n") {
            spans.push((line, part.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        line += part.matches('\n').count();
    }
    spans
}
