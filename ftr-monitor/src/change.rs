//! What is another way in a configuration than in the one before, in words.

use std::collections::BTreeSet;

use ftr_core::Config;
use ftr_core::numbering::Numbering;
use ftr_core::record::{Event, EventKind, Stamp};
use serde_json::{Map, Value};

/// How much of a value is shown, in characters.
const LONGEST: usize = 60;
/// How much of what has changed an event says, in characters.
const TOLD: usize = 400;
/// How the paths of common tests begin.
const TESTS: &str = "tests.";
/// Sections whose values are not told: mail addresses, names of users, and arguments of programs, which may be tokens. What
/// is told reaches logs and mails.
const SECRET: [&str; 2] = ["email", "hooks"];

/// A line for each difference; none where both mean the same, whatever their comments. Secrets are not told.
pub(crate) fn lines(before: &Config, after: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", &before.effective(), &after.effective(), &mut lines);
    lines = without_echoes(lines);
    let order = |config: &Config| config.uplinks.iter().map(|uplink| uplink.name.clone()).collect::<Vec<_>>();
    let is_same = |one: &Config| {
        Config {
            file: after.file.clone(),
            warnings: after.warnings.clone(),
            assignment: after.assignment.clone(),
            ..one.clone()
        } == *after
    };
    if lines.is_empty() && order(before) != order(after) {
        lines.push("uplinks: another order".to_owned());
    } else if lines.is_empty() && before.policies.iter().map(|it| &it.name).ne(after.policies.iter().map(|it| &it.name))
    {
        lines.push("policies: another order".to_owned());
    } else if lines.is_empty() && !is_same(before) {
        // What is not shown.
        lines.push("email: another password".to_owned());
    }
    lines
}

/// The event of what has changed, and by whom; still without a number.
pub(crate) fn event(lines: &[String], who: &str, at: Stamp) -> Event {
    let mut what = lines.join("; ");
    if let Some((end, _)) = what.char_indices().nth(TOLD) {
        what.truncate(end);
        what.push('…');
    }
    Event {
        object: Some("configuration".to_owned()),
        description: format!("changed by {who}"),
        to: Some(what),
        ..Event::new(0, EventKind::Config, at)
    }
}

/// What changes in `tests` changes for each uplink that does not state it itself: said once, it is said.
fn without_echoes(lines: Vec<String>) -> Vec<String> {
    let common: BTreeSet<String> = lines.iter().filter(|line| line.starts_with(TESTS)).cloned().collect();
    let is_echo = |line: &String| {
        let below = line.strip_prefix("uplinks.").and_then(|line| line.find(TESTS).and_then(|at| line.get(at..)));
        below.is_some_and(|line| common.contains(line))
    };
    lines.into_iter().filter(|line| !is_echo(line)).collect()
}

/// The tables and marks of what has been added, which the firewall has to know.
pub(crate) fn numbers(before: &Config, after: &Config) -> Vec<String> {
    let numbering = Numbering::of(after);
    let mark = |mark: u32| numbering.mask().map_or_else(|| mark.to_string(), |mask| format!("{mark:#x}/{mask:#x}"));
    let uplinks =
        after.uplinks.iter().enumerate().filter(|(_, uplink)| before.position(uplink.name.as_str()).is_none());
    let uplinks = uplinks.map(|(i, uplink)| (uplink.name.to_string(), numbering.table(i), numbering.mark(i)));
    let is_new = |name: &str| before.policies.iter().all(|policy| policy.name != name);
    let policies = after.policies.iter().enumerate().filter(|(_, policy)| is_new(&policy.name));
    let policies =
        policies.map(|(k, policy)| (policy.name.clone(), numbering.policy_table(k), numbering.policy_mark(k)));
    uplinks
        .chain(policies)
        .map(|(name, table, number)| format!("{name} has table {table}, mark {}", mark(number)))
        .collect()
}

fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare_parts(&path, before.get(key), after.get(key), lines);
            }
        }
        (Value::Array(before), Value::Array(after)) if are_named(before) && are_named(after) => {
            let mut names: Vec<&str> = before.iter().chain(after).filter_map(name).collect();
            names.sort_unstable();
            names.dedup();
            let of = |all: &[Value], wanted: &str| all.iter().find(|one| name(one) == Some(wanted)).cloned();
            for wanted in names {
                let path = format!("{path}.{wanted}");
                compare_parts(&path, of(before, wanted).as_ref(), of(after, wanted).as_ref(), lines);
            }
        }
        _ => lines.push(difference(path, Some(before), Some(after))),
    }
}

