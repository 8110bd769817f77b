//! Where hosts have addresses of several providers' prefixes: what is translated, and what is refused.

use std::path::Path;

use ftr_core::{Config, Family};
use ftr_rules::model::Table;
use ftr_rules::render::{Backend, Request, render};

const V6: &[Family] = &[Family::V6];
const BOTH: &[Family] = &[Family::V4, Family::V6];

const SIX: &str = "\
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, ip6: '2001:db8:1::2', gateway6: 'fe80::1', prefix6: '2001:db8:1:100::/56'}
- {interface: eth2, type: dhcp, type6: ra, prefix6: ['2001:db8:2:100::/60', '2001:db8:2:200::/60']}
- {interface: eth3, type: dhcp, ip6: '2001:db8:3::2', gateway6: 'fe80::1'}
- {interface: eth4, type: dhcp, type6: ra}
- {interface: eth5, type: dhcp, type6: ra, nat6: npt, prefix6: '2001:db8:5::/48'}
- {interface: eth6, type: dhcp, type6: ra, nat6: masquerade, prefix6: '2001:db8:6::/48'}
- {interface: eth7, type: dhcp}
downlinks: {lan: eth0, prefix6: 'fd00:1::/48'}
tests: {ips: [198.51.100.1, '2001:db8:9::1']}
";

fn place(rules: &[String], start: &str) -> usize {
    rules.iter().position(|rule| rule.starts_with(start)).unwrap_or_else(|| panic!("{start}: {rules:#?}"))
}

