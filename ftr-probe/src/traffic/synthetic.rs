//! Trials on traffic made up from a seed: short connections over lines of any round trip, and what else comes along.

use super::Traffic;
use super::replay::{Device, TICK};
use fastrand::Rng;
use ftr_netlink::Counters;
use proptest::prelude::*;
use std::time::Duration;

/// What the turns of a connection send and what answers them: SYN; ACK and request; acknowledgements and FIN.
const TURNS: [(u32, u32); 3] = [(1, 1), (2, 4), (3, 1)];

/// An uplink with people behind it.
struct Uplink {
    rng: Rng,
    device: Device,
    alive: bool,
    /// Milliseconds.
    rtt: u32,
    /// Broadcasts, and new connections, a second.
    noise: f64,
    rate: f64,
    /// When the answer to which turn comes.
    awaited: Vec<(u32, usize)>,
}

impl Uplink {
    fn new(seed: u64, rtt: u32, noise: f64, rate: f64) -> Self {
        let (rng, device) = (Rng::with_seed(seed), Device::new());
        Self { rng, device, alive: true, rtt, noise, rate, awaited: Vec::new() }
    }

    /// Whether one of so many events a second falls into this millisecond.
    fn happens(&mut self, rate: f64) -> bool {
        self.rng.f64() < rate / 1000.0
    }

    fn tick(&mut self) {
        let (mut sent, mut received) = (0, 0);
        for ms in self.device.ms..self.device.ms + TICK {
            received += u32::from(self.happens(self.noise));
            let (due, awaited): (Vec<_>, Vec<_>) = self.awaited.iter().partition(|(at, _)| *at <= ms);
            self.awaited = awaited;
            for (_, turn) in due {
                received += TURNS[turn].1;
                sent += self.say(turn + 1, ms);
            }
            if self.happens(self.rate) {
                sent += self.say(0, ms);
            }
        }
        self.device.read(sent, received);
    }

    /// What a turn sends. Its answer comes only over a line that is alive.
    fn say(&mut self, turn: usize, ms: u32) -> u32 {
        let Some((sent, _)) = TURNS.get(turn) else { return 1 };
        if self.alive {
            self.awaited.push((ms + self.rtt, turn));
        }
        *sent
    }

    fn run(&mut self, seconds: u32) {
        (0..seconds * 1000 / TICK).for_each(|_| self.tick());
    }

    fn breaks(&mut self) {
        self.alive = false;
        self.awaited.clear();
        self.device.breaks(0);
    }

    /// Is well for a while, and then broken for two seconds, three times.
    fn suffer(&mut self) {
        for _ in 0..3 {
            self.run(15);
            self.breaks();
            self.run(2);
            self.alive = true;
            self.device.mends();
        }
    }
}

/// The detections of twenty lines, the longest last; how many failures were missed; how many suspicions were false in a
/// minute.
fn trial(rtt: u32, noise: f64, rate: f64) -> (Vec<u32>, u32, f64) {
    let (mut found, mut missed, mut wrong) = (Vec::new(), 0, 0.0);
    for seed in 0..20 {
        let mut uplink = Uplink::new(seed, rtt, noise, rate);
        uplink.suffer();
        found.extend(&uplink.device.found);
        missed += uplink.device.missed;
        wrong += uplink.device.suspicions_a_minute() / 20.0;
    }
    found.sort_unstable();
    println!("{rtt} ms, noise {noise}: {found:?}, {missed} missed, {wrong:.1} false a minute");
    (found, missed, wrong)
}

#[test]
fn ten_connections_a_second_show_a_failure_over_any_round_trip() {
    for rtt in [2, 20, 60, 200, 600] {
        for (noise, half, most) in [(0.0, 400, 700), (50.0, 700, 1300)] {
            let (found, missed, wrong) = trial(rtt, noise, 10.0);
            assert!(missed <= 2 && wrong <= 5.0, "{missed} missed, {wrong} false a minute");
            assert!(found[found.len() / 2] <= half && found[found.len() * 9 / 10] <= most, "{found:?}");
        }
    }
}

#[test]
fn busy_lines_show_it_faster() {
    for rtt in [2, 20, 60] {
        let (found, missed, wrong) = trial(rtt, 50.0, 200.0);
        assert!(missed == 0 && wrong <= 1.0, "{missed} missed, {wrong} false a minute");
        assert!(found[found.len() - 1] <= 400, "{found:?}");
    }
}

