//! What users notice when one of two routers loses something, or is gone.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use ftr_lab::client::{Client, Habit};
use ftr_lab::error::Result;
use ftr_lab::pair::{Loss, Pair};
use ftr_lab::server::Server;

use crate::figure::Figure;

/// What is lost, in the words of the table.
pub(crate) const LOSSES: [(Loss, &str); 4] = [
    (Loss::Uplinks, "its cables to all providers are pulled"),
    (Loss::SilentUplinks, "all its uplinks fall silent, interval 1 s"),
    (Loss::Router, "it is killed, and without any link"),
    (Loss::Lan, "its cable to the LAN is pulled"),
];

/// How long at most the other one may take.
const LONGEST: Duration = Duration::from_secs(10);

/// How long traffic flows after a loss, so that the last connections that fail are seen.
const AFTER: Duration = Duration::from_secs(3);

/// New connections a second.
const RATE: f64 = 100.0;

/// What was measured over all trials, from the loss.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// To the other router having all addresses.
    taken: Figure,
    /// To the beginning of the last new connection that failed; zero where none did.
    last_failed: Figure,
    /// Held connections, and those that broke.
    held: (usize, usize),
    /// The longest time that one of them got no answer.
    stall: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taken, last_failed, held: (all, broke), stall } = self;
        write!(f, "{taken}; {last_failed}; {broke} of {all}, {:.2} s", stall.as_secs_f64())
    }
}

/// Takes it from whichever router has the addresses, `runs` times, with the same held connections all the time.
///
/// # Errors
/// When the lab or a daemon fails, or nobody takes over.
pub(crate) fn measure(loss: Loss, runs: usize, seed: u64) -> Result<Outcome> {
    let mut pair = Pair::start()?;
    let _server = Server::start(&pair.lab.internet)?;
    let client = Client::start(&pair.lab.lan, &Habit { seed, rate: RATE, ..Habit::default() })?;
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut taken, mut spans) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let holder = pair.settle()?;
        thread::sleep(Duration::from_millis(random.u64(0..1000)));
        let began = Instant::now();
        pair.lose(holder, loss)?;
        pair.takes_over(holder.other(), LONGEST)?;
        taken.push(began.elapsed());
        thread::sleep(AFTER);
        spans.push((began, Instant::now()));
        pair.mend(holder, loss)?;
    }
    let report = client.finish()?;
    let last = |(began, end): &(Instant, Instant)| {
        report.failed(*began, *end).map(|attempt| attempt.began - *began).max().unwrap_or_default()
    };
    Ok(Outcome {
        taken: Figure::seconds(taken),
        last_failed: Figure::seconds(spans.iter().map(last)),
        held: (report.held.len(), report.held.iter().filter(|held| held.broke.is_some()).count()),
        stall: report.held.iter().map(|held| held.longest_stall).max().unwrap_or_default(),
    })
}
