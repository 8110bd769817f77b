//! What a running monitor goes by: told to the other programs by a file in the run directory, so that they notice when
//! their configuration is another one.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Config;

/// A running monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process.
    pid: u32,
    /// The network namespace that it looks after.
    namespace: u64,
    /// The file that it has read.
    file: PathBuf,
    /// What it has made of it.
    fingerprint: String,
}

/// Where the programs keep what does not outlive a reboot: `$FTR_RUN_DIR`, else `/run/ftr`.
#[must_use]
pub fn directory() -> PathBuf {
    let stated = std::env::var_os("FTR_RUN_DIR").filter(|directory| !directory.is_empty());
    stated.map_or_else(|| PathBuf::from("/run/ftr"), PathBuf::from)
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
    pub fn tell(&self) -> io::Result<()> {
        let file = told(self.namespace);
        let next = file.with_extension("json.next");
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", next.display()));
        fs::write(&next, serde_json::to_vec(self)?).and_then(|()| fs::rename(&next, file)).map_err(named)
    }

    /// Whether the others have been told: not where somebody has taken the run directory away since.
    #[must_use]
    pub fn is_told(&self) -> bool {
        told(self.namespace).exists()
    }

    /// Takes it back at the end. One that could not is known by its process, which is gone.
    pub fn take_back(&self) {
        let _ = fs::remove_file(told(self.namespace));
    }

    /// The monitor of this network namespace, if one runs.
    #[must_use]
    pub fn here() -> Option<Self> {
        let namespace = namespace().ok()?;
        let running: Self = serde_json::from_slice(&fs::read(told(namespace)).ok()?).ok()?;
        let command = fs::read_to_string(format!("/proc/{}/comm", running.pid)).ok()?;
        (command.trim_end() == "ftr-monitor" && running.namespace == namespace).then_some(running)
    }

    /// The file that it has read.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What people should know where this configuration is not the one that it goes by.
    #[must_use]
    pub fn difference(&self, config: &Config) -> Option<String> {
        let remedy = "restart it, and load the firewall again, or put the old file back";
        (fingerprint(config) != self.fingerprint).then(|| self.differs(&config.file, remedy))
    }

    /// The same of a file, which may be unfinished, or gone.
    ///
    /// # Errors
    /// Whoever asks may not read it.
    pub fn difference_of_file(&self, file: &Path) -> io::Result<Option<String>> {
        match File::open(file) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
        Ok(match Config::load(file) {
            Ok(config) => self.difference(&config),
            Err(problems) => {
                let first = problems.lines().into_iter().next().unwrap_or_default();
                Some(self.differs(file, &format!("mend it before it is started again ({first})")))
            }
        })
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

/// The file that tells of the monitor of a network namespace: several may share the run directory.
fn told(namespace: u64) -> PathBuf {
    directory().join(format!("running-{namespace}.json"))
}

fn namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/net")?.ino())
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
        assert!(said().contains("ftr.yaml: No such file"), "{}", said());
        std::fs::write(&file, "uplinks: [").unwrap();
        assert!(said().contains("mend it before it is started again (") && said().contains("ftr.yaml:"), "{}", said());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
