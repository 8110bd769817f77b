//! The answer of whatever listens where the monitor should.

use super::prometheus::metrics;
use super::{Status, json, sanitize, table};

/// Nothing in an answer reaches the terminal as a control character, and what is read, written and read again is the same.
///
/// # Panics
/// That is not so.
pub fn status(bytes: &[u8]) {
    let Ok(mut status) = serde_json::from_slice::<Status>(bytes) else { return };
    // What is not known is passed on unread, whatever numbers are in it.
    status.more.clear();
    status.uplinks.iter_mut().for_each(|uplink| uplink.more.clear());
    status.children.iter_mut().for_each(|child| child.more.clear());
    // serde_json may read the last digit of a fraction as its neighbour.
    status.uplinks.iter_mut().for_each(|uplink| uplink.rtt_ms = uplink.rtt_ms.map(|_| 1.5));
    let Ok(written) = json(&status) else { panic!("cannot be written: {status:?}") };
    assert_eq!(serde_json::from_str::<Status>(&written).ok().as_ref(), Some(&status), "{written}");
    assert!(!sanitize(&written).contains(char::is_control));
    let text = table(&status, Some("a\u{1b}[2J"), false);
    assert!(!text.contains(|one: char| one.is_control() && one != '\n'), "{text:?}");
    assert!(text.lines().count() <= 2 * status.uplinks.len() + status.hazards.len() + 10, "{text:?}");
    let metrics = metrics(&status);
    assert!(metrics.lines().all(|line| line.starts_with("# ") || line.starts_with("ftr_")), "{metrics:?}");
    assert!(!metrics.contains(|one: char| one.is_control() && one != '\n'), "{metrics:?}");
}
