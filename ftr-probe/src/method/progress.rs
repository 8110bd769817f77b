//! How far a probe over a socket of its own has come.

use nix::sys::epoll::EpollFlags;

/// How far a probe has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It goes on when the socket is ready for this.
    Wait(EpollFlags),
    /// The target answered as it should.
    Answered,
    /// It did not, or somebody on the way says that it cannot.
    Failed(&'static str),
    /// Somebody says that it cannot, but shows no proof of having seen the question. It goes on as before.
    Hinted(&'static str),
    /// Somebody answered, but not what the target would have said.
    Captive,
}
