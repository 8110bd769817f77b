//! How often ftr leaves and takes back an uplink that loses packets, beside two that do not.

use super::contender::{Contender, Running};
use ftr_lab::error::{LabError, Result};
use ftr_lab::fault::Fault;
use ftr_lab::lab::Lab;
use ftr_lab::plan;
use std::fmt;
use std::thread;
use std::time::Duration;

/// What the shares of lost packets are, each way.
pub(crate) const LOSSES: [u8; 4] = [10, 30, 40, 50];

/// Turns of the lossy uplink, and of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turns {
    down: usize,
    up: usize,
    others: usize,
}

impl fmt::Display for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { down, up, others } = self;
        write!(f, "{down} downs, {up} ups; of the others {others}")
    }
}

/// Counts the turns in so many minutes at one share of lost packets, with one good check to rise.
///
/// # Errors
/// When the lab or ftr fails.
pub(crate) fn measure(loss: u8, minutes: usize) -> Result<Turns> {
    let mut lab = Lab::build(&plan::three())?;
    let running = Running::start(Contender::Ftr, &lab, "{tests: {rise: 1}}")?;
    let router = running.router().ok_or_else(|| LabError::Unexpected("it is not ftr that runs".to_owned()))?;
    let before = router.log().len();
    lab.fail("eth1", Fault::Loss(loss))?;
    thread::sleep(Duration::from_secs(60) * u32::try_from(minutes).unwrap_or(u32::MAX));
    Ok(count(router.log().get(before..).unwrap_or_default(), "eth1"))
}

fn count(log: &str, victim: &str) -> Turns {
    let turns = |to: &str| -> (usize, usize) {
        let who = log.lines().filter_map(|line| Some(line.split_once(to)?.0.contains(victim)));
        let (victims, others): (Vec<bool>, Vec<bool>) = who.partition(|is_victim| *is_victim);
        (victims.len(), others.len())
    };
    let ((down, others_down), (up, others_up)) = (turns(" is down"), turns(" is up"));
    Turns { down, up, others: others_down + others_up }
}

#[cfg(test)]
mod tests {
    use super::{Turns, count};

    #[test]
    fn turns_are_read_from_the_log() {
        let log = "12:00 eth1 (Provider 1) is down: loss, 9 of 24 questions to 4 hosts; new connections use eth2\n\
                   12:00 IPv4 new connections use eth2 (weight 2): eth1 is out\n\
                   12:09 eth1 (Provider 1) is up; new connections use eth1, eth2\n\
                   12:10 eth2 (Provider 2) is down: no-answer\n";
        assert_eq!(count(log, "eth1"), Turns { down: 1, up: 1, others: 1 });
    }
}
