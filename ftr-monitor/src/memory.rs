//! What is remembered over a restart, in the run directory. Believed only while it must still be true.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use ftr_core::Config;
use ftr_core::config::MAX_FILE;
use ftr_core::record::Event;
use ftr_tool::{Directory, brief, run_path, running};
use serde::{Deserialize, Serialize};

use crate::decide::Memory;

/// Its name in the run directory.
const FILE: &str = "monitor.json";
/// The longest memory that is read, in bytes: far more than the most uplinks and the longest queue of events take.
const LONGEST: u64 = 16 * 1024 * 1024;

/// How many events wait at most, as many as for a daemon's notifier; beyond that the oldest are forgotten.
const MOST_EVENTS: usize = 1024;

/// The memory with all that it depends on.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// A reboot forgets.
    boot: String,
    /// Another network namespace has other uplinks of the same names.
    namespace: u64,
    /// Other uplinks may stand in the same places. Thresholds and weights may change: what was found out still holds.
    fingerprint: u64,
    /// Who stood there, in file order; nobody where a former version has written it.
    #[serde(default)]
    uplinks: Vec<String>,
    memory: Memory,
    /// Events that nobody has taken charge of yet.
    #[serde(default)]
    events: Vec<Event>,
}

/// What is remembered of the uplinks that the configuration has, if anything that holds for this boot and network namespace,
/// and the events that nobody had taken charge of.
///
/// # Errors
/// The file is not one to be believed, or makes no sense: nothing is known then.
pub(crate) fn recall(config: &Config) -> io::Result<Option<(Memory, Vec<Event>)>> {
    let Some(remembered) = read()? else { return Ok(None) };
    let memory = placed(remembered.memory, remembered.fingerprint, &remembered.uplinks, config);
    Ok(memory.map(|memory| (memory, remembered.events)))
}

/// The uplinks of which something is remembered, and which the configuration does not have. Whoever remembers anything by that
/// configuration forgets them.
///
/// # Errors
/// See [`recall`].
pub(crate) fn strangers(config: &Config) -> io::Result<Vec<String>> {
    Ok(read()?.map(|remembered| missing(remembered.uplinks, config)).unwrap_or_default())
}

fn missing(mut uplinks: Vec<String>, config: &Config) -> Vec<String> {
    uplinks.retain(|name| config.position(name).is_none());
    uplinks
}

/// Forgets events that somebody has taken charge of by now, and nothing else that has been remembered meanwhile.
///
/// # Errors
/// What is remembered cannot be read or written.
pub(crate) fn forget(taken: &[Event]) -> io::Result<()> {
    let Some(remembered) = read()? else { return Ok(()) };
    write(&Remembered { events: others(remembered.events, taken), ..remembered })
}

/// The events that are not among those.
fn others(mut events: Vec<Event>, taken: &[Event]) -> Vec<Event> {
    events.retain(|event| !taken.iter().any(|one| (one.seq, &one.at) == (event.seq, &event.at)));
    events
}

/// What is remembered, if anything that holds for this boot and network namespace.
fn read() -> io::Result<Option<Remembered>> {
    let text = match Directory::open(&run_path()).and_then(|directory| directory.read(FILE, LONGEST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let remembered: Remembered = serde_json::from_slice(&text).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{FILE}: {}", brief(&error.to_string())))
    })?;
    let here = (running::boot()?, running::namespace()?);
    Ok(Some(remembered).filter(|remembered| here == (remembered.boot.clone(), remembered.namespace)))
}

/// What is known, for the uplinks as they stand now; none where it cannot be known who stood where.
fn placed(memory: Memory, before: u64, uplinks: &[String], config: &Config) -> Option<Memory> {
    if before == fingerprint(config) {
        return Some(memory);
    }
    (!uplinks.is_empty()).then(|| memory.moved(uplinks, config))
}

/// Remembers, in one step: a reader finds the old memory or the new one, never half of one.
///
/// # Errors
/// The run directory cannot be made or written.
pub(crate) fn remember<'a>(
    config: &Config,
    memory: &Memory,
    events: impl Iterator<Item = &'a Event>,
) -> io::Result<()> {
    write(&Remembered {
        boot: running::boot()?,
        namespace: running::namespace()?,
        fingerprint: fingerprint(config),
        uplinks: config.uplinks.iter().map(|uplink| uplink.name.to_string()).collect(),
        memory: memory.clone(),
        events: newest(events.cloned().collect()),
    })
}

fn newest(mut events: Vec<Event>) -> Vec<Event> {
    events.drain(..events.len().saturating_sub(MOST_EVENTS));
    events
}

fn write(remembered: &Remembered) -> io::Result<()> {
    let text = serde_json::to_vec(remembered)?;
    Directory::open(&run_path())?.write(FILE, &text).map(drop)
}

