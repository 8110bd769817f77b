//! What follows from a record of a program.

use std::time::Duration;

use ftr_core::record::{Applied, Event, EventKind, Record};

use super::Supervisor;
use super::hazards::News;
use super::order::Order;
use crate::entry::Entry;
use crate::program::Program;

impl Supervisor {
    /// Prints a record for those who read along.
    fn print(&mut self, record: &Record) {
        if self.mode.print {
            self.waiting.extend(record.line().ok().map(Order::Print));
        }
    }

    /// Tells those of an event whom nobody waits for.
    fn happened(&mut self, event: &Event) {
        self.children.happened(event);
        let line = |event: Event| Record::Event(event).line().ok();
        let lines = line(event.clone()).zip(line(public(event)));
        self.waiting.extend(lines.map(|(line, public)| Order::Tell { line, public }));
    }

    pub(super) fn record(&mut self, program: Program, line: &[u8], record: Record, now: Duration) {
        match (program, record) {
            (Program::Probe, record @ Record::Check(_)) => {
                if let Some(record) = self.intake.take(record, now) {
                    self.decide(&record, now);
                }
            }
            (Program::Route, Record::Active(active)) => self.children.orders.read(&active),
            (Program::Route, Record::Applied(applied)) => self.applied(applied, now),
            (Program::Route, Record::Hazard(hazard)) => {
                self.print(&Record::Hazard(hazard.clone()));
                let news = self.hazards.take(hazard, now);
                self.report(news, now);
            }
            (Program::Notify, Record::Spooled(spooled)) => {
                let is_news = self.children.events.acknowledge(spooled.seq);
                if is_news {
                    self.pace.change();
                }
            }
            // Of a later version: passed on as it is to whoever knows it.
            (_, Record::Unknown) if self.mode.print => {
                self.waiting.push_back(Order::Print(format!("{}\n", String::from_utf8_lossy(line))));
            }
            _ => {}
        }
    }

    fn applied(&mut self, applied: Applied, now: Duration) {
        self.change();
        if self.children.applied(applied.family, now) && self.decider.confirm_by(&applied) {
            self.pace.change_urgently();
        }
        if let Some(record) = self.intake.take(Record::Applied(applied), now) {
            self.decide(&record, now);
        }
    }

    /// A record that something may follow from.
    pub(super) fn decide(&mut self, record: &Record, now: Duration) {
        match record {
            Record::Check(check) if self.mode.debug => {
                self.log(Entry::check(check));
                self.print(record);
            }
            Record::Applied(applied) => {
                if applied.writes > 0 {
                    let (writes, took) = (applied.writes, applied.took_us);
                    let text = format!("{} routing: {writes} changes in {took} us", applied.family);
                    self.say(Entry::info(text), now);
                }
                self.print(record);
            }
            _ => {}
        }
        self.change();
        let decided = self.decider.handle(record);
        if self.decider.meter.is_unwritten() {
            self.pace.change();
        }
        self.pass_on(decided, now);
    }

    /// Passes on what is new of hazards, to people.
    pub(super) fn report(&mut self, news: News, now: Duration) {
        if news != News::default() {
            self.change();
        }
        for line in news.lines {
            self.say(line, now);
        }
        for event in news.events {
            let event = Event { seq: self.decider.number(), ..event };
            self.pass_event(event);
        }
    }

    /// Passes on an event that nothing else tells of.
    pub(super) fn pass_event(&mut self, event: Event) {
        self.pace.change();
        self.happened(&event);
        if self.mail {
            self.children.events.put(event.clone());
        }
        self.print(&Record::Event(event));
    }

    /// Passes on what was decided, to programs and people.
    pub(super) fn pass_on(&mut self, decided: Vec<Record>, now: Duration) {
        for record in decided {
            self.pace.change();
            self.print(&record);
            match record {
                Record::Active(active) => {
                    self.say(Entry::active(&active), now);
                    if !active.flush.is_empty() {
                        self.pace.change_urgently();
                    }
                    self.children.orders.put(active);
                }
                Record::Event(event) => {
                    self.say(Entry::event(&event), now);
                    self.happened(&event);
                    if self.mail {
                        self.children.events.put(event);
                    }
                }
                _ => {}
            }
        }
    }
}

/// An event as everybody may know it: without what stands in a configuration that strangers may not read.
fn public(event: &Event) -> Event {
    let told = event.to.clone().filter(|_| event.kind != EventKind::Config);
    Event { to: told, ..event.clone() }
}

#[cfg(test)]
mod tests {
    use super::public;
    use ftr_core::record::{Event, EventKind, Stamp};
    use std::time::{Duration, SystemTime};

    #[test]
    fn what_a_configuration_says_is_not_everybodys() {
        let at = Stamp::new(SystemTime::UNIX_EPOCH, Duration::ZERO);
        let event = |kind| Event { to: Some("down".to_owned()), ..Event::new(1, kind, at.clone()) };
        assert_eq!(public(&event(EventKind::Config)).to, None);
        assert_eq!(public(&event(EventKind::State)), event(EventKind::State));
    }
}
