//! Logs in directories of the administrator's and of others.

use super::Place;
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

const STRANGER: u32 = 65_533;

fn append(path: &Path) -> io::Result<()> {
    Place::find(path)?.append()?.write_all(b"line\n")
}

/// A directory below one that only root can write: `/tmp` is not.
fn scene(name: &str) -> PathBuf {
    let scene = Path::new("/run").join(format!("ftr-append-{name}-{}", std::process::id()));
    fs::create_dir(&scene).unwrap();
    scene
}

#[test]
fn in_a_directory_of_somebody_elses_root_appends_to_plain_files_only() {
    if !geteuid().is_root() {
        return;
    }
    let scene = scene("stranger");
    let (log, victim) = (scene.join("log"), scene.join("victim"));
    fs::create_dir(&log).unwrap();
    fs::create_dir(scene.join("other")).unwrap();
    fs::write(&victim, "").unwrap();
    symlink(&victim, log.join("link")).unwrap();
    symlink("new", log.join("dangling")).unwrap();
    symlink(scene.join("other"), log.join("below")).unwrap();
    fs::hard_link(&victim, log.join("name")).unwrap();
    mkfifo(&log.join("fifo"), Mode::S_IRWXU).unwrap();
    let _reader = fs::File::options().read(true).write(true).open(log.join("fifo")).unwrap();
    fs::create_dir(log.join("directory")).unwrap();
    fs::write(log.join("plain"), "").unwrap();
    fs::write(log.join("theirs"), "").unwrap();
    chown(log.join("theirs"), Some(STRANGER), None).unwrap();
    fs::write(log.join("third"), "").unwrap();
    chown(log.join("third"), Some(STRANGER - 1), None).unwrap();
    let traps = ["link", "dangling", "below/ftr.log", "name", "fifo", "directory", "third"];
    let opens = |owner: u32, mode: u32| {
        chown(&log, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&log, fs::Permissions::from_mode(mode)).unwrap();
        for name in ["plain", "theirs", "made"] {
            let _ = fs::remove_file(log.join("made"));
            append(&log.join(name)).unwrap();
        }
        traps.into_iter().filter(|name| append(&log.join(name)).is_ok()).collect::<Vec<_>>()
    };
    assert_eq!(opens(STRANGER, 0o755), [""; 0]);
    assert_eq!(fs::read(&victim).unwrap(), b"");
    assert!(!log.join("new").exists() && !scene.join("other/ftr.log").exists());
    // What is the administrator's own is the administrator's business.
    assert_eq!(opens(0, 0o755), ["link", "dangling", "below/ftr.log", "name", "fifo", "third"]);
    assert!(log.join("new").exists() && scene.join("other/ftr.log").exists());
    // A link of the administrator's leads there as well.
    symlink(log.join("link"), scene.join("far")).unwrap();
    chown(&log, Some(STRANGER), None).unwrap();
    assert!(append(&scene.join("far")).is_err());
    chown(&log, Some(0), Some(STRANGER)).unwrap();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o775)).unwrap();
    assert!(append(&log.join("link")).is_err(), "a group can write there");
    fs::remove_dir_all(scene).unwrap();
}

#[test]
fn devices_and_loops() {
    append(Path::new("/dev/null")).unwrap();
    let open = Place::find(Path::new("/proc/self/fd/2")).and_then(|place| place.append());
    assert!(open.is_ok() || fs::File::options().append(true).open("/proc/self/fd/2").is_err());
    let scene = std::env::temp_dir().join(format!("ftr-append-loop-{}", std::process::id()));
    fs::create_dir(&scene).unwrap();
    symlink("b", scene.join("a")).unwrap();
    symlink("a", scene.join("b")).unwrap();
    assert!(append(&scene.join("a")).is_err() && append(&scene).is_err() && append(Path::new("/")).is_err());
    assert!(append(&scene.join("none/log")).is_err());
    append(&scene.join("sub/../log")).unwrap_err();
    append(&scene.join("./log")).unwrap();
    let place = Place::find(&scene.join("log")).unwrap();
    place.rename("", ".1").unwrap();
    assert!(scene.join("log.1").exists() && place.rename("", ".1").is_err());
    fs::remove_dir_all(scene).unwrap();
}
