//! What is remembered, and how it is put back.

use super::{Changes, FILE, Remembered, note, undo};
use crate::plan::sysctl::{Setting, Values};
use ftr_core::Family;
use std::fs;
use std::path::PathBuf;

const FORWARD: &str = "net/ipv4/ip_forward";

fn setting(path: &str, value: &str) -> Setting {
    Setting { path: path.to_owned(), value: value.to_owned() }
}

fn seen(values: &[(&str, &str)]) -> Values {
    values.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect()
}

/// A file of its own for each test.
fn remembered(name: &str) -> (Remembered, PathBuf) {
    let directory = std::env::temp_dir().join(format!("ftr-remembered-{name}-{}", std::process::id()));
    (Remembered::at(directory.join("run")), directory)
}

#[test]
fn the_first_value_found_is_the_one_to_restore() {
    let mut changes = Changes::new();
    note(&mut changes, &[setting(FORWARD, "1")], &seen(&[(FORWARD, "0")]));
    note(&mut changes, &[setting(FORWARD, "1")], &seen(&[(FORWARD, "7")]));
    assert_eq!(undo(&changes, &seen(&[(FORWARD, "1")])), [setting(FORWARD, "0")]);
    // Somebody else has had a hand in it since, or it is gone.
    assert!(undo(&changes, &seen(&[(FORWARD, "2")])).is_empty());
    assert!(undo(&changes, &Values::new()).is_empty());
}

#[test]
fn what_the_kernel_changes_along_is_put_back_after_it() {
    let [one, other, late, redirects] = [
        "net/ipv4/conf/eth1/forwarding",
        "net/ipv4/conf/eth2/forwarding",
        "net/ipv4/conf/eth9/forwarding",
        "net/ipv4/conf/all/accept_redirects",
    ];
    let mut changes = Changes::new();
    let before = [(FORWARD, "0"), (one, "1"), (other, "0"), (redirects, "0")];
    note(&mut changes, &[setting(FORWARD, "1")], &seen(&before));
    let now =
        |one_now, forward| seen(&[(FORWARD, forward), (one, one_now), (other, "1"), (late, "1"), (redirects, "0")]);
    let first = setting(FORWARD, "0");
    // The second one was 0 and is so by itself.
    assert_eq!(undo(&changes, &now("1", "1")), [first.clone(), setting(redirects, "0"), setting(one, "1")]);
    // Somebody has switched it off since.
    assert_eq!(undo(&changes, &now("0", "1")), [first, setting(redirects, "0")]);
    // Somebody has switched forwarding off, and with it what that takes along.
    assert!(undo(&changes, &now("1", "0")).is_empty());
    // Switched on before us, it stays so.
    let mut changes = Changes::new();
    note(&mut changes, &[setting(other, "1")], &seen(&[(other, "0")]));
    assert_eq!(undo(&changes, &now("1", "1")), [setting(other, "0")]);
}

#[test]
fn what_another_process_has_set_meanwhile_is_not_taken_for_found() {
    let device = "net/ipv4/conf/eth1/forwarding";
    let mut changes = Changes::new();
    note(&mut changes, &[setting(FORWARD, "1")], &seen(&[(FORWARD, "0"), (device, "0")]));
    let now = seen(&[(FORWARD, "1"), (device, "1")]);
    note(&mut changes, &[setting(FORWARD, "1"), setting(device, "1")], &now);
    assert_eq!(undo(&changes, &now), [setting(FORWARD, "0")]);
}