fn difference(path: &str, before: Option<&Value>, after: Option<&Value>) -> String {
    if path.split('.').next().is_some_and(|section| SECRET.contains(&section)) {
        return format!("{path}: another value");
    }
    let text = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), shown);
    format!("{path}: {} -> {}", text(before), text(after))
}

fn compare_parts(path: &str, before: Option<&Value>, after: Option<&Value>, lines: &mut Vec<String>) {
    let is_whole = |value: &Value| value.as_object().is_some_and(|object| name_of(object).is_some());
    match (before, after) {
        (Some(before), Some(after)) => compare(path, before, after, lines),
        (None, Some(after)) if is_whole(after) => lines.push(format!("{path}: added")),
        (Some(before), None) if is_whole(before) => lines.push(format!("{path}: removed")),
        (None, None) => {}
        (before, after) => lines.push(difference(path, before, after)),
    }
}

/// Whether each is an object that has a name of its own.
fn are_named(values: &[Value]) -> bool {
    values.iter().all(|value| name(value).is_some())
}

fn name(value: &Value) -> Option<&str> {
    value.as_object().and_then(name_of)
}

fn name_of(object: &Map<String, Value>) -> Option<&str> {
    object.get("interface").or_else(|| object.get("name"))?.as_str()
}

fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::{lines, numbers};
    use ftr_core::Config;
    use std::path::Path;

    const TEXT: &str = "\
uplinks:
- {interface: eth1, ip: 192.0.2.1, gateway: 192.0.2.9, weight: 2}
- {interface: eth2, ip: 192.0.2.2, gateway: 192.0.2.9}
downlinks: {lan: eth0}
tests: {ips: [198.51.100.1], required_successful: 1, interval: 60}
policies: [{name: voip, uplinks: [eth1, eth2]}]
email: {send: true, sender: a@example.com, recipients: [b@example.com],
  smtp_parameters: {address: mail.example.com, user_name: u, password: one}}
";

    fn config(text: &str) -> Config {
        Config::parse(Path::new("ftr.yaml"), text).unwrap()
    }

    fn changes(edits: &[(&str, &str)]) -> Vec<String> {
        let mut text = TEXT.to_owned();
        for (from, to) in edits {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        lines(&config(TEXT), &config(&text))
    }

    #[test]
    fn each_difference_is_a_line() {
        assert_eq!(changes(&[]), [""; 0]);
        assert_eq!(changes(&[("uplinks:\n", "uplinks: # four\n")]), [""; 0], "comments are none");
        assert_eq!(changes(&[("weight: 2", "weight: 3")]), ["uplinks.eth1.weight: 2 -> 3"]);
        assert_eq!(
            changes(&[("interval: 60", "interval: 5")]),
            ["tests.interval: 1m -> 5s", "tests.max_interval: 10m -> 2m"]
        );
        let eth3 = "- {interface: eth3, ip: 192.0.2.3, gateway: 192.0.2.9}\ndownlinks";
        assert_eq!(changes(&[("downlinks", eth3)]), ["uplinks.eth3: added"]);
        assert_eq!(changes(&[("name: voip", "name: web")]), ["policies.voip: removed", "policies.web: added"]);
    }

    #[test]
    fn an_order_and_a_password_are_told_and_not_which() {
        let lines: Vec<&str> = TEXT.lines().collect();
        let turned = TEXT.replace(lines[1], "X").replace(lines[2], lines[1]).replace('X', lines[2]);
        assert_eq!(super::lines(&config(TEXT), &config(&turned)), ["uplinks: another order"]);
        assert_eq!(changes(&[("password: one", "password: two")]), ["email: another password"]);
    }

    #[test]
    fn who_gets_mails_and_what_programs_are_told_is_nobodys_business() {
        let port = ("user_name: u,", "user_name: SECRET, port: 587,");
        assert_eq!(
            changes(&[port, ("b@example.com", "SECRET@example.com")]),
            [
                "email.recipients: another value",
                "email.smtp_parameters.port: another value",
                "email.smtp_parameters.user_name: another value"
            ]
        );
        let hooks = "hooks: [{on: up, run: [/bin/hook, SECRET]}]\nemail";
        assert_eq!(changes(&[("email", hooks)]), ["hooks: another value"]);
    }

    #[test]
    fn what_is_added_has_numbers_that_the_firewall_has_to_know() {
        let eth3 = "- {interface: eth3, ip: 192.0.2.3, gateway: 192.0.2.9}\ndownlinks";
        let (mut before, mut after) = (config(TEXT), config(&TEXT.replace("downlinks", eth3)));
        before.assign(None);
        after.assign(before.assignment.as_ref());
        assert_eq!(numbers(&before, &after), ["eth3 has table 5, mark 4"]);
    }
}
