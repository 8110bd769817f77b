//! Reads and sets kernel parameters (sysctl(8)).

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use ftr_core::Family;

use crate::plan::sysctl::{FORWARDING, Net, REDIRECTS, Setting, Values};

/// Where the kernel shows its parameters.
const ROOT: &str = "/proc/sys";

/// Reads these parameters; those that cannot be read are left out.
pub(crate) fn read(paths: impl IntoIterator<Item = String>) -> Values {
    let value = |path: String| {
        let value = read_one(&path).ok()?;
        Some((path, value))
    };
    paths.into_iter().filter_map(value).collect()
}

/// In one read: there are hundreds of them where there are hundreds of uplinks, and each is a few digits.
fn read_one(path: &str) -> io::Result<String> {
    let mut digits = [0; 64];
    let length = fs::File::open(Path::new(ROOT).join(path))?.read(&mut digits)?;
    Ok(String::from_utf8_lossy(digits.get(..length).unwrap_or_default()).trim_end().to_owned())
}

/// Sets a parameter.
///
/// # Errors
/// The kernel does not have it, or does not let us.
pub(crate) fn write(setting: &Setting) -> io::Result<()> {
    fs::write(Path::new(ROOT).join(&setting.path), &setting.value)
}

/// A parameter, and those that the kernel changes along with it.
pub(crate) fn touched(path: &str) -> Vec<String> {
    let mut paths = vec![path.to_owned()];
    for net in [Family::V4, Family::V6].map(Net).into_iter().filter(|net| net.forward() == path) {
        // Without the directory there are no devices.
        let devices = fs::read_dir(Path::new(ROOT).join(net.path("conf"))).into_iter().flatten().flatten();
        let devices = devices.filter_map(|device| device.file_name().into_string().ok());
        paths.extend(devices.map(|device| net.device(&device, FORWARDING)));
        paths.push(net.device("all", REDIRECTS));
    }
    paths
}
