//! How much a message matters to whoever looks after a router, in the numbers of syslog(3).

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing works any more, or something that has to be done cannot be done.
    Error = 3,
    /// Something does not work, and others do its work.
    Warning = 4,
    /// Something changed that people want to know of.
    Notice = 5,
    /// What was done.
    Info = 6,
    /// Only for whoever looks for a fault.
    Debug = 7,
}

impl Severity {
    /// Its number in RFC 5424, the lower the worse.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::Severity;

    #[test]
    fn the_numbers_are_those_of_syslog() {
        let all = [Severity::Error, Severity::Warning, Severity::Notice, Severity::Info, Severity::Debug];
        assert_eq!(all.map(Severity::number), [3, 4, 5, 6, 7]);
    }
}
