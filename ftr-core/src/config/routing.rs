//! `routing`: how new and established connections are treated.

use std::time::Duration;

use super::failback::{Failback, FailbackMode, WordOrSection};
use super::form::{Maybe, SPAN, Word};
use super::ipv6::Ipv6Rescue;
use super::key::keys;
use super::words::words;

keys! {
    /// How new and established connections are treated.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Routing {
        /// Which uplinks carry new connections while none works.
        "when_all_down" => pub when_all_down: WhenAllDown = WhenAllDown::All, Word;
        /// What becomes of the established connections of an uplink that goes down.
        "connections_on_down" => pub connections_on_down: ConnectionsOnDown = ConnectionsOnDown::Flush, Word;
        /// How long an uplink has to be down before its connections are forgotten: where all go down one after the other within
        /// this time none are, and a second router can take them over.
        "flush_delay" => pub flush_delay: Duration = Duration::ZERO, SPAN;
        /// What becomes of established connections when an uplink of a better priority group works again; and, in a section,
        /// how much an uplink gets at first that works again.
        "failback" => pub failback: Failback =
            Failback { mode: FailbackMode::Soft, canary: None, canary_for: Duration::from_secs(120) }, WordOrSection;
        /// How long an uplink that was down has to work before it carries new connections again where others do.
        "failback_delay" => pub failback_delay: Duration = Duration::ZERO, SPAN;
        /// How long after it went down an uplink carries no new connections where others do.
        "min_down" => pub min_down: Duration = Duration::ZERO, SPAN;
        /// How long at most an uplink that keeps going down stays on standby although it works, where others carry new
        /// connections meanwhile: the more often it went down of late, the longer; 0 for never.
        "hold_down" => pub hold_down: Duration = Duration::from_secs(600), SPAN;
        /// What the kernel hashes to choose an uplink for a connection; without it,
        /// `net.ipv4.fib_multipath_hash_policy` stays as it is.
        "hash" => pub hash: Option<Hash> = None, Maybe(Word);
        /// What becomes of new IPv6 connections from the prefixes of an uplink that is down, while another one works.
        "ipv6_rescue" => pub ipv6_rescue: Ipv6Rescue = Ipv6Rescue::Translate, Word;
    }
}

words! {
    /// Which uplinks carry new connections while none works.
    pub enum WhenAllDown {
        /// All that are eligible, so that whichever comes back first is used at once.
        "all" => All,
        /// The uplinks that carried them last.
        "keep" => Keep,
    }
}

words! {
    /// What becomes of the established connections of an uplink that goes down.
    pub enum ConnectionsOnDown {
        /// Forgotten by connection tracking, so that both ends notice at once.
        "flush" => Flush,
        /// Left as they are, to go on if the uplink returns soon.
        "keep" => Keep,
    }
}

words! {
    /// What the kernel hashes to choose an uplink (`net.ipv4.fib_multipath_hash_policy`, kernel's ip-sysctl document).
    pub enum Hash {
        /// Source and destination address (policy 0).
        "l3" => L3,
        /// Addresses, ports and protocol (policy 1).
        "l4" => L4,
        /// Source address alone (policy 3, field 0x0001).
        "source" => Source,
    }
}
