//! The rules for known configurations.

use std::path::{Path, PathBuf};

use ftr_core::Family;
use ftr_rules::model::Table;
use ftr_rules::render::{Backend, Request, render};
use ftr_tool::configuration;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

#[expect(clippy::expect_used, reason = "a test that cannot read its fixture has failed")]
fn rules(name: &str, tables: &[Table]) -> String {
    let request = Request { backend: Backend::Iptables, families: vec![Family::V4], tables: tables.to_vec() };
    render(&configuration::load(&fixture(name)).expect("a good configuration"), &request)
}

/// What iptables-restore acts on.
fn effective(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[expect(clippy::expect_used, reason = "a test that cannot read its fixture has failed")]
fn compare(name: &str) {
    let expected = std::fs::read_to_string(fixture(&format!("{name}.rules"))).expect("a readable fixture");
    assert_eq!(effective(&rules(&format!("{name}.conf"), &Table::ALL)), effective(&expected));
}

#[test]
fn three_static_uplinks_as_the_original() {
    compare("static3");
}

#[test]
fn a_ppp_uplink_as_the_original() {
    compare("ppp");
}

#[test]
fn several_lans_a_dmz_and_a_mask() {
    compare("dmz-mask");
}

#[test]
fn chosen_tables_make_up_the_whole() {
    let all = rules("dmz-mask.conf", &Table::ALL);
    let parts: Vec<String> = Table::ALL.iter().map(|&table| rules("dmz-mask.conf", &[table])).collect();
    assert_eq!(parts.iter().flat_map(|part| effective(part)).collect::<Vec<_>>(), effective(&all));
    assert_eq!(rules("dmz-mask.conf", &[Table::Filter, Table::Mangle, Table::Nat, Table::Nat]), all);
}

#[test]
fn examples_are_whole_rules_for_devices_that_exist() {
    let text = rules("dmz-mask.conf", &Table::ALL);
    let examples: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# [0:0] -A ")).collect();
    assert!(examples.len() > 8, "{examples:?}");
    for example in examples {
        assert!(example.contains(" -j "), "{example}");
        assert!(
            ["wan0", "eth0", "br-guest", "WAN_LAN", "WAN_DMZ"].iter().any(|name| example.contains(name)),
            "{example}"
        );
    }
}
