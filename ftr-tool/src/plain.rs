//! What a file has to be before anything is read from it or written to it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, SFlag, fstat};

/// Flags that no opening does without: a FIFO never blocks, a terminal never becomes ours, nothing leaks into children.
pub(crate) const GUARDED: OFlag = OFlag::O_CLOEXEC.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

/// How much of it is shown, in characters.
const QUOTED: usize = 200;

/// Why a file that was opened is not to be believed; none where it may be. `owners` are those whose file it may be, none
/// given: anybody's.
pub(crate) fn objection(stat: &FileStat, owners: Option<&[u32]>) -> Option<String> {
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFREG {
        return Some(format!("is {}, not a regular file", word(kind)));
    }
    // It has no name any more where a newer one has just taken its place.
    if stat.st_nlink > 1 {
        return Some(format!("has {} names (hard links), so it may be a file from elsewhere", stat.st_nlink));
    }
    let foreign = owners.is_some_and(|owners| !owners.contains(&stat.st_uid));
    foreign.then(|| format!("belongs to user {}, who has no business there", stat.st_uid))
}

/// Reads a file that was found to be in order, if it is no longer than `limit` bytes.
pub(crate) fn read(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let too_large = || refused(format!("is larger than {limit} bytes"));
    if file.metadata()?.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// Reads a regular file whose path somebody else has told us. To open a device can be harmful by itself (a watchdog
/// starts), so it is looked at first, through a descriptor that opens nothing (`O_PATH`).
pub(crate) fn read_told(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let found = File::options().read(true).custom_flags((OFlag::O_PATH | GUARDED).bits()).open(path)?;
    let kind = SFlag::from_bits_truncate(fstat(&found)?.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFREG {
        return Err(refused(format!("is {}, not a regular file", word(kind))));
    }
    let again = format!("/proc/self/fd/{}", found.as_raw_fd());
    read(File::options().read(true).custom_flags(GUARDED.bits()).open(again)?, limit)
}

/// The beginning of a message that quotes what a stranger may have written.
#[must_use]
pub fn brief(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// An error about what a file is.
pub(crate) fn refused(reason: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}

fn word(kind: SFlag) -> &'static str {
    match kind {
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFSOCK => "a socket",
        SFlag::S_IFCHR | SFlag::S_IFBLK => "a device",
        _ => "something else",
    }
}
