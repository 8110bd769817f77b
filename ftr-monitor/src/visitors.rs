//! Connections to the monitor's socket whose request is still to come.
//!
//! A request is one line, and comes at once: whoever connects writes it before anything else. Programs of former versions
//! said nothing, and were told how things are; they still are, once the time for a request is over.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::peer::Peer;
use crate::request::LONGEST;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_millis(100);
/// How many connections wait for theirs at the same time. Others stay in the socket's queue.
const MOST: usize = 64;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Visitors {
    all: Vec<Visitor>,
    /// The number of the next one.
    next: u64,
}

#[derive(Debug)]
struct Visitor {
    number: u64,
    stream: UnixStream,
    said: Vec<u8>,
    until: Duration,
}

/// Somebody who has said what there was to say, and waits for the answer.
#[derive(Debug)]
pub(crate) struct Asker {
    stream: UnixStream,
    /// Who it is; none where the kernel does not tell.
    pub(crate) peer: Option<Peer>,
    /// The request; none where nothing was said.
    pub(crate) line: Option<Vec<u8>>,
}

impl Asker {
    /// Answers. It fits into a socket's buffer, so nobody is waited for; one who goes away meanwhile, or does not read,
    /// gets none.
    pub(crate) fn answer(mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes());
    }

    /// The connection, for one that is to be told more than an answer.
    pub(crate) fn into_stream(self) -> UnixStream {
        self.stream
    }
}

impl Visitors {
    /// Lets somebody in.
    pub(crate) fn admit(&mut self, stream: UnixStream, now: Duration) {
        if stream.set_nonblocking(true).is_ok() {
            self.all.push(Visitor { number: self.next, stream, said: Vec::new(), until: now + PATIENCE });
            self.next += 1;
        }
    }

    /// Whether nobody else can be let in.
    pub(crate) fn is_full(&self) -> bool {
        self.all.len() >= MOST
    }

    /// What each of them is known by, and where it is heard.
    pub(crate) fn each(&self) -> impl Iterator<Item = (u64, BorrowedFd<'_>)> {
        self.all.iter().map(|visitor| (visitor.number, visitor.stream.as_fd()))
    }

    /// When the patience with somebody ends.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.all.iter().map(|visitor| visitor.until).min()
    }

    /// Listens to one. It is given back once it has said a whole line, or has nothing more to say.
    pub(crate) fn hear(&mut self, number: u64) -> Option<Asker> {
        let index = self.all.iter().position(|visitor| visitor.number == number)?;
        let is_done = self.all.get_mut(index)?.hear();
        is_done.then(|| self.all.swap_remove(index).ask())
    }

    /// Those whose time is over.
    pub(crate) fn overdue(&mut self, now: Duration) -> Vec<Asker> {
        let (over, all) = std::mem::take(&mut self.all).into_iter().partition(|visitor| visitor.until <= now);
        self.all = all;
        Vec::into_iter(over).map(Visitor::ask).collect()
    }
}

impl Visitor {
    /// Reads what there is; whether that was all.
    fn hear(&mut self) -> bool {
        let mut chunk = [0; 1024];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return true,
                Ok(count) => self.said.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
            if self.said.contains(&b'\n') || self.said.len() > LONGEST {
                return true;
            }
        }
    }

    fn ask(mut self) -> Asker {
        let end = self.said.iter().position(|byte| *byte == b'\n').unwrap_or(self.said.len());
        let is_silent = self.said.is_empty();
        self.said.truncate(end);
        Asker { peer: Peer::of(&self.stream).ok(), stream: self.stream, line: (!is_silent).then_some(self.said) }
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, MOST, PATIENCE, Visitors};
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    fn visit(visitors: &mut Visitors) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        visitors.admit(ours, Duration::ZERO);
        theirs
    }

    #[test]
    fn a_line_is_a_request_however_it_comes() {
        let mut visitors = Visitors::default();
        let mut theirs = visit(&mut visitors);
        theirs.write_all(b"{\"do\":").unwrap();
        assert!(visitors.hear(0).is_none(), "it is not finished");
        theirs.write_all(b"1}\nmore").unwrap();
        let asker = visitors.hear(0).unwrap();
        assert_eq!(asker.line.as_deref(), Some(b"{\"do\":1}".as_slice()));
        asker.answer("yes\n");
        let mut answer = String::new();
        // What was not read resets the connection, behind the answer.
        let _ = theirs.read_to_string(&mut answer);
        assert_eq!((answer.as_str(), visitors.due()), ("yes\n", None));
    }

    #[test]
    fn who_says_nothing_has_asked_nothing() {
        let mut visitors = Visitors::default();
        let (_silent, ending) = (visit(&mut visitors), visit(&mut visitors));
        ending.shutdown(Shutdown::Write).unwrap();
        assert_eq!(visitors.hear(1).unwrap().line, None);
        assert!(visitors.overdue(PATIENCE / 2).is_empty());
        let overdue = visitors.overdue(PATIENCE);
        assert_eq!((overdue.len(), &overdue[0].line), (1, &None));
    }

    #[test]
    fn nobody_takes_more_room_than_there_is() {
        let mut visitors = Visitors::default();
        let mut endless = visit(&mut visitors);
        endless.write_all(&[b'x'; LONGEST + 1]).unwrap();
        assert!(visitors.hear(0).unwrap().line.is_some_and(|line| line.len() > LONGEST));
        let all: Vec<UnixStream> = (0..MOST).map(|_| visit(&mut visitors)).collect();
        assert!(visitors.is_full());
        drop(all);
    }
}
