//! Somebody takes away what `ftr-route apply -` has put into the kernel: how soon it is back.

use super::applied;
use super::ear::Ear;
use super::entry::{self, Entry, FAMILIES, Fate};
use super::follower::Follower;
use super::foreign;
use super::host::{Host, Shape, device, netlink};
use ftr_lab::error::{LabError, Result};
use ftr_netlink::{Group, Rtnetlink, Write};
use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

/// What is not back by then is not repaired at all.
const WITHIN: Duration = Duration::from_secs(2);

/// The longest pause between two deletions.
const PAUSE: Duration = Duration::from_millis(20);

/// Between two times that the same is deleted: sooner would be a fight.
const PEACE: Duration = Duration::from_millis(150);

/// How long each entry was away.
#[derive(Debug)]
pub struct Outcome {
    /// Deleted alone.
    pub alone: Vec<Duration>,
    /// The last one to be back when some were deleted at once.
    pub handfuls: Vec<Duration>,
    /// The last one to be back when all were.
    pub together: Vec<Duration>,
    /// How many entries there are.
    pub entries: usize,
}

/// What became of somebody who deletes the same again and again.
#[derive(Debug)]
pub struct Fight {
    /// The pauses before the repairs.
    pub pauses: Vec<Duration>,
    /// What was said of it.
    pub words: String,
}

/// A host that is kept as wanted.
struct Kept {
    follower: Follower,
    requests: Rtnetlink,
    ear: Ear,
    host: Host,
}

impl Kept {
    fn new(seed: u64) -> Result<Self> {
        let host = Host::new(Shape::WHOLE)?;
        foreign::plant(&host, 40, &mut fastrand::Rng::with_seed(seed))?;
        let mut follower = Follower::start(&host)?;
        let all: Vec<String> = (1..=host.shape.uplinks).map(device).collect();
        for family in FAMILIES {
            follower.tell(&applied::active(family, &all))?;
            follower.answer(family)?;
        }
        let groups: Vec<Group> = FAMILIES.into_iter().flat_map(|of| [Group::Route(of), Group::Rule(of)]).collect();
        let ear = Ear::open(&host.space, &groups)?;
        Ok(Self { follower, requests: host.requests()?, ear, host })
    }

    /// Takes these away and waits until all are back; returns how long the last one took.
    fn away(&mut self, entries: &[(Entry, Write)]) -> Result<Duration> {
        let mut missing: HashSet<&Entry> = entries.iter().map(|(entry, _)| entry).collect();
        let writes: Vec<Write> = entries.iter().map(|(_, write)| write.clone()).collect();
        self.ear.forget()?;
        let before = Instant::now();
        for (fate, write) in self.requests.write(&writes).map_err(|error| netlink(&error))?.into_iter().zip(&writes) {
            fate.map_err(|error| LabError::Unexpected(format!("{error}: {write:?}")))?;
        }
        let found = self.ear.first(before + WITHIN, |_, event| {
            if let Some(Fate::Added(entry)) = Entry::fate(event) {
                missing.remove(&entry);
            }
            missing.is_empty().then_some(())
        })?;
        found.map(|(at, ())| at - before).ok_or_else(|| {
            LabError::Unexpected(format!("not back within {WITHIN:?}: {missing:?}; {}", self.follower.words()))
        })
    }
}

/// Deletes entries one at a time, `count` in all, some at once, and all at once, so many `times` each; in the end
/// everything has to be as it was before, and nothing of others touched.
///
/// # Errors
/// When something is not back in time or is otherwise than before, or the host fails.
pub fn measure(count: usize, times: usize, seed: u64) -> Result<Outcome> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut kept = Kept::new(seed)?;
    let (before, others) = (entry::order(&mut kept.requests)?, foreign::others(&kept.host)?);
    let entries = before.0.len() + before.1.len();
    let mut outcome = Outcome { alone: Vec::new(), handfuls: Vec::new(), together: Vec::new(), entries };
    while outcome.alone.len() < count {
        let mut order = entry::all(&mut kept.requests)?;
        random.shuffle(&mut order);
        for one in order.into_iter().take(count - outcome.alone.len()) {
            thread::sleep(PAUSE.mul_f64(random.f64()));
            outcome.alone.push(kept.away(&[one])?);
        }
        thread::sleep(PEACE);
    }
    for _ in 0..times {
        let mut some = entry::all(&mut kept.requests)?;
        random.shuffle(&mut some);
        some.truncate(random.usize(2..entries));
        outcome.handfuls.push(kept.away(&some)?);
        thread::sleep(PEACE);
    }
    for _ in 0..times {
        let all = entry::all(&mut kept.requests)?;
        outcome.together.push(kept.away(&all)?);
        thread::sleep(PEACE);
    }
    let after = (entry::order(&mut kept.requests)?, foreign::others(&kept.host)?);
    if after != (before, others) {
        return Err(LabError::Unexpected(format!("otherwise than before: {after:?}")));
    }
    let words = kept.follower.words();
    kept.follower.finish()?;
    words.is_empty().then_some(outcome).ok_or(LabError::Unexpected(words))
}

/// Deletes the same rule whenever it is back, for so long.
///
/// # Errors
/// When the host fails.
pub fn fight(during: Duration, seed: u64) -> Result<Fight> {
    let mut kept = Kept::new(seed)?;
    let all = entry::all(&mut kept.requests)?;
    let rule = all.into_iter().find(|(entry, _)| matches!(entry, Entry::Rule(_)));
    let (entry, write) = rule.ok_or_else(|| LabError::Unexpected("there is no rule".to_owned()))?;
    let until = Instant::now() + during;
    let mut pauses = Vec::new();
    loop {
        let before = Instant::now();
        kept.requests.write(std::slice::from_ref(&write)).map_err(|error| netlink(&error))?;
        let back = |_, event: &ftr_netlink::Event| (Entry::fate(event)? == Fate::Added(entry.clone())).then_some(());
        let Some((at, ())) = kept.ear.first(until, back)? else { break };
        pauses.push(at - before);
    }
    Ok(Fight { pauses, words: kept.follower.words() })
}
