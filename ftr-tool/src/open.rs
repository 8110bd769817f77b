//! Opens files that whoever calls a program names: no more than they may read themselves, and nothing that hangs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::unistd::{AccessFlags, access};

/// Opens a file for reading.
///
/// A program that is set-uid or has file capabilities can read more than the user who runs it. So what access(2) denies
/// to the real user and group is denied: to the path, and to the file that it led to, in case the path has changed.
/// Anything but a regular file is refused, because opening or reading it may take for ever or do something, unless it was
/// opened by the caller already: `/dev/fd/N`, which is what a shell makes of `<(COMMAND)`.
///
/// # Errors
/// It is not there, is not readable by the caller, or is not a regular file.
pub fn readable(path: &Path) -> io::Result<File> {
    access(path, AccessFlags::R_OK)?;
    let mut options = OpenOptions::new();
    options.read(true);
    if !is_inherited(path) {
        // Before it is opened too, because that alone does something to some devices.
        regular(&path.metadata()?)?;
        options.custom_flags(O_NONBLOCK | O_NOCTTY);
    }
    let file = options.open(path)?;
    if !is_inherited(path) {
        regular(&file.metadata()?)?;
    }
    match access(format!("/proc/self/fd/{}", file.as_raw_fd()).as_str(), AccessFlags::R_OK) {
        // Where proc(5) is not mounted, which nobody but root can bring about.
        Ok(()) | Err(Errno::ENOENT) => Ok(file),
        Err(error) => Err(error.into()),
    }
}

fn regular(metadata: &std::fs::Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        Err(Errno::EISDIR.into())
    } else if metadata.is_file() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// Whether the path stands for a descriptor of ours, and for nothing else.
fn is_inherited(path: &Path) -> bool {
    let number = ["/dev/fd", "/proc/self/fd"].iter().find_map(|directory| path.strip_prefix(directory).ok());
    path == Path::new("/dev/stdin")
        || number
            .and_then(Path::to_str)
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{is_inherited, readable};
    use nix::sys::stat::Mode;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::path::{Path, PathBuf};

    #[test]
    fn only_numbers_are_descriptors() {
        for path in ["/dev/fd/0", "/proc/self/fd/63", "/dev/stdin"] {
            assert!(is_inherited(Path::new(path)), "{path}");
        }
        for path in
            ["/dev/fd", "/dev/fd/", "/dev/fd/../../etc/shadow", "/dev/fd/3/x", "/dev/fdx/3", "/proc/1/fd/3", "dev/fd/3"]
        {
            assert!(!is_inherited(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let fifo = std::env::temp_dir().join(format!("ftr-open-{}", std::process::id()));
        nix::unistd::mkfifo(&fifo, Mode::S_IRUSR).unwrap();
        let links: [PathBuf; 4] = [fifo.clone(), "/dev/zero".into(), "/dev".into(), "/dev/fd/../zero".into()];
        let refused = links.map(|path| readable(&path).map_err(|error| error.to_string()));
        std::fs::remove_file(&fifo).unwrap();
        for outcome in refused {
            let error = outcome.unwrap_err();
            assert!(error == "not a regular file" || error.contains("directory"), "{error}");
        }
    }

    #[test]
    fn what_a_shell_hands_over_is_read() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        std::fs::File::from(writer).write_all(b"text").unwrap();
        let mut text = String::new();
        readable(Path::new(&format!("/dev/fd/{}", reader.as_raw_fd()))).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }
}
