//! A configuration that nobody has confirmed yet, and the one that comes back if nobody does. Remembered in the run directory:
//! whoever has locked himself out cannot help, and the monitor may be killed meanwhile.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ftr_core::config::{MAX_FILE, Problems};
use ftr_core::{Config, Exit};
use ftr_tool::cli::{Failure, say};
use ftr_tool::{Directory, brief, configuration, run_path, running};
use serde::{Deserialize, Serialize};

use crate::{change, tool};

/// The longest file that is read, in bytes. In JSON a character of the text may take six.
const LONGEST: u64 = 6 * MAX_FILE + 16 * 1024;

/// What is on trial, and what was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// A reboot forgets.
    boot: String,
    namespace: u64,
    /// The file that both were read from.
    file: PathBuf,
    /// Tells the text that is on trial from others.
    tried: u64,
    /// The text before, which was confirmed or has run without a trial.
    before: String,
    /// By when somebody has to confirm (since boot, milliseconds).
    until_ms: u64,
    /// Nobody has.
    rejected: bool,
}

impl Trial {
    /// Of the text `tried`, read from a file in place of the text `before`.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub(crate) fn new(file: &Path, tried: &str, before: &str, until: Duration) -> io::Result<Self> {
        Ok(Self {
            boot: running::boot()?,
            namespace: running::namespace()?,
            file: file.to_owned(),
            tried: fingerprint(tried),
            before: before.to_owned(),
            until_ms: u64::try_from(until.as_millis()).unwrap_or(u64::MAX),
            rejected: false,
        })
    }

    /// The one that is remembered for this file, this boot and this network namespace.
    ///
    /// # Errors
    /// There is one, and it is not to be believed: it holds a configuration, with programs that are run and files that are
    /// written, and whoever may write the run directory may do less than root.
    pub(crate) fn recall(file: &Path) -> io::Result<Option<Self>> {
        Self::recall_by(Directory::read_own, file)
    }

    /// The same, read in this way.
    fn recall_by(read: fn(&Directory, &str, u64) -> io::Result<Vec<u8>>, file: &Path) -> io::Result<Option<Self>> {
        let (boot, namespace) = (running::boot()?, running::namespace()?);
        let name = name(namespace);
        let text = match Directory::open(&run_path()).and_then(|directory| read(&directory, &name, LONGEST)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let wrong = |error: serde_json::Error| format!("{name}: {}", brief(&error.to_string()));
        let trial: Self =
            serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, wrong(error)))?;
        Ok((trial.boot == boot && trial.namespace == namespace && trial.file == file).then_some(trial))
    }

    /// Remembers it. It may hold a password.
    ///
    /// # Errors
    /// The run directory cannot be written.
    pub(crate) fn remember(&self) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        Directory::make(&run_path())?.write_private(&name(self.namespace), &text).map(drop)
    }

    /// Whether this text is the one on trial.
    pub(crate) fn is_of(&self, text: &str) -> bool {
        self.tried == fingerprint(text)
    }

    /// Another text takes the place of the one on trial, until the same time.
    pub(crate) fn try_instead(&mut self, text: &str) {
        self.tried = fingerprint(text);
    }

    /// The text before.
    pub(crate) fn before(&self) -> &str {
        &self.before
    }

    /// When the one before comes back; none once it has.
    pub(crate) fn due(&self) -> Option<Duration> {
        (!self.rejected).then(|| Duration::from_millis(self.until_ms))
    }

    /// Whether nobody has confirmed this text in time.
    fn refuses(&self, text: &str, now: Duration) -> bool {
        self.is_of(text) && self.due().is_none_or(|due| now >= due)
    }

    /// Nobody has confirmed in time.
    pub(crate) const fn reject(&mut self) {
        self.rejected = true;
    }

    /// Whether nobody has.
    pub(crate) const fn is_rejected(&self) -> bool {
        self.rejected
    }
}

