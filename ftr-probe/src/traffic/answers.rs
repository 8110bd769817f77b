//! How many packets come back for each one sent, and how many come unasked.

use super::stretch::Stretch;

/// Seconds after which an observation counts for less than half (1/e).
const MEMORY: f64 = 10.0;
/// Nothing is said before so many seconds were seen.
const ENOUGH: f64 = 1.0;
/// Expected of a line that has not shown anything else: a reply to nearly each packet.
const USUAL: f64 = 0.8;
/// How many packets' worth of observation this expectation stands for.
const PRIOR: f64 = 3.0;
/// More than this is never expected: big downloads bring more, but one packet is not known to belong to one.
const MOST: f64 = 1.5;
/// Packets are counted a tenth of a second, the usual length of a stretch.
const UNIT: f64 = 0.1;
/// The least variance of what is received in a unit: counts are whole numbers.
const LEAST_VARIANCE: f64 = 0.3;

/// A straight line through (sent, received) by least squares. A stretch weighs the less the more was sent in it,
/// because what is received varies the more.
#[derive(Debug, Default)]
pub(super) struct Answers {
    seconds: f64,
    /// Stretches in which nothing was sent fade only as others of the kind come: they alone show the noise, and a
    /// saturated line has none for a long time.
    idle: Sums,
    busy: Sums,
}

/// Weighted sums of sent (`x`), received (`y`) and their products, with packets counted a [`UNIT`].
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    weight: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

/// What a device is expected to receive: `noise` packets a second, and `each` for every packet sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) noise: f64,
    /// The noise may well be this high.
    pub(super) noise_at_most: f64,
    pub(super) each: f64,
}

impl Answers {
    pub(super) fn learn(&mut self, stretch: Stretch) {
        self.seconds += stretch.seconds;
        let kind = if stretch.sent > 0.0 { &mut self.busy } else { &mut self.idle };
        *kind = kind.scaled((1.0 - stretch.seconds / MEMORY).max(0.0)).plus(Sums::of(stretch));
    }

    /// Whether the line was ever idle for long enough to show its noise.
    pub(super) fn knows_noise(&self) -> bool {
        self.idle.weight * UNIT >= ENOUGH
    }

    /// The line; none as long as too little was seen.
    pub(super) fn line(&self) -> Option<Line> {
        let sums = self.idle.plus(self.busy);
        (self.seconds >= ENOUGH && sums.weight > 0.0).then(|| sums.line())
    }
}

impl Sums {
    fn of(stretch: Stretch) -> Self {
        let units = stretch.seconds / UNIT;
        let (x, y) = (stretch.sent / units, stretch.received / units);
        Self { weight: 1.0, x, y, xx: x * x, xy: x * y, yy: y * y }.scaled(units / (1.0 + x))
    }

    fn scaled(self, by: f64) -> Self {
        let Self { weight, x, y, xx, xy, yy } = self;
        Self { weight: weight * by, x: x * by, y: y * by, xx: xx * by, xy: xy * by, yy: yy * by }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            weight: self.weight + other.weight,
            x: self.x + other.x,
            y: self.y + other.y,
            xx: self.xx + other.xx,
            xy: self.xy + other.xy,
            yy: self.yy + other.yy,
        }
    }

    fn line(self) -> Line {
        let (x, y) = (self.x / self.weight, self.y / self.weight);
        // The sums about the means.
        let (xx, xy, yy) = (self.xx - self.x * x, self.xy - self.x * y, self.yy - self.y * y);
        let each = slope(xx, xy);
        let noise = y - each * x;
        let residue = (yy - 2.0 * each * xy + each * each * xx) / self.weight.max(1.0);
        let error = (residue.max(LEAST_VARIANCE) * (1.0 / self.weight + x * x / (PRIOR + xx))).sqrt();
        // Where nothing comes unasked the line goes through the origin.
        let each = if noise < 0.0 { slope(self.xx, self.xy) } else { each };
        Line { noise: noise.max(0.0) / UNIT, noise_at_most: (noise + error).max(0.0) / UNIT, each }
    }
}

fn slope(xx: f64, xy: f64) -> f64 {
    (PRIOR.mul_add(USUAL, xy) / (PRIOR + xx)).clamp(0.0, MOST)
}

impl Line {
    /// Whether the stretch brought answers beyond doubt, and about as many as what was sent in it lets one expect.
    pub(super) fn is_answered(self, stretch: Stretch) -> bool {
        let noise = self.noise_at_most * stretch.seconds;
        let answers = stretch.received - noise;
        stretch.sent >= 3.0 && answers >= 3.0 * noise.max(1.0).sqrt() && answers >= 0.5 * self.each * stretch.sent
    }
}

#[cfg(test)]
mod tests {
    use super::{Answers, Stretch};
    use std::time::Duration;

    fn stretch(sent: f64, received: f64) -> Stretch {
        Stretch { end: Duration::ZERO, seconds: 0.1, sent, received, bytes: 0.0 }
    }

    #[test]
    fn noise_and_answers_are_told_apart() {
        let mut answers = Answers::default();
        for turn in 0..100 {
            assert!(turn > 9 || answers.line().is_none());
            let sent = f64::from(turn % 5) * 4.0;
            answers.learn(stretch(sent, 5.0 + 0.9 * sent));
        }
        let line = answers.line().unwrap();
        assert!((line.noise - 50.0).abs() < 1.0 && (line.each - 0.9).abs() < 0.01, "{line:?}");
        assert!(line.noise < line.noise_at_most && line.noise_at_most < 60.0);
        assert!(line.is_answered(stretch(10.0, 14.0)) && !line.is_answered(stretch(10.0, 6.0)));
        assert!(!line.is_answered(stretch(0.0, 100.0)));
    }

    #[test]
    fn the_noise_is_remembered_while_the_line_is_never_idle() {
        let mut answers = Answers::default();
        (0..50).for_each(|_| answers.learn(stretch(0.0, 5.0)));
        (0..1000).for_each(|_| answers.learn(stretch(9.0, 10.0)));
        let line = answers.line().unwrap();
        assert!((line.noise - 50.0).abs() < 5.0, "{line:?}");
    }
}
