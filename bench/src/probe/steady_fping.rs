//! fping in processes that live long (`-l`), asking what `ftr-probe --watch` asks.

use super::routed::Routed;
use ftr_lab::deadline::wait_for;
use ftr_lab::error::Result;
use ftr_lab::plan::TARGETS;
use ftr_lab::process;
use ftr_lab::program::{self, Daemon};
use nix::sys::signal::Signal;
use std::fmt;
use std::time::Duration;

/// How fping is used for many uplinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// The same job: a process for each uplink, because fping knows one device only, with fping's own 10 ms from packet
    /// to packet.
    Each,
    /// One process for one uplink: what fping costs that has nothing warmed for it by others.
    Alone,
    /// The cheapest that fping can be: one process asks through one uplink as often as all uplinks together are asked,
    /// without any pause from packet to packet.
    Burst,
}

impl Manner {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Each, Self::Alone, Self::Burst];
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Each => "fping an uplink",
            Self::Alone => "one fping",
            Self::Burst => "one fping -i 0",
        })
    }
}

/// Running ones.
#[derive(Debug)]
pub(super) struct SteadyFping {
    daemons: Vec<Daemon>,
}

impl SteadyFping {
    /// Starts them; each target is asked once in `interval` through each uplink.
    pub(super) fn start(routed: &Routed, manner: Manner, interval: Duration) -> Result<Self> {
        let lab = &routed.lab;
        let millis = interval.as_secs_f64() * 1000.0;
        let count = u32::try_from(lab.uplinks.len()).map_or(1.0, f64::from);
        let (uplinks, period, pause): (Vec<_>, f64, &str) = match manner {
            Manner::Each => (lab.uplinks.iter().collect(), millis, "10"),
            Manner::Alone => (lab.uplinks.iter().take(1).collect(), millis, "10"),
            Manner::Burst => (lab.uplinks.iter().take(1).collect(), millis / count, "0"),
        };
        let start = |uplink: &&ftr_lab::plan::Uplink| {
            let device = uplink.device();
            let mut command = lab.router.command("fping");
            command.args(["-l", "-q", "-i", pause, "-p", &period.to_string(), "-I", &device]);
            command.args(TARGETS.map(|target| target.to_string()));
            Daemon::start(&format!("fping-{device}"), &mut command, lab.directory())
        };
        Ok(Self { daemons: uplinks.iter().map(start).collect::<Result<_>>()? })
    }

    /// Processor time of all so far.
    pub(super) fn processor_time(&self) -> Result<Duration> {
        self.daemons.iter().map(|daemon| process::processor_time(daemon.pid())).sum()
    }

    /// Memory of all in KiB.
    pub(super) fn memory(&self) -> Result<u64> {
        self.daemons.iter().map(|daemon| process::memory(daemon.pid())).sum()
    }

    /// How many answers all have had since this was asked before. SIGQUIT makes fping tell.
    pub(super) fn answers(&mut self) -> Result<u64> {
        let told: Vec<usize> = self.daemons.iter().map(|daemon| counts(&daemon.output()).len()).collect();
        for daemon in &self.daemons {
            program::send(daemon.pid(), Signal::SIGQUIT)?;
        }
        let mut sum = 0;
        for (daemon, told) in self.daemons.iter().zip(told) {
            let fresh = || Ok(counts(&daemon.output()).split_off(told));
            let whole = |fresh: &Vec<u64>| fresh.len() == TARGETS.len();
            sum += wait_for("fping to tell its counts", Duration::from_secs(2), fresh, whole)?.iter().sum::<u64>();
        }
        Ok(sum)
    }
}

/// The answers in each line of the form `8.8.8.8 : xmt/rcv/%loss = 5/4/20%, …`.
fn counts(text: &str) -> Vec<u64> {
    let received = |line: &str| line.split_once("xmt/rcv/%loss = ")?.1.split('/').nth(1)?.parse().ok();
    text.lines().filter_map(received).collect()
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn reads_what_fping_says() {
        let text = "[21:44:43]\n8.8.8.8 : xmt/rcv/%loss = 5/4/20%, min/avg/max = 0.040/0.049/0.054\n\
                    4.2.2.2 : xmt/rcv/%loss = 5/0/100%\n";
        assert_eq!(counts(text), [4, 0]);
    }
}
