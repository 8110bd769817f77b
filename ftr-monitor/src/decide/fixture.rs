//! Checks and configurations for tests.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ftr_core::record::{Check, Reason, Stamp};
use ftr_core::{Config, Family};

/// A check of an uplink, `mono` milliseconds after boot.
pub(crate) fn check(uplink: &str, up: bool, mono: u64) -> Check {
    Check {
        at: Stamp::new(SystemTime::UNIX_EPOCH, Duration::from_millis(mono)),
        uplink: uplink.parse().unwrap(),
        family: Family::V4,
        up,
        reason: (!up).then_some(Reason::NoAnswer),
        answered: u32::from(up),
        required: 1,
        asked: 1,
        rtt_ms: None,
        jitter_ms: None,
        loss: None,
        address: None,
        gateway: None,
        targets: Vec::new(),
        prompt: None,
        window: None,
        ignored: None,
        probe_bytes: None,
    }
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
