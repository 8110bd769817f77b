use std::path::Path;
use std::time::Duration;

use super::*;
use crate::Family;

const MODERN: &str = "\
uplinks:
- interface: eth1
  ip: 192.0.2.2
  gateway: 192.0.2.1
  description: Provider 1
  weight: 2
- interface: ppp0
  type: ppp
  tests: {interval: 500ms}
downlinks: {lan: [eth0, eth9], dmz: eth8}
tests: {ips: [198.51.100.1, 198.51.100.2], interval: 5, timeout: 450ms}
base_table: 100
base_priority: 20000
base_fwmark: 0x100
fwmark_mask: 0xff00
";

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(Path::new("f"), text)
}

fn problems(text: &str) -> Vec<String> {
    parse(text).expect_err(text).lines()
}

/// The problems of the modern example with one piece of it replaced.
fn broken(from: &str, to: &str) -> Vec<String> {
    assert!(MODERN.contains(from));
    problems(&MODERN.replacen(from, to, 1))
}

#[test]
fn a_modern_file_is_read_with_its_defaults() {
    let config = parse(MODERN).unwrap();
    let [eth1, ppp0] = config.uplinks.as_slice() else { panic!("two uplinks") };
    assert_eq!((eth1.weight, eth1.description.as_str()), (2, "Provider 1"));
    assert_eq!((ppp0.kind, ppp0.weight, ppp0.description.as_str()), (UplinkKind::Ppp, 1, "ppp0"));
    assert_eq!(ppp0.tests.interval, Duration::from_millis(500));
    assert_eq!(ppp0.tests.timeout, Duration::from_millis(450));
    assert_eq!((eth1.tests.required, eth1.tests.tries), (2, 1));
    assert_eq!(config.downlinks.lan.len(), 2);
    assert_eq!(config.fwmark_mask, Some(0xff00));
    assert!(config.uplinks.iter().all(|uplink| config.eligible(uplink)));
    assert_eq!(config.warnings, []);
}

#[test]
fn files_of_the_original_load_unchanged() {
    for (text, uplinks) in [
        (include_str!("../../../tests/fixtures/static3.conf"), 3),
        (include_str!("../../../tests/fixtures/ppp.conf"), 3),
        (include_str!("../../../tests/fixtures/symbols.conf"), 2),
    ] {
        let config = parse(text).unwrap();
        assert_eq!(config.uplinks.len(), uplinks);
        assert_eq!(
            (config.base_table, config.base_priority, config.base_fwmark, config.fwmark_mask),
            (1, 40000, 1, None)
        );
    }
}

