//! What a hostile owner of a directory gains: nothing.

use super::{Directory, run_path};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;

/// A run directory, and a file of somebody else's beside it.
struct Scene {
    above: PathBuf,
    run: PathBuf,
    victim: PathBuf,
}

const TEXT: &str = "somebody else's";

impl Scene {
    fn new(name: &str) -> Self {
        let above = std::env::temp_dir().join(format!("ftr-directory-{name}-{}", std::process::id()));
        let run = above.join("run");
        fs::create_dir_all(&run).unwrap();
        let victim = above.join("victim");
        fs::write(&victim, TEXT).unwrap();
        Self { above, run, victim }
    }

    fn open(&self) -> Directory {
        Directory::open(&self.run).unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        assert_eq!(fs::read_to_string(&self.victim).unwrap(), TEXT);
        fs::remove_dir_all(&self.above).unwrap();
    }
}

/// What it is, and how it is set.
type Trap = (&'static str, fn(&Scene, &PathBuf));

/// Ways to put something else into the place of a file.
const TRAPS: [Trap; 6] = [
    ("a symbolic link", |scene, place| symlink(&scene.victim, place).unwrap()),
    ("a symbolic link", |_, place| symlink("nowhere", place).unwrap()),
    ("2 names", |scene, place| fs::hard_link(&scene.victim, place).unwrap()),
    ("a FIFO", |_, place| mkfifo(place, Mode::S_IRWXU).unwrap()),
    ("a directory", |_, place| fs::create_dir(place).unwrap()),
    ("larger than", |_, place| fs::File::create(place).unwrap().set_len(1 << 40).unwrap()),
];

#[test]
fn what_is_no_file_of_ours_is_not_read_and_never_waited_for() {
    for (what, set) in TRAPS {
        let scene = Scene::new("read");
        set(&scene, &scene.run.join("file"));
        let error = scene.open().read("file", 64).unwrap_err();
        assert!(error.to_string().contains("run/file: ") && error.to_string().contains(what), "{error}, not {what}");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
    let scene = Scene::new("read");
    let listener = UnixListener::bind(scene.run.join("file")).unwrap();
    assert_eq!(scene.open().read("file", 64).unwrap_err().kind(), ErrorKind::InvalidData);
    let (_socket, path) = scene.open().socket("file").unwrap();
    UnixStream::connect(path).unwrap();
    drop(listener);
    for (_, set) in TRAPS {
        set(&scene, &scene.run.join("trap"));
        assert!(scene.open().socket("trap").is_err());
        scene.open().remove("trap").unwrap();
    }
    assert_eq!(scene.open().read("other", 64).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_the_owner_of_the_directory_has_written_is_not_our_own() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let scene = Scene::new("own");
    let give = |path: &PathBuf, owner| std::os::unix::fs::chown(path, Some(owner), None).unwrap();
    fs::write(scene.run.join("file"), "theirs").unwrap();
    give(&scene.run.join("file"), 65_533);
    // Also where the directory is root's by now, and the file was left behind.
    for owner in [65_533, 0] {
        give(&scene.run, owner);
        assert_eq!(scene.open().read("file", 64).unwrap(), b"theirs");
        let error = scene.open().read_own("file", 64).unwrap_err();
        assert!(error.to_string().contains("belongs to user 65533"), "{error}");
        assert_eq!(scene.open().read_own("other", 64).unwrap_err().kind(), ErrorKind::NotFound);
    }
    give(&scene.run, 65_533);
    scene.open().write_private("file", b"ours").unwrap();
    assert_eq!(scene.open().read_own("file", 64).unwrap(), b"ours");
}

#[test]
fn writing_replaces_whatever_is_in_the_way_and_changes_nothing_else() {
    for (what, set) in TRAPS {
        for trapped in [&["file"][..], &["file.next"], &["file", "file.next"]] {
            let scene = Scene::new("write");
            for name in trapped {
                set(&scene, &scene.run.join(name));
            }
            scene.open().write("file", b"ours").unwrap();
            let file = fs::symlink_metadata(scene.run.join("file")).unwrap();
            assert!(file.is_file() && file.permissions().mode() & 0o777 == 0o644, "{what}");
            assert_eq!(scene.open().read("file", 64).unwrap(), b"ours");
            assert!(!scene.run.join("file.next").exists());
        }
    }
    let scene = Scene::new("write");
    fs::create_dir_all(scene.run.join("file/full")).unwrap();
    let error = scene.open().write("file", b"ours").unwrap_err();
    assert!(error.to_string().contains("run/file: ") && !scene.run.join("file.next").exists(), "{error}");
}

#[test]
fn a_lock_is_held_by_one_whatever_lay_there_before() {
    for (_, set) in TRAPS {
        let scene = Scene::new("lock");
        set(&scene, &scene.run.join("lock"));
        let directory = scene.open();
        let lock = directory.try_lock("lock").unwrap().unwrap();
        assert!(lock.is_in_place(&directory, "lock"));
        assert!(scene.open().try_lock("lock").unwrap().is_none());
        assert_eq!(directory.holder("lock"), Some(std::process::id()));
        assert_eq!(directory.holder("other"), None);
        fs::remove_file(scene.run.join("lock")).unwrap();
        assert!(!lock.is_in_place(&directory, "lock"));
        drop(directory.try_lock("lock").unwrap().unwrap());
    }
}

#[test]
fn a_lock_that_outlives_its_holder_is_waited_for() {
    let scene = Scene::new("orphan");
    let directory = scene.open();
    drop(directory.try_lock("lock").unwrap().unwrap());
    // The shell ends, and what it has started has the lock.
    let line = "exec 9<>\"$0\" && flock 9 && { sleep 0.3 >/dev/null 2>&1 & }";
    let status = Command::new("sh").args(["-c", line]).arg(scene.run.join("lock")).status().unwrap();
    assert!(status.success() && directory.try_lock("lock").unwrap().is_none());
    let lock = directory.try_lock_after("lock").unwrap();
    assert!(lock.is_some());
    let asked = std::time::Instant::now();
    assert!(directory.try_lock_after("lock").unwrap().is_none(), "its holder lives");
    assert!(asked.elapsed().as_millis() < 1000);
}

#[test]
fn names_lead_nowhere_else() {
    let scene = Scene::new("names");
    let directory = scene.open();
    for name in ["../victim", "", ".", "..", "/etc/passwd", "a/b", "a\0b"] {
        assert!(directory.read(name, 64).is_err() && directory.write(name, b"x").is_err(), "{name}");
        assert!(directory.remove(name).is_err() && directory.try_lock(name).is_err(), "{name}");
        assert!(directory.short_path(name).is_err() && directory.stamp(name).is_none(), "{name}");
    }
}

#[test]
fn a_link_is_no_directory_and_one_that_was_moved_away_is_known() {
    let scene = Scene::new("link");
    let link = scene.above.join("link");
    symlink(&scene.run, &link).unwrap();
    for path in [link.clone(), link.join(""), link.join(".")] {
        assert!(Directory::open(&path).is_err() && Directory::make(&path).is_err(), "{}", path.display());
    }
    assert!(Directory::open(&scene.victim).is_err() && Directory::make(&scene.victim).is_err());
    let directory = scene.open();
    assert!(directory.is_in_place());
    fs::rename(&scene.run, scene.above.join("away")).unwrap();
    assert!(!directory.is_in_place());
    let directory = Directory::make(&scene.run.join("deep/below")).unwrap();
    assert!(directory.is_in_place() && fs::metadata(scene.run.join("deep")).unwrap().mode() & 0o777 == 0o755);
    assert!(run_path().is_absolute());
}

#[test]
fn one_that_a_stranger_makes_where_anybody_can_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let scene = Scene::new("stranger");
    std::os::unix::fs::chown(&scene.run, Some(65_533), None).unwrap();
    assert!(Directory::open(&scene.run).is_ok(), "only we could have made it");
    fs::set_permissions(&scene.above, fs::Permissions::from_mode(0o1777)).unwrap();
    let error = Directory::open(&scene.run).unwrap_err();
    assert!(error.to_string().contains("belongs to user 65533"), "{error}");
}
