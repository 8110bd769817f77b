//! How gladly an uplink that works is used. Whatever speaks against one, it is used at once where nothing better works.

/// From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Preference {
    /// Nothing speaks against it.
    Trusted,
    /// It went down of late, but carries new connections already: what else works went down of late too.
    Kept,
    /// It went down of late.
    Held,
    /// This is not its time, or its quota is used up.
    Reserve,
    /// People have drained it.
    Drained,
}

impl Preference {
    /// The preference of one that carries new connections already, or does not. Of those that went down of late the former
    /// stay: else each would come back at once as long as another one is held down.
    pub(crate) fn of_member(self, is_active: bool) -> Self {
        if self == Self::Held && is_active { Self::Kept } else { self }
    }
}
