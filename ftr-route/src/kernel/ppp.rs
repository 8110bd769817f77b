//! The devices that PPP connections go through (RFC 2516).

use std::fs;

/// Where the kernel tells of its sessions, if it can have any (`net/pppoe.c`).
const SESSIONS: &str = "/proc/net/pppoe";

/// The devices that have a session.
pub(crate) fn carriers() -> Vec<String> {
    devices(&fs::read_to_string(SESSIONS).unwrap_or_default())
}

/// The last word of each line behind the heading: number, address of the far end, device.
fn devices(sessions: &str) -> Vec<String> {
    let device = |line: &str| {
        let mut words = line.split_whitespace();
        words.nth(2).map(str::to_owned)
    };
    sessions.lines().skip(1).filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::devices;

    #[test]
    fn the_kernel_names_the_device_of_each_session() {
        let sessions = "Id       Address              Device\n00000A00 02:00:00:00:00:01     eth2\n00000B00 02:00:00:00:00:02 enp3s0.7\n";
        assert_eq!(devices(sessions), ["eth2", "enp3s0.7"]);
        assert_eq!((devices("").len(), devices("Id\nx\n").len()), (0, 0));
    }
}
