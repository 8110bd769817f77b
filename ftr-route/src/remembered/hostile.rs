//! Whatever lies in the run directory, nothing outside is changed, and nothing but parameters of ours is put back.

use super::{FILE, LOCK, Remembered};
use crate::error::Error;
use crate::plan::sysctl::{Setting, Values};
use crate::remembered::parameter;
use fastrand::Rng;
use ftr_core::Family;
use ftr_tool::hostile::{Hostile, damaged};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

/// Unless `FTR_HOSTILE_LAYOUTS` says otherwise. Those that the monitor is shown come on top of them.
const LAYOUTS: u32 = 7500;
const BOTH: [Family; 2] = [Family::V4, Family::V6];

/// A file of whatever a hostile user would have put back, some of which is ours.
fn text(rng: &mut Rng, remembered: &Remembered) -> Vec<u8> {
    let paths = [
        "net/ipv4/../../../../etc/crontab",
        "net/ipv4/conf/../../../../../etc/passwd",
        "net/ipv4/conf/eth0/../../../../kernel/core_pattern",
        "/etc/crontab",
        "kernel/modprobe",
        "net/ipv4/ip_forward",
        "net/ipv4/conf/eth1/rp_filter",
        "net/ipv4/conf/eth1/arp_ignore",
        "net/ipv6/conf/eth1/accept_ra",
        "net/ipv4/tcp_syncookies",
        "net/ipv4/conf/\u{1b}[2J/forwarding",
    ];
    let values = ["0", "1", "2", "3", "8", "* * * * * root id\n", "-1", ""];
    let ours = [
        ("net/ipv4/ip_forward", "0", "1"),
        ("net/ipv4/conf/eth1/rp_filter", "1", "0"),
        ("net/ipv4/conf/eth1/arp_announce", "0", "2"),
        ("net/ipv6/conf/eth1/accept_ra", "1", "2"),
    ];
    let changes: Vec<String> = (0..rng.usize(..6))
        .map(|_| {
            let made_up = |rng: &mut Rng| {
                let mut one = |of: &[&'static str]| *rng.choice(of).unwrap();
                (one(&paths), one(&values), one(&values))
            };
            let (path, found, set) = if rng.bool() { *rng.choice(&ours).unwrap() } else { made_up(rng) };
            let text = |text: &str| serde_json::to_string(text).unwrap();
            format!("{}:{{\"found\":{},\"set\":{}}}", text(path), text(found), text(set))
        })
        .collect();
    let (boot, namespace) = (&remembered.boot, remembered.namespace);
    let whole = format!(r#"{{"boot":"{boot}","namespaces":{{"{namespace}":{{{}}}}}}}"#, changes.join(","));
    if rng.bool() { whole.into_bytes() } else { damaged(rng, whole.as_bytes()) }
}

#[test]
fn hostile_contents_and_layouts_change_nothing_of_others() {
    let seed =
        std::env::var("FTR_HOSTILE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("FTR_HOSTILE_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let hostile = Hostile::new("remembered").unwrap();
    let names = [FILE, "sysctl.json.next", LOCK, "sysctl.new"].map(str::to_owned);
    let (mut believed, mut put_back) = (0, 0);
    let layouts = std::env::var("FTR_HOSTILE_LAYOUTS").map_or(LAYOUTS, |count| count.parse().unwrap());
    for _ in 0..layouts {
        let begin = Instant::now();
        let mut remembered = Remembered::at(hostile.directory());
        hostile.lay(&names, &mut rng, |rng, _| text(rng, &remembered)).unwrap();
        believed += u32::from(remembered.read().is_ok_and(|whole| !whole.namespaces.is_empty()));
        put_back += clear(&mut remembered, &mut rng);
        follow(&mut rng, &hostile.directory());
        assert!(begin.elapsed() < Duration::from_secs(5), "it waits for something");
        hostile.assert_unharmed();
    }
    // Else nothing would be shown.
    assert!(
        believed > layouts / 20 && put_back > layouts / 100,
        "{believed} files were believed, {put_back} parameters put back"
    );
}

/// What `clear` does; how much it puts back.
fn clear(remembered: &mut Remembered, rng: &mut Rng) -> u32 {
    let told = remembered.strange();
    assert!(told.len() <= 4 && told.iter().all(|line| line.len() < 1000 && !line.contains('\u{1b}')), "{told:?}");
    let Ok(paths) = remembered.paths(&BOTH) else { return 0 };
    let value = *rng.choice(&["0", "1", "2", "3"]).unwrap();
    let seen: Values = paths.into_iter().map(|path| (path, value.to_owned())).collect();
    let settings = remembered.undo(&seen).unwrap();
    for Setting { path, value: found } in &settings {
        assert!(!path.contains("..") && Path::new("/proc/sys").join(path).starts_with("/proc/sys/net"), "{path}");
        // By forwarding as a whole others are changed, and put back to what they are.
        assert!(parameter::is_ours(path, found, value) || found == value, "{path}: {found} instead of {value}");
    }
    if let (Ok(held), true) = (remembered.hold(), rng.bool()) {
        let _ = remembered.forget(&BOTH, &held);
    }
    u32::try_from(settings.len()).unwrap()
}

/// What a follower does beside it.
fn follow(rng: &mut Rng, directory: &Path) {
    let mut remembered = Remembered::at(directory.to_owned());
    let _ = remembered.serve();
    if let Ok(held) = remembered.hold() {
        let setting = Setting { path: "net/ipv4/ip_forward".to_owned(), value: "7".to_owned() };
        let noted = remembered.note(&[setting], &held);
        // A damaged file is the administrator's to look at, and of what is in the way only a full directory stays.
        let is_excused = |error: &Error| match error {
            Error::File(error) => error.kind() == ErrorKind::DirectoryNotEmpty,
            error => matches!(error, Error::Damaged { .. }),
        };
        assert!(noted.as_ref().err().is_none_or(is_excused), "{noted:?}");
    }
    if rng.bool() {
        let _ = fs::remove_file(directory.join(FILE));
    }
    let _ = remembered.renew();
}
