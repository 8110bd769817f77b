//! Answers so far → up, down or undecided.

/// How many targets of a check are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Have to answer.
    pub(crate) required: usize,
    /// Have answered.
    pub(crate) answered: usize,
    /// Have not answered, but still may.
    pub(crate) open: usize,
    /// Have not answered, and were not asked as often as they should have been, by fault of this host: it had no
    /// room to send, or was asleep.
    pub(crate) unasked: usize,
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
    Void,
}

impl Tally {
    /// The verdict, as soon as it is certain; `over` when the deadline has passed.
    pub(crate) const fn verdict(self, over: bool) -> Verdict {
        if self.answered >= self.required {
            Verdict::Up
        } else if over {
            if self.answered + self.unasked >= self.required { Verdict::Void } else { Verdict::Down }
        } else if self.answered + self.open < self.required {
            Verdict::Down
        } else {
            Verdict::Undecided
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, Verdict};

    #[test]
    fn certain_as_soon_as_nothing_can_change_it() {
        let of = |answered, open, unasked, over| Tally { required: 4, answered, open, unasked }.verdict(over);
        assert_eq!(of(0, 6, 6, false), Verdict::Undecided);
        assert_eq!(of(3, 1, 0, false), Verdict::Undecided);
        assert_eq!(of(4, 0, 0, false), Verdict::Up);
        assert_eq!(of(4, 2, 0, true), Verdict::Up);
        assert_eq!(of(1, 2, 0, false), Verdict::Down);
        assert_eq!(of(3, 3, 0, true), Verdict::Down);
    }

    #[test]
    fn a_host_that_did_not_ask_does_not_blame_the_uplink() {
        let of = |answered, unasked| Tally { required: 4, answered, open: 0, unasked }.verdict(true);
        assert_eq!(of(0, 6), Verdict::Void);
        assert_eq!(of(3, 1), Verdict::Void);
        assert_eq!(of(2, 1), Verdict::Down);
    }
}
