//! What a running monitor goes by: told to the other programs by a file in the run directory, so that they notice when
//! their configuration is another one.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

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
    fingerprint: u64,
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
    /// The network namespace is not to be seen (no `/proc`).
    pub fn this(config: &Config) -> io::Result<Self> {
        let (pid, namespace) = (std::process::id(), namespace()?);
        Ok(Self { pid, namespace, file: config.file.clone(), fingerprint: fingerprint(config) })
    }

    /// Tells the others.
    ///
    /// # Errors
    /// The run directory is not there or cannot be written.
    pub fn tell(&self) -> io::Result<()> {
        let next = file().with_extension("json.next");
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", next.display()));
        fs::write(&next, serde_json::to_vec(self)?).and_then(|()| fs::rename(&next, file())).map_err(named)
    }

    /// The monitor of this network namespace, if one runs.
    #[must_use]
    pub fn here() -> Option<Self> {
        let running: Self = serde_json::from_slice(&fs::read(file()).ok()?).ok()?;
        let command = fs::read_to_string(format!("/proc/{}/comm", running.pid)).ok()?;
        (command.trim_end() == "ftr-monitor" && namespace().ok() == Some(running.namespace)).then_some(running)
    }

    /// What people should know where this configuration is not the one that it goes by.
    #[must_use]
    pub fn difference(&self, config: &Config) -> Option<String> {
        (fingerprint(config) != self.fingerprint).then(|| {
            let (pid, file) = (self.pid, self.file.display());
            format!(
                "warning: {}: differs from what ftr-monitor (process {pid}) has read from {file}: restart it, and load \
                 the firewall again, or put the old file back",
                config.file.display()
            )
        })
    }
}

/// What people should know where this configuration is not the one that the running monitor goes by.
#[must_use]
pub fn difference(config: &Config) -> Option<String> {
    Running::here()?.difference(config)
}

/// Whether a monitor has told others of itself: not where somebody has taken the run directory away since.
#[must_use]
pub fn is_told() -> bool {
    file().exists()
}

fn file() -> PathBuf {
    directory().join("running.json")
}

fn namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/net")?.ino())
}

/// The same for two files that mean the same, whatever their comments. Secrets are left out: it can be read by everybody.
fn fingerprint(config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    config.effective().to_string().hash(&mut hasher);
    hasher.finish()
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
}
