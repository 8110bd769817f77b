//! What a systemd unit states of a service (systemd.exec(5)), as far as the lab imitates it.

use crate::error::{Context, LabError, Result};
use crate::namespace;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The settings of the section `[Service]`, in file order.
#[derive(Debug)]
pub(crate) struct Unit {
    settings: Vec<(String, String)>,
}

impl Unit {
    /// Reads a unit file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        Ok(Self::parse(&fs::read_to_string(file).context(|| format!("read {}", file.display()))?))
    }

    fn parse(text: &str) -> Self {
        let service = text.lines().skip_while(|line| *line != "[Service]").skip(1);
        let settings = service
            .take_while(|line| !line.starts_with('['))
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { settings }
    }

    /// The value of a setting.
    ///
    /// # Errors
    /// When the unit does not have it: what is imitated has to be stated.
    pub(crate) fn value(&self, name: &str) -> Result<&str> {
        let mut values = self.values(name);
        values.next_back().ok_or_else(|| LabError::Unexpected(format!("{name}: the unit does not state it")))
    }

    /// All values of a setting that may be stated several times.
    fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.settings.iter().filter(move |(stated, _)| stated == name).map(|(_, value)| value.as_str())
    }

    /// The words of a setting that is a list.
    ///
    /// # Errors
    /// When the unit does not have it.
    pub(crate) fn words(&self, name: &str) -> Result<Vec<&str>> {
        self.value(name).map(|value| value.split_whitespace().collect())
    }

    /// The system calls that `SystemCallFilter=` lets through: the first line is a list of allowed ones, and each later one
    /// adds to it, or with `~` takes from it.
    ///
    /// # Errors
    /// When `systemd-analyze`, which knows the groups, is not installed.
    pub(crate) fn system_calls(&self) -> Result<BTreeSet<String>> {
        let mut allowed = group("@default")?;
        for line in self.values("SystemCallFilter") {
            let (takes, names) = line.strip_prefix('~').map_or((false, line), |names| (true, names));
            for name in names.split_whitespace() {
                for call in group(name)? {
                    if takes {
                        allowed.remove(&call)
                    } else {
                        allowed.insert(call)
                    };
                }
            }
        }
        Ok(allowed)
    }
}

/// The system calls of a group, and of the groups in it; a name that is no group's is a system call's.
fn group(name: &str) -> Result<BTreeSet<String>> {
    if !name.starts_with('@') {
        return Ok(BTreeSet::from([name.to_owned()]));
    }
    let text = namespace::run(Command::new("systemd-analyze").args(["--no-pager", "syscall-filter", name]))?;
    let mut calls = BTreeSet::new();
    for word in text.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        calls.extend(group(word)?);
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_service_is_read_and_lists_grow_and_shrink() {
        let text = "[Unit]\nUser=nobody\n[Service]\n# why\nUser=ftr\nSystemCallFilter=read write chown\n\
                    SystemCallFilter=~chown setuid\nSystemCallFilter=setuid\n[Install]\nUser=root\n";
        let unit = Unit::parse(text);
        assert_eq!(unit.value("User").unwrap(), "ftr");
        assert!(unit.value("Group").is_err());
        let calls = unit.system_calls().unwrap();
        assert!(["read", "write", "setuid", "exit_group"].iter().all(|call| calls.contains(*call)), "{calls:?}");
        assert!(!calls.contains("chown"));
    }
}
