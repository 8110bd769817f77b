//! The devices of the uplinks, and what goes through them.

use std::time::Duration;

use ftr_core::InterfaceName;
use ftr_netlink::Counters;

use crate::Error;
use crate::host::Host;
use crate::plan::Plan;
use crate::traffic::Traffic;
use crate::usage::Usage;

/// The counters are read at least so often.
const SAMPLE: Duration = Duration::from_millis(100);
/// They are read that much earlier whenever something else has woken this program: waking up costs more than reading.
const EARLY: Duration = Duration::from_millis(50);

/// Replies no older than this show that an uplink works, and whoever sent nothing for so long uses none.
const FRESH: Duration = Duration::from_secs(2);

/// Devices whose counters are read again and again.
#[derive(Debug)]
pub(crate) struct Devices {
    watched: Vec<Device>,
    /// Stands for the devices that are not watched: nothing is known of them.
    unknown: Traffic,
    next: Option<Duration>,
    counters: Vec<(u32, Counters)>,
    suspects: Vec<InterfaceName>,
}

#[derive(Debug)]
struct Device {
    name: InterfaceName,
    traffic: Traffic,
    usage: Usage,
}

impl Devices {
    /// The devices of these plans, each once. Where no plan wants to know of traffic none is ever read.
    pub(crate) fn new<'a>(plans: impl Iterator<Item = &'a Plan>) -> Self {
        let mut watched: Vec<Device> = Vec::new();
        for plan in plans.filter(|plan| plan.watch_traffic || plan.metered.is_some()) {
            if !watched.iter().any(|device| device.name == plan.uplink) {
                watched.push(Device { name: plan.uplink.clone(), traffic: Traffic::new(), usage: Usage::default() });
            }
        }
        let next = (!watched.is_empty()).then_some(Duration::ZERO);
        Self { watched, unknown: Traffic::new(), next, counters: Vec::new(), suspects: Vec::new() }
    }

    /// When the counters are read next; never where nobody wants to know.
    pub(crate) const fn wake(&self) -> Option<Duration> {
        self.next
    }

    /// Reads the counters if it is time to, and tells whose are suspicious. `probes` tells how many packets probing has
    /// sent through a device so far; `missed` is how long this host has stood still by now, altogether.
    pub(crate) fn sample(
        &mut self,
        host: &mut Host,
        probes: impl Fn(&InterfaceName) -> u64,
        (now, missed): (Duration, Duration),
    ) -> Result<&[InterfaceName], Error> {
        self.suspects.clear();
        if self.next.is_none_or(|next| next > now + EARLY) {
            return Ok(&self.suspects);
        }
        self.next = Some(now + SAMPLE);
        host.counters(&mut self.counters)?;
        let snapshot = host.snapshot(now)?;
        for device in &mut self.watched {
            let index = snapshot.index(device.name.as_str());
            let counters = self.counters.iter().find(|(of, _)| Some(*of) == index).map(|(_, counters)| *counters);
            let Some(counters) = counters else { continue };
            device.usage.read(counters.tx_packets, probes(&device.name), now);
            if device.traffic.read(counters, (now, missed)) {
                self.suspects.push(device.name.clone());
            }
        }
        Ok(&self.suspects)
    }

    /// How many bytes have gone through a device since it was made, in both directions; none where it is not there.
    pub(crate) fn bytes(&mut self, host: &mut Host, name: &InterfaceName, now: Duration) -> Result<Option<u64>, Error> {
        host.counters(&mut self.counters)?;
        let index = host.snapshot(now)?.index(name.as_str());
        let counters = self.counters.iter().find(|(of, _)| Some(*of) == index);
        Ok(counters.map(|(_, counters)| counters.rx_bytes.saturating_add(counters.tx_bytes)))
    }

    /// What is known of a device's traffic.
    pub(crate) fn traffic(&self, name: &InterfaceName) -> &Traffic {
        self.device(name).map_or(&self.unknown, |device| &device.traffic)
    }

    /// Whether what people send through a device is being answered.
    pub(crate) fn is_answered(&self, name: &InterfaceName, now: Duration) -> bool {
        self.traffic(name).carries(now.saturating_sub(FRESH), now)
    }

    /// Whether nobody sends anything through a device that was last checked at `last`.
    pub(crate) fn is_idle(&self, name: &InterfaceName, last: Duration, now: Duration) -> bool {
        self.device(name).is_some_and(|device| device.usage.is_idle(last.max(now.saturating_sub(FRESH))))
    }

    /// A check has found that the uplink works.
    pub(crate) fn cleared(&mut self, name: &InterfaceName, now: Duration) {
        if let Some(device) = self.watched.iter_mut().find(|device| device.name == *name) {
            device.traffic.cleared(now);
        }
    }

    fn device(&self, name: &InterfaceName) -> Option<&Device> {
        self.watched.iter().find(|device| device.name == *name)
    }
}
