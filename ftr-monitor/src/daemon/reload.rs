//! The configuration is read anew while everything runs.

use std::sync::Arc;
use std::time::Duration;

use ftr_core::config::{Problems, Reader, Uplink};
use ftr_core::{Config, Exit};
use ftr_tool::running::Running;
use ftr_tool::{clock, configuration};
use jiff::tz::TimeZone;

use super::Daemon;
use super::taken::{Taken, Wish};
use crate::change;
use crate::entry::Entry;
use crate::log::Log;
use crate::program::{Each, Program};
use crate::request::Answer;
use crate::starter::Starter;
use crate::supervisor::Change;
use crate::trial::{self, Trial};

impl Daemon {
    /// What would change.
    pub(super) fn preview(&self) -> Answer {
        match self.read_anew(false) {
            Err(answer) => answer,
            Ok(taken) if taken.lines.is_empty() => Answer::new(Exit::Yes, ["nothing would change"]),
            Ok(taken) => Answer::new(Exit::Yes, self.told(&taken)),
        }
    }

    /// Reads the file, and takes what it says where it is in order. Whether a change is on its way then.
    pub(super) fn reload(&mut self, wish: &Wish, now: Duration) -> (Answer, bool) {
        self.supervisor.move_to(zone_of_host());
        let taken = match self.read_anew(wish.is_signal) {
            Ok(taken) => taken,
            Err(answer) => {
                for line in answer.lines() {
                    self.log.write(&Entry::error(format!("reload: {line}")));
                }
                return (answer, false);
            }
        };
        if taken.lines.is_empty() {
            return (self.stay(taken, wish, now), false);
        }
        let was_on_trial = self.pending().is_some();
        if let Err(error) = self.put_on_trial(&taken, wish, now) {
            let reason = format!("reload: what is to come back cannot be remembered, so nothing was changed: {error}");
            self.log.write(&Entry::error(reason.clone()));
            return (Answer::new(Exit::Io, [reason]), false);
        }
        let mut lines = self.told(&taken);
        if was_on_trial && self.trial.is_none() {
            lines.push("nothing is on trial any more: this is the configuration of before the trial".to_owned());
        }
        lines.extend(wish.confirm.map(to_confirm));
        self.take(taken, &wish.who, now);
        (Answer::new(Exit::Yes, lines), true)
    }

    /// What was read changes nothing, but what is on trial may have a new term.
    fn stay(&mut self, taken: Taken, wish: &Wish, now: Duration) -> Answer {
        let is_on_trial = self.pending().is_some();
        let term = wish.confirm.filter(|_| is_on_trial);
        let tried = if term.is_some() { self.put_on_trial(&taken, wish, now) } else { self.try_text(&taken.text) };
        if let Err(error) = tried {
            let reason = format!("reload: what is on trial cannot be remembered: {error}");
            self.log.write(&Entry::error(reason.clone()));
            if term.is_some() {
                return Answer::new(Exit::Io, [reason, "the term stays as it was".to_owned()]);
            }
        }
        self.text = taken.text;
        let anew = if term.is_some() { ", and is on trial anew" } else { "" };
        self.log.write(&Entry::info(format!("{}: the configuration is as it was{anew}", wish.who)));
        let no_effect = (wish.confirm.is_some() && !is_on_trial)
            .then(|| "nothing is on trial, so there is nothing to confirm".to_owned());
        Answer::new(
            Exit::Yes,
            ["nothing has changed".to_owned()].into_iter().chain(term.map(to_confirm)).chain(no_effect),
        )
    }

    /// Nobody has confirmed in time: the configuration before comes back.
    pub(super) fn revert(&mut self, now: Duration) {
        let Some(trial) = &mut self.trial else { return };
        trial.reject();
        let unwritten = trial.remember().err();
        let (before, file) = (trial.before().to_owned(), self.running.file().to_owned());
        let file_text = file.display();
        let taken = Config::parse(&file, &before)
            .map_err(|problems| refused(&problems))
            .and_then(|config| self.prepare(config, before.clone()));
        let line = match &taken {
            Ok(_) => {
                format!("nobody has confirmed {file_text}: the configuration before is back, and the file differs")
            }
            Err(answer) => {
                let reason = answer.lines().next().unwrap_or_default();
                format!("nobody has confirmed {file_text}, and the configuration before cannot come back: {reason}")
            }
        };
        self.log.write(&Entry::error(line));
        if let Some(error) = unwritten {
            self.log.write(&Entry::error(format!("a restart will take {file_text} all the same: {error}")));
        }
        if let Ok(taken) = taken.map_err(drop) {
            self.take(taken, "nobody's confirmation", now);
        }
    }

