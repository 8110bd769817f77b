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
/// Where one check has to do: such a part of what it would add up to if all came back. Of a line that loses four tenths each way,
/// one check of 17 questions in 8,000 shows as much; of one that loses a tenth each way, every second one.
const MOST_OF: i32 = 3;
/// A check that may be spoilt by its targets is made again until what they answered speaks against the line by so much.
const AGAINST: i32 = -6_000;
/// Nor is it made again more often than this.
const AGAIN: u32 = 5;

/// What the questions of a check came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) answers: usize,
    pub(crate) lost: usize,
    /// Targets seem to answer one question a second. What else they were asked is left out.
    pub(crate) limited: bool,
}

impl Score {
    /// All that could come back of targets that answer one question a second.
    const fn is_whole_though_limited(self) -> bool {
        self.limited && self.answers > 0 && self.lost == 0
    }
}

/// What is known of a line from its earlier checks.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// What the last check that came to a verdict came to.
    up: Option<bool>,
    /// For a line that is down: what its checks have added up to. Never against it, or it could not be made up for.
    gathered: i32,
    /// Something came back though the line was down: it loses packets, but is not dead.
    lossy: bool,
    /// There is one check alone.
    single: bool,
    /// The last check brought back all that its targets answer in so short a time.
    slow: bool,
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
    /// There is one check alone: if most of what can be asked in it comes back, that will do.
    single: bool,
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
        let shown = sum(answers, lost);
        let is_whole = self.whole && lost == 0;
        let is_most = self.single && shown >= sum(answers.saturating_add(lost), 0) / MOST_OF;
        (over && answers > 0 && (is_whole || is_most)) || self.gathered.saturating_add(shown) >= self.needed
    }
}

/// What so many answered and lost questions add up to.
pub(crate) fn sum(answers: usize, lost: usize) -> i32 {
    let times = |count: usize, each: i32| i32::try_from(count).unwrap_or(i32::MAX).saturating_mul(each);
    times(answers, ANSWER).saturating_add(times(lost, LOSS))
}

impl Evidence {
    /// Of a line that is known to have been down, and whether something came back all the same. `single`: no check follows
    /// that could make up for what this one cannot ask.
    pub(crate) fn of_down(lossy: bool, single: bool) -> Self {
        Self { up: Some(false), lossy, single, ..Self::default() }
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
        let needed = if whole { ENOUGH } else { LOSSY + more };
        Some(Proof { gathered: self.gathered, needed, whole, single: self.single })
    }

    /// A check has ended: with this verdict, and this score where that is against the line.
    pub(crate) fn ended(&mut self, up: bool, score: Score, now: Duration) {
        self.unsettled = (0, 0);
        self.slow = !up && score.is_whole_though_limited();
        match (self.up.replace(up), up) {
            (_, true) => (self.gathered, self.lossy) = (0, false),
            (before, false) => {
                if before == Some(true) {
                    self.falls = self.falls(now) + 1.0;
                    self.fell = now;
                    self.gathered = 0;
                } else {
                    self.gathered = self.gathered.saturating_add(sum(score.answers, score.lost)).max(0);
                }
                self.lossy |= score.answers > 0 && !self.slow;
            }
        }
    }

    /// A line that was down has to show more, which takes targets that answer one question a second more than one check.
    pub(crate) const fn is_slow(&self) -> bool {
        self.slow
    }

    /// A check has gone badly, but perhaps because its targets answer one question a second: this is what it came to if they
    /// do. Whether another check has to tell.
    pub(crate) fn is_unsettled(&mut self, score: Score) -> bool {
        let (before, count) = self.unsettled;
        let now = before.saturating_add(sum(score.answers, score.lost)).min(0);
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
    use super::{ANSWER, Evidence, LOSSY, MORE, Proof, Score};
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);

    fn of(answers: usize, lost: usize) -> Score {
        Score { answers, lost, limited: false }
    }

    fn needed(evidence: &Evidence, now: Duration) -> (i32, bool) {
        evidence.wanted(now).map(|proof| (proof.needed - proof.gathered, proof.whole)).unwrap()
    }

