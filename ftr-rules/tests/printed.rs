//! What the keys of the configuration do to the rules, for each back end.

use std::path::Path;

use ftr_core::{Config, Family};
use ftr_rules::model::Table;
use ftr_rules::render::{Backend, Request, render};

const BASE: &str = "\
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, ip6: '2001:db8::2', gateway6: 'fe80::1', prefix6: '2001:db8:1::/56', nat6: masquerade}
- {interface: ppp0, type: ppp, clamp_mss: 1452}
downlinks: {lan: [eth0, eth9], dmz: dmz0}
tests: {ips: [198.51.100.1, '2001:db8:9::1']}
base_fwmark: 0x100
fwmark_mask: 0xff00
";

const V4: &[Family] = &[Family::V4];
const V6: &[Family] = &[Family::V6];
const BOTH: &[Family] = &[Family::V4, Family::V6];

#[expect(clippy::expect_used, reason = "a test whose configuration is wrong has failed")]
fn printed(more: &str, backend: Backend, families: &[Family], tables: &[Table]) -> String {
    let config = Config::parse(Path::new("test"), &format!("{BASE}{more}")).expect("a good configuration");
    render(&config, &Request { backend, families: families.to_vec(), tables: tables.to_vec() })
}

/// The rules that act, without indentation and counters.
fn rules(more: &str, backend: Backend, families: &[Family], table: Table) -> Vec<String> {
    let text = printed(more, backend, families, &[table]);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.trim_start_matches("[0:0] ").to_owned()).collect()
}

fn place(rules: &[String], start: &str) -> usize {
    rules.iter().position(|rule| rule.starts_with(start)).unwrap_or_else(|| panic!("{start}: {rules:#?}"))
}

const POLICY: &str =
    "policies: [{name: a, uplinks: ppp0, match: {source: [10.0.0.0/8, 'fd00::/8'], interface: eth0}}]\n";

#[test]
fn policies_come_after_the_mark_of_the_connection_and_before_that_of_the_uplink() {
    let all = rules(POLICY, Backend::Iptables, V4, Table::Mangle);
    let policy = "-A PREROUTING -i eth0 -s 10.0.0.0/8 -m conntrack --ctstate NEW -m mark --mark 0/0xff00 \
                  -j MARK --set-xmark 0x300/0xff00";
    let order = ["-A PREROUTING -i dmz0 -j CONNMARK --restore-mark", policy, "-A PREROUTING -i eth1 -m conntrack"];
    assert!(order.map(|start| place(&all, start)).is_sorted(), "{all:#?}");
    let all = rules(&format!("{POLICY}firewall: safe\n"), Backend::Iptables, V4, Table::Mangle);
    let order = ["-A PREROUTING -i eth1 -m conntrack", "-A PREROUTING -m connmark ! --mark 0/0xff00", policy];
    assert!(order.map(|start| place(&all, start)).is_sorted(), "{all:#?}");
    let all = rules(POLICY, Backend::Nft, BOTH, Table::Mangle);
    let policy = |addresses: &str| {
        format!(
            "iifname \"eth0\" {addresses} ct state new meta mark & 0xff00 == 0 meta mark set meta mark & 0xffff00ff | 0x300"
        )
    };
    let order = [
        "iifname \"eth1\" ct state new ct mark set ct mark & 0xffff00ff | 0x100".to_owned(),
        "ct mark & 0xff00 vmap {".to_owned(),
        policy("ip saddr 10.0.0.0/8"),
        policy("ip6 saddr fd00::/8"),
    ];
    assert!(order.map(|start| place(&all, &start)).is_sorted(), "{all:#?}");
    assert_eq!(all.iter().filter(|rule| rule.contains("0x300")).count(), 2, "{all:#?}");
}

#[test]
fn bits_of_others_stay_in_every_rule_that_sets_a_mark() {
    for rule in rules(POLICY, Backend::Nft, BOTH, Table::Mangle).iter().filter(|rule| rule.contains("mark set")) {
        assert!(rule.contains("& 0xffff00ff |"), "{rule}");
    }
    for families in [V4, V6] {
        for rule in
            rules(POLICY, Backend::Iptables, families, Table::Mangle).iter().filter(|rule| rule.contains("MARK"))
        {
            assert!(rule.contains("/0xff00") || rule.contains("--nfmask 0xff00 --ctmask 0xff00"), "{rule}");
        }
    }
}