    /// Somebody confirms what is on trial.
    pub(super) fn confirm(&mut self, who: &str) -> Answer {
        if self.trial.as_ref().is_none_or(Trial::is_rejected) {
            return Answer::new(Exit::No, ["nothing waits to be confirmed"]);
        }
        if let Err(error) = trial::forget() {
            return Answer::new(Exit::Io, [format!("confirm: {error}")]);
        }
        self.trial = None;
        self.log.write(&Entry::notice(format!("{who} has confirmed the configuration")));
        Answer::new(Exit::Yes, ["the configuration stays"])
    }

    /// From now on programs are started with the configuration that was taken.
    pub(super) fn adopt(&mut self) {
        let Some(Taken { config, running, text, starter, remarks, .. }) = self.incoming.take() else { return };
        if config.log != self.config.log {
            self.log = Log::open(&config.log, self.quiet);
        }
        for remark in remarks {
            self.log.write(&Entry::warning(remark));
        }
        for warning in config.warning_lines().iter().filter(|_| !self.quiet) {
            self.log.write(&Entry::warning(warning));
        }
        (self.config, self.running, self.text, self.starter) = (config, running, text, starter);
    }

    fn read_anew(&self, is_signal: bool) -> Result<Taken, Answer> {
        let file = self.running.file();
        let (config, text) = configuration::load_with_text(file).map_err(|problems| refused(&problems))?;
        if is_signal && self.trial.as_ref().is_some_and(|trial| trial.is_rejected() && trial.is_of(&text)) {
            let line =
                format!("{}: nobody has confirmed it; `ftr-monitor reload` takes it all the same", file.display());
            return Err(Answer::new(Exit::No, [line]));
        }
        self.prepare(config, text)
    }

    /// Looks whether everything goes on with it.
    fn prepare(&self, mut config: Config, text: String) -> Result<Taken, Answer> {
        let stays = |line: String| Answer::new(Exit::Config, [line, STAYS.to_owned()]);
        if let Some(key) = renumbering(self.decided_by(), &config) {
            let file = config.file.display();
            return Err(stays(format!(
                "{file}: {key}: another one changes the marks of connections that there are; to change it stop \
                 ftr-monitor, run `ftr-route clear`, load the rules of ftr-rules again and start ftr-monitor"
            )));
        }
        config.assign(self.decided_by().assignment.as_ref());
        let lines = change::lines(self.decided_by(), &config);
        let running = Running::this(&config).map_err(|error| stays(format!("reload: {error}")))?;
        let (starter, remarks) = Starter::new(&config, &text, running.file()).map_err(|failure| {
            Answer::new(failure.exit(), failure.lines().iter().cloned().chain([STAYS.to_owned()]))
        })?;
        Ok(Taken { config: Arc::new(config), running, text, starter, remarks, lines })
    }

    /// What is another way, with what people have to do about it.
    fn told(&self, taken: &Taken) -> Vec<String> {
        let mut lines = taken.lines.clone();
        lines.extend(change::numbers(self.decided_by(), &taken.config));
        if !reads_the_same(&as_of_rules(self.decided_by()), &as_of_rules(&taken.config), Reader::Rules) {
            lines.push(
                "the firewall: load the rules of ftr-rules again, `ftr-rules --diff` shows what it lacks".to_owned(),
            );
        }
        lines
    }

    /// Remembers what comes back unless somebody confirms.
    fn put_on_trial(&mut self, taken: &Taken, wish: &Wish, now: Duration) -> std::io::Result<()> {
        match (wish.confirm, self.pending()) {
            (Some(term), pending) => {
                let before = pending.map_or(self.text.as_str(), Trial::before);
                let trial = Trial::new(self.running.file(), &taken.text, before, now + term)?;
                trial.remember()?;
                self.trial = Some(trial);
                Ok(())
            }
            // The term of the one that is on trial holds for what takes its place, unless somebody has gone back by hand.
            (None, Some(pending)) if !is_before(pending, taken) => self.try_text(&taken.text),
            (None, _) => {
                trial::forget()?;
                self.trial = None;
                Ok(())
            }
        }
    }