    #[test]
    fn a_line_that_was_dead_has_to_bring_back_all_once() {
        let mut evidence = Evidence::default();
        assert_eq!(evidence.wanted(MINUTE), None);
        evidence.ended(true, of(4, 0), MINUTE);
        assert_eq!(evidence.wanted(MINUTE), None);
        evidence.ended(false, of(0, 24), MINUTE);
        let proof = evidence.wanted(MINUTE).unwrap();
        assert!(proof.is_given(4, 0, true) && !proof.is_given(4, 0, false) && !proof.is_given(0, 0, true));
        assert!(!proof.is_given(21, 1, true) && proof.is_given(22, 1, true), "or nearly all of many");
    }

    #[test]
    fn one_that_was_down_when_another_process_looked_has_to_show_as_much() {
        assert_eq!(needed(&Evidence::of_down(false, false), MINUTE), (super::ENOUGH, true));
        assert_eq!(needed(&Evidence::of_down(true, false), MINUTE), (LOSSY, false));
    }

    #[test]
    fn a_whole_check_of_targets_that_answer_once_a_second_shows_no_loss() {
        let mut evidence = Evidence::of_down(false, false);
        evidence.ended(false, Score { limited: true, ..of(4, 0) }, MINUTE);
        assert_eq!((evidence.is_slow(), needed(&evidence, MINUTE)), (true, (super::ENOUGH - 4 * ANSWER, true)));
        evidence.ended(false, Score { limited: true, ..of(3, 1) }, MINUTE);
        assert!(!evidence.is_slow() && !needed(&evidence, MINUTE).1);
    }

    #[test]
    fn where_no_check_follows_most_of_what_it_could_ask_has_to_come_back() {
        let proof = Evidence::of_down(true, true).wanted(MINUTE).unwrap();
        assert_eq!(proof.questions(), 26);
        assert!(proof.is_given(14, 3, true) && !proof.is_given(14, 3, false) && !proof.is_given(13, 4, true));
        assert!(proof.is_given(4, 0, true) && !proof.is_given(3, 1, true), "of targets that answer once a second");
        assert!(
            !Evidence::of_down(true, false).wanted(MINUTE).unwrap().is_given(17, 0, true),
            "the next one adds to it"
        );
    }

    #[test]
    fn a_way_that_breaks_again_and_again_has_to_show_more() {
        let mut evidence = Evidence::default();
        let mut flap = || {
            evidence.ended(true, of(4, 0), MINUTE);
            evidence.ended(false, of(0, 0), MINUTE);
            needed(&evidence, MINUTE)
        };
        assert_eq!([flap(), flap()], [(super::ENOUGH, true), (LOSSY + MORE, false)]);
    }

    #[test]
    fn one_that_loses_packets_or_falls_again_has_to_show_more() {
        let mut evidence = Evidence::default();
        evidence.ended(true, of(4, 0), MINUTE);
        evidence.ended(false, of(7, 17), MINUTE);
        assert_eq!(needed(&evidence, MINUTE), (LOSSY, false));
        for _ in 0..3 {
            evidence.ended(true, of(24, 0), MINUTE);
            evidence.ended(false, of(0, 24), MINUTE);
        }
        assert_eq!(needed(&evidence, MINUTE), (LOSSY + 3 * MORE, false));
        assert_eq!(needed(&evidence, MINUTE * 6).0, LOSSY + MORE, "calm halves it");
        for _ in 0..50 {
            evidence.ended(true, of(24, 0), MINUTE);
            evidence.ended(false, of(0, 24), MINUTE);
        }
        assert_eq!(needed(&evidence, MINUTE).0, super::MOST);
    }

    #[test]
    fn checks_in_a_row_add_up_and_bad_ones_take_away() {
        let mut evidence = Evidence::default();
        evidence.ended(false, of(1, 23), MINUTE);
        evidence.ended(false, of(6, 0), MINUTE);
        evidence.ended(false, of(6, 0), MINUTE);
        let Proof { gathered, .. } = evidence.wanted(MINUTE).unwrap();
        assert_eq!(gathered, 12 * ANSWER);
        evidence.ended(false, of(0, 24), MINUTE);
        assert_eq!(evidence.wanted(MINUTE).unwrap().gathered, 0);
    }

    #[test]
    fn a_check_that_may_be_spoilt_is_made_again_a_few_times() {
        let mut evidence = Evidence::default();
        assert!(evidence.is_unsettled(of(5, 4)), "a little against the line");
        assert!(!evidence.is_unsettled(of(3, 7)), "too much by now");
        evidence.ended(true, of(4, 0), MINUTE);
        assert_eq!([(); 6].map(|()| evidence.is_unsettled(of(4, 1))), [true, true, true, true, true, false]);
    }
}
