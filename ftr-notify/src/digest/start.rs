//! An uplink that is not there yet when the daemon starts: its modem or its DHCP server takes longer to answer than this
//! router to boot. That is no news if it works before long.

use std::collections::VecDeque;
use std::time::Duration;

use ftr_core::record::{Event, EventKind};

/// So long there is no mail about an uplink whose first check failed.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// Whether the first check of an uplink since the start tells that it does not work.
pub(super) fn is_first_verdict(event: &Event) -> bool {
    event.kind == EventKind::State && event.from.is_none() && event.to.as_deref() == Some("down")
}

/// What turns out to be no news.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// `mono` of the check by which an uplink turned out to be merely late.
    late: Option<u64>,
}

impl Start {
    /// Takes out of `pending` what the event takes back, if its uplink was merely late. Returns the numbers of what need not
    /// be told, the event's own among them; none where it is news.
    pub(super) fn taken_back(&mut self, pending: &mut VecDeque<Event>, event: &Event) -> Vec<u64> {
        // Which uplinks carry new connections changes with it.
        if event.kind == EventKind::Role && self.late == Some(event.at.mono) {
            return vec![event.seq];
        }
        if event.kind != EventKind::State || event.to.as_deref() != Some("up") {
            return Vec::new();
        }
        let of_uplink = |other: &&Event| (&other.uplink, other.family) == (&event.uplink, event.family);
        let mut earlier = pending.iter().filter(of_uplink);
        let grace = u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX);
        let is_late = |first: &Event| is_first_verdict(first) && event.at.mono.saturating_sub(first.at.mono) <= grace;
        if !earlier.next().is_some_and(is_late) || !earlier.all(|other| other.kind == EventKind::Role) {
            return Vec::new();
        }
        self.late = Some(event.at.mono);
        let mut numbers = Vec::new();
        pending.retain(|other| {
            let stays = !of_uplink(&other);
            if !stays {
                numbers.push(other.seq);
            }
            stays
        });
        numbers.push(event.seq);
        numbers
    }
}
