//! Whether people send through a device, or only this program does.

use std::collections::VecDeque;
use std::time::Duration;

/// How many readings are remembered: two seconds and more.
const REMEMBERED: usize = 40;
/// What a host that nobody uses sends all the same: to ask for its neighbours and routers, and to answer them.
const STRAY: u64 = 2;

/// The latest readings of a device's counter.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    readings: VecDeque<Reading>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Duration,
    /// Packets sent through the device.
    sent: u64,
    /// Those of them that probing has sent.
    probes: u64,
}

impl Usage {
    /// Takes a reading: how many packets the device has sent, and how many of them were probes.
    pub(crate) fn read(&mut self, sent: u64, probes: u64, at: Duration) {
        // The device was made anew.
        if self.readings.back().is_some_and(|last| sent < last.sent) {
            self.readings.clear();
        }
        if self.readings.len() == REMEMBERED {
            self.readings.pop_front();
        }
        self.readings.push_back(Reading { at, sent, probes });
    }

    /// Whether hardly anything but probes was sent since then. False where nobody knows.
    pub(crate) fn is_idle(&self, since: Duration) -> bool {
        let before = self.readings.iter().rev().find(|reading| reading.at <= since);
        before.zip(self.readings.back()).is_some_and(|(before, last)| {
            let sent = last.sent.saturating_sub(before.sent);
            last.at > before.at && sent.saturating_sub(last.probes.saturating_sub(before.probes)) <= STRAY
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;
    use std::time::Duration;

    const TENTH: Duration = Duration::from_millis(100);

    #[test]
    fn what_probing_sends_is_no_use() {
        let mut usage = Usage::default();
        assert!(!usage.is_idle(TENTH), "nothing is known");
        let (mut sent, mut probes) = (1000, 0);
        for n in 1..=10 {
            usage.read(sent, probes, TENTH * n);
            sent += 4;
            probes += 4;
        }
        assert!(usage.is_idle(TENTH) && usage.is_idle(TENTH * 5));
        assert!(!usage.is_idle(TENTH / 2), "that was before the first reading");
        usage.read(sent + 3, probes, TENTH * 11);
        assert!(!usage.is_idle(TENTH) && !usage.is_idle(TENTH * 10));
        assert!(!usage.is_idle(TENTH * 11), "nothing was read since");
        usage.read(sent + 3, probes, TENTH * 12);
        assert!(usage.is_idle(TENTH * 11));
    }

    #[test]
    fn a_device_made_anew_starts_over() {
        let mut usage = Usage::default();
        usage.read(1000, 0, TENTH);
        usage.read(3, 0, TENTH * 2);
        assert!(!usage.is_idle(TENTH));
        usage.read(5, 0, TENTH * 3);
        assert!(usage.is_idle(TENTH * 2));
    }
}