#[test]
fn the_first_users_of_a_line_that_died_while_idle_find_out() {
    for seed in 0..20 {
        let mut uplink = Uplink::new(seed, 20, 2.0, 10.0);
        uplink.run(15);
        uplink.rate = 0.0;
        uplink.run(20);
        uplink.alive = false;
        uplink.run(20);
        assert!(uplink.device.suspicions <= 3, "seed {seed}");
        uplink.rate = 20.0;
        uplink.breaks();
        uplink.run(2);
        assert!(uplink.device.found.first().is_some_and(|ms| *ms <= 1000), "seed {seed}: {:?}", uplink.device.found);
    }
}

#[test]
fn who_never_gets_answers_is_soon_left_alone() {
    for (sent, noise) in [(1, 0), (5, 0), (2, 5), (300, 5)] {
        let mut device = Device::new();
        (0..3000).for_each(|_| device.read(sent, noise));
        println!("{sent} sent: {} suspicions in five minutes", device.suspicions);
        assert!(device.suspicions <= 5, "{} for {sent}", device.suspicions);
    }
}

fn counters(packets: u64) -> Counters {
    Counters { rx_packets: packets, tx_packets: packets, ..Counters::default() }
}

/// A reading on a host that never stands still.
fn read(traffic: &mut Traffic, counters: Counters, now: Duration) -> bool {
    traffic.read(counters, (now, Duration::ZERO))
}

/// A device known as busy, and the time.
fn known() -> (Traffic, Duration) {
    let mut traffic = Traffic::new();
    for reading in 1..=100 {
        assert!(!read(&mut traffic, counters(100 * reading), Duration::from_millis(100 * reading)));
    }
    (traffic, Duration::from_secs(10))
}

#[test]
fn a_device_made_anew_and_a_host_that_slept_are_not_suspicious() {
    let (mut traffic, now) = known();
    assert!(!read(&mut traffic, counters(0), now + Duration::from_millis(100)));
    assert!(!traffic.carries(now, now + Duration::from_millis(100)));
    let (mut traffic, now) = known();
    let sent = Counters { tx_packets: 20_000, ..counters(10_000) };
    assert!(!read(&mut traffic, sent, now + Duration::from_secs(3600)));
    // Twice in a moment, and a clock that stands still.
    assert!(!read(&mut traffic, sent, now + Duration::from_secs(3600)));
    assert!(!read(&mut traffic, counters(10_000), now));
}

#[test]
fn a_full_line_that_is_answered_is_saturated_and_a_busy_one_is_not() {
    for (size, full) in [(1500, true), (100, false)] {
        let (mut traffic, mut now, mut packets) = (Traffic::new(), Duration::from_secs(9), 0);
        let mut run = |traffic: &mut Traffic, sent: u64, received: u64, readings: u32| {
            for _ in 0..readings {
                now += Duration::from_millis(100);
                packets += sent;
                let tx_bytes = packets * size;
                let rx_packets =
                    if received > 0 { packets } else { traffic.last.map_or(0, |(_, last)| last.rx_packets) };
                let counters = Counters { tx_packets: packets, tx_bytes, rx_packets, ..Counters::default() };
                traffic.read(counters, (now, Duration::ZERO));
            }
            now
        };
        let now = run(&mut traffic, 8, 8, 6);
        let ms = |millis| Duration::from_millis(millis);
        assert_eq!(traffic.is_saturated(now.saturating_sub(ms(30)), now), full, "a check that has just begun");
        assert_eq!(traffic.is_saturated(now.saturating_sub(ms(900)), now), full);
        let now = run(&mut traffic, 8, 0, 4);
        assert!(!traffic.is_saturated(now.saturating_sub(ms(400)), now), "nothing comes back any more");
    }
}

