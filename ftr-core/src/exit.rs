//! Exit codes, one meaning for all tools. The numbers are those of `sysexits.h`.

use std::process::ExitCode;

/// How a tool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Yes, or done.
    Yes = 0,
    /// The answer is no: an uplink is down, routing differs, nothing was delivered.
    No = 1,
    /// Wrong usage (`EX_USAGE`), an uplink that the configuration does not have included.
    Usage = 64,
    /// Something needed is not there (`EX_UNAVAILABLE`): a kernel feature, a running daemon, the uplink tables.
    Unavailable = 69,
    /// A bug of ours (`EX_SOFTWARE`).
    Bug = 70,
    /// Input or output failed (`EX_IOERR`).
    Io = 74,
    /// Try again later (`EX_TEMPFAIL`).
    Again = 75,
    /// Not permitted (`EX_NOPERM`); the message names the missing capability.
    NotPermitted = 77,
    /// The configuration has problems (`EX_CONFIG`).
    Config = 78,
}

impl Exit {
    /// All of them.
    const ALL: [Self; 9] = [
        Self::Yes,
        Self::No,
        Self::Usage,
        Self::Unavailable,
        Self::Bug,
        Self::Io,
        Self::Again,
        Self::NotPermitted,
        Self::Config,
    ];

    /// The one with this number; none where no program of ours ends so.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| *exit as u8 == code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn numbers_are_a_contract() {
        let all = [
            (Exit::Yes, 0),
            (Exit::No, 1),
            (Exit::Usage, 64),
            (Exit::Unavailable, 69),
            (Exit::Bug, 70),
            (Exit::Io, 74),
            (Exit::Again, 75),
            (Exit::NotPermitted, 77),
            (Exit::Config, 78),
        ];
        for (exit, number) in all {
            assert_eq!(exit as u8, number);
            assert_eq!(Exit::of_code(number), Some(exit));
        }
        assert_eq!((Exit::ALL.len(), Exit::of_code(3)), (all.len(), None));
    }
}
