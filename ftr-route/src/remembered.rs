//! The sysctls that were changed and what they were, so that `clear` can put them back.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use ftr_core::Family;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sysctl::{self, Setting, Values};

/// What a parameter was before, and what we made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    found: String,
    set: String,
}

/// The parameters changed so far, in a file of the run directory, which a reboot empties as it resets the parameters.
///
/// Several programs may change parameters at the same time. Each holds a [`Lock`] from before it reads the file until the
/// kernel has what the file says.
#[derive(Debug)]
pub(crate) struct Remembered {
    file: PathBuf,
    /// What the file is known to have held: somebody may take it away while parameters are as we made them.
    known: RefCell<Changes>,
}

/// The right to change parameters and the file; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: Flock<File>,
}

type Changes = BTreeMap<String, Change>;

impl Remembered {
    /// The file in `$FTR_RUN_DIR`, else in `/run/ftr`.
    pub(crate) fn usual() -> Self {
        let directory = std::env::var_os("FTR_RUN_DIR").filter(|directory| !directory.is_empty());
        Self::in_file(directory.map_or_else(|| PathBuf::from("/run/ftr"), PathBuf::from).join("sysctl.json"))
    }

    const fn in_file(file: PathBuf) -> Self {
        Self { file, known: RefCell::new(Changes::new()) }
    }

