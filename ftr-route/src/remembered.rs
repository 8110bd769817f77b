//! The sysctls that were changed and what they were, so that `clear` can put them back.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ftr_core::Family;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sysctl::{self, Setting, Values};

/// How long somebody else's lock is waited for: whoever holds it longer was stopped in the middle.
const PATIENCE: Duration = Duration::from_secs(1);
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
    file: PathBuf,
    boot: String,
    namespace: u64,
    /// What the file had of our namespace when it was last read or written, lest it is lost with the file.
    known: Option<Changes>,
    /// Which file that was.
    stamp: Option<Stamp>,
}

/// Tells one state of the file from another: each is a file of its own.
type Stamp = (u64, i64, i64);

/// Nobody else changes parameters meanwhile.
#[derive(Debug)]
#[must_use]
pub(crate) struct Held(#[expect(dead_code, reason = "it is let go when it is dropped")] Flock<File>);

impl Remembered {
    /// The file in `$FTR_RUN_DIR`, else in `/run/ftr`.
    pub(crate) fn usual() -> Self {
        Self::at(run_dir().join("sysctl.json"))
    }

    fn at(file: PathBuf) -> Self {
        // Where they cannot be read they are the same every time.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        let namespace = fs::metadata("/proc/self/ns/net").map_or(0, |namespace| namespace.ino());
        Self { file, boot, namespace, known: None, stamp: None }
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
        let file = self.file.with_extension("lock");
        lock(&file).map(Held).map_err(|reason| Error::File { file, reason })
    }

    /// Notes that these settings will be made, and what else the kernel will change with them. What a parameter was at
    /// first is kept, however often it is changed.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn note(&mut self, settings: &[Setting], _: &Held) -> Result<(), Error> {
        let seen = sysctl::read(settings.iter().flat_map(|setting| sysctl::touched(&setting.path)));
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
            return remove(&self.file).map_err(|error| self.failed(error));
        }
        self.write(&whole).map(drop)
    }

    /// Learns what the file says now, and writes it again where it is gone or damaged: somebody has emptied the run directory.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn renew(&mut self) -> Result<(), Error> {
        match fs::metadata(&self.file) {
            Ok(metadata) if self.stamp == Some(stamp(&metadata)) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.known.is_none() => Ok(()),
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

    /// What the file has of this boot.
    fn read(&self) -> Result<Whole, Error> {
        let nothing = || Whole { boot: self.boot.clone(), namespaces: BTreeMap::new() };
        let whole: Whole = match fs::read(&self.file) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|reason| Error::Damaged { file: self.file.clone(), reason })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(nothing()),
            Err(error) => return Err(self.failed(error)),
        };
        Ok(if whole.boot == self.boot { whole } else { nothing() })
    }

    /// What the file says of our namespace, and what it said before it was lost or damaged.
    fn load(&mut self) -> Result<Changes, Error> {
        let there = match self.read() {
            Err(Error::Damaged { .. }) if self.known.is_some() => None,
            read => read?.namespaces.remove(&self.namespace),
        };
        self.stamp = fs::metadata(&self.file).ok().as_ref().map(stamp);
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

    /// Writes a new file beside the old one and moves it over, so that there is always a whole one.
    fn write(&self, whole: &Whole) -> Result<Stamp, Error> {
        let text = serde_json::to_vec(whole).map_err(|reason| Error::Damaged { file: self.file.clone(), reason })?;
        let new = self.file.with_extension("new");
        let write = || {
            // Another user's, who was killed before it was moved, could not be written.
            remove(&new)?;
            fs::write(&new, text)?;
            fs::rename(&new, &self.file)?;
            fs::metadata(&self.file)
        };
        write().map(|metadata| stamp(&metadata)).map_err(|error| self.failed(error))
    }

    fn failed(&self, reason: io::Error) -> Error {
        Error::File { file: self.file.clone(), reason }
    }
}

/// Where files are kept that a reboot has to empty.
pub(crate) fn run_dir() -> PathBuf {
    let stated = std::env::var_os("FTR_RUN_DIR").filter(|directory| !directory.is_empty());
    stated.map_or_else(|| PathBuf::from("/run/ftr"), PathBuf::from)
}

/// Gets the lock of this file, which is made where it is missing, with its directory.
fn lock(path: &Path) -> io::Result<Flock<File>> {
    let end = Instant::now() + PATIENCE;
    loop {
        let file = open(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            // Removed meanwhile, it keeps nobody out.
            Ok(lock)
                if fs::metadata(path)
                    .is_ok_and(|there| lock.metadata().is_ok_and(|ours| ours.ino() == there.ino())) =>
            {
                return Ok(lock);
            }
            Ok(_) => {}
            Err((_, Errno::EAGAIN | Errno::EINTR)) => std::thread::sleep(ATTEMPT),
            Err((_, errno)) => return Err(errno.into()),
        }
        if Instant::now() > end {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "held by another ftr-route; try again"));
        }
    }
}

/// A file that nobody else may open: who can read it can lock it.
fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    }
    let open = || File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    match open() {
        // Root's, made by hand, in a directory of the service's user, or the other way round.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => remove(path).and_then(|()| open()),
        result => result,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

fn note(changes: &mut Changes, settings: &[Setting], seen: &Values) {
    for setting in settings {
        // Another process was quicker than our look: it is no change of ours, and what it was before is noted.
        let Some(found) = seen.get(&setting.path).filter(|found| **found != setting.value) else { continue };
        let change = changes.entry(setting.path.clone());
        let change = change.or_insert_with(|| Change { found: found.clone(), set: String::new() });
        change.set.clone_from(&setting.value);
        let back = Setting { path: setting.path.clone(), value: change.found.clone() };
        // What is not as the kernel leaves it when the setting is undone has to be put back as well.
        for (path, found) in seen {
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

#[cfg(test)]
mod tests;
