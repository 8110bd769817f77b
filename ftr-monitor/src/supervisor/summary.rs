//! How things are, in one line of people's words, and whether the first decision is carried out.

use std::time::Duration;

use ftr_core::{Config, Family};

use super::Supervisor;
use super::announce::{Announcement, Announcer};
use crate::decide::Decider;

/// The longest line, in characters: a message of `sd_notify(3)` has to fit into 4096 bytes.
const WIDEST: usize = 500;

impl Supervisor {
    /// What there is to announce now.
    pub(super) fn announcement(&mut self, now: Duration) -> Option<Announcement> {
        let announcer = self.announcer.as_ref().filter(|_| !self.is_stopping())?;
        let ready = announcer.is_ready() || announcer.has_waited(now) || self.is_decided();
        if !announcer.is_due(ready, now) {
            return None;
        }
        let news = Announcement { ready, status: self.summary() };
        self.announcer.as_mut()?.tell(news, now)
    }

    /// From now on there is something to announce.
    pub(crate) fn announce(&mut self, config: &Config, now: Duration) {
        self.announcer = Some(Announcer::new(config, now));
    }

    /// Something has happened that the line may tell.
    pub(super) fn change(&mut self) {
        if let Some(announcer) = &mut self.announcer {
            announcer.change();
        }
    }

    /// Whether the first active sets are in the kernel, or would be in a dry run.
    fn is_decided(&self) -> bool {
        self.families.iter().all(|family| self.decider.active(*family).is_some())
            && (self.mode.dry_run || self.children.is_settled())
    }

    /// How things are, in one line.
    fn summary(&self) -> String {
        let mut parts = Vec::new();
        if !self.mode.dry_run && !self.children.is_prepared() {
            parts.push("routing is not prepared yet".to_owned());
        }
        parts.extend(of_uplinks(&self.decider, &self.families));
        for (program, exit) in self.programs() {
            parts.extend(exit.map(|exit| format!("{} waits for a change (exit {exit})", program.name())));
        }
        match self.hazards.all().len() {
            0 => {}
            1 => parts.push("1 hazard".to_owned()),
            count => parts.push(format!("{count} hazards")),
        }
        let line = parts.join("; ");
        if line.chars().count() <= WIDEST { line } else { line.chars().take(WIDEST - 1).chain(['…']).collect() }
    }
}

/// The uplinks by state, and who carries new connections: once where both families are alike.
fn of_uplinks(decider: &Decider, families: &[Family]) -> Vec<String> {
    let of = |family: Family| (family, of_family(decider, family).join("; "));
    match families.iter().copied().map(of).collect::<Vec<_>>().as_slice() {
        [(_, one)] => vec![one.clone()],
        [(_, one), (_, other)] if one == other => vec![one.clone()],
        all => all.iter().map(|(family, text)| format!("{family}: {text}")).collect(),
    }
}

