//! The real `ftr-rules`: its rules are those of the original, the programs that load rules take them, and what is loaded
//! is what was printed.

use ftr_lab::error::{Context, Result};
use ftr_lab::namespace::run;
use ftr_lab::{program, suite};
use libtest_mimic::{Failed, Trial};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[path = "../fixtures/rules/place.rs"]
mod place;
#[path = "../fixtures/rules/random.rs"]
mod random;

use place::Place;

/// How many random configurations the programs are given.
const SAMPLE: u64 = 40;

/// The arguments of `ftr-rules`, and the programs that check what it prints without loading it.
const WAYS: [(&[&str], &[&[&str]]); 5] = [
    (&[], &[&["iptables-nft-restore", "--test"], &["iptables-legacy-restore", "--test"]]),
    (&["-6"], &[&["ip6tables-nft-restore", "--test"], &["ip6tables-legacy-restore", "--test"]]),
    (&["--backend", "nft"], &[&["nft", "-c", "-f", "-"]]),
    (&["--backend", "nft", "-4"], &[&["nft", "-c", "-f", "-"]]),
    (&["--backend", "nft", "-6"], &[&["nft", "-c", "-f", "-"]]),
];

type Test = fn() -> Result<()>;

fn main() -> ExitCode {
    let files = ["static3", "ppp", "dmz-mask"];
    let mut trials: Vec<Trial> =
        files.map(|name| Trial::test(name, move || equal_to_the_original(name).map_err(Failed::from))).into();
    let others: [(&str, Test); 9] = [
        ("every_combination_is_taken", every_combination_is_taken),
        ("random_configurations_are_taken", random_configurations_are_taken),
        ("examples_are_taken_when_they_are_uncommented", examples_are_taken_when_they_are_uncommented),
        ("what_is_loaded_is_what_was_printed", what_is_loaded_is_what_was_printed),
        ("what_is_missing_or_left_over_is_told", what_is_missing_or_left_over_is_told),
        ("what_acts_beside_ours_is_told", what_acts_beside_ours_is_told),
        ("examples_are_no_difference_once_they_are_rules", examples_are_no_difference_once_they_are_rules),
        ("what_is_not_permitted_is_told", what_is_not_permitted_is_told),
        ("nft_replaces_its_own_tables_alone", nft_replaces_its_own_tables_alone),
    ];
    trials.extend(others.map(|(name, test)| Trial::test(name, move || test().map_err(Failed::from))));
    suite::run(trials)
}

