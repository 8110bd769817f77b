//! A line of the log, and how much it matters: both are decided where the line is made.

use ftr_core::Severity;
use ftr_core::record::{Active, Check, Event, EventKind};

use crate::format;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) severity: Severity,
    pub(crate) text: String,
}

impl Entry {
    /// Nothing works any more, or something that has to be done cannot be done.
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, text: text.into() }
    }

    /// Something does not work, and others do its work.
    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, text: text.into() }
    }

    /// Something changed that people want to know of.
    pub(crate) fn notice(text: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, text: text.into() }
    }

    /// What was done.
    pub(crate) fn info(text: impl Into<String>) -> Self {
        Self { severity: Severity::Info, text: text.into() }
    }

    /// An event: an uplink that goes down is a warning, one that is back is worth a notice.
    pub(crate) fn event(event: &Event) -> Self {
        let severity = match (event.kind, event.to.as_deref()) {
            (EventKind::State, Some("down")) => Severity::Warning,
            (EventKind::Role, _) => Severity::Info,
            _ => Severity::Notice,
        };
        Self { severity, text: format::event(event) }
    }

    /// An active set: an error where none of its uplinks works, so that connections fail.
    pub(crate) fn active(active: &Active) -> Self {
        let works = active.uplinks.iter().any(|share| !active.failed.contains(&share.uplink));
        Self { severity: if works { Severity::Info } else { Severity::Error }, text: format::active(active) }
    }

    /// A check.
    pub(crate) fn check(check: &Check) -> Self {
        Self { severity: Severity::Debug, text: format::check(check) }
    }
}

#[cfg(test)]
mod tests {
    use super::Entry;
    use crate::decide::Decider;
    use crate::decide::fixture::{check, config};
    use ftr_core::Severity;
    use ftr_core::record::Record;

    /// What is logged of checks, each with its severity.
    fn logged(checks: &[(&str, bool)]) -> Vec<(Severity, String)> {
        let mut decider = Decider::new(&config([""; 3], ""), None);
        let entries = checks.iter().flat_map(|(uplink, up)| decider.handle(&Record::Check(check(uplink, *up, 0))));
        let entries = entries.filter_map(|record| match record {
            Record::Active(active) => Some(Entry::active(&active)),
            Record::Event(event) => Some(Entry::event(&event)),
            _ => None,
        });
        entries.map(|entry| (entry.severity, entry.text)).collect()
    }

    #[test]
    fn one_down_is_a_warning_all_down_an_error_and_back_a_notice() {
        let up = [("eth1", true), ("eth2", true), ("eth3", true)];
        assert_eq!(logged(&up).iter().map(|(severity, _)| *severity).collect::<Vec<_>>(), [Severity::Info]);
        let down = [("eth1", false), ("eth2", false), ("eth3", false)];
        let said = logged(&[&up[..], &down, &up[1..2]].concat());
        let worst =
            |part: &str| said.iter().filter(|(_, text)| text.contains(part)).map(|(severity, _)| *severity).min();
        assert_eq!(worst("eth1 is down"), Some(Severity::Warning), "{said:?}");
        assert_eq!(worst("eth1 is standby"), Some(Severity::Info), "{said:?}");
        assert_eq!(worst("none that may carry them works"), Some(Severity::Error), "{said:?}");
        assert_eq!(said.iter().filter(|(severity, _)| *severity == Severity::Error).count(), 1, "{said:?}");
        assert_eq!(worst("eth2 is up"), Some(Severity::Notice), "{said:?}");
        assert_eq!(Entry::check(&check("eth1", true, 0)).severity, Severity::Debug);
    }
}