fn of_family(decider: &Decider, family: Family) -> Vec<String> {
    let health: Vec<_> = decider.health().filter(|(number, ..)| *number == family.number()).collect();
    let those = |state: Option<bool>| -> Vec<&str> {
        let in_it = health.iter().filter(|(.., health)| health.up() == state);
        in_it.map(|(_, uplink, _)| uplink.name.as_str()).collect()
    };
    let states = [(Some(true), "up"), (Some(false), "down"), (None, "untested")];
    let listed = states.into_iter().filter_map(|(state, word)| {
        let names = those(state);
        (!names.is_empty()).then(|| format!("{} {word}", names.join(", ")))
    });
    let mut parts: Vec<String> = listed.collect();
    if parts.is_empty() {
        parts.push("untested".to_owned());
    }
    if let Some(active) = decider.active(family) {
        let works = active.iter().any(|name| those(Some(true)).contains(&name.as_str()));
        let names: Vec<&str> = active.iter().map(ftr_core::InterfaceName::as_str).collect();
        parts.push(match (names.is_empty(), works) {
            (true, _) => "new connections have no uplink".to_owned(),
            (false, true) => format!("new connections use {}", names.join(", ")),
            (false, false) => format!("none works, new connections try {}", names.join(", ")),
        });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::Announcement;
    use crate::decide::fixture::{check, config};
    use crate::program::Program;
    use crate::supervisor::{Mode, Order, Pipe, Supervisor};
    use ftr_core::record::Record;
    use std::time::{Duration, SystemTime};

    const START: Duration = Duration::from_secs(100);
    const LONGEST: Duration = Duration::from_secs(60);
    const APPLIED: &str = r#"{"type":"applied","time":"","mono":1,"family":4,"writes":0,"took_us":1,"active":[]}"#;
    const MODE: Mode = Mode { dry_run: false, debug: false, print: false };

    fn supervisor(mode: Mode) -> Supervisor {
        let config = config([""; 3], "");
        let mut supervisor = Supervisor::new(&config, mode, (None, Vec::new()), START);
        supervisor.announce(&config, START);
        supervisor
    }

    /// What is announced at the instant, by programs that take everything; the route program passes on what it gets.
    fn announced(supervisor: &mut Supervisor, now: Duration) -> Vec<Announcement> {
        supervisor.catch_up(now, SystemTime::UNIX_EPOCH);
        let mut all = Vec::new();
        while let Some(order) = supervisor.next(now) {
            match order {
                Order::Announce(announcement) => all.push(announcement),
                Order::Feed(program, record) => {
                    supervisor.has_room(program);
                    supervisor.heard(program, Pipe::Stdout, record.line().unwrap().as_bytes(), now);
                }
                _ => {}
            }
        }
        all
    }

    fn says(supervisor: &mut Supervisor, program: Program, line: &str, now: Duration) {
        supervisor.heard(program, Pipe::Stdout, format!("{}\n", line.trim_end()).as_bytes(), now);
    }

    fn checked(supervisor: &mut Supervisor, uplink: &str, up: bool, now: Duration) {
        let mono = u64::try_from(now.as_millis()).unwrap();
        says(supervisor, Program::Probe, &Record::Check(check(uplink, up, mono)).line().unwrap(), now);
    }

    #[test]
    fn it_is_ready_when_the_first_decision_is_in_the_kernel() {
        let mut supervisor = supervisor(MODE);
        let at_first = announced(&mut supervisor, START);
        assert_eq!(
            at_first,
            [Announcement { ready: false, status: "routing is not prepared yet; untested".to_owned() }]
        );
        says(&mut supervisor, Program::Route, APPLIED, START);
        for uplink in ["eth1", "eth2", "eth3"] {
            let waiting = announced(&mut supervisor, START);
            assert!(waiting.iter().all(|one| !one.ready), "{waiting:?}");
            checked(&mut supervisor, uplink, uplink != "eth3", START);
        }
        // However often the line has changed until then.
        for _ in 0..9 {
            supervisor.announcer.as_mut().unwrap().tell(Announcement { ready: false, status: String::new() }, START);
        }
        let waiting = announced(&mut supervisor, START);
        assert!(waiting.iter().all(|one| !one.ready), "{waiting:?}");
        says(&mut supervisor, Program::Route, APPLIED, START);
        let status = "eth1, eth2 up; eth3 down; new connections use eth1, eth2".to_owned();
        assert_eq!(announced(&mut supervisor, START).last(), Some(&Announcement { ready: true, status }));
        let later = START + Duration::from_secs(20);
        checked(&mut supervisor, "eth1", false, later);
        checked(&mut supervisor, "eth2", false, later);
        let status = "eth1, eth2, eth3 down; none works, new connections try eth1, eth2, eth3".to_owned();
        assert_eq!(announced(&mut supervisor, later).last(), Some(&Announcement { ready: true, status }));
        supervisor.stop(later);
        checked(&mut supervisor, "eth1", true, later);
        let quiet = (announced(&mut supervisor, later).len(), supervisor.due(later).is_some_and(|due| due > later));
        assert_eq!(quiet, (0, true));
    }

    #[test]
    fn what_waits_for_us_does_not_wait_for_ever() {
        let mut supervisor = supervisor(MODE);
        announced(&mut supervisor, START);
        supervisor.ended(Program::Route, Some(77), "exit status: 77", START);
        let told = announced(&mut supervisor, START);
        assert!(!told[0].ready && told[0].status.ends_with("ftr-route waits for a change (exit 77)"), "{told:?}");
        let mut now = START;
        let ready = loop {
            now = supervisor.due(now).unwrap().max(now);
            if let Some(ready) = announced(&mut supervisor, now).into_iter().find(|one| one.ready) {
                break ready;
            }
        };
        assert!(ready.status.starts_with("routing is not prepared yet"), "{ready:?}");
        assert!((START..=START + LONGEST).contains(&now), "{now:?}");
    }

    #[test]
    fn a_line_that_changes_all_the_time_is_told_once_a_second_and_at_last() {
        let mut supervisor = supervisor(Mode { dry_run: true, ..MODE });
        let mut count = 0;
        for milli in 0..10_000 {
            let now = START + Duration::from_millis(milli);
            if milli % 50 == 0 {
                checked(&mut supervisor, "eth1", milli % 100 == 0, now);
            }
            count += announced(&mut supervisor, now).len();
        }
        assert!((10..=16).contains(&count), "{count}");
        let end = START + Duration::from_secs(11);
        let last = announced(&mut supervisor, end).pop().map(|one| one.status);
        assert!(last.is_none_or(|last| last.starts_with("eth1 down")));
        assert_eq!(announced(&mut supervisor, end + Duration::from_secs(60)), [], "nothing is new");
    }

    #[test]
    fn nobody_who_does_not_listen_is_told() {
        let mut supervisor = Supervisor::new(&config([""; 3], ""), MODE, (None, Vec::new()), START);
        checked(&mut supervisor, "eth1", true, START);
        assert_eq!(announced(&mut supervisor, START + LONGEST), []);
    }
}