/// Every way to print the rules of a configuration; each has to be taken by its programs.
fn all_are_taken(place: &Place, text: &str) -> Result<()> {
    let file = place.write(text)?;
    for (arguments, programs) in WAYS {
        let (rules, exit) = place.rules(&file, arguments)?;
        assert_eq!(exit, Some(0), "{arguments:?}\n{text}");
        for program in programs {
            if let Err(error) = place.feed(program, &rules) {
                panic!("{arguments:?}: {error}\n{text}\n{rules}");
            }
        }
        assert_eq!(place.rules(&file, arguments)?.0, rules, "{arguments:?}: the same each time");
    }
    Ok(())
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn printed(name: &str) -> Result<String> {
    run(Command::new(program::find("ftr-rules")?).arg("-c").arg(fixture(name)))
}

/// The lines that are neither blank nor comments.
fn rules(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn equal_to_the_original(name: &str) -> Result<()> {
    let ours = printed(&format!("{name}.conf"))?;
    let reference = fs::read_to_string(fixture(&format!("{name}.rules"))).context(|| format!("read {name}.rules"))?;
    assert_eq!(rules(&ours), rules(&reference));
    let place = Place::new()?;
    for program in ["iptables-nft-restore", "iptables-legacy-restore"] {
        place.feed(&[program, "--test"], &ours)?;
    }
    Ok(())
}

const FORWARDS: &str = "\
forwards:
- {protocol: [tcp, udp], port: [443, 5060-5070], to: 192.168.0.10}
- {uplink: eth1, protocol: tcp, port: 80, to: '[fd00:1::10]:8080'}
";

const POLICIES: &str = "\
policies:
- {name: voip, uplinks: [up2, eth1], match: {protocol: udp, dports: [5060-5070, 4569], sports: 5000}}
- {name: office, uplinks: eth1, match: {source: [192.168.0.0/24, '2001:db8:7::/48'], destination: 198.51.100.0/24}}
- {name: ping, uplinks: up2, match: {protocol: icmp, interface: eth0}, otherwise: none}
- {name: known, uplinks: [eth1, eth3], match: {set: in, protocol: tcp}}
- {name: by-hand, uplinks: up2}
";

/// One of the matrix: the bits of `n` choose.
fn combination(n: u32) -> String {
    let bit = |place: u32, yes: &'static str, no: &'static str| if n >> place & 1 == 1 { yes } else { no };
    let filter = ["", "firewall: safe\n", "firewall: none\n"].get(n as usize >> 5).copied().unwrap_or_default();
    format!(
        "uplinks:\n\
         - {{interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, description: 'One \\', ip6: '2001:db8:1::2', \
         gateway6: 'fe80::1', prefix6: '2001:db8:1:100::/56', nat6: npt}}\n\
         - {{interface: up2, type: {}, type6: ra, nat6: masquerade, clamp_mss: 1452}}\n\
         - {{interface: eth3, ip: 203.0.113.2, gateway: 203.0.113.1, clamp_mss: true}}\n\
         downlinks: {{lan: [eth0, br-guest], dmz: {}, prefix6: 'fd00:1::/64'}}\n\
         tests: {{ips: [198.51.100.1, '2001:db8:9::1']}}\nbase_table: 100\nbase_priority: 20000\n{}{}{}{filter}",
        bit(0, "ppp", "dhcp"),
        bit(1, "[dmz0, dmz.7]", ""),
        bit(2, "base_fwmark: 0x100\nfwmark_mask: 0xff00\n", ""),
        bit(3, POLICIES, ""),
        bit(4, FORWARDS, ""),
    )
}

/// How many there are: five choices of two, one of three.
const COMBINATIONS: u32 = 32 * 3;

fn every_combination_is_taken() -> Result<()> {
    let place = Place::new()?;
    (0..COMBINATIONS).try_for_each(|n| all_are_taken(&place, &combination(n)))
}

fn random_configurations_are_taken() -> Result<()> {
    let place = Place::new()?;
    (0..SAMPLE).try_for_each(|seed| all_are_taken(&place, &random::configuration(seed, true)))
}

fn examples_are_taken_when_they_are_uncommented() -> Result<()> {
    let place = Place::new()?;
    for n in [0b00_0000, 0b11_1111, 0b01_1110] {
        let file = place.write(&combination(n))?;
        for (arguments, programs) in WAYS {
            let (rules, _) = place.rules(&file, arguments)?;
            let acting = rules.replace("# [0:0]", "[0:0]").replace("#! ", "");
            assert!(acting != rules, "{rules}");
            programs.iter().try_for_each(|program| place.feed(program, &acting).map(drop))?;
        }
    }
    Ok(())
}

/// How each way loads, and how it is asked what differs.
const LOADERS: [(&[&str], &[&str]); 5] = [
    (&[], &["iptables-restore"]),
    (&["-6"], &["ip6tables-restore"]),
    (&["--backend", "nft"], &["nft", "-f", "-"]),
    (&["--backend", "nft", "-4"], &["nft", "-f", "-"]),
    (&["--backend", "nft", "-6"], &["nft", "-f", "-"]),
];

/// Takes all rules away: those of iptables, whichever it is here, and those of nft.
fn empty(place: &Place) -> Result<()> {
    for program in ["iptables-restore", "iptables-legacy-restore", "ip6tables-restore", "ip6tables-legacy-restore"] {
        place.feed(&[program], EMPTY)?;
    }
    place.space.nft("flush ruleset\n")?;
    Ok(())
}

/// Tables without rules, which let all pass.
const EMPTY: &str = "*mangle\nCOMMIT\n*nat\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n";

fn what_is_loaded_is_what_was_printed() -> Result<()> {
    let place = Place::new()?;
    for text in (0..COMBINATIONS).step_by(7).map(combination) {
        let file = place.write(&text)?;
        for (arguments, loader) in LOADERS {
            empty(&place)?;
            let (rules, _) = place.rules(&file, arguments)?;
            place.feed(loader, &rules)?;
            let (differences, exit) = place.rules(&file, &[arguments, &["--diff"]].concat())?;
            assert_eq!((differences.as_str(), exit), ("", Some(0)), "{arguments:?}\n{text}\n{rules}");
        }
    }
    Ok(())
}

fn what_is_missing_or_left_over_is_told() -> Result<()> {
    let place = Place::new()?;
    let file = place.write(&combination(0b11_1111))?;
    let told = |arguments: &[&str]| place.rules(&file, &[arguments, &["--diff"]].concat());
    for (arguments, loader) in LOADERS.into_iter().take(3).rev() {
        empty(&place)?;
        assert_eq!(told(arguments)?.1, Some(1), "nothing is loaded");
        let (rules, _) = place.rules(&file, arguments)?;
        place.feed(loader, &rules)?;
        assert_eq!(told(arguments)?.1, Some(0));
    }
    for (line, what) in [
        // Rules of programs that are known do not matter.
        ("iptables -t nat -N DOCKER && iptables -t nat -I PREROUTING -m addrtype --dst-type LOCAL -j DOCKER", ""),
        ("iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", ""),
        ("iptables -t filter -N ts-input && iptables -t filter -I INPUT -j ts-input", ""),
        (
            "iptables -t mangle -I PREROUTING -i docker0 -j MARK --set-mark 1",
            "+ mangle PREROUTING: -i docker0 -j MARK --set-xmark 0x1/0xffffffff (foreign)",
        ),
        ("iptables -t nat -I PREROUTING -i docker0 -j ACCEPT", "+ nat PREROUTING: -i docker0 -j ACCEPT (foreign)"),
        ("iptables -t mangle -A PREROUTING -i eth9 -j ACCEPT", "+ mangle PREROUTING: -i eth9 -j ACCEPT (foreign)"),
        ("iptables -t mangle -I PREROUTING -j ACCEPT", "+ mangle PREROUTING: -j ACCEPT (foreign)"),
        ("iptables -t nat -A INPUT -s 192.0.2.1 -j ACCEPT", "+ nat INPUT: -s 192.0.2.1/32 -j ACCEPT (foreign)"),
        (
            "iptables -t nat -D POSTROUTING -o eth1 -m policy --dir out --pol none -j SNAT --to-source 192.0.2.2",
            "- nat POSTROUTING: -o eth1 -m policy --dir out --pol none -j SNAT",
        ),
        (
            "iptables -t nat -A POSTROUTING -o eth1 -m policy --dir out --pol none -j SNAT --to-source 192.0.2.9",
            "+ nat POSTROUTING: -o eth1 -m policy --dir out --pol none -j SNAT",
        ),
        ("iptables -t filter -P FORWARD ACCEPT", "+ filter FORWARD: policy ACCEPT"),
        ("iptables -t filter -A WAN_LAN -j ACCEPT", "+ filter WAN_LAN: -j ACCEPT"),
    ] {
        place.space.sh(line)?;
        let (differences, _) = told(&[])?;
        assert!(differences.contains(what) && (!what.is_empty() || differences.is_empty()), "{line}: {differences}");
    }
    let nft = &["--backend", "nft"];
    empty(&place)?;
    let (rules, _) = place.rules(&file, nft)?;
    place.space.nft(&rules)?;
    place.space.nft("add table inet other\nadd chain inet other prerouting\n")?;
    assert_eq!(told(nft)?.1, Some(0), "tables of others do not matter");
    place.space.nft("flush chain inet ftr_mangle postrouting\n")?;
    assert!(told(nft)?.0.contains("- inet ftr_mangle postrouting: oifname \"eth1\""));
    place.space.nft("add rule inet ftr_filter wan_lan accept\n")?;
    assert!(told(nft)?.0.contains("+ inet ftr_filter wan_lan: accept"));
    let none = place.write(&combination(0b101_1111))?;
    assert!(place.rules(&none, &["--backend", "nft", "--diff"])?.0.contains("+ table inet ftr_filter"));
    Ok(())
}

/// Packets pass the rules of both variants of iptables, and those of nft: ours stand in one of them alone.
fn what_acts_beside_ours_is_told() -> Result<()> {
    let place = Place::new()?;
    let file = place.write(&combination(0b11_1111))?;
    let told = |arguments: &[&str]| place.rules(&file, &[arguments, &["--diff"]].concat());
    for (family, name) in [("-4", "iptables"), ("-6", "ip6tables")] {
        let (rules, _) = place.rules(&file, &[family])?;
        // As it was while the first uplink had another mark and another address.
        let earlier = rules.replace("--set-mark 256/65280", "--set-mark 2048/65280").replace("192.0.2.2", "192.0.2.9");
        let [nft, legacy] = ["nft", "legacy"].map(|variant| format!("{name}-{variant}"));
        let network = if family == "-4" { "172.17.0.0/16" } else { "fd00:d::/64" };
        for (ours, other) in [(&nft, &legacy), (&legacy, &nft)] {
            empty(&place)?;
            let load = |variant: &str, text: &str| place.feed(&[&format!("{variant}-restore")], text);
            load(ours, &rules)?;
            assert_eq!(told(&[family])?, (String::new(), Some(0)), "{ours}");
            for beside in [&rules, &earlier] {
                load(other, beside)?;
                let (lines, exit) = told(&[family])?;
                assert_eq!(exit, Some(1), "{ours} beside {other}");
                let named =
                    |line: &str| line.starts_with(&format!("+ {nft} ")) || line.starts_with(&format!("+ {legacy} "));
                assert!(lines.lines().any(named), "{lines}");
            }
            load(other, EMPTY)?;
            for (line, what) in [
                ("-t nat -N DOCKER", ""),
                ("-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER", ""),
                (&format!("-t nat -A POSTROUTING -s {network} ! -o docker9 -j MASQUERADE"), ""),
                ("-t filter -A FORWARD -i docker9 ! -o docker9 -j ACCEPT", ""),
                ("-t raw -A OUTPUT -p udp -j ACCEPT", ""),
                ("-t filter -N mine", ""),
                ("-t filter -A mine -j DROP", ""),
                ("-t mangle -A PREROUTING -i eth1 -j ACCEPT", "mangle PREROUTING: -i eth1 -j ACCEPT (foreign)"),
            ] {
                place.space.sh(&format!("{other} {line}"))?;
                let told = told(&[family])?;
                let expected = if what.is_empty() { String::new() } else { format!("+ {other} {what}\n") };
                assert_eq!(told, (expected, Some(i32::from(!what.is_empty()))), "{other} {line}");
            }
        }
        // The other way: nft has ours, and iptables what it had before.
        let by_nft = &["--backend", "nft"];
        let (printed, _) = place.rules(&file, by_nft)?;
        for variant in [&nft, &legacy] {
            empty(&place)?;
            place.space.nft(&printed)?;
            let load = |text: &str| place.feed(&[&format!("{variant}-restore")], text);
            load("*mangle\n-A PREROUTING -i eth1 -p udp -j ACCEPT\nCOMMIT\n")?;
            assert_eq!(told(by_nft)?, (String::new(), Some(0)), "tables of others beside nft");
            for beside in [&rules, &earlier] {
                load(beside)?;
                let (lines, exit) = told(by_nft)?;
                assert!(exit == Some(1) && lines.contains(&format!("+ {variant} mangle ")), "{variant}: {lines}");
            }
            place.space.nft("flush ruleset\n")?;
            load(&rules)?;
            assert_eq!(told(&[family])?.1, Some(0));
            place.space.nft(&printed)?;
            assert!(told(&[family])?.0.contains("+ nft: table inet ftr_mangle\n"));
            // Each family has tables of its own, if people want that.
            let other = if family == "-4" { "-6" } else { "-4" };
            let (printed, _) = place.rules(&file, &["--backend", "nft", other])?;
            place.space.nft(&printed)?;
            assert_eq!(told(&[family])?, (String::new(), Some(0)), "{variant} beside nft {other}");
        }
    }
    Ok(())
}

/// Comments invite people to add rules, with devices, addresses and ports of theirs.
fn examples_are_no_difference_once_they_are_rules() -> Result<()> {
    let place = Place::new()?;
    for n in [0b00_0010, 0b11_1111, 0b01_1110] {
        let file = place.write(&combination(n))?;
        for (arguments, loader) in LOADERS {
            let (rules, _) = place.rules(&file, arguments)?;
            let acting = |line: &str| match line.trim_start_matches("# ").trim_start().trim_start_matches("#! ") {
                rule if rule == line.trim_start() => line.to_owned(),
                rule if rule.starts_with("[0:0]") || line.contains("#! ") => rule
                    .replace("443", "8443")
                    .replace("192.168.0.10", "192.168.0.64/26")
                    .replace("fd00::10", "fd00::77"),
                _ => String::new(),
            };
            let adapted: Vec<String> = rules.lines().map(acting).collect();
            let adapted =
                adapted.join("\n").replace("--to-destination 192.168.0.64/26", "--to-destination 192.168.0.77");
            let adapted = adapted.replace("dnat ip to 192.168.0.64/26", "dnat ip to 192.168.0.77") + "\n";
            empty(&place)?;
            place.feed(loader, &adapted)?;
            let (differences, exit) = place.rules(&file, &[arguments, &["--diff"]].concat())?;
            assert_eq!((differences.as_str(), exit), ("", Some(0)), "{arguments:?}\n{adapted}");
        }
    }
    Ok(())
}

/// Whoever may not look is told so, and what is needed.
fn what_is_not_permitted_is_told() -> Result<()> {
    let place = Place::new()?;
    let file = place.write(&combination(0b11_1111))?;
    let ask = |line: &str| {
        let program = program::find("ftr-rules")?;
        let line = format!("{line} {} -c {} --diff 2>&1; echo $?", program.display(), file.display());
        place.space.sh(&line)
    };
    // Without any capability; as root who may make a namespace only together with a user namespace; as root who may not even that.
    let without = ask("setpriv --inh-caps=-all --bounding-set=-all")?;
    assert!(without.contains("CAP_NET_ADMIN is needed") && without.ends_with("77\n"), "{without}");
    let (rules, _) = place.rules(&file, &[])?;
    place.feed(&["iptables-restore"], &rules)?;
    assert_eq!(ask("setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin")?, "0\n");
    let none = "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-sys_admin";
    let barred = ask(&format!("unshare -Urn bash -c '{none} \"$@\"' bash"))?;
    assert!(barred.contains("CAP_SYS_ADMIN is needed") && barred.ends_with("77\n"), "{barred}");
    Ok(())
}

/// Loading again replaces, keeps what others have put into a set, and leaves tables of others alone.
fn nft_replaces_its_own_tables_alone() -> Result<()> {
    let place = Place::new()?;
    let text = combination(0b10_0111);
    let file = place.write(&format!("{text}policies: [{{name: a, uplinks: eth1, match: {{set: in}}}}]\n"))?;
    let list = |table: &str| place.space.sh(&format!("nft -s list table {table}"));
    place.space.nft("table inet other {\n chain c {\n accept\n }\n}\n")?;
    let others = list("inet other")?;
    let (rules, _) = place.rules(&file, &["--backend", "nft"])?;
    place.space.nft(&rules)?;
    place.space.nft("add element inet ftr_mangle to_in { 198.51.100.0/24 }\n")?;
    let before = [list("inet ftr_mangle")?, list("inet ftr_nat")?, list("inet ftr_filter")?];
    place.space.nft(&rules)?;
    assert_eq!([list("inet ftr_mangle")?, list("inet ftr_nat")?, list("inet ftr_filter")?], before);
    assert!(before[0].contains("198.51.100.0/24"), "{}", before[0]);
    assert_eq!(place.rules(&file, &["--backend", "nft", "--diff"])?, (String::new(), Some(0)));
    // Without the filter that of before goes as well; one that is refused changes nothing.
    let none = place.write(&combination(0b100_0111))?;
    let (rules, _) = place.rules(&none, &["--backend", "nft"])?;
    assert!(place.space.nft(&format!("{rules}add rule inet nowhere c accept\n")).is_err());
    assert_eq!(list("inet ftr_filter")?, before[2]);
    place.space.nft(&rules)?;
    assert!(list("inet ftr_filter").is_err());
    assert_eq!(list("inet other")?, others);
    Ok(())
}
