//! What the programs of the firewall and the files of this host say, whatever it is.

use std::path::Path;

use ftr_core::numbering::Numbering;
use ftr_core::{Config, Family};

use ftr_firewall::{Effects, Value, iptables, nft};

use super::firewall::{self, Firewall};
use super::look::ini;
use super::{listeners, marks};

/// A router with two uplinks.
const CONFIG: &str = "uplinks: [{interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1}, {interface: ppp0, type: ppp}]\n\
                      downlinks: {lan: eth0}\ntests: {ips: [198.51.100.1]}\n";

/// What sets a mark sets none but the bits that it is said to set, and every rule found stands in a line or object of the
/// text. The first byte tells who shows the text.
///
/// # Panics
/// That is not so.
pub fn host_firewall(bytes: &[u8]) {
    let Some((program, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut seen = Effects::default();
    match program % 3 {
        0 => iptables::read(text, "iptables", Family::V4, &mut seen),
        1 => iptables::read(text, "ip6tables", Family::V6, &mut seen),
        _ => {
            if nft::read(text, &mut seen).is_err() {
                assert_eq!(seen, Effects::default(), "read in part");
            }
        }
    }
    assert!(seen.sets.len() + seen.translations.len() + seen.offloads.len() <= text.len());
    for set in &seen.sets {
        if let Value::Fixed(value) = set.value {
            assert_eq!(value & !set.bits, 0, "{set:?}");
        }
    }
    let Ok(config) = Config::parse(Path::new("ftr.yaml"), CONFIG) else { panic!("{CONFIG}: not accepted") };
    let numbering = Numbering::of(&config);
    let mut found = marks::evaluate(&config, &numbering, &[], &seen.sets);
    let firewall = Firewall { effects: seen, ..Firewall::default() };
    found.extend(firewall::evaluate(&config, &numbering, &[Family::V4, Family::V6], &firewall, &[]));
    for hazard in found {
        assert!(hazard.to_string().starts_with("warning: "));
    }
}

/// Files of sections and keys, and the kernel's list of sockets. The first byte tells which.
///
/// # Panics
/// That is not so.
pub(crate) fn host_files(bytes: &[u8]) {
    let Some((kind, text)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    if kind % 2 == 0 {
        for (section, key) in [("Network", "ManageForeignRoutes"), ("device", "managed"), ("ipv4", "route-table")] {
            let values = ini::values(&text, section, key);
            let stated = |value: &&str| text.lines().any(|line| line.contains(key) && line.trim().ends_with(*value));
            assert!(values.iter().all(stated), "{values:?}");
            assert!(values.is_empty() || text.contains(section));
        }
    } else {
        let given_out = listeners::given_out(text.lines().next().map(str::to_owned).as_ref());
        let sockets = listeners::sockets(&text, &given_out);
        assert!(sockets.len() <= text.lines().count());
        assert!(sockets.iter().all(|socket| !given_out.contains(&socket.port)));
    }
}
