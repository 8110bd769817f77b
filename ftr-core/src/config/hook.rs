//! `hooks`: programs that are run when something changes.

use std::time::Duration;

use super::form::{FLAG, List, Needed, TEXT, TIME, Word};
use super::key::{Keys as _, keys};
use super::section::Section;
use super::words::words;

keys! {
    /// A program that is run when something changes.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Hook {
        /// What it is run for.
        "on" => pub on: Vec<Occasion> = Vec::new(), Needed(List(Word), "what it is run for, such as down");
        /// The program, by its absolute path, and its arguments, which no shell looks at. Only root and the user of the
        /// monitor may be able to write the file and the directories above it.
        "run" => pub run: Vec<String> = Vec::new(), Needed(List(TEXT), "a program by its absolute path, and its arguments");
        /// How long it may run before it is killed, with all that it has started.
        "timeout" => pub timeout: Duration = Duration::from_secs(30), TIME;
        /// Whether it needs root: `ftr-monitor hooks --privileged` runs it then, and not the daemon, whose user may change
        /// nothing.
        "privileged" => pub privileged: bool = false, FLAG;
    }
    check check;
}

words! {
    /// What a hook is run for.
    pub enum Occasion {
        /// An uplink went down.
        "down" => Down,
        /// An uplink works again.
        "up" => Up,
        /// No uplink of a family works any more; beside `down` of the last one.
        "all-down" => AllDown,
        /// An uplink began or ceased to carry new connections.
        "active" => Active,
        /// The address of an uplink changed.
        "address" => Address,
        /// The gateway of an uplink changed.
        "gateway" => Gateway,
        /// The prefixes of an uplink with `prefix6: auto` changed.
        "prefix" => Prefix,
        /// Something on the host works against several uplinks, or no longer does.
        "hazard" => Hazard,
        /// An uplink has used up most or all of its quota.
        "quota" => Quota,
        /// The configuration changed.
        "config" => Config,
    }
}

fn check(hook: &Hook, section: &mut Section<'_>) {
    for (key, is_empty) in [("on", hook.on.is_empty()), ("run", hook.run.is_empty())] {
        if is_empty && section.sound(key) {
            section.wrong(key, "an empty list, allowed: one or more");
        }
    }
    if section.sound("run") && hook.run.first().is_some_and(|program| !program.starts_with('/')) {
        section.wrong("run", "a program without its path, allowed: an absolute path such as /etc/ftr/hooks/webhook");
    }
}

/// Reads the list.
pub(super) fn read(root: &mut Section<'_>) -> Vec<Hook> {
    if !root.has("hooks") {
        return Vec::new();
    }
    let hooks = root.sections("hooks", |mut section| {
        let mut hook = Hook::usual();
        hook.read(&mut section);
        section.finish();
        Some(hook)
    });
    hooks.into_iter().flatten().collect()
}
