//! How much of what a line was asked has to come back before it is believed to work again.
//!
//! A sequential test (A. Wald, 1945): each question that is answered speaks for a line that loses a tenth of its packets
//! each way and against one that loses three tenths, each that is lost speaks against it. Thousandths of the natural
//! logarithm of the likelihood ratio are added up; how large the sum has to be says how rare a mistake is. Pure: time is a
//! parameter.

use std::time::Duration;

/// What an answer adds: ln(0.81 / 0.49).
pub(crate) const ANSWER: i32 = 503;
/// What a lost one adds: ln(0.19 / 0.51).
pub(crate) const LOSS: i32 = -987;
/// So much is enough of a line that was dead: one that loses three tenths brings it together in one check of 20,000.
const ENOUGH: i32 = 10_000;
/// So much of one that is known to lose packets, or to fall again and again: in one of 400,000.
const LOSSY: i32 = 13_000;
/// So much more for each time that the line has gone down again lately.
const MORE: i32 = 5_000;
/// More than this is never asked for.
const MOST: i32 = 40_000;
/// Lately: after this a fall counts half.
const HALF_LIFE: Duration = Duration::from_secs(300);
/// So many falls are one and a remnant of older ones.
const SEVERAL: f64 = 1.5;
/// A check that may be spoilt by its targets is made again until what they answered speaks against the line by so much.
const AGAINST: i32 = -6_000;
/// Nor is it made again more often than this.
const AGAIN: u32 = 5;

/// What is known of a line from its earlier checks.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// What the last check that came to a verdict came to.
    up: Option<bool>,
    /// For a line that is down: what its checks have added up to. Never against it, or it could not be made up for.
    gathered: i32,
    /// Something came back though the line was down: it loses packets, but is not dead.
    lossy: bool,
    /// How often it went down, and when that was counted last.
    falls: f64,
    fell: Duration,
    /// What checks in a row that said nothing have added up to, and how many there were.
    unsettled: (i32, u32),
}

/// What a line that was down has to show in a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// What it has shown already.
    gathered: i32,
    needed: i32,
    /// If all that it is asked comes back, that will do, however little it is.
    whole: bool,
}

impl Proof {
    /// How many questions it takes at the least, where a usual check may not do.
    pub(crate) fn questions(self) -> usize {
        if self.whole {
            0
        } else {
            usize::try_from(self.needed.saturating_sub(self.gathered) / ANSWER + 1).unwrap_or(0)
        }
    }

    /// Whether these answers prove that the line works, when so many questions are lost or may be. `over`: nobody is
    /// asked any more, nor is an answer awaited.
    pub(crate) fn is_given(self, answers: usize, lost: usize, over: bool) -> bool {
        let is_whole = self.whole && over && answers > 0 && lost == 0;
        is_whole || self.gathered.saturating_add(sum(answers, lost)) >= self.needed
    }
}

/// What so many answered and lost questions add up to.
pub(crate) fn sum(answers: usize, lost: usize) -> i32 {
    let times = |count: usize, each: i32| i32::try_from(count).unwrap_or(i32::MAX).saturating_mul(each);
    times(answers, ANSWER).saturating_add(times(lost, LOSS))
}

impl Evidence {
    /// Of a line that is known to have been down, and whether something came back all the same.
    pub(crate) fn of_down(lossy: bool) -> Self {
        Self { up: Some(false), lossy, ..Self::default() }
    }

    /// What the line has to show in a check that begins now; none where it was not down.
    pub(crate) fn wanted(&self, now: Duration) -> Option<Proof> {
        if self.up != Some(false) {
            return None;
        }
        let falls = self.falls(now);
        let whole = !self.lossy && falls < SEVERAL;
        // Between 0 and what is never exceeded.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by MOST")]
        let more = (f64::from(MORE) * (falls - 1.0)).clamp(0.0, f64::from(MOST - LOSSY)) as i32;
        Some(Proof { gathered: self.gathered, needed: if whole { ENOUGH } else { LOSSY + more }, whole })
    }

    /// A check has ended: with this verdict, after `answers` of those that were asked, and `lost` ones.
    pub(crate) fn ended(&mut self, up: bool, (answers, lost): (usize, usize), now: Duration) {
        self.unsettled = (0, 0);
        match (self.up.replace(up), up) {
            (_, true) => (self.gathered, self.lossy) = (0, false),
            (before, false) => {
                if before == Some(true) {
                    self.falls = self.falls(now) + 1.0;
                    self.fell = now;
                    self.gathered = 0;
                } else {
                    self.gathered = self.gathered.saturating_add(sum(answers, lost)).max(0);
                }
                self.lossy |= answers > 0;
            }
        }
    }

