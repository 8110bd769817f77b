//! Which uplink a server saw a connection come by.

use crate::ipv6;
use crate::plan::Uplink;
use std::net::IpAddr;

/// The uplink that an address seen by a server belongs to.
#[must_use]
pub(crate) fn uplink_of(source: IpAddr, uplinks: &[Uplink]) -> Option<String> {
    let owns = |uplink: &&Uplink| match source {
        IpAddr::V4(source) => uplink.seen_as() == source || uplink.is_usual(source),
        IpAddr::V6(source) => ipv6::owns(uplink, source),
    };
    uplinks.iter().find(owns).map(Uplink::device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Wish, three, uplinks};
    use std::net::Ipv4Addr;

    #[test]
    fn sources_name_their_uplink() {
        let all = uplinks(&three());
        for (source, uplink) in [
            ("2.0.0.2", Some("eth2")),
            ("2.0.0.77", Some("eth2")),
            ("192.168.1.100", None),
            ("2001:db8:3:1::9", Some("eth3")),
            ("fd00::100", None),
        ] {
            assert_eq!(uplink_of(source.parse().unwrap(), &all).as_deref(), uplink, "{source}");
        }
    }

    #[test]
    fn an_address_of_its_own_is_told_from_a_neighbours() {
        let wish = |last| Wish { address: Some(Ipv4Addr::new(10, 99, 0, last)), ..Wish::default() };
        let all = uplinks(&[wish(2), wish(3)]);
        assert_eq!(uplink_of([10, 99, 0, 3].into(), &all).as_deref(), Some("eth2"));
    }
}
