//! What the programs say of their own command lines: examples, subcommands and flags.

use crate::fence;
use crate::world::World;
use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::program;
use std::collections::BTreeMap;
use std::process::Command;

pub(crate) const PROGRAMS: [&str; 5] = ["ftr-monitor", "ftr-notify", "ftr-probe", "ftr-route", "ftr-rules"];

/// How examples are tested that do not simply end with 0, by marks as in documents.
const MARKED: [(&str, &str); 26] = [
    (
        "ftr-route dns --for unbound > /etc/unbound/unbound.conf.d/ftr.conf && unbound-control reload",
        "untested: the usual configuration has no name servers; scenarios play it",
    ),
    (
        "ftr-route dns --for resolved > /etc/systemd/resolved.conf.d/ftr.conf && systemctl reload-or-restart systemd-resolved",
        "untested: the usual configuration has no name servers; scenarios play it",
    ),
    ("ftr-route dns --for dnsmasq > /etc/dnsmasq.servers", "tested exit=78"),
    ("ftr-route dns --for dnsmasq --failed eth2", "tested exit=78"),
    ("ftr-route dns --for dnsmasq -j", "tested exit=78"),
    (
        "ftr-rules --backend nft --dns dnsmasq > /etc/dnsmasq.d/ftr-domains.conf",
        "untested: the usual configuration has no domains; scenarios play it",
    ),
    (
        "ftr-route advertise --for networkd br0 > /etc/systemd/network/br0.network.d/ftr.conf && networkctl reload",
        "untested: no systemd runs in the lab, and the usual configuration deprecates no prefix",
    ),
    (
        "ftr-route advertise --for dnsmasq > /etc/dnsmasq.d/ftr.conf && systemctl restart dnsmasq",
        "untested: no systemd runs in the lab, and the usual configuration deprecates no prefix",
    ),
    (
        "ftr-route advertise --for radvd > /etc/radvd.conf && systemctl reload radvd",
        "untested: no systemd runs in the lab, and the usual configuration deprecates no prefix",
    ),
    (
        "ftr-monitor init --detect /etc/ftr/ftr.yaml",
        "untested: scenarios play it on hosts that have something to detect",
    ),
    ("ftr-monitor run --demo", "untested: it shows itself to people, for a minute; tests of ftr-monitor run it"),
    ("ftr-monitor run", "tested endless"),
    ("ftr-monitor follow", "untested: it never ends; the scenario hooks-follow runs it"),
    ("ftr-probe --watch --json | ftr-monitor decide | ftr-route apply -", "tested endless"),
    ("ftr-route prepare && ftr-probe --watch --json | ftr-monitor decide | ftr-route apply -", "tested endless"),
    (
        "ftr-route prepare && ftr-probe --watch --json | ftr-monitor decide | ftr-route apply - | ftr-notify -",
        "tested endless",
    ),
    ("ftr-probe --watch --json", "untested: it never ends; the pipelines run it"),
    ("ftr-route apply", "tested monitor=off"),
    ("ftr-route apply eth1 eth3", "tested monitor=off"),
    ("ftr-route apply --failed eth2", "tested monitor=off"),
    ("ftr-route apply -n | sh", "tested monitor=off"),
    ("ftr-route check || mail -s 'routing differs' root </dev/null", "tested"),
    ("ftr-route clear", "tested monitor=off"),
    ("ftr-notify --test", "tested exit=75"),
    ("df -h / | ftr-notify -s 'disk of the router'", "tested exit=1"),
    (
        "systemctl enable --now ftr-rules ftr-monitor",
        "untested: no systemd runs in the lab; scripts/test-package does it",
    ),
];