#[test]
fn the_routers_own_connections_are_marked_but_for_the_original() {
    let own = "-A OUTPUT -m connmark ! --mark 0/0xff00 -j CONNMARK --restore-mark";
    let has = |more: &str, families| {
        rules(more, Backend::Iptables, families, Table::Mangle).iter().any(|rule| rule.starts_with(own))
    };
    assert!(!has("", V4));
    assert!(has("firewall: safe\n", V4) && has("firewall: none\n", V4) && has("", V6));
    assert!(printed("", Backend::Nft, BOTH, &[Table::Mangle]).contains("type route hook output priority mangle"));
}

#[test]
fn packets_of_every_device_have_their_mark_but_for_the_original() {
    let all_devices = "-A PREROUTING -m connmark ! --mark 0/0xff00 -j CONNMARK --restore-mark";
    let at = |more: &str, families| {
        let all = rules(more, Backend::Iptables, families, Table::Mangle);
        let restored = all.iter().position(|rule| rule.starts_with(all_devices))?;
        // What the router complains about has come in by an uplink.
        Some(restored > place(&all, "-A PREROUTING -i eth1 -m conntrack --ctstate NEW"))
    };
    assert_eq!([at("", V4), at("firewall: safe\n", V4), at("", V6)], [None, Some(true), Some(true)]);
    place(&rules("", Backend::Nft, BOTH, Table::Mangle), "ct mark & 0xff00 vmap {");
    let listed = printed("", Backend::Iptables, V4, &[Table::Mangle]);
    assert!(listed.contains("\n# Those of other devices (containers"), "{listed}");
    let alone = BASE.replace("downlinks: {lan: [eth0, eth9], dmz: dmz0}\n", "");
    let config = Config::parse(Path::new("test"), &alone).unwrap();
    let request = Request { backend: Backend::Iptables, families: V4.to_vec(), tables: Table::ALL.to_vec() };
    assert!(render(&config, &request).contains(all_devices), "the original has no such configuration");
}

/// What stands in the place of each list of devices that is empty would fit every packet.
#[test]
fn nothing_is_open_on_a_host_that_serves_only_itself() {
    let more = "forwards: [{protocol: tcp, port: 80, to: '192.168.0.10:8080'}]\npolicies: [{name: a, uplinks: eth1, match: {}}]\n";
    for downlinks in ["", "downlinks: {dmz: dmz0}\n"] {
        let text = BASE.replace("downlinks: {lan: [eth0, eth9], dmz: dmz0}\n", downlinks) + more;
        let config = Config::parse(Path::new("test"), &text).unwrap();
        for (backend, families) in [(Backend::Iptables, V4), (Backend::Iptables, V6), (Backend::Nft, BOTH)] {
            let request = Request { backend, families: families.to_vec(), tables: Table::ALL.to_vec() };
            let text = render(&config, &request);
            for line in text.lines().map(|line| line.trim_start_matches(['\t', '[', '0', ':', ']', ' '])) {
                let open = ["-A INPUT -j", "-A FORWARD -j", "accept", "-A INPUT -p tcp", "jump", "-A PREROUTING -d"];
                let inside = line == "accept" && downlinks.contains("dmz");
                assert!(inside || !open.iter().any(|start| line.starts_with(start)), "{line}\n{text}");
            }
        }
    }
}

const OWN: &str = "policies: [{name: a, uplinks: ppp0, match: {interface: self, destination: [192.0.2.9, '2001:db8:9::9'], protocol: udp, dports: 53}}]\n";

#[test]
fn policies_for_the_router_itself_stand_where_it_sends() {
    let mark = "-p udp --dport 53 -m conntrack --ctstate NEW -m mark --mark 0/0xff00 -j MARK --set-xmark 0x300/0xff00";
    for (families, far) in [(V4, "192.0.2.9"), (V6, "2001:db8:9::9")] {
        let all = rules(OWN, Backend::Iptables, families, Table::Mangle);
        let restored = place(&all, "-A OUTPUT -m connmark ! --mark 0/0xff00 -j CONNMARK --restore-mark");
        assert!(restored < place(&all, &format!("-A OUTPUT -d {far} {mark}")), "{all:#?}");
        assert_eq!(all.iter().filter(|rule| rule.contains("0x300")).count(), 1, "{all:#?}");
    }
    let all = rules(OWN, Backend::Nft, BOTH, Table::Mangle);
    let output = place(&all, "type route hook output priority mangle");
    let new = "udp dport 53 ct state new meta mark & 0xff00 == 0 meta mark set";
    for start in [format!("ip daddr 192.0.2.9 {new}"), format!("ip6 daddr 2001:db8:9::9 {new}")] {
        assert!(place(&all, &start) > output, "{all:#?}");
    }
    let both = OWN.replace("self", "[self, docker0]");
    let all = rules(&both, Backend::Iptables, V4, Table::Mangle);
    place(&all, "-A PREROUTING -i docker0 -j CONNMARK --restore-mark");
    assert_eq!(all.iter().filter(|rule| rule.contains("0x300")).count(), 2, "{all:#?}");
}