/// The text of the configuration that the latest cycle went by; none before the first one.
///
/// # Errors
/// There is one, and it is not to be believed.
pub(crate) fn recall_text() -> io::Result<Option<String>> {
    let name = text_name(running::namespace()?);
    match Directory::open(&run_path()).and_then(|directory| directory.read_own(&name, MAX_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => Ok(String::from_utf8(read?).ok()),
    }
}

/// Remembers it. It may hold a password.
///
/// # Errors
/// The run directory cannot be written.
pub(crate) fn remember_text(text: &str) -> io::Result<()> {
    let name = text_name(running::namespace()?);
    Directory::open(&run_path())?.write_private(&name, text.as_bytes()).map(drop)
}

fn text_name(namespace: u64) -> String {
    format!("once-{namespace}.yaml")
}

/// Writes into the run directory, which somebody may take away at any time: it is made again then, and where that cannot
/// be done people are told once, not at every write.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    failing: bool,
}

impl Keeper {
    /// Calls `write`, and again after making the directory where it is gone. What there is to say to people, if anything.
    pub(crate) fn keep(&mut self, mut write: impl FnMut() -> io::Result<()>) -> Option<String> {
        let again = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Directory::make(&run_path())
                .map(drop)
                .map_err(|failed| io::Error::new(error.kind(), format!("{error}; {failed}"))),
            _ => Err(error),
        };
        let written = write().or_else(|error| again(error).and_then(|()| write()));
        let before = std::mem::replace(&mut self.failing, written.is_err());
        match written {
            Err(error) if !before => Some(format!("what is known cannot be remembered over a restart: {error}")),
            Ok(()) if before => Some("what is known is remembered over a restart again".to_owned()),
            _ => None,
        }
    }
}

/// Differs where other uplinks stand in the same places, or the same have another family or address.
fn fingerprint(config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    for uplink in &config.uplinks {
        (uplink.name.as_str(), format!("{:?} {:?}", uplink.kind, uplink.ipv6)).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz {
    use super::{Memory, Remembered};

    /// What a file holds, whichever boot and configuration it is of. Written again it is the same.
    pub(crate) fn memory(text: &[u8]) -> Option<Memory> {
        let remembered: Remembered = serde_json::from_slice(text).ok()?;
        let written = serde_json::to_vec(&remembered).unwrap_or_default();
        let again = serde_json::from_slice(&written).ok().map(|Remembered { memory, events, .. }| (memory, events));
        let Remembered { memory, events, .. } = remembered;
        assert_eq!(again.as_ref(), Some(&(memory.clone(), events)));
        Some(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_EVENTS, fingerprint, fuzz, missing, newest, others, placed};
    use crate::decide::Memory;
    use crate::decide::fixture::{check, config};
    use ftr_core::record::{Event, EventKind};

    #[test]
    fn an_update_remembers_what_the_version_before_it_wrote() {
        // Its first line; behind it are records for the fuzz target.
        let memory = include_str!("../../fuzz/corpus/memory/usual").lines().next().unwrap();
        assert!(fuzz::memory(memory.as_bytes()).is_some());
    }

    #[test]
    fn what_was_known_of_an_uplink_is_not_believed_of_another() {
        let usual = fingerprint(&config([""; 3], ""));
        assert_eq!(usual, fingerprint(&config(["", ", priority_group: 1", ", tests: {fall: 3}"], "")));
        // Else a role in IPv6 would be remembered of one that has no IPv6 any more.
        let ipv6 = ", ip6: '2001:db8::2', gateway6: '2001:db8::1'";
        assert_ne!(usual, fingerprint(&config([ipv6, "", ""], "")));
    }

    #[test]
    fn only_what_was_taken_is_forgotten_although_there_is_more_by_now() {
        let event = |seq, mono| Event::new(seq, EventKind::State, check("eth1", true, mono).at);
        let (first, second, third) = (event(1, 10), event(2, 20), event(3, 30));
        let now = vec![first.clone(), second.clone(), third.clone()];
        assert_eq!(others(now, &[first.clone(), second]), [third]);
        assert_eq!(others(vec![event(1, 90)], &[first]).len(), 1, "numbers may have begun anew");
    }

    #[test]
    fn events_that_nobody_takes_do_not_grow_beyond_what_can_be_remembered() {
        let event = |seq| Event::new(seq, EventKind::State, check("eth1", true, seq).at);
        let events = newest((0..MOST_EVENTS as u64 + 5).map(event).collect());
        assert_eq!((events.len(), events[0].seq), (MOST_EVENTS, 5));
        assert_eq!(newest(vec![event(1)]), [event(1)]);
    }

    #[test]
    fn whom_the_configuration_does_not_have_would_be_forgotten() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<String>>();
        assert_eq!(missing(names(&["eth3", "eth1"]), &config([""; 3], "")), [""; 0]);
        assert_eq!(missing(names(&["eth1", "eth9"]), &config([""; 3], "")), ["eth9"]);
    }

    #[test]
    fn of_other_uplinks_it_holds_where_it_tells_whose_it_is() {
        let (known, config) = (Memory::default(), config([""; 3], ""));
        assert_eq!(placed(known.clone(), fingerprint(&config), &[], &config), Some(known.clone()));
        assert_eq!(placed(known.clone(), 0, &["eth1".to_owned()], &config), Some(known.clone()));
        assert_eq!(placed(known, 0, &[], &config), None, "a former version has written it");
    }
}
