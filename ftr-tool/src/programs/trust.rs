//! Who could have put a file where it is.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::geteuid;

/// As many links as the kernel follows (`path_resolution(7)`).
const MOST_LINKS: u32 = 40;

const GROUP: u32 = 0o020;
const OTHERS: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Who is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trust {
    owners: Vec<u32>,
    group: Option<u32>,
}

impl Trust {
    /// Root alone.
    pub(super) fn root() -> Self {
        let mut owners = vec![0];
        owners.extend(outside());
        Self { owners, group: None }
    }

    /// Root, and the user whose process this is.
    pub(super) fn ours() -> Self {
        Self::of(geteuid().as_raw())
    }

    /// Root and another user.
    pub(super) fn of(user: u32) -> Self {
        let mut trust = Self::root();
        trust.owners.push(user);
        trust
    }

    /// Root, and whoever can write the file of the running program: what they want done they could do there.
    ///
    /// # Errors
    /// The file is gone.
    pub(super) fn like(running: &Path) -> io::Result<Self> {
        let file = fs::metadata(running)?;
        let mut trust = Self::root();
        trust.owners.push(file.uid());
        trust.group = (file.mode() & GROUP != 0).then(|| file.gid());
        Ok(trust)
    }

    /// Whether an absolute path leads to a file that nobody else can have written or put there.
    ///
    /// Every directory and every link that the kernel goes through is looked at, from the root.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no file; [`ErrorKind::PermissionDenied`] where somebody could, and who.
    pub(super) fn check(&self, path: &Path) -> io::Result<()> {
        let mut left: VecDeque<OsString> = parts(path);
        let mut place = PathBuf::from("/");
        let mut links = 0;
        let mut now = self.look(&place)?;
        while let Some(part) = left.pop_front() {
            if part == OsStr::new("..") {
                place.pop();
                now = self.look(&place)?;
                continue;
            }
            place.push(part);
            now = self.look(&place)?;
            if now.is_symlink() {
                links += 1;
                if links > MOST_LINKS {
                    return Err(io::Error::other(format!("{}: too many links", path.display())));
                }
                let target = fs::read_link(&place)?;
                place = if target.is_absolute() { PathBuf::from("/") } else { parent(place) };
                for part in parts(&target).into_iter().rev() {
                    left.push_front(part);
                }
            }
        }
        if now.is_file() { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    }

    fn look(&self, place: &Path) -> io::Result<fs::Metadata> {
        let seen = fs::symlink_metadata(place)?;
        let refused = |who: String| {
            let what = format!("{}: {who}, so it is not run", place.display());
            Err(io::Error::new(ErrorKind::PermissionDenied, what))
        };
        if !self.owners.contains(&seen.uid()) {
            return refused(format!("belongs to user {}", seen.uid()));
        }
        // A link has no mode of its own. In a sticky directory others may add names, but not take one of ours.
        if seen.is_symlink() || (seen.is_dir() && seen.mode() & STICKY != 0) {
            return Ok(seen);
        }
        if seen.mode() & OTHERS != 0 {
            return refused("everybody can write it".to_owned());
        }
        if seen.mode() & GROUP != 0 && self.group != Some(seen.gid()) {
            return refused(format!("group {} can write it", seen.gid()));
        }
        Ok(seen)
    }
}

fn parent(mut place: PathBuf) -> PathBuf {
    place.pop();
    place
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(named).collect()
}

/// Whose the files of all users are that our user namespace does not have (`user_namespaces(7)`): the host's root is among
/// them, and none of ours. None where ours has that number itself, as the first one does.
fn outside() -> Option<u32> {
    let unknown = fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok()?;
    let map = fs::read_to_string("/proc/self/uid_map").ok()?;
    (!maps(&map, unknown)).then_some(unknown)
}

/// Whether a map, with lines of first number inside, first outside and how many, has a number inside.
fn maps(map: &str, number: u32) -> bool {
    map.lines().any(|line| {
        let mut words = line.split_whitespace().map(str::parse::<u32>);
        let (Some(Ok(first)), Some(_), Some(Ok(count))) = (words.next(), words.next(), words.next()) else {
            return true;
        };
        number.checked_sub(first).is_some_and(|at| at < count)
    })
}

#[cfg(test)]
mod tests {
    use super::{Trust, maps};
    use std::io::ErrorKind;
    use std::path::Path;

    #[test]
    fn another_user_is_not_believed() {
        let stranger = Trust { owners: vec![u32::MAX - 7], group: None };
        let error = stranger.check(Path::new("/usr/bin/env")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.to_string().starts_with("/: belongs to user "), "{error}");
        assert!(Trust::root().check(Path::new("/usr/bin/env")).is_ok());
        assert!(Trust::root().check(Path::new("/usr/bin/../bin/./env")).is_ok());
        assert_eq!(Trust::root().check(Path::new("/usr/bin")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn only_numbers_without_a_user_stand_for_the_host() {
        assert!(maps("         0          0 4294967295\n", 65534));
        assert!(maps("0 100000 65536\n", 65534));
        assert!(!maps("0 1000 1\n", 65534));
        assert!(!maps("0 1000 1\n1 100000 65533\n", 65534));
        assert!(maps("what is this\n", 65534));
        assert!(!maps("", 65534));
    }
}
