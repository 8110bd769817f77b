//! The sysctls that were changed and what they were, so that `clear` can put them back.

mod parameter;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ftr_core::Family;
use ftr_tool::{Directory, Lock, Stamp, brief, holder_text, run_path, running};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::kernel;
use crate::plan::sysctl::{self, Setting, Values};

/// In the run directory.
const FILE: &str = "sysctl.json";
const LOCK: &str = "sysctl.lock";
/// The longest file that is read, in bytes: that of thousands of devices.
const LONGEST: u64 = 4 * 1024 * 1024;

/// How long somebody else's lock is waited for: whoever holds it longer was stopped in the middle.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many entries that are none of ours are told of.
const TOLD: usize = 3;
/// Between two attempts to get it; the kernel has no lock that is waited for no longer than so long.
const ATTEMPT: Duration = Duration::from_millis(2);

/// What a parameter was before, and what we made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    found: String,
    set: String,
}

type Changes = BTreeMap<String, Change>;

/// What the file has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Whole {
    /// A reboot resets all parameters.
    boot: String,
    /// Each network namespace has parameters of its own. That it is here, be it without any, tells that a follower was at
    /// work in it.
    namespaces: BTreeMap<u64, Changes>,
}

/// The parameters changed so far, in a file of the run directory.
///
/// Who changes parameters holds its lock until that is done: what one process puts back must not be taken for changed by
/// another, nor be forgotten after it was changed again.
#[derive(Debug)]
pub(crate) struct Remembered {
    directory: PathBuf,
    boot: String,
    namespace: u64,
    /// What the file had of our namespace when it was last read or written, lest it is lost with the file.
    known: Option<Changes>,
    /// Which file that was.
    stamp: Option<Stamp>,
}

