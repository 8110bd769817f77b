//! Firewall rules before they have the words of one program: what a packet must be like, and what becomes of it.
//!
//! One description, so that every back end says the same. Lists mean "one of these"; a printer writes a set, or a rule
//! for each.

use std::net::IpAddr;

use clap::ValueEnum;
use ftr_core::config::{Ports, Protocol};
use ftr_core::{Family, InterfaceName, Prefix};

/// A table of the kernel's packet filter, as iptables(8) names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Table {
    /// Marks: which uplink a connection belongs to.
    Mangle,
    /// Address translation.
    Nat,
    /// What may pass.
    Filter,
}

impl Table {
    /// All tables, in the order in which they are printed.
    pub const ALL: [Self; 3] = [Self::Mangle, Self::Nat, Self::Filter];

    /// Its name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Filter => "filter",
        }
    }
}

/// Where on its way through the kernel a packet is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// On arrival, before it is routed.
    Prerouting,
    /// On its way to the router itself.
    Input,
    /// On its way through.
    Forward,
    /// On its way from the router itself.
    Output,
    /// Before it leaves, when it has been routed.
    Postrouting,
}

/// A list of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// One that packets enter by themselves.
    At(Hook),
    /// One that rules send packets to; its name in upper case.
    Own(&'static str),
}

/// The rules of some tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// The tables to print, in the order of [`Table::ALL`].
    pub tables: Vec<Rules>,
    /// The bits of a mark that are ours; none means all of them.
    pub mask: Option<u32>,
    /// The marks of connections: one for each uplink.
    pub marks: Vec<u32>,
    /// The families that the rules are for.
    pub families: Vec<Family>,
}

impl Ruleset {
    /// The same with every example acting as a rule.
    #[must_use]
    pub fn with_examples(&self) -> Self {
        let mut all = self.clone();
        let rules = all.tables.iter_mut().flat_map(|table| &mut table.blocks).flat_map(|block| &mut block.rules);
        rules.for_each(|rule| rule.example = false);
        all
    }
}

/// The rules of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which table.
    pub table: Table,
    /// What it is for.
    pub about: String,
    /// The chains that packets enter by themselves, and what becomes of those that no rule decides.
    pub hooks: Vec<(Hook, Policy)>,
    /// The other chains.
    pub own: Vec<&'static str>,
    /// The rules, in groups that have a reason in common.
    pub blocks: Vec<Block>,
}

/// What becomes of packets that no rule of a chain decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// They pass.
    Accept,
    /// They do not.
    Drop,
}

/// Rules that have a reason in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The reason, for people.
    pub why: String,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub chain: Chain,
    /// Which packets.
    pub when: When,
    /// What becomes of them.
    pub action: Action,
    /// It is printed as a comment, for people to adapt.
    pub example: bool,
}

impl Rule {
    /// A rule that works.
    #[must_use]
    pub const fn new(chain: Chain, when: When, action: Action) -> Self {
        Self { chain, when, action, example: false }
    }

    /// A rule to adapt.
    #[must_use]
    pub const fn example(chain: Chain, when: When, action: Action) -> Self {
        Self { chain, when, action, example: true }
    }
}

/// Which packets: all that is stated has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// Of which family; stated wherever addresses are.
    pub family: Option<Family>,
    /// Come in by one of these devices.
    pub inputs: Vec<InterfaceName>,
    /// Leave by one of these devices.
    pub outputs: Vec<InterfaceName>,
    /// Come from one of these networks.
    pub sources: Vec<Prefix>,
    /// Go to one of these networks.
    pub destinations: Vec<Prefix>,
    /// The set of addresses that they go to.
    pub set: Option<Set>,
    /// Go to an address of the router.
    pub local: Option<Local>,
    /// The transport protocol.
    pub protocol: Option<Protocol>,
    /// Come from one of these ports.
    pub sports: Vec<Ports>,
    /// Go to one of these ports.
    pub dports: Vec<Ports>,
    /// Open a TCP connection, or answer one that does: the packets that state a segment size.
    pub opens: bool,
    /// Have a source that cannot be where they come from.
    pub claim: Option<Claim>,
    /// No policy of `IPsec` encrypts them as they leave.
    pub unencrypted: bool,
    /// What connection tracking knows of them.
    pub state: Option<State>,
    /// What the marks are.
    pub mark: Option<Mark>,
}

