//! Lock, socket and files of the run directory, which somebody may take away at any time.

use std::time::Duration;

use ftr_core::Exit;
use ftr_tool::{Watch, run_path};

use super::Daemon;
use crate::entry::Entry;
use crate::instance::Renewed;
use crate::trial::Trial;

impl Daemon {
    /// Makes again what is gone. Where another monitor has taken our place meanwhile, it stays the only one.
    pub(super) fn renew(&mut self, now: Duration) {
        if self.supervisor.is_stopping() {
            return;
        }
        match self.desk.renew() {
            Ok(Renewed::Nothing) => {}
            Ok(Renewed::Made) => {
                self.unrenewed = None;
                self.watch = Watch::begin(&run_path());
                if let Some(Err(error)) = self.trial.as_ref().map(Trial::remember) {
                    let text = format!("what is to be confirmed cannot be remembered again: {error}");
                    self.log.write(&Entry::warning(text));
                }
                self.log.write(&Entry::warning("lock and status socket were removed, and are there again"));
            }
            Ok(Renewed::Lost(holder)) => {
                let text = format!("our lock was removed, and another ftr-monitor has one now ({holder}): ending");
                self.log.write(&Entry::error(text));
                self.exit = Exit::Again;
                return self.stop(now);
            }
            Err(error) => {
                let reason = error.to_string();
                if self.unrenewed.as_ref() != Some(&reason) {
                    let text = format!("lock and status socket are gone and cannot be made again: {reason}");
                    self.log.write(&Entry::error(text));
                }
                self.unrenewed = Some(reason);
            }
        }
        if !self.running.is_published() {
            self.supervisor.forgotten();
        }
    }
}