/// Nobody else changes parameters meanwhile.
#[derive(Debug)]
#[must_use]
pub(crate) struct Held(#[expect(dead_code, reason = "it is let go when it is dropped")] Lock);

impl Remembered {
    /// The file in `$FTR_RUN_DIR`, else in `/run/ftr`.
    pub(crate) fn usual() -> Self {
        Self::at(run_path())
    }

    fn at(directory: PathBuf) -> Self {
        // Where they cannot be read they are the same every time.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        let namespace = running::namespace().unwrap_or_default();
        Self { directory, boot, namespace, known: None, stamp: None }
    }

    /// Whether a follower was at work in this network namespace since the machine was started, and `clear` was not.
    pub(crate) fn has_served(&self) -> bool {
        self.read().is_ok_and(|whole| whole.namespaces.contains_key(&self.namespace))
    }

    /// Remembers that a follower is at work.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn serve(&mut self) -> Result<(), Error> {
        if self.has_served() {
            return Ok(());
        }
        let _held = self.hold()?;
        let changes = self.load()?;
        self.save(changes)
    }

    /// Has parameters to ourselves until the guard is dropped.
    ///
    /// # Errors
    /// The lock cannot be made, or somebody keeps it.
    pub(crate) fn hold(&self) -> Result<Held, Error> {
        self.lock().map(Held).map_err(Error::File)
    }

    /// Gets the lock of this file, which is made where it is missing, with its directory.
    fn lock(&self) -> io::Result<Lock> {
        let end = Instant::now() + PATIENCE;
        loop {
            let directory = Directory::make(&self.directory)?;
            if let Some(lock) = directory.try_lock(LOCK)? {
                return Ok(lock);
            }
            if Instant::now() > end {
                let (path, who) = (directory.path_of(LOCK), holder_text(directory.holder(LOCK)));
                let reason = format!("{}: held by another ftr-route ({who}); try again", path.display());
                return Err(io::Error::new(ErrorKind::WouldBlock, reason));
            }
            std::thread::sleep(ATTEMPT);
        }
    }

    /// Notes that these settings will be made, and what else the kernel will change with them. What a parameter was at
    /// first is kept, however often it is changed.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn note(&mut self, settings: &[Setting], _: &Held) -> Result<(), Error> {
        let seen = kernel::sysctl::read(settings.iter().flat_map(|setting| kernel::sysctl::touched(&setting.path)));
        let mut changes = self.load()?;
        note(&mut changes, settings, &seen);
        self.save(changes)
    }

    /// The parameters of these families that were changed.
    pub(crate) fn paths(&mut self, families: &[Family]) -> Result<Vec<String>, Error> {
        Ok(self.load()?.into_keys().filter(|path| is_of(families, path)).collect())
    }

    /// The settings that put back the parameters that `seen` tells of, in this order. What somebody else has changed
    /// since is left alone, and so is what is gone with its device.
    pub(crate) fn undo(&mut self, seen: &Values) -> Result<Vec<Setting>, Error> {
        Ok(undo(&self.load()?, seen))
    }

    /// Forgets the parameters of these families.
    pub(crate) fn forget(&mut self, families: &[Family], _: &Held) -> Result<(), Error> {
        let mut changes = self.load()?;
        changes.retain(|path, _| !is_of(families, path));
        if !changes.is_empty() {
            return self.save(changes);
        }
        let mut whole = self.read()?;
        whole.namespaces.remove(&self.namespace);
        (self.known, self.stamp) = (None, None);
        if whole.namespaces.is_empty() {
            return self.open().and_then(|directory| directory.remove(FILE)).map_err(Error::File);
        }
        self.write(&whole).map(drop)
    }

    /// Learns what the file says now, and writes it again where it is gone or damaged: somebody has emptied the run directory.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn renew(&mut self) -> Result<(), Error> {
        match self.stamp() {
            Some(stamp) if self.stamp == Some(stamp) => Ok(()),
            None if self.known.is_none() => Ok(()),
            _ => {
                let _held = self.hold()?;
                let there = self.read().ok().and_then(|mut whole| whole.namespaces.remove(&self.namespace));
                let changes = self.load()?;
                if there.is_some_and(|there| there == changes) || self.known.is_none() {
                    Ok(())
                } else {
                    self.save(changes)
                }
            }
        }
    }

    /// What the file has of this boot, as far as we can have written it.
    fn read(&self) -> Result<Whole, Error> {
        self.read_all().map(|(whole, _)| whole)
    }

    /// The same, and what is in its place, or in it of our namespace, and is none of ours.
    fn read_all(&self) -> Result<(Whole, Vec<String>), Error> {
        let file = self.directory.join(FILE);
        let mut strange = Vec::new();
        let mut whole = match self.open().and_then(|directory| directory.read(FILE, LONGEST)) {
            Ok(text) => serde_json::from_slice(&text).map_err(|reason| self.damaged(&reason))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Whole::default(),
            // Somebody has put it there, and whatever it is, it tells nothing; ours takes its place.
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                strange.push(format!("{error}: what sysctls were at first is not known"));
                Whole::default()
            }
            Err(error) => return Err(Error::File(error)),
        };
        if whole.boot != self.boot {
            whole = Whole { boot: self.boot.clone(), namespaces: BTreeMap::new() };
        }
        for (namespace, changes) in &mut whole.namespaces {
            changes.retain(|path, change| {
                let is_ours = parameter::is_ours(path, &change.found, &change.set);
                if !is_ours && *namespace == self.namespace {
                    let one = brief(&format!("{path:?} from {:?} to {:?}", change.found, change.set));
                    let file = file.display();
                    strange.push(format!("{file}: stays as it is, for it is nothing that we change: {one}"));
                }
                is_ours
            });
        }
        Ok((whole, strange))
    }

    /// What there is to say of what is never put back, for it is nothing that we set.
    pub(crate) fn strange(&self) -> Vec<String> {
        let mut strange = self.read_all().map(|(_, strange)| strange).unwrap_or_default();
        let more = strange.len().saturating_sub(TOLD);
        strange.truncate(TOLD);
        strange.extend((more > 0).then(|| format!("{}: and {more} more like it", self.directory.join(FILE).display())));
        strange
    }

    fn damaged(&self, reason: &serde_json::Error) -> Error {
        Error::Damaged { file: self.directory.join(FILE), reason: brief(&reason.to_string()) }
    }

    fn open(&self) -> io::Result<Directory> {
        Directory::open(&self.directory)
    }

    fn stamp(&self) -> Option<Stamp> {
        self.open().ok()?.stamp(FILE)
    }

    /// What the file says of our namespace, and what it said before it was lost or damaged.
    fn load(&mut self) -> Result<Changes, Error> {
        let there = match self.read() {
            Err(Error::Damaged { .. }) if self.known.is_some() => None,
            read => read?.namespaces.remove(&self.namespace),
        };
        self.stamp = self.stamp();
        if there.is_some() || self.known.is_some() {
            let mut changes = there.unwrap_or_default();
            for (path, change) in self.known.iter().flatten() {
                changes.entry(path.clone()).or_insert_with(|| change.clone());
            }
            self.known = Some(changes);
        }
        Ok(self.known.clone().unwrap_or_default())
    }

    fn save(&mut self, changes: Changes) -> Result<(), Error> {
        // What is damaged tells nothing of other namespaces either.
        let mut whole = self.read().unwrap_or_default();
        whole.boot.clone_from(&self.boot);
        whole.namespaces.insert(self.namespace, changes.clone());
        self.known = Some(changes);
        self.stamp = Some(self.write(&whole)?);
        Ok(())
    }

    fn write(&self, whole: &Whole) -> Result<Stamp, Error> {
        let text = serde_json::to_vec(whole).map_err(|reason| self.damaged(&reason))?;
        Directory::make(&self.directory).and_then(|directory| directory.write(FILE, &text)).map_err(Error::File)
    }
}

