//! The configuration: what a router's administrator states, checked.
//!
//! It is YAML with the keys of Fault Tolerant Router (whose files load unchanged) and some of our own. Reading goes in
//! three steps: `serde_yaml` parses the text, [`section`] takes the tree apart key by key and collects every problem
//! on the way, and [`rules`] checks what no single key can tell. [`place`] then finds line and column of each problem.

mod effective;
mod email;
mod firewall;
mod ipv6;
mod limits;
mod matching;
mod place;
mod policy;
mod problem;
mod rules;
mod scalar;
mod section;
mod target;
mod tests_section;
mod uplink;

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use email::{Authentication, Email, Encryption, Smtp};
pub use firewall::{Firewall, Forward};
pub use ipv6::{Ipv6Kind, Nat6};
pub use limits::{Limit, Limits};
pub use matching::{Match, Ports, Protocol};
pub use policy::{Otherwise, Policy};
pub use problem::{Problem, Problems};
pub use target::{BadTarget, DnsTarget, HttpTarget, Target};
pub use tests_section::{LATE, Tests};
pub use uplink::{ClampMss, Nat, Uplink, UplinkKind};

use crate::{Family, InterfaceName, Prefix};
use problem::NodePath;
use section::Section;

/// The largest configuration that is read, in bytes.
pub const MAX_FILE: u64 = 64 * 1024;

/// A whole configuration, in which every number fits and no name clashes.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it was read from, for messages.
    pub file: PathBuf,
    /// The uplinks in file order; their place gives table, mark and priority.
    pub uplinks: Vec<Uplink>,
    /// The devices towards the people who are served.
    pub downlinks: Downlinks,
    /// How uplinks are tested, where an uplink does not say otherwise.
    pub tests: Tests,
    /// Where the daemon writes what it does.
    pub log: Log,
    /// Who is told what changed.
    pub email: Email,
    /// How new and established connections are treated.
    pub routing: Routing,
    /// Connections that take uplinks of their own, in file order; their place gives table, mark and priority.
    pub policies: Vec<Policy>,
    /// Services inside that can be reached from outside, in file order.
    pub forwards: Vec<Forward>,
    /// Which filter the firewall rules have; none means the original's.
    pub firewall: Option<Firewall>,
    /// The table of the first uplink.
    pub base_table: u32,
    /// The priority of our first rule.
    pub base_priority: u32,
    /// The mark of the first uplink.
    pub base_fwmark: u32,
    /// The bits of a mark that are ours; none means all of them.
    pub fwmark_mask: Option<u32>,
    /// What is odd but works: said on stderr, never an error.
    pub warnings: Vec<Problem>,
}

/// The devices towards the people who are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downlinks {
    /// Local networks; none on a host that serves only itself.
    pub lan: Vec<InterfaceName>,
    /// Those of the local networks that reach no other, and are reached by no other.
    pub isolated: Vec<InterfaceName>,
    /// Networks of servers that the internet may reach.
    pub dmz: Vec<InterfaceName>,
    /// The IPv6 prefix that the hosts inside use, for uplinks that translate it into their own.
    pub prefix6: Option<Prefix>,
}

/// Where the daemon writes what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The log file; none means stderr.
    pub file: Option<PathBuf>,
    /// The size in bytes at which the file is put aside and begun anew.
    pub max_size: u64,
    /// How many files put aside are kept.
    pub old_files: usize,
    /// Whether the system log gets the lines as well.
    pub syslog: bool,
}

/// How new and established connections are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Who carries new connections when no uplink works.
    pub when_all_down: WhenAllDown,
    /// What becomes of the established connections of an uplink that goes down.
    pub connections_on_down: ConnectionsOnDown,
    /// What becomes of established connections when an uplink that is preferred to theirs works again.
    pub failback: Failback,
    /// What the kernel hashes to choose an uplink; none leaves the sysctl alone.
    pub hash: Option<Hash>,
}

/// Who carries new connections when no uplink works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAllDown {
    /// All that are eligible, so that whichever comes back first is used at once.
    All,
    /// The uplinks that carried them last.
    Keep,
}

/// What becomes of the established connections of an uplink that goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionsOnDown {
    /// Forgotten by connection tracking, so that both ends notice at once.
    Flush,
    /// Left as they are, to go on if the uplink returns soon.
    Keep,
}

