//! Which of the two routers, and what becomes of it.

/// What becomes of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Its cable to the first provider is pulled.
    OneUplink,
    /// Its cables to all providers are pulled.
    Uplinks,
    /// What it sends to the providers arrives nowhere, though its cables are in.
    SilentUplinks,
    /// The same for IPv6 alone.
    SilentIpv6,
    /// It is gone: its programs are killed, and nothing of it has a link any more.
    Router,
    /// Its cable to the LAN is pulled.
    Lan,
}

/// Which of the two routers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The last part of the addresses that are its own on the LAN and at the providers.
    pub(super) const fn host(self) -> u8 {
        match self {
            Self::A => 11,
            Self::B => 12,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// Its port at each switch.
    pub(super) const fn port(self) -> &'static str {
        match self {
            Self::A => "router-a",
            Self::B => "router-b",
        }
    }
}