#[test]
fn one_family_is_forgotten_and_the_other_goes_on() {
    let (mut remembered, directory) = remembered("families");
    let ipv6 = "net/ipv6/conf/all/forwarding";
    let held = remembered.hold().unwrap();
    let mut changes = Changes::new();
    note(&mut changes, &[setting(FORWARD, "1"), setting(ipv6, "1")], &seen(&[(FORWARD, "0"), (ipv6, "0")]));
    remembered.save(changes).unwrap();
    assert_eq!(remembered.paths(&[Family::V4]).unwrap(), [FORWARD]);
    let both = [Family::V4, Family::V6];
    remembered.forget(&[Family::V4], &held).unwrap();
    assert_eq!(remembered.paths(&both).unwrap(), [ipv6]);
    remembered.forget(&[Family::V6], &held).unwrap();
    remembered.forget(&both, &held).unwrap();
    assert!(remembered.paths(&both).unwrap().is_empty() && !remembered.directory.join(FILE).exists());
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_is_known_outlives_its_file() {
    let (mut remembered, directory) = remembered("outlives");
    let mut changes = Changes::new();
    note(&mut changes, &[setting(FORWARD, "1")], &seen(&[(FORWARD, "0")]));
    drop(remembered.hold().unwrap());
    remembered.save(changes).unwrap();
    let mut other = Remembered::at(remembered.directory.clone());
    other.renew().unwrap();
    for destroy in [
        |directory: &PathBuf| fs::remove_dir_all(directory),
        |directory: &PathBuf| fs::write(directory.join("run/sysctl.json"), "rubbish"),
    ] {
        destroy(&directory).unwrap();
        other.renew().unwrap();
        let mut again = Remembered::at(remembered.directory.clone());
        assert_eq!(again.undo(&seen(&[(FORWARD, "1")])).unwrap(), [setting(FORWARD, "0")]);
    }
    // Whoever knows nothing makes nothing.
    fs::remove_dir_all(&directory).unwrap();
    Remembered::at(remembered.directory.clone()).renew().unwrap();
    assert!(!directory.exists());
}

#[test]
fn each_namespace_has_its_own_and_a_reboot_forgets() {
    let (mut remembered, directory) = remembered("namespaces");
    let mut other = Remembered { namespace: 7, ..Remembered::at(remembered.directory.clone()) };
    let held = remembered.hold().unwrap();
    assert!(!remembered.has_served());
    let mut changes = Changes::new();
    note(&mut changes, &[setting(FORWARD, "1")], &seen(&[(FORWARD, "0")]));
    other.save(changes).unwrap();
    assert!(other.has_served() && !remembered.has_served());
    drop(held);
    remembered.serve().unwrap();
    assert!(remembered.has_served() && remembered.undo(&seen(&[(FORWARD, "1")])).unwrap().is_empty());
    // A sign without any parameter outlives its file, too.
    fs::remove_file(remembered.directory.join(FILE)).unwrap();
    remembered.renew().unwrap();
    other.renew().unwrap();
    assert!(remembered.has_served() && other.has_served());
    let later = Remembered { boot: "later".to_owned(), namespace: 7, ..Remembered::at(remembered.directory.clone()) };
    assert!(!later.has_served());
    let held = remembered.hold().unwrap();
    remembered.forget(&[Family::V4], &held).unwrap();
    assert!(!remembered.has_served() && other.has_served());
    other.forget(&[Family::V4], &held).unwrap();
    assert!(!other.directory.join(FILE).exists());
    drop(held);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_lock_is_held_by_one_and_waited_for() {
    let (remembered, directory) = remembered("lock");
    let counter = directory.join("counter");
    drop(remembered.hold().unwrap());
    fs::write(&counter, "0").unwrap();
    let count = || {
        for _ in 0..50 {
            let held = remembered.hold().unwrap();
            let count: u32 = fs::read_to_string(&counter).unwrap().parse().unwrap();
            fs::write(&counter, (count + 1).to_string()).unwrap();
            drop(held);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(count);
        }
    });
    assert_eq!(fs::read_to_string(&counter).unwrap(), "200");
    let held = remembered.hold().unwrap();
    assert!(remembered.hold().unwrap_err().to_string().contains("held by another ftr-route"));
    drop(held);
    fs::remove_dir_all(directory).unwrap();
}