#[expect(clippy::expect_used, reason = "a test whose configuration is wrong has failed")]
fn six(text: &str, backend: Backend, table: Table) -> Vec<String> {
    let families = if backend == Backend::Nft { BOTH } else { V6 };
    let config = Config::parse(Path::new("test"), text).expect("a good configuration");
    let text = render(&config, &Request { backend, families: families.to_vec(), tables: vec![table] });
    let lines = text.lines().map(|line| line.trim().trim_start_matches("[0:0] "));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn what_leaves_by_another_uplink_than_that_of_its_prefix_gets_one_of_that() {
    let all = six(SIX, Backend::Iptables, Table::Nat);
    let jump = place(&all, "-A POSTROUTING -s 2001:db8:1:100::/56 -m policy --dir out --pol none -j RESCUE");
    for own in ["-o eth1 -s 2001:db8:1:100::/56", "-o eth2 -s 2001:db8:2:200::/60", "-o eth5 -s 2001:db8:5::/48"] {
        assert!(place(&all, &format!("-A POSTROUTING {own} -j ACCEPT")) < jump, "{all:#?}");
    }
    place(&all, ":RESCUE - [0:0]");
    let rescue: Vec<&String> = all.iter().filter(|line| line.starts_with("-A RESCUE")).collect();
    let expected = [
        "-A RESCUE -o eth1 -j NETMAP --to 2001:db8:1:100::/56",
        "-A RESCUE -o eth2 -j NETMAP --to 2001:db8:2:100::/60",
        "-A RESCUE -o eth3 -j SNAT --to-source 2001:db8:3::2",
        "-A RESCUE -o eth4 -j MASQUERADE",
        "-A RESCUE -o eth5 -j MASQUERADE",
    ];
    assert_eq!(rescue, expected);
    // eth6 translates whatever comes back from the chain.
    assert!(jump < place(&all, "-A POSTROUTING -o eth6 -m policy --dir out --pol none -j MASQUERADE"));
    let all = six(SIX, Backend::Nft, Table::Nat);
    place(
        &all,
        "ip6 saddr { 2001:db8:1:100::/56, 2001:db8:2:100::/60, 2001:db8:2:200::/60, 2001:db8:5::/48, 2001:db8:6::/48 } \
         rt ipsec missing jump rescue",
    );
    place(&all, "chain rescue {");
    place(&all, "oifname \"eth1\" snat ip6 prefix to 2001:db8:1:100::/56");
    place(&all, "meta nfproto ipv6 oifname \"eth4\" masquerade");
}

#[test]
fn nothing_is_rescued_where_that_is_not_wanted_or_nobody_is_there_to_take_over() {
    let alone = SIX.replace(", type6: ra", "").replace(", ip6: '2001:db8:3::2', gateway6: 'fe80::1'", "");
    let alone = alone.replace(", prefix6: ['2001:db8:2:100::/60', '2001:db8:2:200::/60']", "");
    let alone = alone.replace(", nat6: npt, prefix6: '2001:db8:5::/48'", "");
    let alone = alone.replace(", nat6: masquerade, prefix6: '2001:db8:6::/48'", "");
    let none = |word: &str| format!("{SIX}routing: {{ipv6_rescue: {word}}}\n");
    for backend in [Backend::Iptables, Backend::Nft] {
        for text in [alone.clone(), none("none"), none("deprecate")] {
            assert!(
                six(&text, backend, Table::Nat).iter().all(|line| !line.to_lowercase().contains("rescue")),
                "{text}"
            );
        }
        assert!(six(&none("both"), backend, Table::Nat).iter().any(|line| line.to_lowercase().contains("rescue")));
    }
}

#[test]
fn a_source_that_the_provider_does_not_take_is_refused_and_tcp_reset() {
    let all = six(SIX, Backend::Iptables, Table::Filter);
    let chain = |all: &[String]| -> Vec<String> {
        let lines = all.iter().filter_map(|line| line.strip_prefix("-A SOURCES "));
        lines.map(str::to_owned).collect()
    };
    let home = ["eth1 -s 2001:db8:1:100::/56", "eth2 -s 2001:db8:2:100::/60", "eth2 -s 2001:db8:2:200::/60"];
    let others = ["eth5 -s 2001:db8:5::/48", "eth6 -s 2001:db8:6::/48"];
    let mut expected: Vec<String> = home.iter().chain(&others).map(|source| format!("-o {source} -j RETURN")).collect();
    let known = ["1:100::/56", "2:100::/60", "2:200::/60", "5::/48", "6::/48"];
    let at = expected.len();
    expected.extend(known.map(|prefix| format!("-s 2001:db8:{prefix} -j RETURN")));
    expected.extend(["eth1", "eth2"].map(|uplink| format!("-o {uplink} -s 2000::/3 -j REFUSED")));
    assert_eq!(chain(&all), expected);
    let enter = "-m policy --dir out --pol none -j SOURCES";
    let order = [
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT".to_owned(),
        format!("-A FORWARD -o eth1 {enter}"),
        format!("-A FORWARD -o eth6 {enter}"),
        "-A REFUSED -p tcp -j REJECT --reject-with tcp-reset".to_owned(),
        "-A REFUSED -j REJECT --reject-with icmp6-policy-fail".to_owned(),
        "-A FORWARD -o eth1 -m conntrack --ctstate INVALID -j DROP".to_owned(),
    ];
    assert!(order.map(|start| place(&all, &start)).is_sorted(), "{all:#?}");
    // What is not to be translated is refused as well.
    for word in ["none", "deprecate"] {
        for line in &mut expected[at..at + known.len()] {
            *line = line.replace("RETURN", "REFUSED");
        }
        let text = format!("{SIX}routing: {{ipv6_rescue: {word}}}\n");
        assert_eq!(chain(&six(&text, Backend::Iptables, Table::Filter)), expected);
    }
    let all = six(SIX, Backend::Nft, Table::Filter);
    place(
        &all,
        "meta nfproto ipv6 oifname { \"eth1\", \"eth2\", \"eth3\", \"eth4\", \"eth5\", \"eth6\" } rt ipsec missing jump sources",
    );
    place(&all, "oifname { \"eth1\", \"eth2\" } ip6 saddr 2000::/3 jump refused");
    place(&all, "meta nfproto ipv6 meta l4proto tcp reject with tcp reset");
    place(&all, "meta nfproto ipv6 reject with icmpv6 type policy-fail");
}

#[test]
fn no_source_is_refused_that_may_be_of_a_prefix_which_is_not_known() {
    let learned =
        SIX.replace("'2001:db8:1:100::/56'", "auto").replace("['2001:db8:2:100::/60', '2001:db8:2:200::/60']", "auto");
    let all = six(&learned, Backend::Iptables, Table::Filter);
    assert!(all.iter().any(|line| line.contains("-j SOURCES")) && !all.iter().any(|line| line.contains("2000::/3")));
    let none =
        learned.replace(", nat6: npt, prefix6: '2001:db8:5::/48'", "").replace(", prefix6: '2001:db8:6::/48'", "");
    assert!(!six(&none, Backend::Iptables, Table::Filter).iter().any(|line| line.contains("SOURCES")));
}

#[test]
fn where_the_filter_refuses_what_it_does_not_see_is_translated() {
    let text = format!("{SIX}firewall: safe\nrouting: {{ipv6_rescue: none}}\n");
    assert!(six(&text, Backend::Iptables, Table::Nat).iter().any(|line| line.contains("-j RESCUE")));
}

#[test]
fn the_rules_that_rescue_grow_with_the_uplinks_and_not_with_their_square() {
    let uplink = |i: u32| format!("- {{interface: e{i}, type: dhcp, type6: ra, prefix6: '2001:db8:{i:x}::/48'}}\n");
    let count = |table: Table, uplinks: u32| {
        let list: String = (1..=uplinks).map(uplink).collect();
        six(&format!("uplinks:\n{list}tests: {{ips: [198.51.100.1]}}\n"), Backend::Iptables, table).len()
    };
    assert_eq!(count(Table::Nat, 40) - count(Table::Nat, 20), 3 * 20);
    let refuse = |uplinks| count(Table::Filter, uplinks);
    assert_eq!((refuse(40) - refuse(20)) * 2, refuse(60) - refuse(20));
}