    /// Waits until nobody else changes parameters.
    ///
    /// # Errors
    /// The run directory cannot be made or written.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        self.make_directory()?;
        let path = self.file.with_extension("lock");
        let failed = |reason: io::Error| Error::File { file: path.clone(), reason };
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let held = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))?;
        Ok(Lock { _held: held })
    }

    /// Writes the file again where somebody has taken it away.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn keep(&self) -> Result<(), Error> {
        let knows = !self.known.borrow().is_empty();
        if self.file.exists() {
            return if knows { Ok(()) } else { self.load().map(drop) };
        }
        if !knows {
            return Ok(());
        }
        let _lock = self.lock()?;
        self.save(&self.load()?)
    }

    /// Notes that these settings will be made. What a parameter was at first is kept, however often it is changed.
    pub(crate) fn note(&self, settings: &[Setting], seen: &Values) -> Result<(), Error> {
        let mut changes = self.load()?;
        for Setting { path, value } in settings {
            let found = || seen.get(path).cloned().unwrap_or_default();
            let change = changes.entry(path.clone()).or_insert_with(|| Change { found: found(), set: String::new() });
            change.set.clone_from(value);
        }
        self.save(&changes)
    }

    /// The parameters of these families that were changed.
    pub(crate) fn paths(&self, families: &[Family]) -> Result<Vec<String>, Error> {
        Ok(self.load()?.into_keys().filter(|path| is_of(families, path)).collect())
    }

    /// The settings that put back the parameters that `seen` tells of. What somebody else has changed since is
    /// left alone, and so is what is gone with its device.
    pub(crate) fn undo(&self, seen: &Values) -> Result<Vec<Setting>, Error> {
        let changes = self.load()?.into_iter();
        let ours = changes.filter(|(path, change)| seen.get(path) == Some(&change.set) && change.found != change.set);
        Ok(ours.map(|(path, change)| Setting { path, value: change.found }).collect())
    }

    /// Forgets the parameters of these families.
    pub(crate) fn forget(&self, families: &[Family]) -> Result<(), Error> {
        let mut changes = self.load()?;
        changes.retain(|path, _| !is_of(families, path));
        self.known.replace(changes.clone());
        if !changes.is_empty() {
            return self.save(&changes);
        }
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn load(&self) -> Result<Changes, Error> {
        match fs::read(&self.file) {
            Ok(text) => {
                let changes: Changes = serde_json::from_slice(&text)
                    .map_err(|reason| Error::Damaged { file: self.file.clone(), reason })?;
                self.known.replace(changes.clone());
                Ok(changes)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(self.known.borrow().clone()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Writes a new file beside the old one and moves it over, so that there is always a whole one.
    fn save(&self, changes: &Changes) -> Result<(), Error> {
        let text = serde_json::to_vec(changes).map_err(|reason| Error::Damaged { file: self.file.clone(), reason })?;
        self.make_directory()?;
        let new = self.file.with_extension("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, &self.file)).map_err(|error| self.failed(error))?;
        self.known.replace(changes.clone());
        Ok(())
    }

    fn make_directory(&self) -> Result<(), Error> {
        let Some(directory) = self.file.parent() else { return Ok(()) };
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(directory);
        made.map_err(|error| self.failed(error))
    }

    fn failed(&self, reason: io::Error) -> Error {
        Error::File { file: self.file.clone(), reason }
    }
}

fn is_of(families: &[Family], path: &str) -> bool {
    families.iter().any(|family| sysctl::is_of(*family, path))
}

#[cfg(test)]
mod tests {
    use super::Remembered;
    use crate::sysctl::{Setting, Values};
    use ftr_core::Family;

    fn setting(value: &str) -> Setting {
        Setting { path: "net/ipv4/ip_forward".to_owned(), value: value.to_owned() }
    }

    fn seen(value: &str) -> Values {
        Values::from([("net/ipv4/ip_forward".to_owned(), value.to_owned())])
    }

    #[test]
    fn the_first_value_found_is_the_one_to_restore() {
        let directory = std::env::temp_dir().join(format!("ftr-remembered-{}", std::process::id()));
        let remembered = Remembered::in_file(directory.join("run/sysctl.json"));
        assert!(remembered.undo(&seen("1")).unwrap().is_empty());
        remembered.note(&[setting("1")], &seen("0")).unwrap();
        remembered.note(&[setting("1")], &seen("7")).unwrap();
        let ipv6 = Setting { path: "net/ipv6/conf/all/forwarding".to_owned(), value: "1".to_owned() };
        remembered.note(std::slice::from_ref(&ipv6), &Values::new()).unwrap();
        assert_eq!(remembered.paths(&[Family::V4]).unwrap(), ["net/ipv4/ip_forward"]);
        assert_eq!(remembered.undo(&seen("1")).unwrap(), [setting("0")]);
        // Somebody else has had a hand in it since.
        assert!(remembered.undo(&seen("2")).unwrap().is_empty());
        // One family is taken away, and the other goes on.
        let both = [Family::V4, Family::V6];
        remembered.forget(&[Family::V4]).unwrap();
        assert_eq!(remembered.paths(&both).unwrap(), [ipv6.path]);
        remembered.forget(&[Family::V6]).unwrap();
        remembered.forget(&both).unwrap();
        assert!(remembered.paths(&both).unwrap().is_empty());
        assert!(!remembered.file.exists());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_is_taken_away_is_written_again() {
        let directory = std::env::temp_dir().join(format!("ftr-remembered-again-{}", std::process::id()));
        let remembered = Remembered::in_file(directory.join("run/sysctl.json"));
        remembered.keep().unwrap();
        assert!(!directory.exists(), "there is nothing to keep");
        remembered.note(&[setting("1")], &seen("0")).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        remembered.keep().unwrap();
        let other = Remembered::in_file(remembered.file.clone());
        assert_eq!(other.undo(&seen("1")).unwrap(), [setting("0")]);
        // Nobody brings back what was forgotten on purpose.
        remembered.forget(&[Family::V4]).unwrap();
        remembered.keep().unwrap();
        assert!(!remembered.file.exists());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn one_at_a_time_changes_parameters() {
        let directory = std::env::temp_dir().join(format!("ftr-remembered-lock-{}", std::process::id()));
        let file = directory.join("run/sysctl.json");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let file = file.clone();
                scope.spawn(move || {
                    let remembered = Remembered::in_file(file);
                    for round in 0..50 {
                        let _lock = remembered.lock().unwrap();
                        let path = format!("net/ipv4/conf/eth{thread}.{round}/rp_filter");
                        remembered.note(&[Setting { path, value: "2".to_owned() }], &Values::new()).unwrap();
                    }
                });
            }
        });
        assert_eq!(Remembered::in_file(file).paths(&[Family::V4]).unwrap().len(), 200);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
