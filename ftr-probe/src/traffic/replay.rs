//! Trials on recordings of real traffic.
//!
//! A recording is a list of stretches of 50 ms, each as `sent/received` packets of the uplink with weight 1 of three,
//! twenty to a line; `break` and `mend` stand where the provider began and ceased to drop everything, or only what
//! comes back (`replies-lost.txt`). They were made in the lab: 40 short connections a second over weights 1, 2, 1 (8 or
//! 12 where something else is the matter), 50 broadcasts a second from each provider at random times, unless the name
//! says otherwise.

use super::Traffic;
use ftr_netlink::Counters;
use std::time::Duration;

const SILENT: &str = include_str!("recordings/silent.txt");
const SILENT_REGULAR_NOISE: &str = include_str!("recordings/silent-regular-noise.txt");
const SILENT_HELD: &str = include_str!("recordings/silent-held.txt");
const REPLIES_LOST: &str = include_str!("recordings/replies-lost.txt");
const HEALTHY: &str = include_str!("recordings/healthy.txt");
const DOWNLOADS: &str = include_str!("recordings/downloads.txt");
const PAGES: &str = include_str!("recordings/pages.txt");
const VIDEO: &str = include_str!("recordings/video.txt");
const UPLOAD: &str = include_str!("recordings/upload.txt");
const NOISE: &str = include_str!("recordings/noise.txt");

/// Milliseconds between readings, and until a check has found the uplink up.
pub(super) const TICK: u32 = 100;
const CHECK: u32 = 50;
/// For so long after a repair people's programs still wait: neither broken nor healthy.
const RECOVERY: u32 = 1000;

/// A device in a trial, and what was made of its packets. All times are milliseconds since boot.
pub(super) struct Device {
    pub(super) traffic: Traffic,
    pub(super) ms: u32,
    counters: Counters,
    broken: Option<u32>,
    repaired: u32,
    /// A suspicion on a working line is being checked, until then.
    checking: Option<u32>,
    detected: bool,
    /// How long each detection took.
    pub(super) found: Vec<u32>,
    pub(super) missed: u32,
    pub(super) suspicions: u32,
    healthy: u32,
}

impl Device {
    pub(super) fn new() -> Self {
        Self {
            traffic: Traffic::new(),
            ms: 1_000_000,
            counters: Counters::default(),
            broken: None,
            repaired: 0,
            checking: None,
            detected: false,
            found: Vec::new(),
            missed: 0,
            suspicions: 0,
            healthy: 0,
        }
    }

    pub(super) fn now(&self) -> Duration {
        Duration::from_millis(self.ms.into())
    }

    /// Whether answers were carried in so many last milliseconds.
    pub(super) fn carries(&self, last: u64) -> bool {
        self.traffic.carries(self.now().saturating_sub(Duration::from_millis(last)), self.now())
    }

    pub(super) fn read(&mut self, sent: u32, received: u32) {
        self.ms += TICK;
        self.counters.tx_packets += u64::from(sent);
        self.counters.rx_packets += u64::from(received);
        if self.checking.is_some_and(|end| end <= self.ms) {
            self.checking = None;
            self.traffic.cleared(self.now());
        }
        let suspicious = self.traffic.read(self.counters, (self.now(), Duration::ZERO));
        match self.broken {
            Some(at) if suspicious && !self.detected => {
                self.detected = true;
                self.found.push(self.ms - at);
            }
            Some(_) => {}
            None => {
                if suspicious {
                    self.checking = Some(self.ms + CHECK);
                }
                if self.ms > self.repaired + RECOVERY {
                    self.healthy += TICK;
                    self.suspicions += u32::from(suspicious);
                }
            }
        }
    }

    /// The line breaks so many milliseconds after the last reading.
    pub(super) fn breaks(&mut self, after: u32) {
        self.broken = Some(self.ms + after);
        self.checking = None;
        self.detected = false;
    }

