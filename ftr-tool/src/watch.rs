//! Notices at once that somebody has taken the run directory away: whoever keeps something there
//! has to make it again.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// A watch on the directory above, which is where the removal shows. One of the directory itself says nothing as long as
/// anything in it is open, as our lock is.
#[derive(Debug)]
pub struct Watch {
    inotify: Inotify,
    name: OsString,
}

impl Watch {
    /// Begins to watch; none where the kernel has no more watches, or the directory above may not be read.
    #[must_use]
    pub fn begin(directory: &Path) -> Option<Self> {
        let above = directory.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
        let removals = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM | AddWatchFlags::IN_ONLYDIR;
        inotify.add_watch(above, removals).ok()?;
        Some(Self { inotify, name: directory.file_name()?.to_owned() })
    }

    /// Whether the directory was removed since the last call, or that cannot be told any more.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        let lost = AddWatchFlags::IN_Q_OVERFLOW | AddWatchFlags::IN_IGNORED;
        let mut is_removed = false;
        while let Ok(events) = self.inotify.read_events() {
            is_removed |=
                events.iter().any(|event| event.name.as_ref() == Some(&self.name) || event.mask.intersects(lost));
        }
        is_removed
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::Watch;
    use std::fs;

    #[test]
    fn only_the_directory_itself_is_told_of() {
        let above = std::env::temp_dir().join(format!("ftr-watch-{}", std::process::id()));
        let directory = above.join("run");
        fs::create_dir_all(&directory).unwrap();
        let watch = Watch::begin(&directory).unwrap();
        fs::write(above.join("other"), "").unwrap();
        fs::remove_file(above.join("other")).unwrap();
        fs::write(directory.join("file"), "").unwrap();
        fs::remove_file(directory.join("file")).unwrap();
        assert!(!watch.is_removed());
        let kept = fs::File::create(directory.join("lock")).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert!(watch.is_removed() && !watch.is_removed());
        drop(kept);
        fs::remove_dir_all(&above).unwrap();
        assert!(watch.is_removed(), "nothing is watched any more");
    }
}