fn note(changes: &mut Changes, settings: &[Setting], seen: &Values) {
    for setting in settings {
        // Another process was quicker than our look: it is no change of ours, and what it was before is noted.
        let Some(found) = seen.get(&setting.path).filter(|found| **found != setting.value) else { continue };
        let change = changes.entry(setting.path.clone());
        let change = change.or_insert_with(|| Change { found: found.clone(), set: String::new() });
        change.set.clone_from(&setting.value);
        let back = Setting { path: setting.path.clone(), value: change.found.clone() };
        let carries = sysctl::carries(&setting.path);
        // What is not as the kernel leaves it when the setting is undone has to be put back as well.
        for (path, found) in seen.iter().filter(|_| carries) {
            let then = |setting| sysctl::carried(setting, path);
            if let (Some(set), Some(undone)) = (then(setting), then(&back)) {
                if *found != undone {
                    changes.entry(path.clone()).or_insert_with(|| Change { found: found.clone(), set });
                }
            }
        }
    }
}

fn undo(changes: &Changes, seen: &Values) -> Vec<Setting> {
    let ours = |path: &str, change: &Change| seen.get(path) == Some(&change.set);
    let (first, rest): (Vec<_>, Vec<_>) = changes.iter().partition(|(path, _)| sysctl::carries(path));
    let first = first.into_iter().filter(|(path, change)| ours(path, change) && change.found != change.set);
    let mut settings: Vec<Setting> =
        first.map(|(path, change)| Setting { path: path.clone(), value: change.found.clone() }).collect();
    let rest = rest.into_iter().filter_map(|(path, change)| {
        let seen = seen.get(path)?;
        let value = if ours(path, change) { &change.found } else { seen };
        let left = settings.iter().find_map(|setting| sysctl::carried(setting, path));
        (*value != left.unwrap_or_else(|| seen.clone())).then(|| Setting { path: path.clone(), value: value.clone() })
    });
    let rest: Vec<Setting> = rest.collect();
    settings.extend(rest);
    settings
}

fn is_of(families: &[Family], path: &str) -> bool {
    families.iter().any(|family| sysctl::is_of(*family, path))
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
