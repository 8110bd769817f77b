//! A configuration that nobody has confirmed yet, and the one that comes back if nobody does. Remembered in the run directory:
//! whoever has locked himself out cannot help, and the monitor may be killed meanwhile.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ftr_core::Config;
use ftr_core::config::{MAX_FILE, Problems};
use ftr_tool::cli::say;
use ftr_tool::{Directory, brief, configuration, run_path, running};
use serde::{Deserialize, Serialize};

use crate::tool;

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
        let (boot, namespace) = (running::boot()?, running::namespace()?);
        let name = name(namespace);
        let text = match Directory::open(&run_path()).and_then(|directory| directory.read_own(&name, LONGEST)) {
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
}

/// Reads the file, or takes the text before where that on trial was not confirmed in time, or has become wrong. What is not
/// to be believed is told of, and ignored.
///
/// # Errors
/// All problems of the file.
pub(crate) fn start(file: &Path, now: Duration) -> Result<Start, Problems> {
    let read = configuration::load_with_text(file);
    let remembered = std::path::absolute(file).and_then(|file| Trial::recall(&file)).unwrap_or_else(|error| {
        say(tool::NAME, &format!("what was to be confirmed is not believed: {error}"));
        None
    });
    let (result, trial) = decide(read, remembered, now);
    let (config, text) = result?;
    Ok(Start { config, text, trial })
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
    use super::{Read, Trial, decide};
    use ftr_core::Config;
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
}
