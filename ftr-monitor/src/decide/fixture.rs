//! Checks and configurations for tests.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ftr_core::record::{Check, Reason, Stamp};
use ftr_core::{Config, Family};

/// A check of an uplink, `mono` milliseconds after boot.
pub(crate) fn check(uplink: &str, up: bool, mono: u64) -> Check {
    let at = Stamp::new(SystemTime::UNIX_EPOCH, Duration::from_millis(mono));
    let reason = (!up).then_some(Reason::NoAnswer);
    let check = Check::without_questions(at, uplink.parse().unwrap(), Family::V4, up, reason);
    Check { answered: u32::from(up), required: 1, asked: 1, ..check }
}

/// A configuration with eth1, eth2 and eth3, whose lines end with what is given.
pub(crate) fn config(ends: [&str; 3], more: &str) -> Config {
    let uplinks: Vec<String> = (1..)
        .zip(ends)
        .map(|(i, end)| format!("- {{interface: eth{i}, ip: 192.0.2.{i}, gateway: 192.0.2.9, weight: {i}{end}}}\n"))
        .collect();
    let text =
        format!("uplinks:\n{}downlinks: {{lan: eth0}}\ntests: {{ips: [198.51.100.1]}}\n{more}", uplinks.concat());
    Config::parse(Path::new("test"), &text).unwrap()
}
