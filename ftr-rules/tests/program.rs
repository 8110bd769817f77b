//! The built program: exit codes, and what goes to which stream.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn rules(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftr-rules"));
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/static3.conf");
    command.env("FTR_CONFIG", fixture).args(args);
    command
}

#[expect(clippy::expect_used, reason = "a test that cannot start has failed")]
fn output(args: &[&str]) -> Output {
    rules(args).output().expect("the built program")
}

#[test]
fn rules_go_to_stdout_and_remarks_to_stderr() {
    let output = output(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"# Made by ftr-rules"));
    assert!(output.stdout.ends_with(b"COMMIT\n"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("INPUT admits no new connection"));
}

#[test]
fn quiet_keeps_the_rules_and_drops_the_remarks() {
    let output = output(&["-q"]);
    assert!(output.stdout.ends_with(b"COMMIT\n"));
    assert!(output.stderr.is_empty());
}

#[test]
fn without_the_filter_table_nothing_is_said_of_it() {
    let output = output(&["--table", "nat"]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("*filter"));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("INPUT"));
}

#[test]
fn wrong_usage_is_64_and_a_wrong_configuration_78() {
    for args in [&["--backend", "pf"][..], &["-4", "-6"], &["--json"], &["eth1"]] {
        let output = output(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0), "{args:?}");
    }
    assert_eq!(output(&["-c", "/dev/null"]).status.code(), Some(78));
    assert_eq!(output(&["-c", "/nonexistent"]).status.code(), Some(78));
}

#[test]
fn nft_covers_both_families_and_has_no_filter_to_warn_of() {
    let output = output(&["--backend", "nft"]);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("table inet ftr_mangle {") && text.ends_with("}\n"), "{text}");
}

#[test]
fn rules_of_ipv6_without_an_uplink_for_it_are_remarked_upon() {
    assert!(String::from_utf8_lossy(&output(&["-6"]).stderr).contains("uplinks: warning: none has IPv6"));
}

#[test]
fn a_reader_that_is_gone_ends_it_quietly() {
    let (reader, writer) = UnixStream::pair().expect("a pair of sockets");
    drop(reader);
    let output =
        rules(&["-q"]).stdout(OwnedFd::from(writer)).stderr(Stdio::piped()).output().expect("the built program");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn a_full_disk_is_an_error() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = rules(&["-q"]).stdout(full).stderr(Stdio::piped()).output().expect("the built program");
    assert_eq!(output.status.code(), Some(74));
    assert!(output.stderr.starts_with(b"ftr-rules: standard output: "));
}