/// What becomes of established connections when an uplink of a better priority group works again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failback {
    /// They stay where they are.
    Soft,
    /// Those of uplinks that no longer carry new connections are forgotten, and start again on the better one.
    Hard,
}

/// What the kernel hashes to choose an uplink (`net.ipv4.fib_multipath_hash_policy`, kernel's ip-sysctl document).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// Source and destination address (policy 0).
    L3,
    /// Addresses, ports and protocol (policy 1).
    L4,
    /// Source address alone (policy 3, field 0x0001).
    Source,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// All problems of the file at once, each with its place.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        Ok(Self::load_with_text(file)?.0)
    }

    /// The same, with the text that was read: the file may be another a moment later.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with_text(file: &Path) -> Result<(Self, String), Problems> {
        let (text, mode) = read(file).map_err(|reason| Problems::of_file(file, reason))?;
        let mut config = Self::parse(&copied_from(file), &text)?;
        if config.email.smtp.password.is_some() && mode & 0o006 != 0 {
            let path = NodePath::default().key("email").key("smtp_parameters").key("password");
            let what = format!(
                "a password in a file that others can read (mode {:04o}): chmod o-rw, or use password_file",
                mode & 0o7777
            );
            config.warnings.extend(place::found(&text, vec![Problem::new(path, what)]));
        }
        Ok((config, text))
    }

    /// Checks a configuration that was read already; `file` is for messages only.
    ///
    /// # Errors
    /// All problems of the text at once, each with its place.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        let tree = section::parse(text).map_err(|problem| Problems::new(file, text, vec![problem]))?;
        let mut problems = Vec::new();
        match Self::read(file, &tree, &mut problems) {
            Some(config) if problems.is_empty() => Ok(Self { warnings: place::found(text, config.warnings), ..config }),
            _ => Err(Problems::new(file, text, problems)),
        }
    }

    /// The warnings as lines for stderr: `file:line:column: path: warning: …`.
    #[must_use]
    pub fn warning_lines(&self) -> Vec<String> {
        self.warnings.iter().map(|warning| warning.line(&self.file, "warning: ")).collect()
    }

    /// The place of the uplink with this name in the file.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.uplinks.iter().position(|uplink| &uplink.name == name)
    }

    /// The families that any uplink has, IPv4 first.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let has = |family: &Family| self.uplinks.iter().any(|uplink| uplink.has(*family));
        [Family::V4, Family::V6].into_iter().filter(has).collect()
    }

    /// Whether new connections may ever use the uplink: it is in a priority group, and not kept from it.
    #[must_use]
    pub fn eligible(&self, uplink: &Uplink) -> bool {
        uplink.default_route && self.group(uplink).is_some()
    }

    /// The priority group of an uplink.
    ///
    /// Where no uplink states one all are in group 1 (the original 1.0); where one does, an uplink without it takes no
    /// new connections (the original 1.2).
    #[must_use]
    pub fn group(&self, uplink: &Uplink) -> Option<u32> {
        if self.uplinks.iter().any(|other| other.priority_group.is_some()) { uplink.priority_group } else { Some(1) }
    }

    fn read(file: &Path, tree: &serde_yaml::Value, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut warnings = Vec::new();
        let mut root = Section::root(tree, problems)?;
        let tests = tests_section::read_common(&mut root);
        let uplinks = uplink::read(&mut root, &tests);
        // Numbers are given out by place in the file, so an uplink that is wrong still takes its own.
        let count = uplinks.len();
        let policies = policy::read(&mut root, &uplinks);
        let forwards = firewall::read_forwards(&mut root, &uplinks);
        let firewall = firewall::read_firewall(&mut root);
        let uplinks: Vec<Uplink> = uplinks.into_iter().flatten().collect();
        let downlinks = downlinks(&mut root, &uplinks);
        let log = log(&mut root);
        let email = email::read(&mut root);
        let routing = routing(&mut root);
        let number = |root: &mut Section<'_>, key, usual| root.optional(key, scalar::number::<u32>).unwrap_or(usual);
        let base_table = number(&mut root, "base_table", 1);
        let base_priority = number(&mut root, "base_priority", 40_000);
        let base_fwmark = number(&mut root, "base_fwmark", 1);
        let fwmark_mask = root.optional("fwmark_mask", scalar::number::<u32>);
        root.finish();
        let config = Self {
            file: file.to_owned(),
            uplinks,
            downlinks,
            tests,
            log,
            email,
            routing,
            policies,
            forwards,
            firewall,
            base_table,
            base_priority,
            base_fwmark,
            fwmark_mask,
            warnings: Vec::new(),
        };
        rules::check(&config, count, problems, &mut warnings);
        Some(Self { warnings, ..config })
    }
}

