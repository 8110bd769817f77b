//! Hold-down: an uplink that keeps going down is kept on standby when it works again, in the spirit of RFC 2439.
//!
//! Each time it goes down a flap is added to its penalty, and time takes half of it away again and again. From
//! [`SUPPRESS`] flaps on it is held down until [`REUSE`] of them are left. So one outage costs nothing, nor do two; and
//! what keeps flapping is used again after minutes, not at every pulse. Nothing here delays leaving.

use ftr_core::config::Routing;
use ftr_core::record::Held;
use serde::{Deserialize, Serialize};

/// From so much penalty on an uplink is held down. Two flaps, however close, are below.
const SUPPRESS: f64 = 2.5;
/// Until so much is left.
const REUSE: f64 = 1.5;
/// How many half-lives a hold-down lasts at most, which bounds the penalty.
const HALF_LIVES: u32 = 2;
/// Below so much penalty the flaps of before are forgotten.
const FORGOTTEN: f64 = 0.25;
/// The penalty is kept in thousandths, so that what is written is read again as it was.
const PARTS: f64 = 1000.0;

/// What is configured of it; all in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The longest hold-down; 0: there is none.
    pub(crate) longest: u64,
    /// How long after it went down it carries nothing.
    pub(crate) min_down: u64,
    /// How long it has to work.
    pub(crate) delay: u64,
}

impl Rule {
    pub(crate) fn of(routing: &Routing) -> Self {
        let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            longest: millis(routing.hold_down),
            min_down: millis(routing.min_down),
            delay: millis(routing.failback_delay),
        }
    }

    /// The same with another time that an uplink has to work.
    pub(crate) const fn with_delay(self, delay: u64) -> Self {
        Self { delay, ..self }
    }

    fn half_life(self) -> f64 {
        to_float(self.longest) / f64::from(HALF_LIVES)
    }
}

/// How often an uplink went down of late, and what follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Damping {
    /// What was left of its flaps when it last went down, that one included; in thousandths of a flap.
    penalty: u32,
    /// When it last went down (`mono`, milliseconds, as all here).
    down_at: Option<u64>,
    /// Since when it works again.
    up_at: Option<u64>,
    /// Until when it is held down.
    held_until: u64,
    /// How many flaps are not forgotten yet, and since when they were counted.
    flaps: u32,
    first: u64,
}

impl Damping {
    /// It has gone down.
    pub(crate) fn down(&mut self, rule: Rule, now: u64) {
        let left = self.left(rule, now);
        if left < FORGOTTEN {
            (self.flaps, self.first) = (0, now);
        }
        self.flaps = self.flaps.saturating_add(1);
        (self.down_at, self.up_at) = (Some(now), None);
        if rule.longest == 0 {
            return;
        }
        let penalty = (left + 1.0).min(REUSE * f64::from(1u32 << HALF_LIVES));
        self.penalty = parts(penalty);
        if penalty >= SUPPRESS || now < self.held_until {
            let lasts = rule.half_life() * (penalty / REUSE).log2().max(0.0);
            self.held_until = now.saturating_add(to_whole(lasts).min(rule.longest));
        }
    }

    /// It works again.
    pub(crate) const fn up(&mut self, now: u64) {
        self.up_at = Some(now);
    }

    /// Whether there is anything to forget.
    pub(crate) const fn has_gone_down(&self) -> bool {
        self.down_at.is_some()
    }

    /// People say that it is to be trusted, whatever was.
    pub(crate) fn forgive(&mut self) {
        *self = Self::default();
    }

    /// When it is trusted again, if it works until then. 0: nothing was wrong with it.
    pub(crate) fn until(&self, rule: Rule) -> u64 {
        // Someone may have set a shorter time since.
        let held = self.down_at.map_or(0, |down| self.held_until.min(down.saturating_add(rule.longest)));
        let after_down =
            self.down_at.filter(|_| rule.min_down > 0).map_or(0, |down| down.saturating_add(rule.min_down));
        let after_up = self.up_at.filter(|_| rule.delay > 0).map_or(0, |up| up.saturating_add(rule.delay));
        held.max(after_down).max(after_up)
    }

    /// For how long it is not trusted yet, and why; none where it is.
    pub(crate) fn held(&self, rule: Rule, now: u64) -> Option<Held> {
        let for_ms = self.until(rule).saturating_sub(now);
        let (flaps, within_ms) = (self.flaps, now.saturating_sub(self.first));
        (for_ms > 0).then_some(Held { for_ms, flaps, within_ms })
    }

