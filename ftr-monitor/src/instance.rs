//! One monitor per network namespace, and a way to ask it how things are: an abstract socket, which belongs to the
//! network namespace and vanishes with its owner.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

const NAME: &[u8] = b"ftr-monitor";

/// The right to be the monitor of this network namespace.
pub(crate) struct Instance {
    listener: UnixListener,
}

impl Instance {
    /// Claims the right; none if another process has it.
    ///
    /// # Errors
    /// The socket cannot be made for another reason.
    pub(crate) fn claim() -> io::Result<Option<Self>> {
        match UnixListener::bind_addr(&SocketAddr::from_abstract_name(NAME)?) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Some(Self { listener }))
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Answers everybody who asks at the moment. The answer fits into a socket's buffer, so nobody is waited for; one
    /// who goes away meanwhile gets none.
    pub(crate) fn answer(&self, text: &str) {
        while let Ok((mut asker, _)) = self.listener.accept() {
            let _ = asker.set_nonblocking(true).and_then(|()| asker.write_all(text.as_bytes()));
        }
    }
}

impl AsFd for Instance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Asks the monitor of this network namespace; none if there is none.
///
/// # Errors
/// It does not answer in time.
pub(crate) fn ask() -> io::Result<Option<String>> {
    let mut monitor = match UnixStream::connect_addr(&SocketAddr::from_abstract_name(NAME)?) {
        Ok(monitor) => monitor,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) => return Err(error),
    };
    monitor.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut text = String::new();
    monitor.read_to_string(&mut text)?;
    Ok(Some(text))
}
