//! One change of the configuration after the other: whoever asks for the next one while one is on its way waits for its turn.

use std::time::Duration;

use ftr_core::Exit;

use super::Daemon;
use super::taken::Wish;
use crate::entry::Entry;
use crate::request::Answer;
use crate::trial::Trial;
use crate::visitors::Asker;

/// How many may wait.
const MOST: usize = 16;

impl Daemon {
    /// Somebody asks for a reload.
    pub(super) fn queue_reload(&mut self, asker: Asker, wish: Wish) {
        if self.turns.next.len() >= MOST {
            asker.answer(&Answer::new(Exit::Again, ["too many reloads wait for their turn"]).line());
        } else {
            self.turns.next.push_back((asker, wish));
        }
    }

    /// A signal asks for one.
    pub(super) fn signal_reload(&mut self) {
        self.turns.signal = Some(Wish { who: "SIGHUP".to_owned(), confirm: None, is_signal: true });
        self.turns.is_announced = true;
    }

    /// Goes on with what is to be done next, as long as nothing is on its way.
    pub(super) fn take_turns(&mut self, now: Duration) {
        while !self.supervisor.is_changing(now) && !self.supervisor.is_stopping() {
            if let Some((asker, answer)) = self.turns.current.take() {
                let answer = if self.supervisor.is_unfinished() { answer.unfinished() } else { answer };
                asker.answer(&answer.line());
            }
            if self.trial.as_ref().and_then(Trial::due).is_some_and(|due| now >= due) {
                self.revert(now);
            } else if let Some(wish) = self.turns.signal.take() {
                self.log.write(&Entry::notice("SIGHUP: the log is opened anew, and the configuration is read"));
                self.reload(&wish, now);
            } else if let Some((asker, wish)) = self.turns.next.pop_front() {
                // Whoever asks in this way may have moved the log aside.
                self.log.reopen();
                match self.reload(&wish, now) {
                    (answer, true) => self.turns.current = Some((asker, answer)),
                    (answer, false) => asker.answer(&answer.line()),
                }
            } else {
                if std::mem::take(&mut self.turns.is_announced) {
                    self.manager.reloaded(now);
                }
                return;
            }
        }
    }

    /// When the configuration before comes back, unless somebody confirms.
    pub(super) fn trial_due(&self, now: Duration) -> Option<Duration> {
        self.trial.as_ref().and_then(Trial::due).filter(|_| !self.supervisor.is_changing(now))
    }
}