    /// What time has left of the penalty, in flaps.
    fn left(&self, rule: Rule, now: u64) -> f64 {
        let age = now.saturating_sub(self.down_at.unwrap_or(now));
        let half_lives = if rule.longest == 0 { f64::INFINITY } else { to_float(age) / rule.half_life() };
        f64::from(self.penalty) / PARTS * (-half_lives).exp2()
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans of milliseconds; years of them are exact")]
const fn to_float(millis: u64) -> f64 {
    millis as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest number there is"
)]
const fn to_whole(number: f64) -> u64 {
    number as u64
}

fn parts(flaps: f64) -> u32 {
    u32::try_from(to_whole((flaps * PARTS).round())).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Damping, Rule};
    use proptest::prelude::*;

    const RULE: Rule = Rule { longest: 600_000, min_down: 0, delay: 0 };

    /// Goes down at each of these seconds and works again five later; for how many seconds it is held down then.
    fn after(rule: Rule, seconds: &[u64]) -> u64 {
        let mut damping = Damping::default();
        for second in seconds {
            damping.down(rule, second * 1000);
            damping.up((second + 5) * 1000);
        }
        let now = seconds.last().map_or(0, |second| (second + 5) * 1000);
        damping.held(rule, now).map_or(0, |held| held.for_ms / 1000)
    }

    #[test]
    fn one_outage_and_two_cost_nothing_and_more_cost_more() {
        assert_eq!([after(RULE, &[0]), after(RULE, &[0, 6])], [0, 0]);
        assert_eq!([after(RULE, &[0, 20, 40]), after(RULE, &[0, 20, 40, 60])], [275, 390]);
        let many: Vec<u64> = (0..30).map(|i| i * 20).collect();
        assert_eq!(after(RULE, &many), 595, "ten minutes from when it last went down, and never more");
        // Twice an hour is no flapping.
        let calm: Vec<u64> = (0..48).map(|i| i * 1800).collect();
        assert_eq!(after(RULE, &calm), 0);
        assert_eq!(after(Rule { longest: 0, ..RULE }, &many), 0);
    }

    #[test]
    fn trust_ends_it_and_calm_forgets() {
        let mut damping = Damping::default();
        (0..6).for_each(|i| damping.down(RULE, i * 20_000));
        let held = damping.held(RULE, 105_000).unwrap();
        assert_eq!((held.flaps, held.within_ms), (6, 105_000));
        damping.forgive();
        assert_eq!(damping.held(RULE, 105_000), None);
        (0..6).for_each(|i| damping.down(RULE, i * 20_000));
        damping.down(RULE, 7_200_000);
        assert_eq!((damping.flaps, damping.held(RULE, 7_200_000)), (1, None));
    }

    #[test]
    fn it_stays_down_for_the_least_time_and_has_to_work_for_the_delay() {
        let mut damping = Damping::default();
        assert_eq!(damping.until(Rule { min_down: 30_000, delay: 20_000, ..RULE }), 0, "nothing was wrong with it");
        damping.down(RULE, 1000);
        damping.up(5000);
        assert_eq!(damping.until(Rule { min_down: 30_000, ..RULE }), 31_000);
        assert_eq!(damping.until(Rule { min_down: 30_000, delay: 40_000, ..RULE }), 45_000);
    }

    proptest! {
        /// However a line flaps: after any return it is held down for the longest time at most, and it gets no more
        /// chances in an hour than one for each half-life and two beside.
        #[test]
        fn whatever_comes_there_are_few_chances(gaps in proptest::collection::vec(1u64..400, 1..200)) {
            let (mut damping, mut now, mut chances) = (Damping::default(), 0, Vec::new());
            for gap in gaps {
                now += gap * 1000;
                if damping.until(RULE) <= now {
                    chances.push(now);
                }
                damping.down(RULE, now);
                damping.up(now + 500);
                prop_assert!(damping.until(RULE) <= now + RULE.longest);
            }
            let within_an_hour = |from: u64| chances.iter().filter(|at| (from..from + 3_600_000).contains(*at)).count();
            prop_assert!(chances.iter().all(|from| within_an_hour(*from) <= CHANCES), "{:?}", chances);
        }
    }

    /// What goes down once in the time in which the penalty of one flap less than [`super::SUPPRESS`] becomes one less is
    /// never held down: log2(2.5 / 1.5) half-lives.
    const CHANCES: usize = 2 + 3600 / 221 + 1;
}
