//! For tests: a directory whose owner means harm, and what is beside it, which must stay as it is.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

/// The user who means harm, and one who has nothing to do with it.
const OWNERS: [u32; 3] = [65_533, 0, 65_532];

/// A directory of a hostile user's, and files of others outside.
#[derive(Debug)]
pub struct Hostile {
    above: PathBuf,
    outside: BTreeMap<PathBuf, String>,
}

impl Hostile {
    /// A new one, named after the test.
    ///
    /// # Errors
    /// The files of the test cannot be made.
    pub fn new(test: &str) -> io::Result<Self> {
        let above = std::env::temp_dir().join(format!("ftr-hostile-{test}-{}", std::process::id()));
        let outside = above.join("outside");
        fs::create_dir_all(outside.join("directory"))?;
        for (name, mode) in [("file", 0o644), ("secret", 0o600), ("directory/inner", 0o666), ("program", 0o4755)] {
            fs::write(outside.join(name), format!("{name}\n"))?;
            fs::set_permissions(outside.join(name), Permissions::from_mode(mode))?;
        }
        let mut hostile = Self { above, outside: BTreeMap::new() };
        hostile.outside = hostile.look()?;
        fs::create_dir(hostile.directory())?;
        Ok(hostile)
    }

    /// The one that is below this directory already: another process has made it.
    ///
    /// # Errors
    /// It is not.
    pub fn at(above: &Path) -> io::Result<Self> {
        let mut hostile = Self { above: above.to_owned(), outside: BTreeMap::new() };
        hostile.outside = hostile.look()?;
        Ok(hostile)
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.above.join("run")
    }

    /// Puts something into the place of each of these files: nothing, what `text` says, or something that is no file of ours.
    ///
    /// # Errors
    /// The files of the test cannot be made.
    pub fn lay(
        &self,
        names: &[String],
        rng: &mut Rng,
        mut text: impl FnMut(&mut Rng, &str) -> Vec<u8>,
    ) -> io::Result<()> {
        let directory = self.directory();
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory)?;
        fs::set_permissions(&directory, Permissions::from_mode(pick(rng, &[0o755, 0o700, 0o777])?))?;
        for name in names {
            let place = directory.join(name);
            self.put(&place, rng, |rng| text(rng, name))?;
            // In a user namespace there may be no other user; then it is ours.
            let owner = pick(rng, &OWNERS)?;
            if fs::symlink_metadata(&place).is_ok_and(|put| put.is_dir() || put.nlink() == 1) {
                let _ = lchown(&place, Some(owner), None);
            }
        }
        let owner = if rng.u8(..8) == 0 { 0 } else { OWNERS[0] };
        let _ = lchown(&directory, Some(owner), Some(owner));
        Ok(())
    }

    fn put(&self, place: &Path, rng: &mut Rng, text: impl FnOnce(&mut Rng) -> Vec<u8>) -> io::Result<()> {
        let outside = self.above.join("outside");
        let target = pick(rng, &["file", "secret", "directory", "directory/inner", "program", "new", "directory/new"])?;
        match rng.u8(..24) {
            0 => {}
            1 | 2 => symlink(outside.join(target), place)?,
            3 => symlink(Path::new("../outside").join(target), place)?,
            4 => symlink(place, place)?,
            // A directory has no second name, and what is not there has none.
            5 | 6 => drop(fs::hard_link(outside.join(target), place)),
            7 => mkfifo(place, Mode::from_bits_truncate(0o666))?,
            8 => drop(UnixListener::bind(place)?),
            9 => fs::create_dir(place)?,
            10 => {
                fs::create_dir(place)?;
                symlink(outside.join(target), place.join("link"))?;
            }
            11 => File::create(place)?.set_len(1 << rng.u64(10..40))?,
            // Only root can make one, which the hostile user is not.
            12 => drop(mknod(place, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 5))),
            _ => {
                File::create(place)?.write_all(&text(rng))?;
                let mode = pick(rng, &[0o644, 0o600, 0o000, 0o666, 0o4755, 0o444])?;
                fs::set_permissions(place, Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    }

    /// Fails where anything outside is not as it was.
    ///
    /// # Panics
    /// It is not.
    pub fn assert_unharmed(&self) {
        assert_eq!(self.look().ok().as_ref(), Some(&self.outside));
    }

    fn look(&self) -> io::Result<BTreeMap<PathBuf, String>> {
        let mut seen = BTreeMap::new();
        let mut waiting = vec![self.above.join("outside")];
        while let Some(path) = waiting.pop() {
            let of = fs::symlink_metadata(&path)?;
            let mut state = format!("{:o} {}:{} {} {}", of.mode(), of.uid(), of.gid(), of.mtime_nsec(), of.ino());
            if of.is_dir() {
                for entry in fs::read_dir(&path)? {
                    waiting.push(entry?.path());
                }
            } else if of.is_file() {
                state.push_str(&fs::read_to_string(&path)?);
            }
            seen.insert(path, state);
        }
        Ok(seen)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.above);
    }
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> io::Result<T> {
    rng.choice(of).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Some bytes of a text exchanged, cut off, or repeated.
#[must_use]
pub fn damaged(rng: &mut Rng, text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for _ in 0..rng.u8(..4) {
        let at = rng.usize(..=text.len());
        match rng.u8(..3) {
            0 => text.truncate(at),
            1 => text.extend_from_within(at..),
            _ => text.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.u8(..)),
        }
    }
    text
}