/// The text of a file, and its mode bits.
/// The file that people know: of a copy in memory (`memfd_create(2)`) the one that its name tells, proc(5).
fn copied_from(file: &Path) -> PathBuf {
    let link = file.starts_with("/proc/self/fd").then(|| std::fs::read_link(file).ok()).flatten();
    let name = link.as_ref().and_then(|link| link.to_str()?.strip_prefix("/memfd:")?.strip_suffix(" (deleted)"));
    name.map_or_else(|| file.to_owned(), PathBuf::from)
}

fn read(file: &Path) -> Result<(String, u32), String> {
    let open = std::fs::File::open(file).map_err(|error| error.to_string())?;
    let mode = open.metadata().map_err(|error| error.to_string())?.mode();
    let mut bytes = Vec::new();
    open.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("larger than {} KiB", MAX_FILE / 1024));
    }
    let text = String::from_utf8(bytes).map_err(|error| format!("not UTF-8 text: {error}"))?;
    Ok((text, mode))
}

fn downlinks(root: &mut Section<'_>, uplinks: &[Uplink]) -> Downlinks {
    let mut downlinks = Downlinks { lan: Vec::new(), isolated: Vec::new(), dmz: Vec::new(), prefix6: None };
    let Some(mut section) = root.section("downlinks") else { return downlinks };
    let mut taken: Vec<InterfaceName> = uplinks.iter().map(|uplink| uplink.name.clone()).collect();
    let mut names = |section: &mut Section<'_>, key| {
        let names = section.list(key, scalar::parsed::<InterfaceName>);
        for name in &names {
            if taken.contains(name) {
                section.wrong(
                    key,
                    format!("{name} is used already, allowed: each device once, as an uplink, in lan or in dmz"),
                );
            }
            taken.push(name.clone());
        }
        names
    };
    downlinks.lan = names(&mut section, "lan");
    downlinks.dmz = names(&mut section, "dmz");
    downlinks.prefix6 = section.optional("prefix6", ipv6::prefix);
    downlinks.isolated = section.list("isolated", scalar::parsed);
    if let Some(name) = downlinks.isolated.iter().find(|name| !downlinks.lan.contains(name)) {
        section.wrong("isolated", format!("{name} is no local network, allowed: devices of lan"));
    }
    section.finish();
    downlinks
}

fn log(root: &mut Section<'_>) -> Log {
    let mut log = Log { file: None, max_size: 1_024_000, old_files: 10, syslog: false };
    if let Some(mut section) = root.section("log") {
        log.file = section.optional("file", scalar::path);
        log.max_size = section.optional("max_size", scalar::within(1024, u64::MAX)).unwrap_or(log.max_size);
        log.old_files = section.optional("old_files", scalar::within(0, 1000)).unwrap_or(log.old_files);
        log.syslog = section.optional("syslog", scalar::boolean).unwrap_or(log.syslog);
        section.finish();
    }
    log
}

fn routing(root: &mut Section<'_>) -> Routing {
    let mut routing = Routing {
        when_all_down: WhenAllDown::All,
        connections_on_down: ConnectionsOnDown::Flush,
        failback: Failback::Soft,
        hash: None,
    };
    if let Some(mut section) = root.section("routing") {
        let when = scalar::one_of(&[("all", WhenAllDown::All), ("keep", WhenAllDown::Keep)]);
        routing.when_all_down = section.optional("when_all_down", when).unwrap_or(routing.when_all_down);
        let on_down = scalar::one_of(&[("flush", ConnectionsOnDown::Flush), ("keep", ConnectionsOnDown::Keep)]);
        routing.connections_on_down =
            section.optional("connections_on_down", on_down).unwrap_or(routing.connections_on_down);
        let failback = scalar::one_of(&[("soft", Failback::Soft), ("hard", Failback::Hard)]);
        routing.failback = section.optional("failback", failback).unwrap_or(routing.failback);
        let hash = scalar::one_of(&[("l3", Hash::L3), ("l4", Hash::L4), ("source", Hash::Source)]);
        routing.hash = section.optional("hash", hash);
        section.finish();
    }
    routing
}

/// The time after which an answer is late when nothing is configured.
const USUAL_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