    pub(super) fn mends(&mut self) {
        self.missed += u32::from(!self.detected);
        self.broken = None;
        self.repaired = self.ms;
        self.traffic.cleared(self.now());
    }

    pub(super) fn suspicions_a_minute(&self) -> f64 {
        f64::from(self.suspicions) * 60_000.0 / f64::from(self.healthy)
    }

    /// The detections, the longest last.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut found = self.found.clone();
        found.sort_unstable();
        found
    }
}

/// Plays a recording in readings of 100 ms, and shows the device after each.
fn play(recording: &str, mut device: Device, mut show: impl FnMut(&mut Device)) -> Device {
    let mut half: Option<(u32, u32)> = None;
    for word in recording.split_whitespace() {
        match (word, word.split_once('/')) {
            ("break", _) => device.breaks(if half.is_some() { TICK / 2 } else { 0 }),
            ("mend", _) => device.mends(),
            (_, Some((sent, received))) => {
                let (sent, received) = (sent.parse::<u32>().unwrap(), received.parse::<u32>().unwrap());
                half = match half {
                    None => Some((sent, received)),
                    Some((earlier, got)) => {
                        device.read(earlier + sent, got + received);
                        show(&mut device);
                        None
                    }
                };
            }
            _ => panic!("{word}: not part of a recording"),
        }
    }
    device
}

/// A recording in both ways to pair its stretches.
fn both(recording: &str) -> [Device; 2] {
    let (_, from_second) = recording.split_once(' ').unwrap();
    [recording, from_second].map(|recording| play(recording, Device::new(), |_| {}))
}

#[test]
fn a_silent_failure_under_traffic_is_suspected_in_time() {
    for recording in [SILENT, SILENT_REGULAR_NOISE, SILENT_HELD, REPLIES_LOST] {
        for device in both(recording) {
            let found = device.sorted();
            println!("after {found:?} ms; {:.1} false a minute", device.suspicions_a_minute());
            assert_eq!(device.missed, 0);
            assert!(found[found.len() / 2] <= 350 && found[found.len() - 1] <= 700, "{found:?}");
            assert!(device.suspicions_a_minute() <= 8.0);
        }
    }
}

#[test]
fn ordinary_traffic_is_seldom_suspicious() {
    for (recording, most) in [(HEALTHY, 2.0), (DOWNLOADS, 2.0), (PAGES, 3.0), (VIDEO, 4.0), (UPLOAD, 2.0), (NOISE, 0.0)]
    {
        for device in both(recording) {
            println!("{:.1} false a minute", device.suspicions_a_minute());
            assert!(device.suspicions_a_minute() <= most, "{}", device.suspicions);
        }
    }
}

#[test]
fn false_suspicions_right_before_the_failure_do_not_delay_the_true_one() {
    let mut device = Device::new();
    for word in SILENT.split_inclusive("break") {
        device = play(word.trim_end_matches("break"), device, |_| {});
        if word.ends_with("break") {
            let now = device.now();
            assert!(device.traffic.voices.admits(now) && device.traffic.voices.admits(now));
            device.traffic.cleared(now);
            device.breaks(0);
        }
    }
    assert!(device.missed == 0 && device.found.iter().all(|ms| *ms <= 700), "{:?}", device.found);
}

#[test]
fn a_saturated_line_carries_and_a_dead_or_idle_one_does_not() {
    let mut carried = (0, 0);
    let mut device = Device::new();
    (0..20).for_each(|_| device.read(0, 0));
    play(UPLOAD, device, |device| carried = (carried.0 + u32::from(device.carries(1000)), carried.1 + 1));
    assert!(carried.0 * 100 >= carried.1 * 98, "{carried:?}");
    play(NOISE, Device::new(), |device| assert!(!device.carries(1000), "{}", device.ms));
    for recording in [SILENT, SILENT_HELD, REPLIES_LOST] {
        play(recording, Device::new(), |device| {
            let dead = device.broken.is_some_and(|at| device.ms > at + 500);
            assert!(!dead || !device.carries(1000), "{}", device.ms);
        });
    }
}