/// A set of addresses that others fill.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set {
    /// Its name; that of IPv6 ends in a `6` more.
    pub name: String,
    /// Who fills it.
    pub kind: SetKind,
}

/// Who fills a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetKind {
    /// Somebody, with networks that stay.
    Networks,
    /// A name server, with addresses that stay for a while after it was asked, or after a connection began.
    Names,
}

impl Set {
    /// How long an address of a name stays, in seconds.
    pub const STAYS: u32 = 3600;
    /// The most addresses of names: whoever answers for a name says how many there are.
    pub const MOST: u32 = 65_536;

    /// Its name in ipset(8).
    #[must_use]
    pub fn ipset(&self, family: Family) -> String {
        format!("{}{}", self.name, if family == Family::V6 { "6" } else { "" })
    }

    /// Its name in nft(8), where a plain one might be a word of its language.
    #[must_use]
    pub fn nft(&self, family: Family) -> String {
        format!("to_{}", self.ipset(family))
    }

    /// The words of ipset(8) that make it, behind its name.
    #[must_use]
    pub fn create(&self, family: Family) -> String {
        let family = if family == Family::V6 { "inet6" } else { "inet" };
        match self.kind {
            SetKind::Networks => format!("hash:net family {family}"),
            SetKind::Names => format!("hash:ip family {family} maxelem {} timeout {}", Self::MOST, Self::STAYS),
        }
    }
}

/// Whose a source is that comes in by an uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Its answers would leave by one of these devices. iptables can only ask whether they would leave by another than
    /// it came in by.
    Behind(Vec<InterfaceName>),
    /// It is the router's.
    Ours,
}

/// Addresses of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// Any.
    Any,
    /// Of another device than the packet came in by.
    Elsewhere,
}

/// What connection tracking knows of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It begins a connection, or nobody has answered yet.
    New,
    /// It belongs to a connection, or reports an error of one.
    Known,
    /// It belongs to no connection that is known, and begins none: nothing translates it.
    Stray,
    /// Its connection was sent on to another host.
    Forwarded,
}

/// A condition on our bits of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The packet has none.
    PacketNone,
    /// The connection has none.
    ConnectionNone,
    /// The connection has one.
    ConnectionSome,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It takes over the mark of its connection.
    RestoreMark,
    /// Its connection gets this mark.
    MarkConnection(u32),
    /// It gets this mark, its connection none.
    MarkPacket(u32),
    /// It passes.
    Accept,
    /// It does not pass, and nobody is told.
    Drop,
    /// It is refused, and the sender told.
    Reject,
    /// The same, where it may not leave there with its source (`ICMPv6` destination unreachable, code 5).
    RejectSource,
    /// Its connection of TCP is reset.
    Reset,
    /// The rules of the chain that sent it here go on.
    Return,
    /// The rules of this chain go on.
    Jump(&'static str),
    /// Its source becomes this address.
    Snat(IpAddr),
    /// Its source becomes the address of the device that it leaves by.
    Masquerade,
    /// Its destination becomes this host and, where stated, port.
    Dnat(IpAddr, Option<u16>),
    /// The prefix of its source becomes this one; the rest of the address stays.
    SourcePrefix(Prefix),
    /// The prefix of its destination becomes this one.
    DestinationPrefix(Prefix),
    /// Its sender is told to take no larger segments than the MTU of the route allows, or than so many bytes.
    ClampMss(Option<u16>),
}