#[test]
fn local_networks_reach_each_other_but_for_isolated_ones() {
    let between = |isolated: &str, more: &str| {
        let text = BASE.replace("dmz: dmz0", &format!("dmz: dmz0, isolated: [{isolated}]")) + more;
        let config = Config::parse(Path::new("test"), &text).unwrap();
        let request = Request { backend: Backend::Iptables, families: V4.to_vec(), tables: vec![Table::Filter] };
        render(&config, &request).matches("-A FORWARD -i eth0 -o eth9 -j ACCEPT").count()
    };
    assert_eq!([between("", ""), between("", "firewall: safe\n"), between("eth9", "firewall: safe\n")], [0, 1, 0]);
}

#[test]
fn ipsec_and_uplinks_without_nat_keep_their_sources() {
    let plain = "-A POSTROUTING -o ppp0 -m policy --dir out --pol none -j MASQUERADE";
    let has = |more: &str, rule: &str| rules(more, Backend::Iptables, V4, Table::Nat).iter().any(|one| one == rule);
    assert!(has("", "-A POSTROUTING -o ppp0 -j MASQUERADE") && has("firewall: safe\n", plain));
    place(&rules("", Backend::Nft, BOTH, Table::Nat), "meta nfproto ipv4 oifname \"ppp0\" rt ipsec missing masquerade");
    let text = BASE.replace("type: ppp", "type: ppp, nat: none");
    let config = Config::parse(Path::new("test"), &text).unwrap();
    for backend in [Backend::Iptables, Backend::Nft] {
        let request = Request { backend, families: V4.to_vec(), tables: vec![Table::Nat] };
        assert!(!render(&config, &request).contains("ppp0"));
    }
}

#[test]
fn a_filter_that_is_not_wanted_is_left_out_and_nft_takes_ours_away() {
    assert!(!printed("firewall: none\n", Backend::Iptables, V4, &Table::ALL).contains("*filter"));
    let text = printed("firewall: none\n", Backend::Nft, BOTH, &Table::ALL);
    assert!(text.contains("\ndelete table inet ftr_filter\n") && !text.contains("hook input"), "{text}");
    assert!(!printed("firewall: none\n", Backend::Nft, BOTH, &[Table::Nat]).contains("ftr_filter"));
}

