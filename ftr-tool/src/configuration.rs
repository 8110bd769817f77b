//! Reads the file of a configuration.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ftr_core::Config;
use ftr_core::config::{BYTE_ORDER_MARK, MAX_FILE, Problems};

use crate::assigned;
use crate::open::readable;

/// Reads and checks a file.
///
/// # Errors
/// All problems of the file at once, each with its location.
pub fn load(file: &Path) -> Result<Config, Problems> {
    Ok(load_with_text(file)?.0)
}

/// The same, with the text that was read: the file may be another a moment later.
///
/// # Errors
/// As [`load`].
pub fn load_with_text(file: &Path) -> Result<(Config, String), Problems> {
    let (text, mode) = read(file).map_err(|reason| Problems::of_file(file, reason))?;
    let name = copied_from(file);
    let mut config = Config::parse(&name, &text)?.beside_mode(&text, mode);
    if name != file {
        config.assignment = assigned::of_copy(&text);
    }
    Ok((config, text))
}

/// The file that people know: of a copy in memory (`memfd_create(2)`) the one that its name tells, proc(5).
fn copied_from(file: &Path) -> PathBuf {
    let link = file.starts_with("/proc/self/fd").then(|| std::fs::read_link(file).ok()).flatten();
    let name = link.as_ref().and_then(|link| link.to_str()?.strip_prefix("/memfd:")?.strip_suffix(" (deleted)"));
    name.map_or_else(|| file.to_owned(), PathBuf::from)
}

/// The text of a file, and its mode bits.
fn read(file: &Path) -> Result<(String, u32), String> {
    let open = readable(file).map_err(|error| error.to_string())?;
    let mode = open.metadata().map_err(|error| error.to_string())?.mode();
    let mut bytes = Vec::new();
    open.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("larger than {} KiB", MAX_FILE / 1024));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| format!("not UTF-8 text: {error}"))?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.remove(0);
    }
    Ok((text, mode))
}

#[cfg(test)]
mod tests {
    use super::load;
    use std::path::Path;

    #[test]
    fn an_unreadable_file_is_named() {
        let lines = load(Path::new("/nonexistent/ftr.yaml")).expect_err("there is none").lines();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("/nonexistent/ftr.yaml: "), "{}", lines[0]);
    }
}