/// Forgets whatever is on trial.
///
/// # Errors
/// The run directory cannot be written.
pub(crate) fn forget() -> io::Result<()> {
    let name = name(running::namespace()?);
    match Directory::open(&run_path()).and_then(|directory| directory.remove(&name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What a monitor starts with.
pub(crate) struct Start {
    pub(crate) config: Config,
    pub(crate) text: String,
    /// A configuration that is to be confirmed still, or was not.
    pub(crate) trial: Option<Trial>,
    /// One that the service's user has remembered, who may do less than we: what it would bring back is not taken from it,
    /// for that would be run with our powers.
    pub(crate) foreign: Option<Trial>,
}

impl Start {
    /// Whether the service's user says that nobody has confirmed the file in time. That is believed: whoever lies so has
    /// root do nothing, which is no gain.
    pub(crate) fn is_refused(&self, now: Duration) -> bool {
        self.foreign.as_ref().is_some_and(|trial| trial.refuses(&self.text, now))
    }

    /// The same for a program that has nothing else to go by.
    ///
    /// # Errors
    /// Exit 78: it is refused.
    pub(crate) fn unless_refused(self, now: Duration) -> Result<Self, Failure> {
        if self.is_refused(now) {
            let file = self.config.file.display();
            return Err(Failure::new(Exit::Config, format!("{file}: {REFUSED}, so write another one first")));
        }
        Ok(self)
    }
}

/// Why a file is not taken.
pub(crate) const REFUSED: &str =
    "nobody has confirmed it, and the configuration before is known to the user of the service alone";

/// Reads the file, or takes the text before where that on trial was not confirmed in time, or has become wrong. What is not
/// to be believed is told of, and ignored.
///
/// # Errors
/// All problems of the file.
pub(crate) fn start(file: &Path, now: Duration) -> Result<Start, Problems> {
    let read = configuration::load_with_text(file);
    let (own, foreign) = std::path::absolute(file).and_then(|file| remembered(&file)).unwrap_or_else(|error| {
        say(tool::NAME, &format!("what was to be confirmed is not believed: {error}"));
        (None, None)
    });
    let (result, trial) = decide(read, own, now);
    let (config, text) = result?;
    Ok(Start { config, text, trial, foreign })
}

/// What root or we have remembered, and what the owner of the run directory has.
fn remembered(file: &Path) -> io::Result<(Option<Trial>, Option<Trial>)> {
    match Trial::recall(file) {
        Ok(own) => Ok((own, None)),
        Err(error) => Trial::recall_by(Directory::read, file).map(|foreign| (None, foreign)).map_err(|_| error),
    }
}

/// What somebody who follows the monitor has read in the file, as long as it may be what the monitor goes by.
#[derive(Default)]
pub(crate) struct Seen(Vec<Config>);

impl Seen {
    /// What the monitor goes by; none where that cannot be told, because nobody has confirmed the file, and the one before
    /// was not read by us.
    pub(crate) fn followed(&mut self, start: Start, now: Duration) -> Option<Config> {
        // It only chooses among those that we have read.
        let before = start.foreign.as_ref().and_then(|trial| Config::parse(&trial.file, &trial.before).ok());
        let is_before = |seen: &Config| before.as_ref().is_some_and(|before| change::lines(before, seen).is_empty());
        let current = (!start.is_refused(now)).then_some(start.config);
        self.0 = std::mem::take(&mut self.0).into_iter().rfind(is_before).into_iter().chain(current).collect();
        self.0.last().cloned()
    }
}

type Read = Result<(Config, String), Problems>;

/// Which of the two it is: that of the file, or the one before.
fn decide(read: Read, remembered: Option<Trial>, now: Duration) -> (Read, Option<Trial>) {
    let Some(mut trial) = remembered else { return (read, None) };
    match &read {
        // A file that is another one by now confirms nothing: it has the term of the one before, as with a reload.
        Ok((_, text)) if trial.due().is_some_and(|due| now < due) => {
            trial.try_instead(text);
            return (read, Some(trial));
        }
        // Somebody has written another one since.
        Ok((_, text)) if !trial.is_of(text) => return (read, None),
        _ => {}
    }
    let Ok(config) = Config::parse(&trial.file, &trial.before) else { return (read, None) };
    trial.reject();
    (Ok((config, trial.before.clone())), Some(trial))
}

fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn name(namespace: u64) -> String {
    format!("trial-{namespace}.json")
}

#[cfg(test)]
mod tests {
    use super::{Read, Seen, Start, Trial, decide};
    use ftr_core::{Config, Exit};
    use std::path::Path;
    use std::time::Duration;

    const END: Duration = Duration::from_secs(100);

    fn text(weight: u16) -> String {
        format!(
            "uplinks: [{{interface: ppp0, type: ppp, weight: {weight}}}]\ndownlinks: {{lan: eth0}}\ntests: {{ips: [198.51.100.1]}}\n"
        )
    }

    fn read(text: &str) -> Read {
        Config::parse(Path::new("/f"), text).map(|config| (config, text.to_owned()))
    }

    /// What is started with: the weight, and whether there is a trial, and one that has failed.
    fn started(file: &str, trial: &Trial, now: Duration) -> (u16, Option<bool>) {
        let (read, trial) = decide(read(file), Some(trial.clone()), now);
        (read.unwrap().0.uplinks[0].weight, trial.map(|trial| trial.is_rejected()))
    }

    #[test]
    fn what_nobody_has_confirmed_in_time_is_not_started_with() {
        let mut trial = Trial::new(Path::new("/f"), &text(2), &text(1), END).unwrap();
        assert_eq!(started(&text(2), &trial, END / 2), (2, Some(false)));
        assert_eq!(started(&text(2), &trial, END), (1, Some(true)));
        assert_eq!(started(&text(3), &trial, END / 2), (3, Some(false)), "another file is no confirmation");
        let (_, instead) = decide(read(&text(3)), Some(trial.clone()), END / 2);
        assert_eq!(started(&text(3), &instead.unwrap(), END), (1, Some(true)), "nor has anybody confirmed that one");
        assert_eq!(started("uplinks: [", &trial, END / 2), (1, Some(true)), "the file is no longer what was tried");
        trial.reject();
        assert_eq!((trial.due(), started(&text(2), &trial, END / 2)), (None, (1, Some(true))));
        assert_eq!(started(&text(3), &trial, END), (3, None), "somebody has written another one");
        assert!(decide(read("uplinks: ["), None, END).0.is_err());
    }
    /// What root reads in the file while the trial is another user's.
    fn read_beside(file: &str, foreign: Option<&Trial>) -> Start {
        let (config, text) = read(file).unwrap();
        Start { config, text, trial: None, foreign: foreign.cloned() }
    }

    #[test]
    fn another_user_has_a_file_refused_and_nothing_else_taken() {
        let (before, later) = (END / 2, END);
        let mut trial = Trial::new(Path::new("/f"), &text(2), &text(1), END).unwrap();
        let ends = |file: &str, foreign: Option<&Trial>, now| {
            let taken = read_beside(file, foreign).unless_refused(now);
            taken.map(|start| start.config.uplinks[0].weight).map_err(|failure| failure.exit())
        };
        assert_eq!(ends(&text(2), None, later), Ok(2));
        assert_eq!(ends(&text(2), Some(&trial), before), Ok(2));
        assert_eq!(ends(&text(2), Some(&trial), later), Err(Exit::Config));
        assert_eq!(ends(&text(3), Some(&trial), later), Ok(3), "somebody has written another one");
        trial.reject();
        assert_eq!(ends(&text(2), Some(&trial), before), Err(Exit::Config));
    }

    #[test]
    fn whoever_follows_goes_back_to_what_he_has_read_himself() {
        let trial = |tried: u16, before: u16| Trial::new(Path::new("/f"), &text(tried), &text(before), END).unwrap();
        let rejected = |tried: u16, before: u16| {
            let mut trial = trial(tried, before);
            trial.reject();
            Some(trial)
        };
        let goes_by = |all: &[(u16, Option<Trial>)]| -> Vec<Option<u16>> {
            let mut seen = Seen::default();
            let weight = |config: Config| config.uplinks[0].weight;
            let followed = |(file, trial): &(u16, Option<Trial>)| {
                seen.followed(read_beside(&text(*file), trial.as_ref()), END / 2).map(weight)
            };
            all.iter().map(followed).collect()
        };
        let pending = |tried: u16, before: u16| Some(trial(tried, before));
        assert_eq!(goes_by(&[(1, None), (2, pending(2, 1)), (2, rejected(2, 1))]), [Some(1), Some(2), Some(1)]);
        // Confirmed, which nobody tells those who follow; the next one is not.
        let confirmed = [(1, None), (2, pending(2, 1)), (3, pending(3, 2)), (3, rejected(3, 2))];
        assert_eq!(goes_by(&confirmed), [Some(1), Some(2), Some(3), Some(2)]);
        // Not confirmed, and another one in its place.
        let replaced = [(1, None), (2, pending(2, 1)), (3, pending(3, 1)), (3, rejected(3, 1)), (3, None)];
        assert_eq!(goes_by(&replaced), [Some(1), Some(2), Some(3), Some(1), Some(3)]);
        assert_eq!(goes_by(&[(2, rejected(2, 1))]), [None], "what another user calls the one before is not taken");
        assert_eq!(goes_by(&[(1, None), (2, rejected(2, 7))]), [Some(1), None]);
    }
}