#[test]
fn a_safe_filter_admits_people_inside_pings_and_leases() {
    let all = rules("firewall: safe\n", Backend::Iptables, V4, Table::Filter);
    for rule in ["-A INPUT -i eth9 -j ACCEPT", "-A INPUT -p icmp -j ACCEPT", "-A FORWARD -i eth0 -o dmz0 -j ACCEPT"] {
        place(&all, rule);
    }
    let known = place(&all, "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
    assert!(known < place(&all, "-A INPUT -i eth0 -j ACCEPT"));
    let all = rules("", Backend::Iptables, V6, Table::Filter);
    place(&all, "-A INPUT -p icmpv6 -j ACCEPT");
    place(&all, "-A INPUT -i eth1 -s fe80::/10 -p udp --sport 547 --dport 546 -j ACCEPT");
    // By nft's own word: others are looked for in /etc/protocols, which a small system has not.
    let all = rules("firewall: safe\n", Backend::Nft, BOTH, Table::Filter);
    assert!(all.iter().any(|rule| rule.contains("l4proto icmpv6")), "{all:#?}");
    assert!(all.iter().all(|rule| !rule.contains("ipv6-icmp")), "{all:#?}");
    let only = rules("", Backend::Nft, V4, Table::Filter);
    assert!(place(&only, "meta nfproto ipv6 accept") < place(&only, "meta nfproto ipv4 iifname \"lo\" accept"));
}

#[test]
fn ipv6_is_translated_where_it_is_asked_for_and_delegated_addresses_stay() {
    let all = rules("", Backend::Iptables, V6, Table::Nat);
    let own = place(&all, "-A POSTROUTING -o eth1 -s 2001:db8:1::/56 -j ACCEPT");
    assert!(
        own < place(&all, "-A POSTROUTING -o eth1 -m policy --dir out --pol none -j SNAT --to-source 2001:db8::2"),
        "{all:#?}"
    );
    assert!(all.iter().all(|rule| !rule.contains("ppp0")), "{all:#?}");
    let all = rules("", Backend::Nft, BOTH, Table::Nat);
    for rule in [
        "oifname \"eth1\" rt ipsec missing snat ip to 192.0.2.2",
        "meta nfproto ipv4 oifname \"ppp0\" rt ipsec missing masquerade",
        "oifname \"eth1\" ip6 saddr 2001:db8:1::/56 accept",
        "oifname \"eth1\" rt ipsec missing snat ip6 to 2001:db8::2",
    ] {
        place(&all, rule);
    }
}

#[test]
fn a_forward_is_reached_from_outside_and_inside_and_admitted() {
    let more = "forwards: [{protocol: tcp, port: 80, to: '192.168.0.10:8080'}]\n";
    let all = rules(more, Backend::Iptables, V4, Table::Nat);
    let to = "-j DNAT --to-destination 192.168.0.10:8080";
    for start in [
        format!("-A PREROUTING -i ppp0 -p tcp --dport 80 -m addrtype --dst-type LOCAL {to}"),
        format!("-A PREROUTING -i eth9 -d 192.0.2.2 -p tcp --dport 80 {to}"),
        "-A PREROUTING -i eth9 -p tcp --dport 80 -m addrtype --dst-type LOCAL -m addrtype ! --dst-type LOCAL"
            .to_owned(),
        "-A POSTROUTING -o eth0 -d 192.168.0.10 -p tcp --dport 8080 -m conntrack --ctstate DNAT -m connmark --mark 0/"
            .to_owned(),
    ] {
        place(&all, &start);
    }
    let all = rules(more, Backend::Iptables, V4, Table::Filter);
    place(&all, "-A SERVERS -d 192.168.0.10 -p tcp --dport 8080 -j ACCEPT");
    place(&all, "-A FORWARD -m conntrack --ctstate DNAT -j SERVERS");
    assert!(rules(more, Backend::Iptables, V6, Table::Filter).iter().all(|rule| !rule.contains("SERVERS")));
}

#[test]
fn segments_are_told_to_both_ends_and_are_smaller_over_ipv6() {
    let all = rules("", Backend::Iptables, V4, Table::Mangle);
    for way in ["-o", "-i"] {
        place(&all, &format!("-A FORWARD {way} ppp0 -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1452"));
    }
    let six = BASE.replace("clamp_mss: 1452", "clamp_mss: 1452, type6: ra");
    let config = Config::parse(Path::new("test"), &six).unwrap();
    let request = Request { backend: Backend::Nft, families: BOTH.to_vec(), tables: vec![Table::Mangle] };
    let text = render(&config, &request);
    for end in ["ipv4 oifname \"ppp0\" tcp flags syn / syn,rst tcp option maxseg size set 1452", "maxseg size set 1432"]
    {
        assert!(text.contains(end), "{text}");
    }
}

#[test]
fn a_policy_for_domains_looks_into_a_set_whose_addresses_come_and_go() {
    let policy = "policies: [{name: video, uplinks: ppp0, match: {domains: [video.example, example.net]}}]\n";
    let all = rules(policy, Backend::Nft, BOTH, Table::Mangle);
    for (head, kind) in [("set to_ftr_video {", "type ipv4_addr"), ("set to_ftr_video6 {", "type ipv6_addr")] {
        let at = place(&all, head);
        assert_eq!(all[at + 1..at + 5], [kind, "size 65536", "flags dynamic,timeout", "timeout 3600s"]);
    }
    let marks = |ip: &str, set: &str| {
        format!(
            "{ip} daddr @{set} ct state new meta mark & 0xff00 == 0 update @{set} {{ {ip} daddr }} \
             meta mark set meta mark & 0xffff00ff | 0x300"
        )
    };
    place(&all, &marks("ip", "to_ftr_video"));
    place(&all, &marks("ip6", "to_ftr_video6"));
    // A table that is replaced as a whole would lose what is in them.
    assert!(printed(policy, Backend::Nft, BOTH, &[Table::Mangle]).contains("flush table inet ftr_mangle"));
    for (families, set) in [(V4, "ftr_video"), (V6, "ftr_video6")] {
        let all = rules(policy, Backend::Iptables, families, Table::Mangle);
        let rule =
            |line: &&String| line.contains(&format!(" -m set --match-set {set} dst -m conntrack --ctstate NEW "));
        assert!(all.iter().any(|line| rule(&line)), "{all:#?}");
    }
}
