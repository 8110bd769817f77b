//! IPv6: prefixes that are learned, prefixes of other lengths than inside, and IPv4 that goes through IPv6.

use crate::Family;
use crate::config::tests::parse;

const BASE: &str = "\
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, type6: ra, prefix6: '2001:db8:1::/56'}
- {interface: eth2, ip: 198.51.100.2, gateway: 198.51.100.1, type6: ra, prefix6: auto}
downlinks: {lan: eth0, prefix6: 'fd00:1::/56'}
tests: {ips: [203.0.113.1, 203.0.113.2, '2001:db8:f::1', '2001:db8:f::2']}
";

/// What is wrong, or odd, after a change of the text.
fn told(from: &str, to: &str) -> Vec<String> {
    let text = BASE.replacen(from, to, 1);
    assert!(from == to || text != BASE, "{from}");
    match parse(&text) {
        Ok(config) => config.warning_lines(),
        Err(problems) => problems.lines(),
    }
}

#[test]
fn prefixes_may_be_learned_and_what_is_stated_is_not_touched_by_it() {
    let config = parse(BASE).unwrap();
    assert!(config.learns_prefixes() && config.uplinks[1].prefixes6.auto && config.delegated().count() == 1);
    assert!(config.rescues(0) && config.rescues(1), "whatever is learned");
    let prefix = |text: &str| text.parse().unwrap();
    let learned = config.with_learned(
        &[(0, prefix("2001:db8:9::/56")), (1, prefix("2001:db8:2::/56"))],
        &[(1, prefix("2001:db8:3::/64"))],
    );
    let all: Vec<String> = learned.delegated().map(|(uplink, prefix)| format!("{uplink} {prefix}")).collect();
    assert_eq!(all, ["0 2001:db8:1::/56", "1 2001:db8:2::/56"]);
    let former: Vec<String> =
        learned.formerly_delegated().map(|(uplink, prefix)| format!("{uplink} {prefix}")).collect();
    assert_eq!(former, ["1 2001:db8:3::/64"]);
    assert_eq!(learned.with_learned(&[], &[]).delegated().count(), 1, "it is gone again");
    // The effective configuration says the same.
    let again = parse(&config.effective_yaml()).unwrap();
    assert_eq!((again.families(), again.uplinks), (vec![Family::V4, Family::V6], config.uplinks));
    let stated = parse(&BASE.replace("auto", "'2001:db8:2::/56'")).unwrap();
    assert!(!stated.learns_prefixes() && matches!(stated.with_learned(&[], &[]), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn what_is_learned_needs_ipv6_and_is_no_prefix_to_translate_to() {
    assert!(told("type6: ra, prefix6: auto", "prefix6: auto")[0].contains("prefix6: without IPv6 on the uplink"));
    assert!(told("prefix6: auto", "prefix6: auto, nat6: npt")[0].contains("npt with a prefix that changes"));
    assert!(told("prefix6: auto", "prefix6: auot")[0].contains("\"auot\" is no prefix"));
    assert_eq!(told("prefix6: auto", "prefix6: AUTO, nat6: masquerade"), [""; 0]);
}

#[test]
fn a_prefix_inside_has_to_fit_into_that_of_the_provider() {
    let npt = |inner: &str| {
        let text = BASE.replace("::/56'}\n- ", "::/56', nat6: npt}\n- ").replace("fd00:1::/56", inner);
        parse(&text).map(|_| ()).map_err(|problems| problems.lines().join("\n"))
    };
    // Of the same length, or a part of what there is: the rest is left for other networks.
    assert_eq!((npt("fd00:1::/56"), npt("fd00:1::/64")), (Ok(()), Ok(())));
    let larger = npt("fd00:1::/48").unwrap_err();
    assert!(larger.contains("fd00:1::/48 is larger than 2001:db8:1::/56, allowed: in downlinks a prefix6"), "{larger}");
}

#[test]
fn ipv4_through_ipv6_has_smaller_packets() {
    for address in ["192.0.0.2", "192.0.0.1"] {
        let tunnel = format!("interface: ds0, ip: {address}, gateway: none, type6: ra, prefix6: auto");
        let plain = "interface: eth2, ip: 198.51.100.2, gateway: 198.51.100.1, type6: ra, prefix6: auto";
        let lines = told(plain, &tunnel);
        assert!(lines.len() == 1 && lines[0].contains("uplinks[1].ip: warning"), "{lines:?}");
        assert!(lines[0].contains("a tunnel through IPv6 (DS-Lite, 464XLAT)"), "{lines:?}");
        assert_eq!(told(plain, &format!("{tunnel}, clamp_mss: true")), [""; 0]);
    }
}
