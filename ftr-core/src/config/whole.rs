//! The whole configuration.

use std::borrow::Cow;
use std::path::PathBuf;

use super::downlinks::Downlinks;
use super::email::Email;
use super::firewall::Firewall;
use super::form::{Apart, Below, Maybe, NUMBER, Scalar, Word};
use super::forward::Forward;
use super::hook::Hook;
use super::ipv6::Nat6;
use super::key::{Key, Keys as _, Reader, keys};
use super::log::Log;
use super::policy::Policy;
use super::problem::Problem;
use super::problems::Problems;
use super::routing::Routing;
use super::tests_section::Tests;
use super::uplink::Uplink;
use crate::family::Family;
use crate::numbering::{Assigned, Assignment, Base, Fits, Names, Numbering};
use crate::prefix::Prefix;

use Reader::{Hooks, Monitor, Notify, Probe, Route, Rules};

/// A number of the kernel's. [`super::cross_checks`] tells what 0 would mean.
const BASE: Scalar<u32> = Scalar { allowed: "a whole number, 1 to 4294967295", ..NUMBER };

const ALL: &[Reader] = &[Monitor, Hooks, Notify, Probe, Route, Rules];

keys! {
    /// A whole configuration, in which every number fits and no name clashes.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Config {
        /// The ways to the internet. At the first start after a boot their order gives each its routing table and mark,
        /// which it keeps by its name from then on.
        "uplinks" => pub uplinks: Vec<Uplink> = Vec::new(), Apart, for ALL;
        /// The networks behind the router.
        "downlinks" => pub downlinks: Downlinks = Downlinks::usual(), Apart, for &[Route, Rules];
        /// How uplinks are tested, where an uplink does not say otherwise. An uplink works while enough hosts answer
        /// through it.
        "tests" => pub tests: Tests = Tests::usual(), Apart, for ALL;
        /// Where the daemon writes what it does.
        "log" => pub log: Log = Log::usual(), Below, for &[Monitor];
        /// Who is told by mail what changed.
        "email" => pub email: Email = Email::usual(), Below, for &[Monitor, Notify];
        /// How new and established connections are treated.
        "routing" => pub routing: Routing = Routing::usual(), Below, for &[Monitor, Route, Rules];
        /// Connections that take the first working uplink of a list of their own instead of a balanced one.
        "policies" => pub policies: Vec<Policy> = Vec::new(), Apart, for &[Route, Rules];
        /// Services of hosts inside that can be reached from outside.
        "forwards" => pub forwards: Vec<Forward> = Vec::new(), Apart, for &[Rules];
        /// Programs that are run when something changes.
        "hooks" => pub hooks: Vec<Hook> = Vec::new(), Apart, for &[Monitor, Hooks];
        /// Which filter the firewall rules have; without it the original's, which is closed to the local network too and
        /// does not keep connections of Docker or VPN clients on their uplink.
        "firewall" => pub firewall: Option<Firewall> = None, Maybe(Word), for &[Route, Rules];
        /// The routing table of the first uplink; after it come those of the other uplinks, that of new connections and
        /// those of policies. None may be 253 to 255, which are the kernel's own.
        "base_table" => pub base_table: u32 = 1, BASE, for ALL;
        /// The priority of our first rule. Below 32766 a default route in the table main does no harm.
        "base_priority" => pub base_priority: u32 = 40_000, BASE, for ALL;
        /// The packet mark of the first uplink; the others follow in steps of the lowest bit of `fwmark_mask`.
        "base_fwmark" => pub base_fwmark: u32 = 1, BASE, for ALL;
        /// The bits of a mark that are ours; without it, all of them.
        "fwmark_mask" => pub fwmark_mask: Option<u32> = None, Maybe(BASE), for ALL;
    }
    beside {
        /// Where it was read from, for messages.
        pub file: PathBuf = PathBuf::new();
        /// What is odd but works: said on stderr, never an error.
        pub warnings: Vec<Problem> = Vec::new();
        /// Whose numbers are whose; none: by position in the file.
        pub assignment: Option<Assignment> = None;
    }
}

impl Config {
    /// What is odd but works, to be shown.
    #[must_use]
    pub fn warned(&self) -> Problems {
        Problems::warnings(&self.file, &self.warnings)
    }

    /// The warnings as lines for stderr: `file:line:column: path: warning: …`.
    #[must_use]
    pub fn warning_lines(&self) -> Vec<String> {
        self.warned().lines()
    }

    /// The index of the uplink with this name: its number in file order.
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
}

impl Config {
    /// Whether any uplink has name servers.
    #[must_use]
    pub fn has_resolvers(&self) -> bool {
        self.uplinks.iter().any(|uplink| !uplink.dns.is_empty())
    }

