//! What is known of the TTL-1 test in a check.

use std::net::IpAddr;
use std::time::Duration;

/// The test of a check.
#[derive(Debug, Default)]
pub(in crate::check) struct TtlOneTest {
    pub(in crate::check) state: State,
    /// The indexes of the targets that are still to be tested.
    pub(in crate::check) wanted: Vec<usize>,
    /// When the last test was sent, and about whom.
    pub(in crate::check) asked: Option<(Duration, usize)>,
    /// How often in a row a test told nothing.
    pub(in crate::check) silences: u32,
    /// The number and address of the latest request to nobody.
    pub(in crate::check) nobody: Option<(u16, IpAddr)>,
    /// The next check has to test the gateway, because this one has not found out.
    pub(in crate::check) again: bool,
}

/// How far the test has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::check) enum State {
    /// Nothing was remarkable so far.
    #[default]
    Quiet,
    /// One target stands for all that are doubted.
    Testing,
    /// A request for this target should have ended at the gateway, and was answered: nobody has to be asked too.
    Suspected(usize),
    /// The gateway sends on: all answers are genuine.
    Far,
    /// The test told nothing: all answers are taken for genuine this time.
    Untold,
    /// The gateway has answered in a target's stead, perhaps even in nobody's: each has to be tested.
    Captive { nobodys: bool },
}

impl State {
    /// Whether the gateway was found to answer itself.
    pub(in crate::check) const fn is_captive(self) -> bool {
        matches!(self, Self::Captive { .. })
    }
}

impl TtlOneTest {
    /// Whether a target is being tested.
    pub(in crate::check) fn concerns(&self, target: usize) -> bool {
        match self.state {
            State::Testing => self.wanted.contains(&target) || self.asked.is_some_and(|(_, asked)| asked == target),
            State::Suspected(suspected) => suspected == target,
            State::Quiet | State::Far | State::Untold | State::Captive { .. } => false,
        }
    }

    /// Whether the test with this number asked nobody.
    pub(in crate::check) fn is_nobody(&self, sequence: u16) -> bool {
        self.nobody.is_some_and(|(number, _)| number == sequence)
    }
}
