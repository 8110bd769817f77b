//! Whatever lies in the run directory, and where the log is, nothing outside is changed, and nothing is waited for.

use crate::ask::{ask, socket_name};
use crate::decide::Decider;
use crate::decide::fixture::{check, config};
use crate::entry::Entry;
use crate::instance::{Desk, Instance, Renewed};
use crate::log::Log;
use crate::memory::{recall, remember};
use crate::request::Request;
use crate::trial::Trial;
use fastrand::Rng;
use ftr_core::Config;
use ftr_core::config::Log as Settings;
use ftr_core::record::Record;
use ftr_tool::hostile::{Hostile, damaged};
use ftr_tool::running::{Running, namespace};
use ftr_tool::{Directory, assigned, run_path};
use nix::unistd::geteuid;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Unless `FTR_HOSTILE_LAYOUTS` says otherwise: each takes some milliseconds.
const LAYOUTS: u32 = 2000;
/// Says to the process that is started by the test that it is that one.
const SEED: &str = "FTR_HOSTILE_SEED_INSIDE";
/// The configuration that is on trial.
const TRIED: &str = "/etc/ftr/ftr.yaml";

#[test]
fn hostile_contents_and_layouts_change_nothing_of_others() {
    if let Ok(seed) = std::env::var(SEED) {
        return within(seed.parse().unwrap());
    }
    let seed = std::env::var("FTR_HOSTILE_SEED").unwrap_or_else(|_| fastrand::u64(..).to_string());
    println!("FTR_HOSTILE_SEED={seed}");
    let hostile = Hostile::new("monitor").unwrap();
    // The run directory is told by the environment, which is that of a whole process.
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::hostile_contents_and_layouts_change_nothing_of_others", "--nocapture"])
        .env("FTR_RUN_DIR", hostile.directory())
        .env(SEED, seed)
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

fn within(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let hostile = Hostile::at(run_path().parent().unwrap()).unwrap();
    let config = config([""; 3], "");
    let own = namespace().unwrap();
    let (lock, told) = (format!("monitor-{own}.lock"), format!("running-{own}.json"));
    let (tried, numbered) = (format!("trial-{own}.json"), format!("numbers-{own}.json"));
    let kept = ["monitor.json", &told, &tried, &numbered];
    let names = [&lock, &socket_name(own), "ftr.log", "ftr.log.1", "ftr.log.2"];
    let names = names.into_iter().chain(kept).map(str::to_owned);
    let names: Vec<String> = names.chain(kept.map(|name| format!("{name}.next"))).collect();
    let samples = samples(&config, kept);
    let (mut believed, mut claimed, mut recalled) = (0, 0, 0);
    let layouts = std::env::var("FTR_HOSTILE_LAYOUTS").map_or(LAYOUTS, |count| count.parse().unwrap());
    for layout in 0..layouts {
        hostile
            .lay(&names, &mut rng, |rng, name| {
                let sample = kept.iter().zip(&samples).find(|(kept, _)| **kept == name);
                sample.map_or_else(|| b"rubbish".to_vec(), |(_, sample)| damaged(rng, sample))
            })
            .unwrap();
        let begin = Instant::now();
        let _ = Running::here().map(|running| (running.difference(&config), running.difference_of_own_file()));
        // An absent socket is waited for.
        if layout % 500 == 0 {
            assert!(!matches!(ask(&Request::Status {}), Ok(Some(_))));
        }
        if let Ok(Some((memory, _))) = recall(&config) {
            believed += 1;
            let mut decider = Decider::new(&config, Some(memory));
            for uplink in ["eth1", "eth2", "eth3"] {
                decider.handle(&Record::Check(check(uplink, rng.bool(), 1000)));
            }
        }
        // It holds a configuration, with programs that root would run.
        if let Ok(Some(_)) = Trial::recall(Path::new(TRIED)) {
            recalled += 1;
            let owner = fs::symlink_metadata(run_path().join(&tried)).unwrap().uid();
            assert!([0, geteuid().as_raw()].contains(&owner), "a configuration of user {owner} is believed");
        }
        let _ = assigned::assign(&mut config.clone());
        claimed += u32::from(serve(&config, &mut rng));
        write_log(&mut rng);
        assert!(begin.elapsed() < Duration::from_secs(5), "it waits for something");
        hostile.assert_unharmed();
    }
    // Else nothing would be shown.
    assert!(
        believed > layouts / 100 && recalled > layouts / 100 && claimed > layouts / 2,
        "{believed} memories and {recalled} trials were believed, {claimed} times we were the monitor"
    );
}

/// What a monitor keeps, in files of these names, as it ought to be.
fn samples(config: &Config, kept: [&str; 4]) -> [Vec<u8>; 4] {
    let directory = Directory::make(&run_path()).unwrap();
    let mut decider = Decider::new(config, None);
    for (uplink, up) in [("eth1", true), ("eth2", false), ("eth3", true)] {
        decider.handle(&Record::Check(check(uplink, up, 500)));
    }
    remember(config, decider.memory(), std::iter::empty()).unwrap();
    Running::this(config).unwrap().publish().unwrap();
    Trial::new(Path::new(TRIED), "tried", "before", Duration::ZERO).unwrap().remember().unwrap();
    let mut config = config.clone();
    config.assign(None);
    assigned::remember(&config).unwrap();
    kept.map(|name| directory.read(name, 1 << 20).unwrap())
}

/// What a monitor does; whether it could.
fn serve(config: &Config, rng: &mut Rng) -> bool {
    let running = Running::this(config).unwrap();
    let Ok(Ok(mut instance)) = Instance::claim() else { return false };
    assert!(!matches!(Instance::claim(), Ok(Ok(_))), "there are two of us");
    if rng.bool() {
        let _ = instance.take_over();
    }
    let _ = running.publish();
    let _ = remember(config, Decider::new(config, None).memory(), std::iter::empty());
    let Ok(mut desk) = Desk::open(instance) else { return true };
    assert_eq!(desk.renew().unwrap(), Renewed::Nothing);
    if rng.u8(..8) == 0 {
        let _ = fs::remove_dir_all(run_path());
        assert_eq!(desk.renew().unwrap(), Renewed::Made);
        assert!(!running.is_published());
    }
    desk.admit(Duration::ZERO);
    running.take_back();
    true
}

fn write_log(rng: &mut Rng) {
    let file = Some(run_path().join("ftr.log"));
    let mut log = Log::open(&Settings { file, max_size: 16, old_files: rng.usize(..3), syslog: false }, true);
    for line in ["one", "another"] {
        log.write(&Entry::info(line));
    }
    log.reopen();
}
