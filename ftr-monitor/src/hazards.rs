//! What works against several uplinks on this host, as `ftr-route check` finds it at one instant.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use ftr_core::record::{Event, Hazard, Stamp};
use ftr_tool::run::{Bounds, finish};
use serde::Deserialize;

use crate::program::Program;
use crate::starter::Starter;
use crate::supervisor::hazard_event;

/// How long ftr-route may look for hazards, and how much it may tell of them.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(30), bytes: 4 << 20 };

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Found {
    #[serde(rename = "hazard")]
    kind: String,
    pub(crate) object: String,
    pub(crate) what: String,
    pub(crate) advice: String,
    #[serde(default)]
    loses_traffic: bool,
}

/// All that there are.
///
/// # Errors
/// Why that is not known.
pub(crate) fn find(starter: &Starter) -> Result<Vec<Found>, String> {
    let child = starter.start(Program::Route, &["check", "--json"], |command| {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    });
    let ended =
        child.and_then(|child| finish(child, b"", BOUNDS)).map_err(|error| format!("ftr-route check: {error}"))?;
    read(&ended.stdout).ok_or_else(|| {
        let said = String::from_utf8_lossy(&ended.stderr);
        said.lines().last().map_or_else(|| format!("ftr-route check: ended with {}", ended.status), str::to_owned)
    })
}

/// The hazards of an answer of `ftr-route check -j`: a line for each family, and one with the hazards, without which it is
/// no answer. What ftr-route puts right itself as soon as it runs is none.
fn read(answer: &[u8]) -> Option<Vec<Found>> {
    let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut parts: Vec<Part> = lines.map(serde_json::from_slice).collect::<Result<_, _>>().ok()?;
    let mut hazards = parts.iter_mut().find_map(|part| part.hazards.take())?;
    // The commands of ftr-route are quiet, its advice is not.
    let commands: Vec<String> =
        parts.iter().flat_map(|part| &part.commands).map(|line| line.replace("sysctl -q ", "sysctl ")).collect();
    hazards.retain(|one| !commands.contains(&one.advice));
    Some(hazards)
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    commands: Vec<String>,
    #[serde(default)]
    hazards: Option<Vec<Found>>,
}

/// Which are there now, each with the time since when, and the events of those that lose traffic and have come or gone since the
/// look before; still without numbers.
pub(crate) fn news(before: &[Hazard], found: Vec<Found>, at: &Stamp) -> (Vec<Hazard>, Vec<Event>) {
    let mut seen = BTreeSet::new();
    let known = |kind: &str, object: &str| before.iter().find(|one| one.kind == kind && one.object == object);
    let now: Vec<Hazard> = found
        .into_iter()
        .filter(|one| seen.insert((one.kind.clone(), one.object.clone())))
        .map(|Found { kind, object, what, advice, loses_traffic }| {
            let since = known(&kind, &object).map_or_else(|| at.time.clone(), |one| one.since.clone());
            Hazard { at: at.clone(), kind, object, what, advice, since, loses_traffic, gone: false }
        })
        .collect();
    let was_told = |one: &&Hazard| known(&one.kind, &one.object).is_some_and(|before| before.loses_traffic);
    let come = now.iter().filter(|one| one.loses_traffic && !was_told(one));
    let gone = before.iter().filter(|one| one.loses_traffic && !seen.contains(&(one.kind.clone(), one.object.clone())));
    let events = come.map(|one| hazard_event(one, at.clone(), (None, "present")));
    let events = events.chain(gone.map(|one| hazard_event(one, at.clone(), (Some("present"), "gone")))).collect();
    (now, events)
}

#[cfg(test)]
mod tests {
    use super::{Found, news, read};
    use ftr_core::record::{Hazard, Stamp};

    #[test]
    fn hazards_are_told_unless_they_are_put_right_anyway() {
        let answer = br#"{"family":4,"differs":true,"commands":["ip rule add","sysctl -q -w net/ipv4/ip_forward=1"],"foreign":[]}
{"hazards":[
    {"hazard":"forwarding","object":"router","loses_traffic":true,"what":"off","advice":"sysctl -w net/ipv4/ip_forward=1"},
    {"hazard":"foreign-rule","object":"rule 7","loses_traffic":false,"what":"comes first","advice":"ip rule del priority 7"}]}
"#;
        let answer = String::from_utf8_lossy(answer).replace("[\n    ", "[").replace(",\n    ", ",");
        let found = read(answer.as_bytes()).unwrap();
        assert_eq!((found.len(), found[0].object.as_str()), (1, "rule 7"));
        assert_eq!(read(b"{\"hazards\":[]}\n").unwrap(), []);
        assert_eq!((read(b""), read(b"ftr-route: rubbish\n"), read(b"{\"family\":4}\n")), (None, None, None));
    }

    fn found(object: &str, loses_traffic: bool) -> Found {
        let text = str::to_owned;
        Found { kind: text("local-rule"), object: text(object), what: text("so"), advice: text("do"), loses_traffic }
    }

    fn at(time: &str) -> Stamp {
        Stamp { time: time.to_owned(), mono: 0 }
    }

    #[test]
    fn one_that_begins_or_ends_between_two_looks_is_told_once() {
        let told = |before: &[Hazard], found: Vec<Found>, time: &str| {
            let (now, events) = news(before, found, &at(time));
            let word = |text: Option<String>| text.unwrap_or_default();
            (now, events.into_iter().map(|one| word(one.object) + " " + &word(one.to)).collect::<Vec<_>>())
        };
        let (one, events) = told(&[], vec![found("a", true), found("b", false), found("a", true)], "1");
        assert_eq!((one.len(), events), (2, vec!["a present".to_owned()]), "nobody loses anything by b");
        let (two, events) = told(&one, vec![found("b", false), found("a", true)], "2");
        assert_eq!((two.len(), two[1].since.as_str(), events), (2, "1", vec![]));
        assert_eq!(told(&two, vec![], "3"), (vec![], vec!["a gone".to_owned()]));
    }
}
