//! What a running monitor goes by: told to the other programs by a file in the run directory, so that they notice when
//! their configuration is another one.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use ftr_core::Config;
use ftr_core::config::MAX_FILE;
use serde::{Deserialize, Serialize};

use crate::configuration;
use crate::directory::{Directory, run_path};
pub use crate::here::{boot, namespace};
use crate::open::readable;
use crate::plain;

/// The longest file that is read, in bytes: two paths and some numbers.
const LONGEST: u64 = 16 * 1024;

/// A running monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process.
    pid: u32,
    /// The network namespace that it looks after.
    namespace: u64,
    /// The file that it has read.
    file: PathBuf,
    /// A number that is another where that says something else.
    fingerprint: String,
}

impl Running {
    /// This process, which goes by this configuration from now on.
    ///
    /// # Errors
    /// The network namespace is not to be seen (no `/proc`), or the working directory is gone.
    pub fn this(config: &Config) -> io::Result<Self> {
        Ok(Self {
            pid: std::process::id(),
            namespace: namespace()?,
            file: std::path::absolute(&config.file)?,
            fingerprint: fingerprint(config),
        })
    }

    /// Tells the others.
    ///
    /// # Errors
    /// The run directory is not there or cannot be written.
    pub fn publish(&self) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        Directory::open(&run_path())?.write(&told(self.namespace), &text).map(drop)
    }

    /// Whether the others have been told: not where somebody has taken the run directory away since.
    #[must_use]
    pub fn is_published(&self) -> bool {
        Directory::open(&run_path()).is_ok_and(|directory| directory.stamp(&told(self.namespace)).is_some())
    }

    /// Takes it back at the end. One that could not is known by its process, which is gone.
    pub fn take_back(&self) {
        let _ = Directory::open(&run_path()).and_then(|directory| directory.remove(&told(self.namespace)));
    }

    /// The monitor of this network namespace, if one runs.
    #[must_use]
    pub fn here() -> Option<Self> {
        let namespace = namespace().ok()?;
        let text = Directory::open(&run_path()).ok()?.read(&told(namespace), LONGEST).ok()?;
        let running: Self = serde_json::from_slice(&text).ok()?;
        let command = fs::read_to_string(format!("/proc/{}/comm", running.pid)).ok()?;
        (command.trim_end() == "ftr-monitor" && running.namespace == namespace).then_some(running)
    }

    /// Its process number.
    #[must_use]
    pub const fn process(&self) -> u32 {
        self.pid
    }

    /// The file that it has read.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What people should know where this configuration is not the one that it goes by.
    #[must_use]
    pub fn difference(&self, config: &Config) -> Option<String> {
        let remedy = "`ftr-monitor reload` takes it; or put the old file back";
        (fingerprint(config) != self.fingerprint).then(|| self.differs(&config.file, remedy))
    }

    /// The same of a file, which may be unfinished, or gone.
    ///
    /// # Errors
    /// Whoever asks may not read it.
    pub fn difference_of_file(&self, file: &Path) -> io::Result<Option<String>> {
        match readable(file) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
        Ok(match configuration::load(file) {
            Ok(config) => self.difference(&config),
            Err(problems) => Some(self.unfinished(file, problems.lines().into_iter().next())),
        })
    }

    /// The same of the file that it has read. That the monitor names it is no reason to open whatever that is.
    ///
    /// # Errors
    /// Whoever asks may not read it.
    pub fn difference_of_own_file(&self) -> io::Result<Option<String>> {
        let file = &self.file;
        let text = match plain::read_told(file, MAX_FILE) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(error) => return Ok(Some(self.unfinished(file, Some(format!("{}: {error}", file.display()))))),
            Ok(text) => text,
        };
        Ok(match Config::parse(file, &String::from_utf8_lossy(&text)) {
            Ok(config) => self.difference(&config),
            Err(problems) => Some(self.unfinished(file, problems.lines().into_iter().next())),
        })
    }

    /// That what it goes by is no matter of a file that somebody could not read.
    fn goes_on(&self) -> String {
        format!(
            "warning: ftr-monitor (process {}) goes on with what it has read from {}",
            self.pid,
            self.file.display()
        )
    }

    fn unfinished(&self, file: &Path, first: Option<String>) -> String {
        self.differs(file, &format!("repair it before it is read again ({})", first.unwrap_or_default()))
    }

    fn differs(&self, file: &Path, remedy: &str) -> String {
        let (pid, origin) = (self.pid, self.file.display());
        let file = file.display();
        format!("warning: {file}: differs from what ftr-monitor (process {pid}) has read from {origin}: {remedy}")
    }
}

