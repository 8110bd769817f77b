//! This host.

/// The name of this host, for subjects.
pub(crate) fn name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| ftr_core::sanitize::sanitize(name.trim()).into_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "router".to_owned())
}
