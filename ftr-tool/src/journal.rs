//! The journal of systemd, where it reads what a program writes to stderr.

use std::ffi::OsStr;
use std::fmt::Display;
use std::os::fd::AsFd;

use ftr_core::Severity;
use nix::sys::stat::fstat;

/// Whether the journal reads what is written to a stream: systemd names that stream by its file in `$JOURNAL_STREAM`
/// (systemd.exec(5)). It may be another's by now, or have been redirected.
#[must_use]
pub fn reads(stream: impl AsFd) -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some_and(|named| is_named(&named, stream))
}

fn is_named(named: &OsStr, stream: impl AsFd) -> bool {
    fstat(stream).is_ok_and(|file| named.to_str() == Some(&format!("{}:{}", file.st_dev, file.st_ino)))
}

/// A line as the journal takes it from a stream: its severity comes before it (sd-daemon(3)).
#[must_use]
pub fn line(severity: Severity, text: impl Display) -> String {
    format!("<{}>{text}\n", severity.number())
}

#[cfg(test)]
mod tests {
    use super::{is_named, line};
    use ftr_core::Severity;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn only_the_very_stream_that_is_named_is_the_journal() {
        let (file, other) =
            (std::fs::File::open("/proc/self/stat").unwrap(), std::fs::File::open("/dev/null").unwrap());
        let found = other.metadata().unwrap();
        let named = format!("{}:{}", found.dev(), found.ino());
        assert!(is_named(named.as_ref(), &other) && !is_named(named.as_ref(), &file));
        for wrong in ["", ":", "1:2:3", &format!("{named} ")] {
            assert!(!is_named(wrong.as_ref(), &other), "{wrong:?}");
        }
    }

    #[test]
    fn a_line_begins_with_its_severity() {
        assert_eq!(line(Severity::Warning, "eth1 is down"), "<4>eth1 is down\n");
    }
}
