//! `downlinks`: the devices towards the people who are served.

use super::form::{DEVICE, List, Maybe};
use super::ipv6::PREFIX6;
use super::key::{Keys as _, keys};
use super::section::Section;
use super::uplink::Uplink;
use crate::{InterfaceName, Prefix};

keys! {
    /// The devices towards the people who are served.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Downlinks {
        /// The devices of local networks; none on a host that serves only itself.
        "lan" => pub lan: Vec<InterfaceName> = Vec::new(), List(DEVICE);
        /// Those of `lan` that reach no other local network, and are reached by none.
        "isolated" => pub isolated: Vec<InterfaceName> = Vec::new(), List(DEVICE);
        /// The devices of networks of servers that the internet may reach.
        "dmz" => pub dmz: Vec<InterfaceName> = Vec::new(), List(DEVICE);
        /// The IPv6 prefix that the hosts inside use, for uplinks that translate it into their own (`nat6: npt`).
        "prefix6" => pub prefix6: Option<Prefix> = None, Maybe(PREFIX6);
    }
}

/// Reads the section; a device that it shares with an uplink is noted.
pub(super) fn read(root: &mut Section<'_>, uplinks: &[Uplink]) -> Downlinks {
    let mut downlinks = Downlinks::usual();
    let Some(mut section) = root.section("downlinks") else { return downlinks };
    downlinks.read(&mut section);
    let mut taken: Vec<&InterfaceName> = uplinks.iter().map(|uplink| &uplink.name).collect();
    for (key, names) in [("lan", &downlinks.lan), ("dmz", &downlinks.dmz)] {
        for name in names {
            if taken.contains(&name) {
                section.wrong(
                    key,
                    format!(
                        "{name} is used already, allowed: each device once, as an uplink, in lan or in dmz; for two networks \
                         on one cable make another device (ip link add link {name} type macvlan, or type vlan)"
                    ),
                );
            }
            taken.push(name);
        }
    }
    if let Some(name) = downlinks.isolated.iter().find(|name| !downlinks.lan.contains(name)) {
        section.wrong("isolated", format!("{name} is no local network, allowed: devices of lan"));
    }
    section.finish();
    downlinks
}
