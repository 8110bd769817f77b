//! Networks inside that were known before: over a reboot the kernel forgets them, and the monitor remembers.

use std::time::Duration;

use ftr_core::config::{Config, Uplink};
use ftr_core::record::InsideNetwork;
use ftr_core::{Family, Prefix};
use ftr_netlink::Link;
use ftr_tool::delegated::Networks;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The uplink that its prefix is or was of.
    pub(crate) uplink: usize,
    pub(crate) prefix: Prefix,
    pub(crate) device: String,
    /// Since when its prefix is gone, from boot on, where that is known.
    pub(crate) former: Option<Duration>,
    /// When we were told of it.
    pub(crate) told: Duration,
}

impl Kept {
    /// The number of its device, where that is there.
    pub(crate) fn index(&self, links: &[Link]) -> Option<u32> {
        links.iter().find(|link| link.name == self.device).map(|link| link.index)
    }
}

/// So many of an uplink are told of, and believed.
pub(crate) const MOST: usize = 128;

/// Those that can be: networks of hosts (RFC 4862) at a device inside, of an uplink whose prefixes are learned. More is not
/// believed of what a file says, for what comes from there is taken for that of our hosts.
pub(crate) fn believed(config: &Config, remembered: &Networks, now: Duration) -> Vec<Kept> {
    let inside =
        |device: &str| config.downlinks.lan.iter().chain(&config.downlinks.dmz).any(|name| name.as_str() == device);
    let is_possible = |network: &&InsideNetwork| {
        network.prefix.is_global() && network.prefix.length() == 64 && inside(&network.device)
    };
    let of = |(i, uplink): (usize, &Uplink)| {
        let learns = uplink.prefixes6.auto && uplink.has(Family::V6);
        let networks = remembered
            .get(uplink.name.as_str())
            .filter(|_| learns)
            .into_iter()
            .flatten()
            .filter(is_possible)
            .take(MOST);
        networks.map(move |network| Kept {
            uplink: i,
            prefix: network.prefix,
            device: network.device.clone(),
            former: network.former.map(|since| Duration::from_millis(since).min(now)),
            told: now,
        })
    };
    config.uplinks.iter().enumerate().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::believed;
    use crate::plan::uplink_state::tests::{CONFIG, config};

    #[test]
    fn a_file_says_nothing_of_others_than_hosts_inside_and_uplinks_that_learn() {
        let text = CONFIG.replace("gateway: 2.0.0.1", "gateway: 2.0.0.1, type6: ra, prefix6: auto");
        let networks = |list: &[(&str, &str)]| {
            let network = |(prefix, device): &(&str, &str)| {
                serde_json::from_str(&format!(r#"{{"prefix":"{prefix}","device":"{device}","former":9000}}"#)).unwrap()
            };
            list.iter().map(network).collect::<Vec<_>>()
        };
        let all = [("2001:db8::/64", "eth0"), ("2001:db8:1::/64", "eth1"), ("2000::/4", "eth0"), ("fd00::/64", "eth0")];
        let remembered = ["eth1", "eth2", "eth9"].map(|uplink| (uplink.to_owned(), networks(&all))).into();
        let told = believed(&config(&text), &remembered, Duration::from_secs(5));
        let told: Vec<String> =
            told.iter().map(|one| format!("{} {} {:?}", one.uplink, one.prefix, one.former)).collect();
        assert_eq!(told, ["1 2001:db8::/64 Some(5s)"], "and nothing began after now");
    }
}