/// The help text of a program or one of its commands.
pub(crate) fn help(words: &[&str]) -> Result<String> {
    let [name, rest @ ..] = words else { return Err(LabError::Unexpected("no program".to_owned())) };
    let mut command = Command::new(program::find(name)?);
    let output = command.args(rest).arg("--help").output().context(|| format!("start {name}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The commands of a program, as its help text lists them.
fn commands(help: &str) -> Vec<&str> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

/// The commands that a help text gives as examples.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1).take_while(|line| !line.is_empty());
    let typed = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    // What the command is for stands behind two spaces.
    typed.map(|line| line.split("  ").next().unwrap_or(line).trim_end().to_owned()).collect()
}

/// The lines between `.nf` and `.fi` of a page.
pub(crate) fn page_lines(page: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut verbatim = false;
    for line in page.lines() {
        match line {
            ".nf" => verbatim = true,
            ".fi" => verbatim = false,
            line if verbatim => lines.push(line.replace("\\-", "-").replace("\\e", "\\")),
            _ => {}
        }
    }
    lines
}

/// Every example of a program and of its commands.
pub(crate) fn examples_of(name: &str) -> Result<Vec<String>> {
    let whole = help(&[name])?;
    let mut found = examples(&whole);
    for command in commands(&whole).into_iter().filter(|command| *command != "help") {
        found.extend(examples(&help(&[name, command])?));
    }
    Ok(found)
}

/// Runs examples as they stand.
pub(crate) fn play(examples: &[String]) -> Result<()> {
    let mut world = World::new()?;
    for example in examples {
        let marks = MARKED.iter().find(|(line, _)| line == example).map_or("tested", |(_, marks)| *marks);
        let document = format!("```sh {marks}\n{example}\n```\n");
        let blocks = fence::blocks(example, &document)?;
        blocks.iter().try_for_each(|block| world.play(block))?;
    }
    Ok(())
}

/// No mark is of an example that is gone.
pub(crate) fn marks_are_used() -> Result<()> {
    let mut all: Vec<String> = Vec::new();
    for name in PROGRAMS {
        all.extend(examples_of(name)?);
    }
    all.extend(page_lines(crate::OVERVIEW));
    let unused: Vec<&str> =
        MARKED.iter().map(|(line, _)| *line).filter(|line| !all.iter().any(|one| one == line)).collect();
    if unused.is_empty() { Ok(()) } else { Err(LabError::Unexpected(format!("no examples any more: {unused:?}"))) }
}

/// What is wrong with a command of ours that a sentence names: a subcommand or a flag that the program does not have.
pub(crate) fn unknown(span: &str, helps: &mut BTreeMap<String, String>) -> Result<Option<String>> {
    let words: Vec<&str> = span.split(' ').collect();
    let Some((name, rest)) = words.split_first().filter(|(name, _)| PROGRAMS.contains(name)) else { return Ok(None) };
    let mut known = |words: &[&str]| -> Result<String> {
        let key = words.join(" ");
        if !helps.contains_key(&key) {
            helps.insert(key.clone(), help(words)?);
        }
        Ok(helps.get(&key).cloned().unwrap_or_default())
    };
    let mut text = known(&[name])?;
    // One command of ours, not what it is piped into.
    for word in rest.iter().copied().take_while(|word| !matches!(*word, "|" | "&&" | "||" | ";" | ">" | "<" | "#")) {
        let flag = word.split('=').next().unwrap_or(word).trim_end_matches([',', '.', '…']);
        if flag.len() > 1 && flag.starts_with('-') {
            if !names(&text, flag) {
                return Ok(Some(format!("{span}: no {flag}")));
            }
        } else if commands(&text).contains(&word) {
            text = known(&[name, word])?;
        } else if word.chars().all(|c| c.is_ascii_lowercase()) && !commands(&text).is_empty() {
            return Ok(Some(format!("{span}: no command {word}")));
        }
    }
    Ok(None)
}

/// Whether a help text has this flag, and not one that only begins so.
fn names(help: &str, flag: &str) -> bool {
    let whole = |at: usize| !help[at + flag.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '-');
    help.match_indices(flag).any(|(at, _)| whole(at))
}
