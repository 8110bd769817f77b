//! For how long networks are known whose prefix is gone, and what is told of networks so that they are known after a reboot.

use std::collections::BTreeMap;
use std::time::Duration;

use ftr_core::record::InsideNetwork;
use ftr_netlink::Link;

use super::kept::{Kept, MOST};
use super::learned::{Learned, Network};

/// How long hosts may use an address after its prefix is gone without a word: no advertisement makes them forget it sooner
/// (RFC 4862, 5.5.3 e).
const FORGOTTEN: Duration = Duration::from_secs(2 * 3600);

/// Since when networks are former, from boot on.
#[derive(Debug, Default)]
pub(crate) struct Since(BTreeMap<Network, Duration>);

impl Since {
    /// Leaves out those that no host can have an address of any more.
    pub(crate) fn retain(&mut self, learned: &mut Learned, kept: &mut [Kept], links: &[Link], now: Duration) {
        let is = |one: &Kept, network: &Network| {
            (one.uplink, one.prefix, one.index(links)) == (network.uplink, network.prefix, Some(network.index))
        };
        // Delegated again: if it is taken away once more, it is from then on.
        for one in kept.iter_mut().filter(|one| learned.networks.iter().any(|network| is(one, network))) {
            one.former = None;
        }
        let before = |network: &Network| kept.iter().find(|one| is(one, network)).and_then(|one| one.former);
        self.0.retain(|network, _| learned.former.contains(network));
        learned.former.retain(|network| {
            let since = self.0.entry(*network).or_insert_with(|| before(network).unwrap_or(now));
            now.saturating_sub(*since) < FORGOTTEN
        });
    }

    /// The networks that hosts may have addresses of by this uplink. One whose device is away is known for as long as one
    /// that is former.
    pub(crate) fn told(
        &self,
        uplink: usize,
        learned: &Learned,
        kept: &[Kept],
        links: &[Link],
        now: Duration,
    ) -> Vec<InsideNetwork> {
        let told = |network: &Network, former: Option<Duration>| {
            let device = links.iter().find(|link| link.index == network.index)?.name.clone();
            Some(InsideNetwork { prefix: network.prefix, device, former: former.map(millis) })
        };
        let is_its = |network: &&Network| network.uplink == uplink;
        let own = learned.networks.iter().filter(is_its).filter_map(|network| told(network, None));
        let since = |network: &Network| self.0.get(network).copied();
        let former = learned.former.iter().filter(is_its).filter_map(|network| told(network, since(network)));
        let is_away = |kept: &&Kept| kept.uplink == uplink && kept.index(links).is_none();
        let away = kept.iter().filter(is_away).filter_map(|kept| {
            let since = kept.former.unwrap_or(kept.told);
            let network =
                InsideNetwork { prefix: kept.prefix, device: kept.device.clone(), former: Some(millis(since)) };
            (now.saturating_sub(since) < FORGOTTEN).then_some(network)
        });
        own.chain(former).chain(away).take(MOST).collect()
    }
}

fn millis(since: Duration) -> u64 {
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Kept, Learned, Network, Since};
    use crate::plan::uplink_state::tests::link;

    const HOUR: Duration = Duration::from_secs(3600);

    fn network() -> Network {
        Network { uplink: 1, prefix: "2001:db8:0:101::/64".parse().unwrap(), index: 2 }
    }

    /// How many networks are left at this hour, where the one is former or is there, and what was known of it at first.
    fn left(since: &mut Since, kept: &mut [Kept], hour: u32, is_former: bool) -> usize {
        let mut learned = Learned::default();
        if is_former { &mut learned.former } else { &mut learned.networks }.push(network());
        since.retain(&mut learned, kept, &[link(2, "eth0")], HOUR * hour);
        learned.former.len()
    }

    fn kept(former: Option<Duration>) -> [Kept; 1] {
        [Kept { uplink: 1, prefix: network().prefix, device: "eth0".to_owned(), former, told: HOUR }]
    }

    #[test]
    fn a_network_is_forgotten_when_no_host_can_have_an_address_of_it() {
        let mut since = Since::default();
        let mut left = |hour, is_former| left(&mut since, &mut [], hour, is_former);
        assert_eq!([left(0, true), left(1, true), left(2, true), left(3, true)], [1, 1, 0, 0]);
        // Delegated again, and gone once more.
        assert_eq!([left(4, false), left(5, true), left(6, true), left(7, true)], [0, 1, 1, 0]);
    }

    #[test]
    fn a_restart_makes_it_known_for_no_longer() {
        let (mut since, mut before) = (Since::default(), kept(Some(HOUR)));
        let mut left = |hour, is_former| left(&mut since, &mut before, hour, is_former);
        assert_eq!([left(2, true), left(3, true), left(4, false), left(9, true), left(11, true)], [1, 0, 0, 1, 0]);
        // Whoever does not know since when begins now.
        let (mut since, mut before) = (Since::default(), kept(None));
        assert_eq!([2, 3, 4].map(|hour| super::tests::left(&mut since, &mut before, hour, true)), [1, 1, 0]);
    }

    #[test]
    fn what_is_there_what_is_gone_and_what_has_no_device_now_is_told() {
        let told = |links: &[_], hour: u32, former: Option<Duration>, is_former: bool| -> Vec<String> {
            let (mut since, mut learned, mut kept) = (Since::default(), Learned::default(), kept(former));
            if !links.is_empty() {
                if is_former { &mut learned.former } else { &mut learned.networks }.push(network());
            }
            since.retain(&mut learned, &mut kept, links, HOUR * hour);
            let all = since.told(1, &learned, &kept, links, HOUR * hour);
            assert_eq!(since.told(0, &learned, &kept, links, HOUR * hour), []);
            all.iter().map(|one| format!("{} {} {:?}", one.prefix, one.device, one.former)).collect()
        };
        let line = |former: &str| vec![format!("2001:db8:0:101::/64 eth0 {former}")];
        let links = [link(2, "eth0")];
        assert_eq!(told(&links, 2, None, false), line("None"));
        assert_eq!(told(&links, 2, None, true), line("Some(7200000)"));
        assert_eq!(
            (told(&links, 2, Some(HOUR), true), told(&links, 3, Some(HOUR), true)),
            (line("Some(3600000)"), vec![])
        );
        assert_eq!((told(&[], 2, None, true), told(&[], 3, None, true)), (line("Some(3600000)"), vec![]));
    }
}
