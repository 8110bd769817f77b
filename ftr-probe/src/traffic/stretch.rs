//! What went through a device between two readings of its counters.

use std::time::Duration;

use ftr_netlink::Counters;

/// What went through between two readings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stretch {
    /// When it ended, since boot.
    pub(super) end: Duration,
    /// How long it lasted, in seconds.
    pub(super) seconds: f64,
    /// Packets sent.
    pub(super) sent: f64,
    /// Packets received, but for those counted as multicast.
    pub(super) received: f64,
    /// Bytes in either direction.
    pub(super) bytes: f64,
}

impl Stretch {
    /// None where the counters went backwards: the device was made anew.
    pub(super) fn between(before: (Duration, Counters), after: (Duration, Counters)) -> Option<Self> {
        let ((start, old), (end, new)) = (before, after);
        let received = new.rx_packets.checked_sub(old.rx_packets)?;
        let multicast = new.multicast.checked_sub(old.multicast)?;
        Some(Self {
            end,
            seconds: end.checked_sub(start)?.as_secs_f64(),
            sent: number(new.tx_packets.checked_sub(old.tx_packets)?),
            received: number(received.saturating_sub(multicast)),
            bytes: number(new.tx_bytes.checked_sub(old.tx_bytes)?) + number(new.rx_bytes.checked_sub(old.rx_bytes)?),
        })
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            end: self.end.max(other.end),
            seconds: self.seconds + other.seconds,
            sent: self.sent + other.sent,
            received: self.received + other.received,
            bytes: self.bytes + other.bytes,
        }
    }
}

fn number(packets: u64) -> f64 {
    f64::from(u32::try_from(packets).unwrap_or(u32::MAX))
}