    /// A check has gone badly, but perhaps because its targets answer one question a second: `answers` and `lost` are
    /// what it came to if they do. Whether another check has to tell.
    pub(crate) fn is_unsettled(&mut self, answers: usize, lost: usize) -> bool {
        let (before, count) = self.unsettled;
        let now = before.saturating_add(sum(answers, lost)).min(0);
        self.unsettled = (now, count + 1);
        now > AGAINST && count < AGAIN
    }

    fn falls(&self, now: Duration) -> f64 {
        let calm = now.saturating_sub(self.fell).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.falls * 0.5f64.powf(calm)
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWER, Evidence, LOSSY, MORE, Proof};
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);

    fn needed(evidence: &Evidence, now: Duration) -> (i32, bool) {
        evidence.wanted(now).map(|proof| (proof.needed - proof.gathered, proof.whole)).unwrap()
    }

    #[test]
    fn a_line_that_was_dead_has_to_bring_back_all_once() {
        let mut evidence = Evidence::default();
        assert_eq!(evidence.wanted(MINUTE), None);
        evidence.ended(true, (4, 0), MINUTE);
        assert_eq!(evidence.wanted(MINUTE), None);
        evidence.ended(false, (0, 24), MINUTE);
        let proof = evidence.wanted(MINUTE).unwrap();
        assert!(proof.is_given(4, 0, true) && !proof.is_given(4, 0, false) && !proof.is_given(0, 0, true));
        assert!(!proof.is_given(21, 1, true) && proof.is_given(22, 1, true), "or nearly all of many");
    }

    #[test]
    fn one_that_was_down_when_another_process_looked_has_to_show_as_much() {
        assert_eq!(needed(&Evidence::of_down(false), MINUTE), (super::ENOUGH, true));
        assert_eq!(needed(&Evidence::of_down(true), MINUTE), (LOSSY, false));
    }

    #[test]
    fn a_way_that_breaks_again_and_again_has_to_show_more() {
        let mut evidence = Evidence::default();
        let mut flap = || {
            evidence.ended(true, (4, 0), MINUTE);
            evidence.ended(false, (0, 0), MINUTE);
            needed(&evidence, MINUTE)
        };
        assert_eq!([flap(), flap()], [(super::ENOUGH, true), (LOSSY + MORE, false)]);
    }

    #[test]
    fn one_that_loses_packets_or_falls_again_has_to_show_more() {
        let mut evidence = Evidence::default();
        evidence.ended(true, (4, 0), MINUTE);
        evidence.ended(false, (7, 17), MINUTE);
        assert_eq!(needed(&evidence, MINUTE), (LOSSY, false));
        for _ in 0..3 {
            evidence.ended(true, (24, 0), MINUTE);
            evidence.ended(false, (0, 24), MINUTE);
        }
        assert_eq!(needed(&evidence, MINUTE), (LOSSY + 3 * MORE, false));
        assert_eq!(needed(&evidence, MINUTE * 6).0, LOSSY + MORE, "calm halves it");
        for _ in 0..50 {
            evidence.ended(true, (24, 0), MINUTE);
            evidence.ended(false, (0, 24), MINUTE);
        }
        assert_eq!(needed(&evidence, MINUTE).0, super::MOST);
    }

    #[test]
    fn checks_in_a_row_add_up_and_bad_ones_take_away() {
        let mut evidence = Evidence::default();
        evidence.ended(false, (1, 23), MINUTE);
        evidence.ended(false, (6, 0), MINUTE);
        evidence.ended(false, (6, 0), MINUTE);
        let Proof { gathered, .. } = evidence.wanted(MINUTE).unwrap();
        assert_eq!(gathered, 12 * ANSWER);
        evidence.ended(false, (0, 24), MINUTE);
        assert_eq!(evidence.wanted(MINUTE).unwrap().gathered, 0);
    }

    #[test]
    fn a_check_that_may_be_spoilt_is_made_again_a_few_times() {
        let mut evidence = Evidence::default();
        assert!(evidence.is_unsettled(5, 4), "a little against the line");
        assert!(!evidence.is_unsettled(3, 7), "too much by now");
        evidence.ended(true, (4, 0), MINUTE);
        assert_eq!([(); 6].map(|()| evidence.is_unsettled(4, 1)), [true, true, true, true, true, false]);
    }
}
