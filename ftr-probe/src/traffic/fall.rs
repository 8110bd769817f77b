//! Whether readings in which something was sent bring far less than such readings have brought lately.

use std::time::Duration;

use super::answers::Line;
use super::silence::evidence;
use super::stretch::Stretch;

/// The sum above which a fall is no chance.
const SUSPICIOUS: f64 = 3.5;
/// Answers may take this long, and a fall has to last so long.
const PATIENCE: Duration = Duration::from_millis(180);
/// A fall is excused when answers are that much likelier than noise: people send less, and are answered.
const ANSWERED: f64 = -2.0;
/// Seconds over which the usual level is averaged, and how many it takes to know one.
const MEMORY: f64 = 3.0;
const ENOUGH: f64 = 1.5;
/// A reading that speaks against a fall counts no more than this.
const LEAST: f64 = -4.0;
/// How many readings the odds of a low one are remembered for.
const ODDS: f64 = 300.0;
/// A suspicion that was cleared within this time was a false one; what took longer was an outage, no lesson.
const LESSON: Duration = Duration::from_secs(1);

/// The usual level of what is received while something is sent, and the fall below it under way.
#[derive(Debug)]
pub(super) struct Fall {
    /// Mean of ln(1 + packets a second): bursts do not hide what is usual between them.
    pub(super) level: f64,
    seconds: f64,
    /// Readings, and those among them that were low although nothing was wrong.
    readings: f64,
    low: f64,
    run: Option<Run>,
}

/// A fall under way: a cumulative sum that has left zero.
#[derive(Debug, Default)]
pub(super) struct Run {
    began: Duration,
    pub(super) sum: f64,
    /// When it became suspicious.
    suspected: Option<Duration>,
    /// Below zero: answers are seen.
    pub(super) unanswered: f64,
    /// Of the readings before it became suspicious: their number, the low ones, their levels.
    readings: f64,
    low: f64,
    levels: f64,
}

impl Default for Fall {
    fn default() -> Self {
        // As if one of forty readings had been low.
        Self { level: 0.0, seconds: 0.0, readings: 20.0, low: 0.5, run: None }
    }
}

impl Fall {
    pub(super) fn read(&mut self, stretch: Stretch, line: Option<Line>) {
        if stretch.sent == 0.0 {
            return;
        }
        let level = (stretch.received / stretch.seconds).ln_1p();
        if self.seconds >= ENOUGH {
            self.weigh(stretch, line, level);
        }
        if self.run.as_ref().is_none_or(|run| run.suspected.is_none()) {
            self.learn(level, stretch.seconds);
        }
    }

    pub(super) fn is_suspicious(&self, now: Duration) -> bool {
        let lasted = |run: &Run| now.saturating_sub(run.began) >= PATIENCE;
        self.run.as_ref().is_some_and(|run| run.sum >= SUSPICIOUS && lasted(run))
    }

    /// The fall was nothing: the usual level is lower, and low readings are more usual, than they were thought to be.
    pub(super) fn excuse(&mut self, now: Duration) {
        let Some(run) = self.run.take() else { return };
        let outage = run.suspected.is_some_and(|at| now.saturating_sub(at) > LESSON);
        if !outage && run.readings > 0.0 {
            self.level = f64::midpoint(self.level, run.levels / run.readings);
            self.count(run.readings, run.low);
        }
    }

    pub(super) fn forget(&mut self) {
        self.run = None;
    }

    fn weigh(&mut self, stretch: Stretch, line: Option<Line>, level: f64) {
        let evidence_of_fall = self.evidence(stretch, line);
        let low = evidence_of_fall > 0.0;
        if self.run.is_none() && !low {
            self.count(1.0, 0.0);
            return;
        }
        let most = (self.readings / self.low).ln();
        let began = stretch.end.saturating_sub(Duration::from_secs_f64(stretch.seconds));
        let run = self.run.get_or_insert_with(|| Run { began, ..Run::default() });
        if run.suspected.is_none() {
            run.readings += 1.0;
            run.low += f64::from(u8::from(low));
            run.levels += level;
        }
        run.sum += evidence_of_fall.clamp(LEAST, most);
        if run.sum >= SUSPICIOUS {
            run.suspected = run.suspected.or(Some(stretch.end));
        }
        run.unanswered += line.map_or(0.0, |line| evidence(stretch, line.noise_at_most, line.each));
        if run.sum <= 0.0 || run.unanswered < ANSWERED {
            let (readings, low) = (run.readings, run.low);
            self.run = None;
            self.count(readings, low);
        }
    }

    /// The logarithm of how much likelier what was received is on a dead line than at the usual level. A dead line
    /// brings noise alone; where that is unknown, half of the usual.
    fn evidence(&self, stretch: Stretch, line: Option<Line>) -> f64 {
        let usual = (self.level.exp_m1() * stretch.seconds).max(0.01);
        let noise = line.map_or(0.5 * usual, |line| line.noise_at_most * stretch.seconds);
        let dead = noise.clamp(0.3 * usual, 0.7 * usual);
        stretch.received.mul_add((dead / usual).ln(), usual - dead)
    }

    fn learn(&mut self, level: f64, seconds: f64) {
        let share = (seconds / MEMORY).max(seconds / (self.seconds + seconds)).min(1.0);
        self.level += share * (level - self.level);
        self.seconds += seconds;
    }

    fn count(&mut self, readings: f64, low: f64) {
        self.readings += readings;
        self.low += low;
        if self.readings > ODDS {
            self.readings /= 2.0;
            self.low /= 2.0;
        }
    }
}
