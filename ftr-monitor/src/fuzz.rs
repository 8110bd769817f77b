//! What others say to the monitor and what it has remembered, whatever it is. Fuzzers feed these functions (`fuzz/`), and
//! the tests with what the fuzzers once found.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ftr_core::Config;
use ftr_core::record::{Active, Record};
use ftr_tool::running::Running;

use crate::decide::Decider;
use crate::program::{Each, Program};
use crate::request::{Answer, Request};
pub use crate::status::fuzz::status;
use crate::supervisor::{Mode, Order, Pipe, Supervisor};
use crate::trial::Trial;
use crate::{format, memory};

/// The name of a target in `fuzz/`, and what it is.
pub type Target = (&'static str, fn(&[u8]));

/// Texts, each fed to the function of its name.
pub const TARGETS: &[Target] = &[
    ("children", children),
    ("decisions", decisions),
    ("memory", remembered),
    ("requests", requests),
    ("status", status),
    ("trial", tried),
];

/// Three uplinks in two groups, two of them with IPv6.
const CONFIG: &str = "\
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, ip6: '2001:db8:1::2', gateway6: '2001:db8:1::1', priority_group: 1}
- {interface: ppp0, type: ppp, weight: 3, priority_group: 1}
- {interface: eth3, type: dhcp, type6: ra, priority_group: 2, tests: {fall: 2, rise: 2}}
downlinks: {lan: eth0}
tests: {ips: [198.51.100.1, 198.51.100.2, '2001:db8:f::1'], required_successful: 1}
";

fn config() -> Config {
    Config::parse(Path::new("ftr.yaml"), CONFIG).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Whatever is recorded: uplinks that carry connections are configured ones, connections are given up only where another
/// uplink takes them, events are numbered without a gap, and what is said is text for a terminal.
pub fn decisions(bytes: &[u8]) {
    let config = config();
    handle(&config, &mut Decider::new(&config, None), bytes);
}

fn handle(config: &Config, decider: &mut Decider, records: &[u8]) {
    let mut last: Option<u64> = None;
    for record in records.split(|byte| *byte == b'\n').filter_map(|line| Record::parse(line).ok()) {
        for decided in decider.handle(&record) {
            let line = decided.line().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(Record::parse(line.as_bytes()).ok(), Some(decided.clone()), "{line}");
            match decided {
                Record::Active(active) => check(config, &active),
                Record::Event(event) => {
                    assert!(last.is_none_or(|last| event.seq == last.wrapping_add(1)), "{last:?}, {event:?}");
                    last = Some(event.seq);
                    assert!(!format::event(&event).contains('\n'));
                }
                other => panic!("{other:?} is no decision"),
            }
        }
    }
}

fn check(config: &Config, active: &Active) {
    let names: Vec<_> = active.uplinks.iter().map(|share| &share.uplink).collect();
    for (index, share) in active.uplinks.iter().enumerate() {
        let position = config.position(share.uplink.as_str());
        let configured = position.and_then(|position| config.uplinks.get(position));
        assert_eq!(configured.map(|uplink| uplink.weight), Some(share.weight));
        assert!(!names.iter().take(index).any(|earlier| **earlier == share.uplink), "{active:?}");
    }
    assert!(active.failed.iter().chain(&active.flush).all(|name| config.position(name.as_str()).is_some()));
    let rescues = |name: &&_| !active.failed.contains(name) && !active.flush.contains(name);
    assert!(active.flush.is_empty() || names.into_iter().any(|name| rescues(&name)), "{active:?}");
    assert!(!format::active(active).contains('\n'));
}

/// The first line is a memory, or what a monitor tells of its configuration: what is read, written and read again is the
/// same, and the monitor goes on from it with the records of the other lines.
pub fn remembered(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (text, records) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if let Ok(running) = serde_json::from_slice::<Running>(text) {
        let written = serde_json::to_vec(&running).unwrap_or_default();
        assert_eq!(serde_json::from_slice::<Running>(&written).ok(), Some(running));
    }
    let Some(memory) = memory::fuzz::memory(text) else { return };
    let config = config();
    let mut decider = Decider::new(&config, Some(memory));
    handle(&config, &mut decider, records);
    assert!(decider.health().all(|(_, uplink, _)| config.position(uplink.name.as_str()).is_some()));
}

/// Each line is something that happens to a program (`route`, `probe`, `notify`: the first letter): it says the rest of the
/// line on its standard output, on stderr where the letter is a capital, or it ends (`r!`). A digit lets time pass.
///
/// Whatever that is, a program is started once at a time and fed while it has room, what is to be done has an end, and
/// all of it ends when it is told to.
pub fn children(bytes: &[u8]) {
    let mode = Mode { print: true, debug: true, ..Mode::default() };
    let mut now = Duration::from_secs(100);
    let mut supervisor = Supervisor::new(&config(), mode, (None, Vec::new()), now);
    let mut runs = Each::new(|_| false);
    for line in bytes.split(|byte| *byte == b'\n') {
        let (Some(first), rest) = (line.first(), line.get(1..).unwrap_or_default()) else { continue };
        let of =
            |letter: &u8| Program::ALL.into_iter().find(|program| program.name().as_bytes().get(4) == Some(letter));
        match (of(&first.to_ascii_lowercase()), rest) {
            (Some(program), b"!") => {
                if std::mem::take(runs.of_mut(program)) {
                    supervisor.ended(program, None, "signal: 9", now);
                }
            }
            (Some(program), rest) => {
                let pipe = if first.is_ascii_lowercase() { Pipe::Stdout } else { Pipe::Stderr };
                supervisor.heard(program, pipe, &[rest, b"\n"].concat(), now);
            }
            (None, _) => now += Duration::from_millis(1 << (first % 16)),
        }
        supervise(&mut supervisor, &mut runs, now);
        assert!(supervisor.due(now).is_none_or(|due| due >= now));
    }
    supervisor.stop(now);
    supervise(&mut supervisor, &mut runs, now + Duration::from_secs(1));
    assert!(supervisor.is_over() || runs.iter().any(|(_, runs)| *runs));
}

fn supervise(supervisor: &mut Supervisor, runs: &mut Each<bool>, now: Duration) {
    supervisor.catch_up(now, SystemTime::UNIX_EPOCH);
    for _ in 0..100_000 {
        match supervisor.next(now) {
            None => return,
            Some(Order::Start(program)) => assert!(!std::mem::replace(runs.of_mut(program), true), "{program:?}"),
            Some(Order::Feed(program, record)) => {
                assert!(*runs.of(program), "{record:?}");
                supervisor.has_room(program);
            }
            Some(Order::Remember) => supervisor.remembered(),
            Some(Order::Print(line)) => {
                assert!(line.ends_with('\n') && Record::parse(line.as_bytes()).is_ok(), "{line}");
            }
            Some(_) => {}
        }
    }
    panic!("there is always more to do");
}

/// A line that somebody sends to the monitor, and what a monitor answers. What is understood is sent again as it was meant,
/// and what is said of it is one line for a terminal.
pub fn requests(bytes: &[u8]) {
    match Request::read(bytes) {
        Ok(request) => assert_eq!(Request::read(request.line().as_bytes()), Ok(request)),
        Err(wrong) => assert!(wrong.len() < 300 && !wrong.contains('\n'), "{wrong}"),
    }
    if let Ok(answer) = serde_json::from_slice::<Answer>(bytes) {
        assert!(!answer.lines().any(|line| line.chars().any(char::is_control)));
        assert_eq!(serde_json::from_str::<Answer>(&answer.line()).ok(), Some(answer));
    }
}

/// What was remembered of a configuration on trial.
pub fn tried(bytes: &[u8]) {
    let Ok(trial) = serde_json::from_slice::<Trial>(bytes) else { return };
    let written = serde_json::to_vec(&trial).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<Trial>(&written).ok().as_ref(), Some(&trial));
    assert_eq!(trial.due().is_none(), trial.is_rejected());
    if let Err(problems) = Config::parse(Path::new("ftr.yaml"), trial.before()) {
        assert!(!problems.lines().is_empty());
    }
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;
