//! What a program says something by.

/// One of the two pipes that a program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pipe {
    /// Records.
    Stdout,
    /// Lines for people.
    Stderr,
}
