//! What a router says of itself beside other routers.

/// How much a router advertisement wants its default route preferred to those of other routers (RFC 4191, section 2.1).
/// The kernel heeds it among routes of the same metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Preference {
    /// To be taken before all others.
    High,
    /// As every route has it that nothing is said of.
    Medium,
    /// To be taken last.
    Low,
}

impl Preference {
    /// By the two bits of an advertisement, signed: 01 high, 00 medium, 11 low. The reserved 10 counts as medium.
    pub(super) const fn of(bits: u8) -> Self {
        match bits {
            1 => Self::High,
            3 => Self::Low,
            _ => Self::Medium,
        }
    }
}
