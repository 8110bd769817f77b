//! What the rules of a firewall do, as far as it matters to routing.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ftr_core::{Family, Prefix};

/// What rules do to marks, to source addresses, and to the path of packets, and the filters that drop what they do not admit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The rules that change marks.
    pub sets: Vec<MarkSet>,
    /// The rules that translate the source of what leaves.
    pub translations: Vec<Translation>,
    /// The rules that hand connections to the kernel's fast path.
    pub offloads: Vec<Offload>,
    /// The chains that every packet to this host, or through it, has to pass.
    pub filters: Vec<Filter>,
}

/// A chain that the kernel has every packet pass which comes to this host, or goes through it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Who shows it: `iptables`, `ip6tables`, `nft inet`.
    pub program: String,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// The packets that it is for; none for both families.
    pub family: Option<Family>,
    /// Its policy is to drop.
    pub drops: bool,
    /// Its last rule drops or refuses whatever comes to it.
    pub ends_in_drop: bool,
    /// The chains that people and programs have made in the same table; of iptables only.
    pub beside: BTreeSet<String>,
}

/// A rule that changes the mark of packets or connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkSet {
    /// Who shows it: `iptables`, `ip6tables`, `nft inet`.
    pub program: String,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// The packets that it is for; none for both families.
    pub family: Option<Family>,
    /// The device that they come in by, where it is for one alone.
    pub input: Option<String>,
    /// Whose mark it changes.
    pub on: Holder,
    /// The bits that it may change.
    pub bits: u32,
    /// What it makes of them.
    pub value: Value,
}

/// A rule that translates the source of what leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    /// The packets that it is for; none for both families.
    pub family: Option<Family>,
    /// The device that they leave by, where it is for one alone.
    pub output: Option<String>,
    /// Where they come from, where it is for one network alone.
    pub source: Option<Prefix>,
    /// What their source becomes, where that is one stated address.
    pub to: Option<IpAddr>,
    /// The kernel chooses an address of the device that they leave by.
    pub masquerades: bool,
}

/// What carries a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A packet, for as long as it is in this host.
    Packet,
    /// A tracked connection.
    Connection,
}

/// Where a mark comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Stated.
    Fixed(u32),
    /// From the other holder: restored from the connection, or saved into it.
    Copied,
    /// From a calculation that is not followed.
    Computed,
}

/// A rule that hands connections to the fast path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offload {
    /// Where it stands.
    pub place: String,
    /// The command that deletes it.
    pub remedy: String,
}
