//! The file of the run directory, whatever is in it.

use super::{Values, Whole, parameter, undo};

/// What is put back is what the file names and the kernel has as it was left; what we may have written lies below
/// `/proc/sys/net` and is a number.
///
/// # Panics
/// That is not so.
pub fn sysctl_memory(bytes: &[u8]) {
    let Ok(whole) = serde_json::from_slice::<Whole>(bytes) else { return };
    let written = serde_json::to_vec(&whole).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<Whole>(&written).ok().as_ref(), Some(&whole));
    for changes in whole.namespaces.values() {
        for (path, change) in changes.iter().filter(|(path, it)| parameter::is_ours(path, &it.found, &it.set)) {
            assert!(path.starts_with("net/ipv"), "{path:?}");
            assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path:?}");
            for value in [&change.found, &change.set] {
                assert!(!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()), "{value:?}");
            }
        }
        let seen: Values = changes.iter().map(|(path, change)| (path.clone(), change.set.clone())).collect();
        let settings = undo(changes, &seen);
        assert!(settings.len() <= changes.len());
        for setting in settings {
            let change = changes.get(&setting.path);
            assert!(change.is_some_and(|change| change.found == setting.value), "{setting:?}");
        }
        assert!(undo(changes, &Values::new()).is_empty(), "parameters that are not there");
    }
}
