//! Reads what `NetworkManager` knows of each device, and its profiles (nm-settings-keyfile(5)).

use std::fs;
use std::path::Path;

use ftr_core::config::Config;
use ftr_netlink::Link;

use super::ini;
use crate::diagnose::network_manager::{Managed, Table};

/// Where it keeps what it knows of each device, by the device's number.
const DEVICES: &str = "run/NetworkManager/devices";
/// Where its profiles may be.
const PROFILES: [&str; 3] = ["etc", "run", "usr/lib"];

/// The uplinks that a running `NetworkManager` looks after, by what it writes below a root directory.
pub(super) fn read(root: &Path, config: &Config, links: &[Link]) -> Vec<Managed> {
    let uplinks = links.iter().filter(|link| config.position(&link.name).is_some());
    uplinks.filter_map(|link| managed(root, link)).collect()
}

fn managed(root: &Path, link: &Link) -> Option<Managed> {
    let text = fs::read_to_string(root.join(DEVICES).join(link.index.to_string())).ok()?;
    let value = |key| ini::values(&text, "device", key).last().copied();
    if value("managed") != Some("true") {
        return None;
    }
    let profile = value("connection-uuid")?.to_owned();
    let table = table(root, &profile).unwrap_or(Table::Unseen);
    Some(Managed { device: link.name.clone(), profile, table })
}

/// Where the profile of this number puts routes, of either family; none where it was not found.
fn table(root: &Path, profile: &str) -> Option<Table> {
    let directories = PROFILES.map(|beginning| root.join(beginning).join("NetworkManager/system-connections"));
    let entries = directories.iter().flat_map(fs::read_dir).flatten().flatten();
    let mut texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let text = texts.find(|text| ini::values(text, "connection", "uuid").last() == Some(&profile))?;
    let own = |section| ini::values(&text, section, "route-table").last().and_then(|value| value.parse::<u32>().ok());
    let own = ["ipv4", "ipv6"].into_iter().filter_map(own).find(|table| *table != 0);
    Some(own.map_or(Table::Main, Table::Own))
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::diagnose::look::tests::Root;
    use crate::diagnose::network_manager::evaluate;
    use crate::plan::uplink_state::tests::{CONFIG, config, link};

    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let root = Root::with(files);
        let links = [link(3, "eth1"), link(4, "eth2"), link(9, "eth0")];
        evaluate(&read(root.path(), &config(CONFIG), &links)).iter().map(ToString::to_string).collect()
    }

    const DEVICE: (&str, &str) =
        ("run/NetworkManager/devices/3", "[device]\nmanaged=true\nconnection-uuid=4711-0815\nnm-owned=false\n");

    fn profile(ipv4: &str) -> Vec<String> {
        let text = format!("[connection]\nid=wan\nuuid=4711-0815\n[ipv4]\n{ipv4}\n[ipv6]\nmethod=auto\n");
        told(&[DEVICE, ("etc/NetworkManager/system-connections/wan.nmconnection", &text)])
    }

    #[test]
    fn a_profile_without_a_table_of_its_own_is_harmless() {
        assert_eq!(profile("method=auto"), [""; 0]);
        assert_eq!(profile("route-table=0"), [""; 0]);
    }

    #[test]
    fn one_with_a_table_is_named_with_the_command_that_takes_it_away() {
        let lines = profile("route-table=100");
        assert!(lines[0].starts_with("warning: eth1: NetworkManager puts its routes into table 100"), "{lines:?}");
        assert!(lines[0].contains("nmcli connection modify 4711-0815 ipv4.route-table 0"), "{lines:?}");
    }

    #[test]
    fn one_that_cannot_be_read_is_said_to_be_so() {
        assert!(told(&[DEVICE])[0].contains("could not be looked at"));
    }

    #[test]
    fn other_devices_and_unmanaged_ones_do_not_matter() {
        assert_eq!(told(&[("run/NetworkManager/devices/9", DEVICE.1)]), [""; 0]);
        assert_eq!(told(&[("run/NetworkManager/devices/3", "[device]\nmanaged=false\n")]), [""; 0]);
        assert_eq!(told(&[]), [""; 0]);
    }
}