    /// The one that somebody can still confirm.
    fn pending(&self) -> Option<&Trial> {
        self.trial.as_ref().filter(|trial| !trial.is_rejected())
    }

    /// This text takes the place of the one that is on trial, if there is one.
    fn try_text(&mut self, text: &str) -> std::io::Result<()> {
        let Some(mut trial) = self.pending().filter(|trial| !trial.is_of(text)).cloned() else { return Ok(()) };
        trial.try_instead(text);
        trial.remember()?;
        self.trial = Some(trial);
        Ok(())
    }

    fn take(&mut self, taken: Taken, who: &str, now: Duration) {
        let concerned = Each::new(|program: Program| {
            let is_renumbered = program == Program::Route && self.config.assignment != taken.config.assignment;
            is_renumbered || !reads_the_same(&self.config, &taken.config, program.reader())
        });
        let change = Change { who, lines: &taken.lines, concerned };
        self.supervisor.reconfigure(&taken.config, change, &clock::now(), now);
        self.incoming = Some(taken);
    }
}

/// What is to be done within the term.
fn to_confirm(term: Duration) -> String {
    let term = humantime::format_duration(term);
    format!("`ftr-monitor confirm` keeps it; without that the one before is back in {term}")
}

/// Whether what was read is what would come back.
fn is_before(trial: &Trial, taken: &Taken) -> bool {
    let before = Config::parse(&taken.config.file, trial.before());
    before.is_ok_and(|before| change::lines(&before, &taken.config).is_empty())
}

const STAYS: &str = "the configuration stays as it was";

fn refused(problems: &Problems) -> Answer {
    Answer::new(Exit::Config, problems.lines().into_iter().chain([STAYS.to_owned()]))
}

/// The zone that the host has now, which may be another one than at the start.
fn zone_of_host() -> TimeZone {
    // Else it is what it was some minutes ago.
    jiff::tz::reset_system_time_zone_cache();
    TimeZone::system()
}

/// The key by which all tables or marks would be others.
fn renumbering(before: &Config, after: &Config) -> Option<&'static str> {
    if before.base_fwmark != after.base_fwmark {
        Some("base_fwmark")
    } else if before.fwmark_mask != after.fwmark_mask {
        Some("fwmark_mask")
    } else {
        (before.base_table != after.base_table).then_some("base_table")
    }
}

/// Without what no rule of a firewall goes by.
fn as_of_rules(config: &Config) -> Config {
    let uplinks = config.uplinks.iter().map(|uplink| Uplink { weight: 1, quota: None, ..uplink.clone() });
    Config { uplinks: uplinks.collect(), base_priority: 0, ..config.clone() }
}

/// Whether both are the same to a program.
fn reads_the_same(before: &Config, after: &Config, reader: Reader) -> bool {
    let part = |config: &Config| Config {
        file: std::path::PathBuf::new(),
        warnings: Vec::new(),
        assignment: None,
        ..config.as_read_by(reader)
    };
    part(before) == part(after)
}

#[cfg(test)]
mod tests {
    use super::{as_of_rules, reads_the_same};
    use crate::decide::fixture::config;
    use ftr_core::config::Reader::Rules;

    #[test]
    fn the_firewall_is_to_be_loaded_again_for_what_it_goes_by_alone() {
        let before = as_of_rules(&config([""; 3], ""));
        let is_same =
            |end: &str, more: &str| reads_the_same(&before, &as_of_rules(&config([end, "", ""], more)), Rules);
        assert!(is_same(", quota: {bytes: 50GB, period: month}", ""));
        assert!(is_same("", "base_priority: 31000"));
        let mut heavier = config([""; 3], "");
        heavier.uplinks[0].weight = 7;
        assert!(reads_the_same(&before, &as_of_rules(&heavier), Rules));
        assert!(!is_same(", nat: none", ""));
    }
}
