//! What people want of an uplink where no daemon runs: it changes what `ftr-monitor once` remembers, and the next cycle acts on it.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use ftr_core::record::{Event, Record, Stamp};
use ftr_core::{Config, Exit, Family};
use ftr_tool::cli::Common;
use ftr_tool::{clock, ready, run_path};
use jiff::tz::TimeZone;

use crate::ask::ask;
use crate::decide::{Decider, Memory};
use crate::instance::Instance;
use crate::memory::{recall, remember, strangers};
use crate::request::{Answer, Request};
use crate::supervisor::Operation;
use crate::trial;

/// How long a cycle that is under way is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks: nobody tells when it has ended.
const LOOK: Duration = Duration::from_millis(100);
/// What is said beside what was done.
const LATER: &str = "no monitor runs: the next cycle of `ftr-monitor once` acts on it";

/// Does what is asked of an uplink in what cycles remember; none where that is not asked, or no cycle remembers anything.
///
/// # Errors
/// What is remembered cannot be read or written.
pub(crate) fn operate(common: &Common, request: &Request) -> io::Result<Option<Answer>> {
    let Some((uplink, family, operation)) = Operation::of(request) else { return Ok(None) };
    // Whoever has no configuration is told first that nothing runs.
    let Some(start) = common.source.file().ok().and_then(|file| trial::start(&file, clock::since_boot()).ok()) else {
        return Ok(None);
    };
    let config = start.config;
    if known(&config)?.is_none() {
        return Ok(None);
    }
    let end = Instant::now() + PATIENCE;
    let refused = |error: &io::Error| error.kind() == ErrorKind::PermissionDenied;
    let _held = loop {
        match Instance::claim() {
            Ok(Ok(instance)) => break instance,
            // The daemon, perhaps, which has just started.
            Ok(Err(_)) if Instant::now() < end => {
                if let Some(text) = ask(request)? {
                    return serde_json::from_str(&text).map(Some).map_err(io::Error::other);
                }
                ready::wait(&mut [], Some(LOOK))?;
            }
            Ok(Err(who)) => {
                let what = format!("another ftr-monitor runs in this network namespace ({who})");
                return Ok(Some(Answer::new(Exit::Again, [what])));
            }
            Err(error) if refused(&error) => return Ok(Some(not_permitted())),
            Err(error) => return Err(error),
        }
    };
    // Once more: a cycle may have ended just now.
    let Some((memory, mut events)) = known(&config)? else { return Ok(None) };
    let strangers = strangers(&config)?;
    if !strangers.is_empty() {
        let (file, who) = (config.file.display(), strangers.join(", "));
        let what = format!("{file}: the latest cycle knew {who} too: run `ftr-monitor once` with this file first");
        return Ok(Some(Answer::new(Exit::Again, [what])));
    }
    let index = match Answer::place(&config, uplink, family) {
        Ok(index) => index,
        Err(answer) => return Ok(Some(answer)),
    };
    let (memory, told) = changed(&config, memory, (index, family, operation), &clock::now());
    events.extend(told.into_iter().filter(|_| config.email.send));
    match remember(&config, &memory, events.iter()) {
        Err(error) if refused(&error) => Ok(Some(not_permitted())),
        written => written.map(|()| Some(Answer::new(Exit::Yes, [operation.told(uplink, family), LATER.to_owned()]))),
    }
}

/// What cycles remember, if anything.
fn known(config: &Config) -> io::Result<Option<(Memory, Vec<Event>)>> {
    Ok(recall(config)?.filter(|(memory, _)| memory.is_of_cycles()))
}

/// What is remembered then, and what there is to tell people.
fn changed(
    config: &Config,
    memory: Memory,
    (index, family, operation): (usize, Option<Family>, Operation),
    at: &Stamp,
) -> (Memory, Vec<Event>) {
    let families = family.map_or_else(|| vec![Family::V4, Family::V6], |family| vec![family]);
    let mut decider = Decider::new(config, Some(memory)).in_zone(config, TimeZone::system()).in_cycles();
    let records = operation.carry_out(&mut decider, index, &families, at);
    // Nothing is decided before the next cycle: those carry new connections that did at the end of the last one.
    let carry = |family: Option<Family>| {
        let carries = |number: u8, routing: Option<bool>| {
            routing == Some(true) && family.is_some_and(|family| family.number() == number)
        };
        let all = decider.health().filter(|(number, _, one)| carries(*number, one.routing));
        all.map(|(_, uplink, _)| uplink.name.clone()).collect()
    };
    let events = records.into_iter().filter_map(|record| match record {
        Record::Event(event) => Some(Event { active: carry(event.family), ..event }),
        _ => None,
    });
    (decider.memory().clone(), events.collect())
}

fn not_permitted() -> Answer {
    let directory = run_path();
    let what = format!(
        "no monitor runs, and what `ftr-monitor once` remembers is in {}: only root and its owner may change that",
        directory.display()
    );
    Answer::new(Exit::NotPermitted, [what])
}

#[cfg(test)]
mod tests {
    use super::changed;
    use crate::decide::Decider;
    use crate::decide::fixture::{check, config};
    use crate::supervisor::Operation;
    use ftr_core::record::Record;

    #[test]
    fn the_next_cycle_knows_what_people_want_and_they_are_told_who_carries() {
        let config = config([""; 3], "");
        let mut decider = Decider::new(&config, None).in_cycles();
        for uplink in ["eth1", "eth2", "eth3"] {
            decider.handle(&Record::Check(check(uplink, true, 1000)));
        }
        let at = check("eth1", true, 2000).at;
        let drain = Operation::Drain { for_ms: None };
        let written = serde_json::to_string(decider.memory()).unwrap();
        let memory = serde_json::from_str(&written).unwrap();
        let (memory, events) = changed(&config, memory, (1, None, drain), &at);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].to.as_deref(), events[0].active.len()), (Some("drained"), 3));
        assert!(memory.is_of_cycles());
        let mut next = Decider::new(&config, Some(memory)).in_cycles();
        for uplink in ["eth1", "eth2", "eth3"] {
            next.handle(&Record::Check(check(uplink, true, 3000)));
        }
        let active: Vec<String> = next.active(ftr_core::Family::V4).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(active, ["eth1", "eth3"]);
    }
}