/// A line of a megabit a second that is filled at some time after a check began, and what is known of it when the check
/// would be over: each 20 ms from 150 to 350 ms after that.
#[test]
fn a_line_that_fills_while_a_check_is_under_way_is_saturated_and_one_that_dies_then_is_not() {
    let ms = Duration::from_millis;
    for offset in 0..10 {
        for under_way in [0, 20, 50, 100] {
            for alive in [true, false] {
                let filled = ms(20_000 + 10 * offset);
                let mut traffic = Traffic::new();
                let (mut counters, mut last) = (Counters::default(), Duration::ZERO);
                // Someone is heard once a second, before; then ten packets a tenth of a second go out, and half as many
                // acknowledgements come back, as far as anything does.
                for tick in 0..2040u32 {
                    let now = ms(u64::from(tick) * 10);
                    let full = now >= filled;
                    let sends = full || tick % 100 == 0;
                    counters.tx_packets += u64::from(sends);
                    counters.tx_bytes += if full { 1250 } else { 60 * u64::from(sends) };
                    let acknowledged = if full { alive && tick % 2 == 0 } else { sends };
                    counters.rx_packets += u64::from(acknowledged);
                    if now >= last + ms(100) {
                        last = now;
                        traffic.read(counters, (now, Duration::ZERO));
                    }
                    let since = filled.saturating_sub(ms(under_way));
                    if now >= filled + ms(150) && now <= filled + ms(350) && tick % 2 == 0 {
                        // A check that is about to be over has the counters read.
                        let known = traffic.is_saturated(since, now);
                        assert_eq!(known, alive, "{offset} {under_way} {:?}", now.checked_sub(filled));
                    }
                }
            }
        }
    }
}

/// A full line, on a host that stands still for a while in the middle of a check.
#[test]
fn a_full_line_stays_saturated_where_the_host_stands_still_and_one_that_dies_then_does_not() {
    let ms = Duration::from_millis;
    for alive in [true, false] {
        let (mut traffic, mut counters, mut now) = (Traffic::new(), Counters::default(), Duration::from_secs(9));
        let mut read = |traffic: &mut Traffic, tenths: u64, alive: bool, missed: Duration| {
            counters.tx_packets += 10 * tenths;
            counters.tx_bytes += 12_500 * tenths;
            counters.rx_packets += if alive { 5 * tenths } else { 0 };
            now += ms(100);
            let suspicious = traffic.read(counters, (now, missed));
            assert!(!suspicious || !alive, "{now:?}");
            now
        };
        let since = (0..20).map(|_| read(&mut traffic, 1, true, Duration::ZERO)).last().unwrap_or_default();
        // Eight tenths of a second pass on the line, one for this program.
        let now = read(&mut traffic, 8, true, ms(700));
        assert!(traffic.is_saturated(since, now) && traffic.carries(since, now));
        let now = read(&mut traffic, 1, alive, ms(700));
        assert!(traffic.is_saturated(since, now), "it was a moment ago");
        let now = (0..3).map(|_| read(&mut traffic, 1, alive, ms(700))).last().unwrap_or(now);
        assert_eq!(traffic.is_saturated(since, now), alive);
        // Away for longer than anything of it can be told.
        let now = read(&mut traffic, 36_000, true, Duration::from_secs(3600));
        assert!(!traffic.is_saturated(since, now));
    }
}

proptest! {
    #[test]
    fn a_line_that_sends_nothing_is_never_suspicious(seed: u64, noise in 0.0..300.0) {
        let mut uplink = Uplink::new(seed, 20, noise, 0.0);
        uplink.run(20);
        prop_assert_eq!(uplink.device.suspicions, 0);
        prop_assert!(!uplink.device.carries(1000));
    }

    #[test]
    fn whatever_the_counters_say_suspicions_are_bounded(
        readings in prop::collection::vec((0u64..2000, any::<[u64; 3]>(), 0u32..64), 1..200),
    ) {
        let (mut traffic, mut now, mut suspicions) = (Traffic::new(), Duration::from_secs(5), 0);
        for (ms, [rx_packets, tx_packets, multicast], shift) in readings {
            now += Duration::from_millis(ms);
            let [rx_packets, tx_packets, multicast] = [rx_packets, tx_packets, multicast].map(|count| count >> shift);
            let counters = Counters { rx_packets, tx_packets, multicast, ..Counters::default() };
            suspicions += u64::from(traffic.read(counters, (now, Duration::ZERO)));
            traffic.carries(now.saturating_sub(Duration::from_secs(1)), now);
            traffic.cleared(now);
        }
        prop_assert!(suspicions <= 3 + now.as_secs());
    }
}
