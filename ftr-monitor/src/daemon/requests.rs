//! Answers those who ask the monitor, and does what they want where they may.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime};

use ftr_core::{Exit, Family};

use super::Daemon;
use super::taken::Wish;
use crate::peer::{GROUP, Peer};
use crate::request::{Answer, Request};
use crate::supervisor::Operation;
use crate::visitors::Asker;

impl Daemon {
    /// Whoever has said nothing is told how things are, as by former versions.
    pub(super) fn answer(&mut self, asker: Asker, now: Duration) {
        let request = asker.line.as_deref().map_or(Ok(Request::Status {}), Request::read);
        let text = match request {
            Ok(Request::Reload { dry_run: false, confirm_ms }) if asker.peer.is_some_and(Peer::may_change) => {
                let who = asker.peer.map(Peer::text).unwrap_or_default();
                let confirm = confirm_ms.map(Duration::from_millis);
                return self.queue_reload(asker, Wish { who, confirm, is_signal: false });
            }
            Ok(Request::Follow {}) => return self.follow(asker),
            Ok(request) => self.respond(asker.peer, &request, now),
            Err(wrong) => Answer::new(Exit::Usage, [wrong]).line(),
        };
        asker.answer(&text);
    }

    /// The answer to a request, one arm each. What changes something is for those who may, and so is what is read anew for
    /// it: others are refused before.
    fn respond(&mut self, peer: Option<Peer>, request: &Request, now: Duration) -> String {
        if request.is_change() && !peer.is_some_and(Peer::may_change) {
            let who = format!("only root and members of the group {GROUP} may ask the monitor for that");
            return Answer::new(Exit::NotPermitted, [who]).line();
        }
        let who = peer.map(Peer::text).unwrap_or_default();
        match request {
            Request::Status {} => serde_json::to_string(&self.status()).map(|text| text + "\n").unwrap_or_default(),
            Request::Reload { .. } => self.preview().line(),
            // Answered where its connection is kept.
            Request::Follow {} => String::new(),
            Request::Confirm {} => self.confirm(&who).line(),
            Request::CheckNow {} => self.check_now(&who, now).line(),
            Request::Drain { .. } | Request::Undrain { .. } | Request::Trust { .. } => {
                let answer = |(uplink, family, operation)| self.operate(&who, uplink, family, operation, now).line();
                Operation::of(request).map(answer).unwrap_or_default()
            }
        }
    }

    /// The answer comes first, and behind it all that happens from now on.
    fn follow(&mut self, asker: Asker) {
        let tell = |stream: &mut UnixStream, exit, word| {
            // One that has gone away needs no answer, and is let go at the first event.
            let _ = stream.write_all(Answer::new(exit, [word]).line().as_bytes());
        };
        let is_stranger = !asker.peer.is_some_and(Peer::may_change);
        let mut stream = asker.into_stream();
        if self.followers.has_room(is_stranger) {
            tell(&mut stream, Exit::Yes, "what happens is told from now on");
            self.followers.admit(stream, is_stranger);
        } else {
            tell(&mut stream, Exit::Again, "too many follow already");
        }
    }

    fn operate(
        &mut self,
        who: &str,
        uplink: &str,
        family: Option<Family>,
        operation: Operation,
        now: Duration,
    ) -> Answer {
        let index = match Answer::place(self.decided_by(), uplink, family) {
            Ok(index) => index,
            Err(answer) => return answer,
        };
        let families = family.map_or_else(|| vec![Family::V4, Family::V6], |family| vec![family]);
        let lines = self.supervisor.operate(who, (index, &families), operation, SystemTime::now(), now);
        Answer::new(Exit::Yes, lines)
    }

    fn check_now(&mut self, who: &str, now: Duration) -> Answer {
        if self.supervisor.check_now(who, now) {
            Answer::new(Exit::Yes, ["every uplink is checked now"])
        } else {
            Answer::new(Exit::Again, ["ftr-probe does not run at the moment; it checks every uplink once it does"])
        }
    }
}
