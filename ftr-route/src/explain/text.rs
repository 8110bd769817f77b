//! The answer for people, in 80 columns.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::answer::{Explanation, NexthopShare, Outcome};
use super::mark::Whence;

/// Where a line ends.
const WIDTH: usize = 80;
/// Where the text begins, beside the word for what it is about.
const INDENT: usize = 10;

/// The answer, and where it is `verbose` every rule that was asked.
pub(super) fn lines(told: &Explanation, verbose: bool) -> Vec<String> {
    let mut lines = Vec::new();
    put(&mut lines, "flow", &flow(told));
    if !told.assumed_down.is_empty() {
        let names: Vec<&str> = told.assumed_down.iter().map(ftr_core::InterfaceName::as_str).collect();
        put(&mut lines, "assumed", &format!("{} down, every other uplink at work", names.join(", ")));
    }
    put(&mut lines, "mark", &mark(told));
    if verbose {
        for asked in &told.asked {
            put(&mut lines, "asked", &format!("{} ({}): {}", asked.rule, asked.purpose, asked.answer));
        }
    }
    for (word, text) in [("rule", &told.rule), ("for", &told.purpose), ("route", &told.route)] {
        if let Some(text) = text {
            put(&mut lines, word, text);
        }
    }
    put(&mut lines, "way", &way(told));
    if told.shares.len() > 1 {
        put(&mut lines, "shares", &format!("{}, by weight", shares(&told.shares)));
    }
    let how = |translated| if translated { ", by address translation" } else { "" };
    if let Some(source) = told.source {
        put(&mut lines, "source", &format!("{source}{}", how(told.translated)));
    } else if told.way.is_none() {
        for share in &told.shares {
            if let Some(source) = share.source {
                put(&mut lines, "source", &format!("{source} by {}{}", share.device, how(told.from != share.source)));
            }
        }
    }
    if let Some(kernel) = &told.kernel {
        put(&mut lines, "but", &format!("the kernel itself answers: {kernel}"));
    }
    if let Some(intended) = &told.intended {
        put(&mut lines, "intended", &format!("{}; see ftr-route check", elsewhere(intended)));
    }
    for note in &told.notes {
        put(&mut lines, "note", note);
    }
    lines
}

/// Adds a line, and more where it is too long for one; each nexthop of a route has its own.
fn put(lines: &mut Vec<String>, word: &str, text: &str) {
    let mut line = format!("{word:<INDENT$}");
    for word in text.split(' ') {
        let full = line.trim_end().len() + 1 + word.len() > WIDTH;
        if line.len() > INDENT && (full || word == "nexthop") {
            lines.push(line.trim_end().to_owned());
            line = " ".repeat(INDENT);
        }
        line.push_str(word);
        line.push(' ');
    }
    lines.push(line.trim_end().to_owned());
}

fn flow(told: &Explanation) -> String {
    let end = |address: IpAddr, port: Option<u16>| match (address, port) {
        (address, None) => address.to_string(),
        (IpAddr::V4(address), Some(port)) => format!("{address}:{port}"),
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
    };
    let mut text = told.proto.map(|proto| format!("{proto} ")).unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = match told.from {
        Some(from) => write!(text, "{} to {}", end(from, told.sport), end(told.to, told.dport)),
        None => write!(text, "to {}", end(told.to, told.dport)),
    };
    match &told.iif {
        Some(device) => text + ", comes in by " + device,
        None => text + ", of this host",
    }
}

fn mark(told: &Explanation) -> String {
    let whence = match &told.mark.whence {
        Whence::Given => "as given".to_owned(),
        Whence::Connection => "of its connection".to_owned(),
        Whence::Policy(name) => format!("by policy {name}, as a new connection"),
        Whence::Nothing if told.iif.is_none() => return "none: this host's own packets have none".to_owned(),
        Whence::Nothing => return "none".to_owned(),
    };
    format!("{:#x}, {whence}", told.mark.value)
}

fn way(told: &Explanation) -> String {
    match (told.outcome, &told.way) {
        (Outcome::Here, _) => "this host itself".to_owned(),
        (Outcome::Refused, _) => "none: refused".to_owned(),
        (Outcome::Nowhere, _) => "none: no rule leads to a route".to_owned(),
        (_, Some(nexthop)) => nexthop_text(nexthop),
        (_, None) => match told.missing {
            Some(missing) => format!("one of these; which one is decided by {missing}"),
            None => "one of these".to_owned(),
        },
    }
}

fn nexthop_text(nexthop: &NexthopShare) -> String {
    let mut text = nexthop.device.clone();
    match &nexthop.description {
        Some(description) if *description == nexthop.device => {}
        Some(description) => text = format!("{text} ({description})"),
        None => text.push_str(", no uplink"),
    }
    match nexthop.gateway {
        Some(gateway) => format!("{text}, gateway {gateway}"),
        None => text,
    }
}

fn shares(nexthops: &[NexthopShare]) -> String {
    nexthops.iter().map(|nexthop| format!("{} {:.0}%", nexthop.device, nexthop.percent)).collect::<Vec<_>>().join(", ")
}

fn elsewhere(nexthops: &[NexthopShare]) -> String {
    match nexthops {
        [] => "no route at all".to_owned(),
        [nexthop] => nexthop_text(nexthop),
        several => shares(several),
    }
}
