//! Whose numbers are whose (tables, marks), remembered in the run directory: whoever prints or sets them has the same, in
//! whatever order the file has its uplinks by now.

use std::io::{self, ErrorKind};

use ftr_core::Config;
use ftr_core::numbering::Assignment;
use serde::{Deserialize, Serialize};

use crate::directory::{Directory, run_path};
use crate::here::{boot, namespace};
use crate::plain::brief;

/// The longest file that is read, in bytes: far more than the most uplinks and policies take.
const LONGEST: u64 = 256 * 1024;
/// What a copy of the configuration ends in that a child gets: a comment with the numbers.
const COMMENT: &str = "# numbers ";

/// The numbers with all that they depend on.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// A reboot forgets.
    boot: String,
    /// Another network namespace has other uplinks.
    namespace: u64,
    #[serde(flatten)]
    from: Counted,
    assignment: Assignment,
}

/// What numbers are counted from. Where another is stated all begin anew.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    base_table: u32,
    base_fwmark: u32,
    fwmark_mask: Option<u32>,
}

impl Counted {
    const fn of(config: &Config) -> Self {
        Self { base_table: config.base_table, base_fwmark: config.base_fwmark, fwmark_mask: config.fwmark_mask }
    }
}

/// Gives uplinks and policies the numbers that they have had here, and new ones theirs. What is not to be believed is as
/// good as nothing: then numbers follow the order of the file, as at the first start after boot.
///
/// # Errors
/// There is such a file, and it is not to be believed. The numbers are given all the same.
pub fn assign(config: &mut Config) -> io::Result<()> {
    let before = recall(config);
    config.assign(before.as_ref().ok().and_then(Option::as_ref));
    before.map(drop)
}

/// The numbers that were given last, if that holds for this boot, network namespace and configuration.
fn recall(config: &Config) -> io::Result<Option<Assignment>> {
    let name = name(namespace()?);
    let text = match Directory::open(&run_path()).and_then(|directory| directory.read(&name, LONGEST)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let remembered: Remembered = serde_json::from_slice(&text)
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, format!("{name}: {}", brief(&error.to_string()))))?;
    let holds =
        remembered.from == Counted::of(config) && remembered.boot == boot()? && remembered.namespace == namespace()?;
    Ok(holds.then_some(remembered.assignment))
}

/// Remembers the numbers of this configuration.
///
/// # Errors
/// The run directory is not there or cannot be written.
pub fn remember(config: &Config) -> io::Result<()> {
    let Some(assignment) = config.assignment.clone() else { return Ok(()) };
    let namespace = namespace()?;
    let text = serde_json::to_vec(&Remembered { boot: boot()?, namespace, from: Counted::of(config), assignment })?;
    Directory::open(&run_path())?.write(&name(namespace), &text).map(drop)
}

/// Whether it is there: somebody may have taken the run directory away since.
#[must_use]
pub fn is_remembered() -> bool {
    let there = |namespace| Directory::open(&run_path()).is_ok_and(|it| it.stamp(&name(namespace)).is_some());
    namespace().is_ok_and(there)
}

/// What has the same numbers once it is read from a copy of the configuration: see [`of_copy`].
#[must_use]
pub fn comment(config: &Config) -> String {
    let text = config.assignment.as_ref().and_then(|assignment| serde_json::to_string(assignment).ok());
    text.map(|text| format!("\n{COMMENT}{text}\n")).unwrap_or_default()
}

/// The numbers that come with a copy of the configuration.
pub(crate) fn of_copy(text: &str) -> Option<Assignment> {
    serde_json::from_str(text.lines().next_back()?.strip_prefix(COMMENT)?).ok()
}

fn name(namespace: u64) -> String {
    format!("numbers-{namespace}.json")
}

#[cfg(test)]
mod tests {
    use super::{comment, of_copy};
    use ftr_core::Config;
    use ftr_core::numbering::Numbering;
    use std::path::Path;

    #[test]
    fn a_copy_has_the_numbers_of_its_original() {
        let config = |uplinks: &str| {
            let text = format!("downlinks: {{lan: eth0}}\ntests: {{ips: [198.51.100.1]}}\nuplinks: [{uplinks}]\n");
            (Config::parse(Path::new("ftr.yaml"), &text).unwrap(), text)
        };
        let (mut first, _) = config("{interface: ppp0, type: ppp}, {interface: ppp1, type: ppp}");
        first.assign(None);
        let (mut second, text) = config("{interface: ppp1, type: ppp}");
        second.assign(first.assignment.as_ref());
        let copy = text + &comment(&second);
        let mut read = Config::parse(Path::new("ftr.yaml"), &copy).unwrap();
        assert_eq!((Numbering::of(&read).mark(0), of_copy("uplinks: []\n")), (1, None));
        read.assignment = of_copy(&copy);
        assert_eq!((Numbering::of(&read).mark(0), read.assignment == second.assignment), (2, true));
    }
}