    /// The IPv6 prefixes that providers delegate, each with the index of its uplink.
    pub fn delegated(&self) -> impl Iterator<Item = (usize, Prefix)> {
        let uplinks = self.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.has(Family::V6));
        uplinks.flat_map(|(i, uplink)| uplink.prefixes6.iter().map(move |prefix| (i, *prefix)))
    }

    /// Whether an uplink has prefixes that are learned.
    #[must_use]
    pub fn learns_prefixes(&self) -> bool {
        self.uplinks.iter().any(|uplink| uplink.prefixes6.auto && uplink.has(Family::V6))
    }

    /// The same with the prefixes that have been learned, and with those that uplinks had until lately, each with the index of
    /// its uplink.
    #[must_use]
    pub fn with_learned(&self, known: &[(usize, Prefix)], former: &[(usize, Prefix)]) -> Cow<'_, Self> {
        if !self.learns_prefixes() {
            return Cow::Borrowed(self);
        }
        let mut config = self.clone();
        for (i, uplink) in config.uplinks.iter_mut().enumerate().filter(|(_, uplink)| uplink.prefixes6.auto) {
            let of = |all: &[(usize, Prefix)]| {
                all.iter().filter(|(whose, _)| *whose == i).map(|(_, prefix)| *prefix).collect()
            };
            (uplink.prefixes6.known, uplink.prefixes6.former) = (of(known), of(former));
        }
        Cow::Owned(config)
    }

    /// The prefixes that uplinks had until lately, each with the index of its uplink.
    pub fn formerly_delegated(&self) -> impl Iterator<Item = (usize, Prefix)> {
        let uplinks = self.uplinks.iter().enumerate();
        uplinks.flat_map(|(i, uplink)| uplink.prefixes6.former.iter().map(move |prefix| (i, *prefix)))
    }

    /// Whether what comes from the prefix of an uplink that is down is refused by the filter of `ftr-rules`, which knows how
    /// to reset TCP; where that filter is not loaded, it leaves translated.
    #[must_use]
    pub fn filter_refuses(&self) -> bool {
        !self.routing.ipv6_rescue.translates() && self.firewall == Some(Firewall::Safe)
    }

    /// Whether what comes from the prefix of an uplink is translated where it leaves by this one: there is such a prefix,
    /// and the configuration wants it. Where the filter refuses it too: whoever has left that out leaks nothing.
    #[must_use]
    pub fn rescues(&self, uplink: usize) -> bool {
        let takes = self.uplinks.get(uplink).is_some_and(|uplink| uplink.has(Family::V6));
        let has = |other: &Uplink| other.has(Family::V6) && !other.prefixes6.is_none();
        let mut others = self.uplinks.iter().enumerate().filter(|(i, _)| *i != uplink);
        let leaves = self.routing.ipv6_rescue.translates() || self.filter_refuses();
        takes && leaves && others.any(|(_, other)| has(other))
    }
}

impl Config {
    /// What of it a program reads.
    #[must_use]
    pub fn as_read_by(&self, reader: Reader) -> Self {
        let mut config = self.clone();
        config.forget(&unread_by(reader));
        if self.uplinks.iter().any(|uplink| uplink.nat6 == Nat6::Prefix) {
            // Without it such an uplink is wrong, whoever reads of it.
            config.downlinks.prefix6 = self.downlinks.prefix6;
        }
        config
    }
}

impl Config {
    /// Gives each uplink and policy its numbers: those that it had, as far as it was there before.
    ///
    /// `before` is of a configuration with the same `base_table`, `base_fwmark` and `fwmark_mask`.
    pub fn assign(&mut self, before: Option<&Assignment>) {
        let (uplinks, policies) = self.names();
        let base = self.base();
        let fits = Fits { table: &|offset| base.has_table(offset), mark: &|offset| base.has_mark(offset) };
        let names = Names { uplinks: &uplinks, policies: &policies };
        let assignment = Assignment::next(before, names, fits);
        self.assignment = Some(assignment);
    }

    fn names(&self) -> (Vec<&str>, Vec<&str>) {
        let uplinks = self.uplinks.iter().map(|uplink| uplink.name.as_str()).collect();
        (uplinks, self.policies.iter().map(|policy| policy.name.as_str()).collect())
    }

    const fn base(&self) -> Base {
        Base { table: self.base_table, priority: self.base_priority, fwmark: self.base_fwmark, mask: self.fwmark_mask }
    }

    /// The numbers of all by this assignment; none where it is of another configuration.
    fn assigned(&self, assignment: &Assignment) -> Option<Assigned> {
        let (uplinks, policies) = self.names();
        Some(Assigned {
            uplinks: uplinks.iter().map(|name| assignment.uplink(name)).collect::<Option<_>>()?,
            policies: policies.iter().map(|name| assignment.policy(name)).collect::<Option<_>>()?,
            balanced: assignment.balanced(),
        })
    }
}

impl Numbering {
    /// The numbering of a configuration, whose checks have made sure that no number overflows.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let (uplinks, policies) = config.names();
        let by_position = || Assignment::by_position(Names { uplinks: &uplinks, policies: &policies });
        let assigned = config.assignment.as_ref().and_then(|assignment| config.assigned(assignment));
        let assigned = assigned.or_else(|| config.assigned(&by_position())).unwrap_or_default();
        Self::new(assigned, config.base(), config.has_resolvers())
    }
}

/// The keys at the top of the file that a program does not read.
#[must_use]
pub fn unread_by(reader: Reader) -> Vec<&'static str> {
    Config::keys().iter().filter(|key| !key.readers.contains(&reader)).map(|key| key.name).collect()
}

/// Every key of the file, section by section.
#[must_use]
pub fn known_keys() -> Vec<Key> {
    Config::keys()
}
