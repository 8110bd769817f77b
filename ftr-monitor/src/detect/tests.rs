//! Hosts as `ftr-route detect -j` tells of them, and the configurations that are made of that: pairs of files in `hosts`.

use std::fs;
use std::path::{Path, PathBuf};

use ftr_core::Config;
use ftr_core::config::FileFaults;
use ftr_core::host::Host;

use super::{roles, text};

fn hosts() -> Vec<(PathBuf, Host)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/detect/hosts");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|one| one == "json"));
    files.map(|path| (path.clone(), serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())).collect()
}

#[test]
fn a_host_becomes_the_configuration_beside_it() {
    let hosts = hosts();
    assert!(hosts.len() >= 5);
    for (path, host) in hosts {
        let made = text::text(&roles(&host));
        let wanted = fs::read_to_string(path.with_extension("yaml")).unwrap_or_default();
        assert!(made == wanted, "{}: made is\n{made}", path.display());
    }
}

/// It says nothing that `check` has something to say about, but for a single uplink.
#[test]
fn what_is_made_is_right_and_fits_the_host_and_a_terminal() {
    for (path, host) in hosts() {
        let made = text::text(&roles(&host));
        let config = Config::parse(Path::new("f"), &made).unwrap_or_else(|problems| panic!("{made}\n{problems}"));
        let mut told = config.warning_lines();
        told.extend(config.on_host(&made, Some(&host), &FileFaults::default()).lines());
        told.retain(|line| config.uplinks.len() > 1 || !line.contains("only one, so nothing can take over"));
        assert_eq!(told, [""; 0], "{}", path.display());
        for line in made.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", path.display());
        }
        assert!(config.base_priority < 32766 && config.fwmark_mask.is_some());
    }
}

#[test]
fn a_host_that_leads_nowhere_has_no_uplink() {
    let host: Host = serde_json::from_str(
        r#"{"devices":[{"name":"eth0","up":true,"carrier":true,"addresses":[{"address":"10.0.0.1","length":8,"permanent":true}]}]}"#,
    )
    .unwrap();
    let roles = roles(&host);
    assert!(roles.uplinks.is_empty() && roles.lan.len() == 1);
}

/// It would have the hosts of a provider let in.
#[test]
fn a_network_that_gives_this_host_its_address_is_none_of_its_own() {
    for (more, why) in [
        ("\"lease\":\"/run/lease\",\"permanent\":true}]", "by DHCP and no default route"),
        ("\"permanent\":false}]", "by DHCP and no default route"),
        ("\"permanent\":true}],\"ppp_sessions\":1", "a PPP connection goes through it"),
    ] {
        let device =
            format!("{{\"name\":\"eth2\",\"addresses\":[{{\"address\":\"192.168.178.20\",\"length\":24,{more}}}");
        let host: Host = serde_json::from_str(&format!("{{\"devices\":[{device}]}}")).unwrap();
        let roles = roles(&host);
        assert!(roles.lan.is_empty() && roles.uplinks.is_empty(), "{more}");
        assert!(roles.others.iter().any(|(name, told)| *name == "eth2" && told.contains(why)), "{:?}", roles.others);
    }
}

/// What comes from another program never ends the comment that it stands in.
#[test]
fn words_of_the_host_stay_in_their_comments() {
    let (_, mut host) = hosts().into_iter().find(|(path, _)| path.ends_with("two-static.json")).unwrap();
    for route in &mut host.defaults {
        route.line = format!("{}\nbase_table: 7\n\u{2028}x: 1", "long ".repeat(40));
    }
    let made = text::text(&roles(&host));
    let config = Config::parse(Path::new("f"), &made).unwrap();
    assert_ne!(config.base_table, 7);
    assert!(made.lines().all(|line| !line.starts_with("x: 1")));
}
