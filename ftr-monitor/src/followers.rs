//! Those who are told what happens while it happens: `ftr-monitor follow`, and hooks that need root.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// How many there may be.
const MOST: usize = 16;
/// How many of them may be strangers: the other places are left to those who may change what the monitor does.
const MOST_STRANGERS: usize = MOST / 2;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    all: Vec<Follower>,
}

#[derive(Debug)]
struct Follower {
    stream: UnixStream,
    is_stranger: bool,
}

impl Followers {
    /// Whether one more may follow. A stranger is one who may change nothing.
    pub(crate) fn has_room(&mut self, is_stranger: bool) -> bool {
        self.all.retain_mut(|follower| is_there(&mut follower.stream));
        let strangers = self.all.iter().filter(|follower| follower.is_stranger).count();
        self.all.len() < MOST && !(is_stranger && strangers >= MOST_STRANGERS)
    }

    /// Takes one more.
    pub(crate) fn admit(&mut self, stream: UnixStream, is_stranger: bool) {
        self.all.push(Follower { stream, is_stranger });
    }

    /// Tells all of them, strangers what is `public`. Nobody is waited for: one who has gone, or has not read for so long that no room is left, is told
    /// no more. How many did not read.
    pub(crate) fn tell(&mut self, line: &str, public: &str) -> usize {
        let mut slow = 0;
        self.all.retain_mut(|follower| {
            let line = if follower.is_stranger { public } else { line };
            match follower.stream.write(line.as_bytes()) {
                Ok(written) if written == line.len() => true,
                Ok(_) => {
                    slow += 1;
                    false
                }
                Err(error) => {
                    slow += usize::from(error.kind() == io::ErrorKind::WouldBlock);
                    false
                }
            }
        });
        slow
    }
}

/// Whether the other end is. What it says does not matter.
fn is_there(stream: &mut UnixStream) -> bool {
    match stream.read(&mut [0; 256]) {
        Ok(count) => count > 0,
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    use super::{Followers, MOST, MOST_STRANGERS};
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    fn follow(followers: &mut Followers, is_stranger: bool) -> (bool, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let has_room = followers.has_room(is_stranger);
        if has_room {
            followers.admit(ours, is_stranger);
        }
        (has_room, theirs)
    }

    fn told(mut stream: UnixStream) -> String {
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        told
    }

    #[test]
    fn who_follows_is_told_until_it_goes() {
        let mut followers = Followers::default();
        let (_, first) = follow(&mut followers, false);
        let (_, second) = follow(&mut followers, false);
        drop(second);
        assert_eq!(followers.tell("one\n", ""), 0);
        assert_eq!((followers.all.len(), followers.tell("two\n", "")), (1, 0));
        drop(followers);
        assert_eq!(told(first), "one\ntwo\n");
    }

    #[test]
    fn strangers_are_told_what_everybody_may_know() {
        let mut followers = Followers::default();
        let (_, ours) = follow(&mut followers, false);
        let (_, strange) = follow(&mut followers, true);
        followers.tell("the whole\n", "a part\n");
        drop(followers);
        assert_eq!((told(ours), told(strange)), ("the whole\n".to_owned(), "a part\n".to_owned()));
    }

    #[test]
    fn who_does_not_read_is_let_go() {
        let mut followers = Followers::default();
        let (_, _deaf) = follow(&mut followers, false);
        let line = "x".repeat(4096) + "\n";
        let slow: usize = (0..1000).map(|_| followers.tell(&line, "")).sum();
        assert_eq!((slow, followers.all.len()), (1, 0));
    }

    #[test]
    fn only_those_who_are_gone_make_room() {
        let mut followers = Followers::default();
        let mut there: Vec<_> = (0..MOST).map(|_| follow(&mut followers, false)).collect();
        assert!(there.iter().all(|(admitted, _)| *admitted));
        assert!(!follow(&mut followers, false).0);
        there.pop();
        assert!(follow(&mut followers, false).0);
    }

    #[test]
    fn strangers_leave_places_to_those_who_may_change_something() {
        let mut followers = Followers::default();
        let mut there: Vec<_> = (0..MOST_STRANGERS).map(|_| follow(&mut followers, true)).collect();
        assert!(there.iter().all(|(admitted, _)| *admitted));
        assert!(!follow(&mut followers, true).0);
        there.push(follow(&mut followers, false));
        assert!(there.last().is_some_and(|(admitted, _)| *admitted));
    }
}