#[test]
fn ruby_symbols_and_booleans_are_understood() {
    let config = parse(include_str!("../../../tests/fixtures/symbols.conf")).unwrap();
    let smtp = &config.email.smtp;
    assert!(config.email.send);
    assert_eq!((smtp.port, smtp.authentication), (587, Some(Authentication::Login)));
    assert_eq!(smtp.encryption, Encryption::Opportunistic);
    assert_eq!(smtp.password.as_deref(), Some("a:b"));
    // One uplink states a priority group, so the one that does not takes no new connections.
    assert_eq!(config.uplinks.iter().map(|uplink| config.eligible(uplink)).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_host_may_serve_only_itself() {
    for nothing in ["", "downlinks:\n", "downlinks: {lan: , dmz: }\n"] {
        let config = parse(&MODERN.replace("downlinks: {lan: [eth0, eth9], dmz: eth8}\n", nothing)).unwrap();
        assert_eq!((config.downlinks.lan.len(), config.downlinks.dmz.len()), (0, 0));
        assert_eq!(parse(&config.effective_yaml()).unwrap().downlinks, config.downlinks);
    }
}

#[test]
fn local_networks_may_be_kept_apart() {
    let with = |more: &str| MODERN.replace("dmz: eth8", &format!("dmz: eth8, isolated: {more}"));
    let config = parse(&with("eth9")).unwrap();
    assert_eq!(config.downlinks.isolated, config.downlinks.lan[1..]);
    assert_eq!(parse(&config.effective_yaml()).unwrap().downlinks, config.downlinks);
    assert!(problems(&with("eth8"))[0].contains("eth8 is no local network"));
}

#[test]
fn several_uplinks_on_one_device_are_told_the_way_out() {
    let two = MODERN.replace("interface: ppp0\n  type: ppp", "interface: eth1\n  type: dhcp");
    assert!(problems(&two)[0].contains("ip link add link eth1 name NAME type macvlan"));
}

#[test]
fn sources_of_the_router_that_nothing_translates_are_told() {
    let policy = "policies: [{name: a, uplinks: eth1, match: {interface: self}}]\n";
    let told = |text: &str| parse(&format!("{text}{policy}")).unwrap().warning_lines();
    assert_eq!(told(MODERN), [""; 0]);
    let lines = told(&MODERN.replacen("  gateway: 192.0.2.1", "  gateway: 192.0.2.1\n  nat: none", 1));
    assert!(lines[0].contains("policies[0].match.interface: warning: self, but eth1 does not translate"), "{lines:?}");
}

#[test]
fn what_made_the_original_misbehave_is_refused() {
    for (from, to, what) in [
        ("gateway: 192.0.2.1", "gateway: 192.0.2.2", "own address"),
        ("gateway: 192.0.2.1", "gateway: 010.1.1.1", "not the address of a host"),
        ("gateway: 192.0.2.1", "gateway: 224.0.0.1", "not the address of a host"),
        ("gateway: 192.0.2.1", "gateway:", "gateway is missing"),
        ("weight: 2", "weight: 0", "allowed: 1 to 256"),
        ("ips: [198.51.100.1, 198.51.100.2]", "ips: []", "no usable target"),
        ("ips: [198.51.100.1, 198.51.100.2]", "ips: [8.8.8.8], required_successful: 2", "allowed: 1 to 1"),
        ("interval: 5,", "required_successful: 0,", "allowed: 1 to 2"),
        ("interval: 5,", "ping_retries: 0,", "allowed: 1 to 100"),
        ("interval: 5,", "interval: 0,", "out of range"),
        ("base_table: 100", "base_table: 0", "table 0"),
        ("base_table: 100", "base_table: 251", "253 to 255"),
        ("base_table: 100", "base_table: 255", "253 to 255"),
        ("base_table: 100", "base_table: 4294967294", "allowed: up to"),
        ("base_priority: 20000", "base_priority: 0", "0 is the kernel's"),
        ("base_priority: 20000", "base_priority: 32760", "32766"),
        ("base_priority: 20000", "base_priority: 32767", "32767"),
        ("base_priority: 20000", "base_priority: 4294967295", "allowed: up to"),
        ("fwmark_mask: 0xff00", "fwmark_mask: 0x100", "overflow the mask"),
        ("fwmark_mask: 0xff00", "fwmark_mask: 0", "no bit"),
        ("fwmark_mask: 0xff00", "fwmark_mask: 0x3f00000000", "too large"),
        ("base_fwmark: 0x100", "base_fwmark: 0x180", "overflow the mask"),
        ("base_fwmark: 0x100", "base_fwmark: 0", "unmarked"),
        ("interface: ppp0", "interface: eth1", "another uplink"),
        ("interface: ppp0", "interface: a;id", "no interface name"),
        ("lan: [eth0, eth9]", "lan: [eth1]", "used already"),
        ("dmz: eth8", "dmz: eth0", "used already"),
        ("type: ppp", "{type: ppp}", "not valid YAML"),
        ("type: ppp", "type: ppp\n  ip: 192.0.2.9", "learns it from the kernel"),
        ("base_table: 100", "base_table: 100\nbase_table: 101", "duplicate"),
        ("base_table: 100", "base_table: 100\n:base_table: 101", "stated twice"),
        ("base_table: 100", "email: {send: true}", "smtp_parameters is missing"),
        ("base_table: 100", "email: {smtp_parameters: {authentication: cram_md5}}", "allowed: plain, login"),
    ] {
        let lines = broken(from, to);
        assert!(lines.iter().any(|line| line.contains(what)), "{to}: {lines:#?}");
        assert!(lines.iter().all(|line| line.starts_with("f:")), "{lines:#?}");
    }
}

#[test]
fn what_is_no_configuration_is_an_error_and_not_a_panic() {
    for text in [
        "",
        "[]",
        "x",
        "uplinks: 1",
        "uplinks: [1, [], {}]",
        "tests: []",
        "? [a]\n: b",
        "a: &a [*a]",
        "<<: 3",
        "\u{0}",
        "!x {}",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_merge_key_is_resolved() {
    let text = MODERN.replacen("- interface: eth1\n", "- interface: eth1\n  <<: {priority_group: 7}\n", 1);
    assert_eq!(parse(&text).unwrap().uplinks[0].priority_group, Some(7));
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "[a-z0-9:\\[\\]{}&*!<?|>\"' \n#%-]{0,120}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_damaged_file_never_panics(cut in 0usize..400, patch in "[:\\[\\]{}&*a\n \t-]{0,4}") {
        let cut = cut.min(MODERN.len());
        let _ = parse(&format!("{}{patch}{}", &MODERN[..cut], &MODERN[cut..]));
    }
}

#[test]
fn the_effective_configuration_means_the_same() {
    for text in
        [MODERN, include_str!("../../../tests/fixtures/ppp.conf"), include_str!("../../../tests/fixtures/symbols.conf")]
    {
        let config = parse(text).unwrap();
        let mut again = parse(&config.effective_yaml()).unwrap();
        assert_ne!(config.email.smtp.password.as_deref(), Some("***"));
        again.email.smtp.password.clone_from(&config.email.smtp.password);
        // They are the same, and stand elsewhere. That all hosts have to answer is stated there, whoever has chosen it.
        let count = |config: &Config| {
            config.warnings.iter().filter(|warning| !warning.what.contains("hosts have to answer")).count()
        };
        assert_eq!(count(&again), count(&config));
        again.warnings.clone_from(&config.warnings);
        assert_eq!(again, config, "{}", config.effective_yaml());
    }
}

/// What is derived lies within what may be stated, and what was stated to be empty is no omission.
#[test]
fn whatever_is_accepted_is_accepted_as_it_is_written_out() {
    let uplinks = "uplinks: [{interface: ppp0, type: ppp}, {interface: ppp1, type: ppp}]\ndownlinks: {lan: eth0}\n";
    for keys in [
        "tests: {ips: [198.51.100.1], max_rtt: 1ms}",
        "tests: {ips: [198.51.100.1], max_jitter: 1.1ms}",
        "tests: {ips: [198.51.100.1], interval: 100days}",
        "tests: {ips: [198.51.100.1], interval: 366days}",
        "tests: {ips: [198.51.100.1]}\nemail: {send: true, sender: a@example.com, recipients: [b@example.com], smtp_parameters: {}}",
        "tests: {ips: [198.51.100.1]}\npolicies: [{name: none, uplinks: []}, {name: one, uplinks: ppp1, match: {}}]",
    ] {
        let config = parse(&format!("{uplinks}{keys}\n")).unwrap();
        let mut again = parse(&config.effective_yaml()).unwrap_or_else(|problems| panic!("{keys}: {problems}"));
        // They stand elsewhere.
        again.warnings.clone_from(&config.warnings);
        assert_eq!(again, config, "{keys}");
    }
}

/// The modern example with more in its `tests` section.
fn tested(keys: &str) -> Result<Tests, Vec<String>> {
    let text = MODERN.replacen("timeout: 450ms", &format!("timeout: 450ms, {keys}"), 1);
    parse(&text).map(|config| config.tests).map_err(|problems| problems.lines())
}

#[test]
fn limits_have_a_threshold_for_recovery() {
    let ms = Duration::from_millis;
    let limits = tested("max_loss: 20%, max_rtt: 300ms, max_jitter: 50ms, recovery_jitter: 10ms").unwrap().limits;
    assert_eq!(limits.loss, Some(Limit { down: 200, up: 100 }));
    assert_eq!(limits.rtt, Some(Limit { down: ms(300), up: ms(240) }));
    assert_eq!(limits.jitter, Some(Limit { down: ms(50), up: ms(10) }));
    assert_eq!(tested("max_loss: 0.125").unwrap().limits.loss, Some(Limit { down: 125, up: 62 }));
    for keys in [
        "max_loss: 101%",
        "max_loss: -1",
        "max_loss: .nan",
        "max_loss: much",
        "max_loss: 10%, recovery_loss: 11%",
        "recovery_rtt: 5ms",
        "max_interval: 4",
    ] {
        assert_eq!(tested(keys).map_err(|lines| lines.len()), Err(1), "{keys}");
    }
}

#[test]
fn a_metered_uplink_may_be_left_alone_for_ten_intervals_and_two_minutes_at_least() {
    let text = MODERN.replacen("type: ppp", "type: ppp\n  metered: true", 1);
    let config = parse(&text).unwrap();
    let longest: Vec<_> = config.uplinks.iter().map(|uplink| uplink.longest_interval().as_millis()).collect();
    assert_eq!(longest, [5000, 120_000]);
    let minute = parse(&MODERN.replacen("interval: 5,", "interval: 1m,", 1)).unwrap();
    assert_eq!(minute.tests.max_interval, Duration::from_secs(600));
    assert_eq!(tested("max_interval: 1h").unwrap().max_interval, Duration::from_secs(3600));
}

#[test]
fn every_uplink_can_be_tested_over_ipv4() {
    let ips = "ips: [198.51.100.1, 198.51.100.2]";
    let lines = broken(ips, "ips: ['2001:db8::1']");
    assert!(lines.len() == 1 && lines[0].contains("tests.ips: no IPv4 host"), "{lines:?}");
    let lines = broken("tests: {interval: 500ms}", "tests: {ips: ['tcp://[2001:db8::1]:80']}");
    assert!(lines.len() == 1 && lines[0].contains("uplinks[1].tests.ips"), "{lines:?}");
    assert!(parse(&MODERN.replacen(ips, "ips: [198.51.100.1, '2001:db8::1']", 1)).is_ok());
}

#[test]
fn ipv6_is_stated_or_advertised() {
    let with = |keys: &str| {
        let text = MODERN.replacen("description: Provider 1", keys, 1);
        parse(&text).map(|config| (config.uplinks[0].ipv6, config.warnings.len())).map_err(|problems| problems.lines())
    };
    assert_eq!(with("type6: ra").unwrap(), (Some(Ipv6Kind::Advertised), 1));
    let (ip, gateway) = ("2001:db8::2".parse().unwrap(), "fe80::1".parse().ok());
    assert_eq!(with("ip6: 2001:db8::2\n  gateway6: fe80::1").unwrap().0, Some(Ipv6Kind::Static { ip, gateway }));
    for keys in [
        "ip6: 2001:db8::2",
        "gateway6: fe80::1",
        "type6: static",
        "ip6: 192.0.2.1\n  gateway6: fe80::1",
        "ip6: fe80::2\n  gateway6: fe80::1",
        "type6: dhcp",
        "type6: ra\n  ip6: 2001:db8::2",
    ] {
        assert!(with(keys).is_err(), "{keys}");
    }
}

#[test]
fn dynamic_uplinks_state_nothing_and_tunnels_need_no_gateway() {
    let text = MODERN
        .replace("  type: ppp\n", "  type: dhcp\n")
        .replace("  gateway: 192.0.2.1\n", "  gateway: none\n  ip6: 2001:db8::2\n  gateway6: none\n")
        .replace("ips: [198.51.100.1, ", "ips: ['2001:db8:9::1', 198.51.100.1, ");
    let config = parse(&text).unwrap();
    let [tunnel, dhcp] = config.uplinks.as_slice() else { panic!("two uplinks") };
    assert_eq!(tunnel.kind, UplinkKind::Static { ip: "192.0.2.2".parse().unwrap(), gateway: None });
    assert_eq!(tunnel.ipv6, Some(Ipv6Kind::Static { ip: "2001:db8::2".parse().unwrap(), gateway: None }));
    assert_eq!((dhcp.kind, config.families()), (UplinkKind::Dhcp, vec![Family::V4, Family::V6]));
    assert_eq!(config.warnings, []);
    let late = parse(&text.replace("20000", "40000")).unwrap();
    assert!(late.warning_lines()[0].contains("base_priority: warning: 40000 comes after"), "{late:?}");
    let told = problems(&text.replace("  type: dhcp\n", "  type: dhcp\n  gateway: 192.0.2.9\n"));
    assert!(told[0].contains("a dhcp uplink learns it from the kernel"), "{told:?}");
    let again = parse(&config.effective_yaml()).unwrap();
    assert_eq!(again.uplinks, config.uplinks);
}

#[test]
fn delegated_prefixes_are_prefixes_of_ipv6_beside_ipv6() {
    let with =
        |prefix: &str| MODERN.replace("  weight: 2\n", &format!("  weight: 2\n  type6: ra\n  prefix6: {prefix}\n"));
    let config = parse(&with("['2001:db8:1::/56', '2001:db8:2::/64']")).unwrap();
    assert_eq!(config.uplinks[0].prefixes6.len(), 2);
    for (prefix, what) in [
        ("10.0.0.0/8", "no prefix of a network"),
        ("'2001:db8::1/56'", "did you mean 2001:db8::/56"),
        ("x", "\"x\" is no prefix"),
    ] {
        let told = problems(&with(prefix));
        assert!(told[0].contains(what), "{told:?}");
    }
    let alone = problems(&with("'2001:db8:1::/56'").replace("  type6: ra\n", ""));
    assert!(alone[0].contains("without IPv6 on the uplink"), "{alone:?}");
}

const POLICIES: &str = "\
policies:
- {name: voip, match: {protocol: udp, dports: [5060-5070, 4569]}, uplinks: [ppp0, eth1], otherwise: none}
- {name: by-hand, uplinks: eth1}
";

#[test]
fn policies_name_uplinks_in_order() {
    let config = parse(&format!("{MODERN}{POLICIES}routing: {{failback: hard}}\n")).unwrap();
    let [voip, by_hand] = config.policies.as_slice() else { panic!("two policies") };
    assert_eq!((voip.name.as_str(), voip.uplinks.as_slice(), voip.otherwise), ("voip", &[1, 0][..], Otherwise::None));
    let ports: Vec<String> = voip.matching.as_ref().unwrap().dports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["5060-5070", "4569"]);
    assert_eq!(
        (by_hand.matching.as_ref(), by_hand.otherwise, config.routing.failback.mode),
        (None, Otherwise::Any, FailbackMode::Hard)
    );
    let again = parse(&config.effective_yaml()).unwrap();
    assert_eq!((again.policies, again.routing), (config.policies, config.routing));
}

#[test]
fn what_is_wrong_with_a_policy_is_told() {
    for (from, to, what) in [
        ("name: voip", "name: 'a b'", "is no name"),
        ("name: by-hand", "name: voip", "voip is another policy already"),
        ("uplinks: eth1}", "uplinks: eth7}", "\"eth7\" is no uplink of this file"),
        ("uplinks: eth1}", "uplinks: [eth1, eth1]}", "named twice"),
        (", uplinks: eth1}", "}", "uplinks is missing"),
        ("otherwise: none", "otherwise: maybe", "allowed: any, none"),
        ("protocol: udp, ", "", "ports of no protocol"),
        ("4569", "70000", "is no port"),
        ("dports", "ports", "did you mean"),
    ] {
        assert!(POLICIES.contains(from));
        let told = problems(&format!("{MODERN}{}", POLICIES.replacen(from, to, 1)));
        assert!(told.iter().any(|line| line.contains(what)), "{to}: {told:?}");
    }
    // 0x100 to 0xf00 are fifteen marks: two uplinks and thirteen policies fill them.
    let many =
        |count| (0..count).fold("policies:\n".to_owned(), |text, n| format!("{text}- {{name: p{n}, uplinks: eth1}}\n"));
    let narrow = MODERN.replace("0xff00", "0xf00");
    assert!(parse(&format!("{narrow}{}", many(13))).is_ok());
    let told = problems(&format!("{narrow}{}", many(14)));
    assert!(told[0].contains("overflow the mask"), "{told:?}");
}

mod ipv6;
mod locations;
mod mistakes;
mod secrets;