/// What people should know where this configuration is not the one that the running monitor goes by.
#[must_use]
pub fn difference(config: &Config) -> Option<String> {
    Running::here()?.difference(config)
}

/// What people should know where their configuration has problems, and a monitor runs.
pub(crate) fn goes_on() -> Option<String> {
    Running::here().map(|running| running.goes_on())
}

/// The file that tells of the monitor of a network namespace: several may share the run directory.
fn told(namespace: u64) -> String {
    format!("running-{namespace}.json")
}

/// The same for two files that mean the same, whatever their comments. Secrets are left out: it can be read by everybody.
fn fingerprint(config: &Config) -> String {
    let mut hasher = DefaultHasher::new();
    config.effective().to_string().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::{Config, Running};
    use std::path::Path;

    fn config(text: &str) -> Config {
        let head = "downlinks: {lan: eth0}\ntests: {ips: [198.51.100.1]}\nuplinks:\n";
        Config::parse(Path::new("ftr.yaml"), &format!("{head}{text}")).unwrap()
    }

    #[test]
    fn what_means_the_same_is_no_difference() {
        let (one, two) =
            ("- {interface: eth1, ip: 192.0.2.1, gateway: 192.0.2.9}\n", "- {interface: ppp0, type: ppp}\n");
        let running = Running::this(&config(&format!("{one}{two}"))).unwrap();
        assert_eq!(running.difference(&config(&format!("{one}# the slow one\n{two}"))), None);
        let swapped = running.difference(&config(&format!("{two}{one}"))).unwrap();
        assert!(swapped.starts_with("warning: ftr.yaml: differs from what ftr-monitor (process "), "{swapped}");
    }

    #[test]
    fn a_file_that_is_unfinished_or_gone_differs() {
        let directory = std::env::temp_dir().join(format!("ftr-running-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let file = directory.join("ftr.yaml");
        let running =
            Running::this(&config("- {interface: ppp0, type: ppp}\n- {interface: ppp1, type: ppp}\n")).unwrap();
        let said = || running.difference_of_file(&file).unwrap().unwrap();
        let goes_on = running.goes_on();
        assert!(
            goes_on.contains(") goes on with what it has read from /") && goes_on.ends_with("/ftr.yaml"),
            "{goes_on}"
        );
        assert!(said().contains("ftr.yaml: No such file"), "{}", said());
        std::fs::write(&file, "uplinks: [").unwrap();
        assert!(said().contains("repair it before it is read again (") && said().contains("ftr.yaml:"), "{}", said());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_the_monitor_says_is_its_file_is_not_opened_unless_it_is_a_file() {
        let file = |path: &str| Running { pid: 1, namespace: 1, file: path.into(), fingerprint: String::new() };
        let directory = std::env::temp_dir().join(format!("ftr-told-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let fifo = directory.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (path, what) in [(fifo.to_str().unwrap(), "a FIFO"), ("/dev/zero", "a device"), ("/proc", "a directory")] {
            let said = file(path).difference_of_own_file().unwrap().unwrap();
            assert!(said.contains(&format!("{path}: is {what}, not a regular file")), "{said}");
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
