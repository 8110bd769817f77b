//! Addresses that an uplink has exchanged for another: what was translated to one, or began from it, goes nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::config::Config;

use crate::plan::given_up::translates;
use crate::plan::uplink_state::{UplinkState, configured};

/// The addresses that each uplink has sent from, by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Renumbered(BTreeMap<usize, BTreeSet<IpAddr>>);

/// An address that an uplink no longer sends from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Former {
    pub(crate) uplink: usize,
    pub(crate) address: IpAddr,
    /// Connections of hosts inside were translated to it.
    pub(crate) translated: bool,
}

impl Renumbered {
    /// Addresses that an earlier run has sent from, each with its uplink.
    pub(crate) fn found(addresses: &[(usize, IpAddr)]) -> Self {
        let mut it = Self::default();
        for (uplink, address) in addresses {
            it.0.entry(*uplink).or_default().insert(*address);
        }
        it
    }

    /// Takes in how the uplinks stand, and tells which addresses they have exchanged for another since.
    ///
    /// While an uplink has no address at all, the old one may come back. One that is merely deprecated works for whoever has
    /// it (RFC 4862), but not for long where a whole network is hidden behind it.
    pub(crate) fn take(&mut self, config: &Config, family: Family, states: &[UplinkState]) -> Vec<Former> {
        let mut former = Vec::new();
        for (uplink, state) in configured(states) {
            let Some(source) = state.egress.as_ref().and_then(|egress| egress.source) else { continue };
            let translated = config.uplinks.get(uplink).is_some_and(|uplink| translates(uplink, family));
            let used = self.0.entry(uplink).or_default();
            used.insert(source);
            used.retain(|&address| {
                let deprecated = translated && state.deprecated.contains(&address);
                let lasts = address == source || state.addresses.contains(&address) && !deprecated;
                if !lasts {
                    former.push(Former { uplink, address, translated });
                }
                lasts
            });
        }
        former
    }
}

#[cfg(test)]
mod tests {
    use super::{Former, Renumbered};
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{HostView, uplink_states};
    use ftr_core::Family;

    /// What `take` tells when ppp0 has these addresses, one after the other.
    fn told(addresses: &[&[&str]]) -> Vec<Vec<String>> {
        let config = config(CONFIG);
        let links = [link(5, "ppp0")];
        let mut it = Renumbered::default();
        let take = |now: &&[&str]| {
            let addresses: Vec<_> = now.iter().map(|own| address(5, own, Some("9.0.0.1"), 32)).collect();
            let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
            let former = it.take(&config, Family::V4, &uplink_states(&config, Family::V4, host));
            former.iter().map(|Former { address, .. }| address.to_string()).collect()
        };
        addresses.iter().map(take).collect()
    }

    #[test]
    fn an_address_is_exchanged_when_there_is_another_and_it_is_gone() {
        let none: [String; 0] = [];
        assert_eq!(told(&[&["9.0.0.2"], &["9.0.0.3"]]), [&none[..], &["9.0.0.2".to_owned()]]);
        assert_eq!(told(&[&["9.0.0.2"], &[], &["9.0.0.2"]]).concat(), none);
        assert_eq!(told(&[&["9.0.0.2"], &[], &["9.0.0.3"]]).concat(), ["9.0.0.2"]);
        // The new one comes before the old one goes.
        assert_eq!(told(&[&["9.0.0.2"], &["9.0.0.3", "9.0.0.2"]]).concat(), none);
        assert_eq!(told(&[&["9.0.0.2"], &["9.0.0.3", "9.0.0.2"], &["9.0.0.3"]]).concat(), ["9.0.0.2"]);
    }
}
