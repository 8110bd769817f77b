//! Answers so far → up, down or undecided.

/// How many targets and probes of a check are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Targets that have to answer.
    pub(crate) required: usize,
    /// Targets that have answered.
    pub(crate) answered: usize,
    /// Targets that have not answered, but still may.
    pub(crate) open: usize,
    /// Probes sent.
    pub(crate) sent: usize,
    /// Probes that came back.
    pub(crate) back: usize,
    /// Probes that still may.
    pub(crate) pending: usize,
    /// How far the check is doubted.
    pub(crate) confirmation: Confirmation,
    /// What the line has to prove.
    pub(crate) trust: Trust,
}

/// What a line has to prove in a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing: it worked until now, as far as is known.
    #[default]
    Given,
    /// It was down, and has not shown enough yet.
    Wanted,
    /// It was down, and has shown that it works.
    Earned,
}

/// How far the confirmation of a check that does not go well has come: all targets are asked again in quick succession.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// All is well so far.
    #[default]
    NotNeeded,
    /// The targets are being asked again.
    Asking,
    /// All were asked.
    Asked,
}

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More answers, or the deadline, will tell.
    Undecided,
    /// Enough targets answered.
    Up,
    /// Too few answered, and too few are left that could.
    Down,
    /// The time is over, but this host asked too little to blame the uplink: ask again.
    Inconclusive,
    /// Too little came back, but perhaps because targets answer one question a second: ask again when that is over.
    Unsettled,
}

impl Tally {
    /// Whether enough targets have answered a check in doubt, though not yet most of what was asked, of a line that has
    /// nothing to prove.
    pub(crate) fn is_late_but_enough(self) -> bool {
        self.confirmation == Confirmation::Asked && self.trust == Trust::Given && self.answered >= self.required
    }

    /// The verdict, as soon as it is certain; `over` when the deadline has passed.
    ///
    /// A check that was doubted is up if enough targets answered in the end *and* half of all probes came back. A line
    /// that loses one packet in ten fails the first pass now and then, but brings back most of what it is asked; one
    /// that loses half of all packets in either direction brings back a quarter. With some twenty probes these two are
    /// not mistaken for each other. A line that was down is up when it has earned the trust: see [`crate::evidence`].
    pub(crate) const fn verdict(self, over: bool) -> Verdict {
        let enough = self.answered >= self.required;
        // What was asked too late to be answered by the deadline says nothing.
        let asked = if over { self.sent.saturating_sub(self.pending) } else { self.sent };
        match (self.confirmation, self.trust) {
            (Confirmation::NotNeeded, Trust::Given) | (_, Trust::Earned) if enough => Verdict::Up,
            (Confirmation::Asked, Trust::Given) if enough && 2 * self.back >= asked => Verdict::Up,
            // Down at once where every target was said to be unreachable: that is no loss by chance.
            _ if self.answered + self.open < self.required => Verdict::Down,
            (Confirmation::Asked, Trust::Wanted) if self.pending == 0 => Verdict::Down,
            (Confirmation::Asked, _) if over || 2 * (self.back + self.pending) < self.sent => Verdict::Down,
            (Confirmation::NotNeeded | Confirmation::Asking, _) if over => Verdict::Inconclusive,
            _ => Verdict::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Confirmation, Tally, Trust, Verdict};

    #[test]
    fn certain_as_soon_as_nothing_can_change_it() {
        let of = |answered, open| Tally { required: 4, answered, open, ..Tally::default() }.verdict(false);
        assert_eq!(of(0, 6), Verdict::Undecided);
        assert_eq!(of(3, 1), Verdict::Undecided);
        assert_eq!(of(4, 0), Verdict::Up);
        assert_eq!(of(1, 2), Verdict::Down);
    }

    #[test]
    fn in_doubt_half_of_the_probes_have_to_come_back() {
        let of = |answered, back, pending, over| {
            let open = 6 - answered;
            let tally = Tally { required: 4, answered, open, sent: 24, back, pending, ..Tally::default() };
            Tally { confirmation: Confirmation::Asked, ..tally }.verdict(over)
        };
        assert_eq!(of(5, 12, 2, false), Verdict::Up);
        assert_eq!(of(5, 11, 2, false), Verdict::Undecided);
        assert_eq!(of(5, 9, 2, false), Verdict::Down);
        assert_eq!(of(5, 11, 2, true), Verdict::Up, "two were asked too late");
        assert_eq!(of(5, 10, 2, true), Verdict::Down);
        assert_eq!(of(3, 12, 2, true), Verdict::Down);
    }

    #[test]
    fn one_that_was_down_has_to_earn_trust() {
        let of = |confirmation, trust, pending| {
            let tally = Tally { required: 4, answered: 5, open: 1, sent: 24, back: 20, pending, ..Tally::default() };
            Tally { confirmation, trust, ..tally }.verdict(false)
        };
        assert_eq!(of(Confirmation::NotNeeded, Trust::Wanted, 2), Verdict::Undecided);
        assert_eq!(of(Confirmation::Asking, Trust::Earned, 2), Verdict::Up);
        assert_eq!(of(Confirmation::Asked, Trust::Wanted, 2), Verdict::Undecided);
        assert_eq!(of(Confirmation::Asked, Trust::Wanted, 0), Verdict::Down);
    }

    #[test]
    fn a_host_that_did_not_ask_does_not_blame_the_uplink() {
        let of =
            |confirmation, open| Tally { required: 4, open, sent: 4, confirmation, ..Tally::default() }.verdict(true);
        assert_eq!(of(Confirmation::NotNeeded, 6), Verdict::Inconclusive);
        assert_eq!(of(Confirmation::Asking, 6), Verdict::Inconclusive);
        assert_eq!(of(Confirmation::Asked, 6), Verdict::Down);
        assert_eq!(of(Confirmation::NotNeeded, 3), Verdict::Down);
    }
}
