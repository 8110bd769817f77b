//! Hours of the week: when uplinks carry new connections, and when policies are in force. The one thing that is decided by
//! the wall clock; whatever it says, who works is used where nobody else does.

use ftr_core::config::Hours;
use ftr_core::record::Stamp;

use super::calendar::{Calendar, rest_of_minute};

/// The hours of each uplink and policy, and whether they have come.
#[derive(Clone, Debug)]
pub(crate) struct Timetable {
    uplinks: Vec<Vec<Hours>>,
    policies: Vec<Vec<Hours>>,
    calendar: Calendar,
    /// As of the last look.
    now: Now,
    /// When to look again (`mono`, milliseconds); none where nothing has hours.
    next: Option<u64>,
}

/// Whether it is the time of each uplink and policy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Now {
    uplinks: Vec<bool>,
    policies: Vec<bool>,
}

impl Timetable {
    /// Before the first look it is everybody's time.
    pub(crate) fn new(uplinks: Vec<Vec<Hours>>, policies: Vec<Vec<Hours>>, calendar: Calendar) -> Self {
        let now = Now { uplinks: vec![true; uplinks.len()], policies: vec![true; policies.len()] };
        Self { uplinks, policies, calendar, now, next: None }
    }

    /// From the next look on local time is that of another zone.
    pub(crate) fn move_to(&mut self, calendar: Calendar) {
        self.calendar = calendar;
    }

    /// Looks at the clock. The uplink whose time has come or is over; the first one where it is about a policy.
    pub(crate) fn look(&mut self, at: &Stamp) -> Option<usize> {
        if self.uplinks.iter().chain(&self.policies).all(Vec::is_empty) {
            return None;
        }
        self.next = rest_of_minute(at).map(|rest| at.mono.saturating_add(rest));
        let each = |all: &[Vec<Hours>]| all.iter().map(|hours| self.calendar.covers(hours, at)).collect::<Vec<_>>();
        let now = Now { uplinks: each(&self.uplinks), policies: each(&self.policies) };
        let before = std::mem::replace(&mut self.now, now);
        if before == self.now {
            return None;
        }
        Some(before.uplinks.iter().zip(&self.now.uplinks).position(|(before, now)| before != now).unwrap_or_default())
    }

    /// When to look again.
    pub(crate) const fn next(&self) -> Option<u64> {
        self.next
    }

    /// Whether it is an uplink's time.
    pub(crate) fn is_on(&self, uplink: usize) -> bool {
        self.now.uplinks.get(uplink).copied().unwrap_or(true)
    }

    /// Whether a policy is in force.
    pub(crate) fn is_in_force(&self, policy: usize) -> bool {
        self.now.policies.get(policy).copied().unwrap_or(true)
    }
}
