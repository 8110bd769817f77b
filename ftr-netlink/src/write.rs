//! Changes to routes, rules and address labels.

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;

use crate::frame::request;
use crate::{Error, Label, Route, Rule};

/// A change to ask of the kernel. Nothing is ever replaced: an addition fails where its like is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Adds a route. IPv6 looks up each gateway, in the route's own table and then by the rules, and refuses one that
    /// would itself need a gateway (`EHOSTUNREACH`), unless it is `onlink`.
    AddRoute(Route),
    /// Deletes a route. An IPv6 look-up that has just found it may be refused with `ENETUNREACH`, even with another route
    /// behind it: first add a better one, and leave the look-ups under way a moment to end.
    DeleteRoute(Route),
    /// Adds a rule.
    AddRule(Rule),
    /// Deletes a rule.
    DeleteRule(Rule),
    /// Adds an address label.
    AddLabel(Label),
    /// Deletes an address label, whatever its number.
    DeleteLabel(Label),
}

impl Write {
    pub(crate) fn encode(&self, number: u32) -> Result<Vec<u8>, Error> {
        let (kind, body) = match self {
            Self::AddRoute(route) => (Rtm::Newroute, route.encode()?),
            Self::DeleteRoute(route) => (Rtm::Delroute, route.encode_deletion()?),
            Self::AddRule(rule) => (Rtm::Newrule, rule.encode()?),
            Self::DeleteRule(rule) => (Rtm::Delrule, rule.encode()?),
            Self::AddLabel(label) => (Rtm::Newaddrlabel, label.encode()?),
            Self::DeleteLabel(label) => (Rtm::Deladdrlabel, label.encode()?),
        };
        let flags = match self {
            Self::AddRoute(_) | Self::AddRule(_) | Self::AddLabel(_) => NlmF::ACK | NlmF::CREATE | NlmF::EXCL,
            Self::DeleteRoute(_) | Self::DeleteRule(_) | Self::DeleteLabel(_) => NlmF::ACK,
        };
        request(kind.into(), flags, number, &body)
    }
}
