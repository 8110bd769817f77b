//! The demonstration: the real `ftr-monitor run` in a lab, an uplink that breaks before the reader's eyes, and where
//! the traffic goes meanwhile.

use crate::client::{Client, Habit};
use crate::connection::PATIENCE;
use crate::deadline::wait_for;
use crate::error::{Context, LabError, Result};
use crate::family::Family;
use crate::fault::Fault;
use crate::kernel;
use crate::lab::Lab;
use crate::plan;
use crate::report::Report;
use crate::router::Router;
use crate::screen::{Paint, Share};
use crate::server::Server;
use nix::sys::signal::Signal;
use serde_yaml::Mapping;
use std::collections::BTreeMap;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Parts of the log lines that are shown.
const TOLD: [&str; 3] = [" is down", " is up", "IPv4 routing"];

const PICTURE: &str = "\
A router with three uplinks, all of it in network namespaces of this machine:

                              +-- eth1 -- provider 1 --+
    a user's host -- router --+-- eth2 -- provider 2 --+-- internet
                              +-- eth3 -- provider 3 --+

The user opens 40 connections a second and holds 18. Provider 2 has weight 2.
";

/// Shows a silent failure and a pulled cable, and how traffic moves and comes back.
///
/// # Errors
/// When the lab or ftr fails, or nobody reads any more.
pub(crate) fn show(out: &mut impl Write) -> Result<()> {
    let mut stage = Stage::set(out)?;
    stage.say(PICTURE)?;
    stage.deed("$ ftr-rules | iptables-restore; ftr-monitor run")?;
    stage.open()?;
    stage.watch(4)?;
    stage.deed("\nThe network behind provider 2 fails. Its cable is fine: only a check can tell.")?;
    stage.suffer("eth2", Fault::Silent, 5)?;
    stage.deed("\nProvider 2 is mended.")?;
    stage.recover("eth2", 4)?;
    stage.deed("\nSomebody pulls the cable of eth1.")?;
    stage.suffer("eth1", Fault::Carrier, 4)?;
    stage.deed("\nThe cable is put back.")?;
    stage.recover("eth1", 4)?;
    stage.close()
}

struct Stage<'a, W> {
    out: &'a mut W,
    paint: Paint,
    client: Option<Client>,
    _server: Server,
    router: Router,
    lab: Lab,
    shown: Instant,
    began: Instant,
    log_shown: usize,
}

impl<'a, W: Write> Stage<'a, W> {
    fn set(out: &'a mut W) -> Result<Self> {
        let lab = Lab::build(&plan::three())?;
        let server = Server::start(&lab.internet)?;
        let router = Router::prepare(&lab, &Mapping::new())?;
        let now = Instant::now();
        let paint = Paint::allowed();
        Ok(Self { out, paint, client: None, _server: server, router, lab, shown: now, began: now, log_shown: 0 })
    }

    fn open(&mut self) -> Result<()> {
        self.router.start(&self.lab)?;
        let all = |seen: &BTreeMap<String, u32>| seen.len() == self.lab.uplinks.len();
        wait_for("the first checks", 8 * SECOND, || kernel::balanced(&self.lab, Family::V4), all)
            .map_err(|error| LabError::Unexpected(format!("{error}\n{}", self.router.log())))?;
        self.client = Some(Client::start(&self.lab.lan, &Habit::default())?);
        self.began = Instant::now();
        self.shown = self.began;
        Ok(())
    }

    /// Shows so many seconds of traffic, and between them what ftr says.
    fn watch(&mut self, seconds: usize) -> Result<()> {
        for _ in 0..seconds {
            let until = self.shown + SECOND;
            while Instant::now() < until {
                self.relay()?;
                thread::sleep(Duration::from_millis(20).min(until.saturating_duration_since(Instant::now())));
            }
            let (from, at) = (self.shown, until.duration_since(self.began));
            let report = self.so_far();
            let carried = report.by_source(from, until);
            let share = |uplink: &plan::Uplink| Share {
                uplink: uplink.device(),
                carried: carried.get(&uplink.address().into()).copied().unwrap_or(0),
            };
            let shares: Vec<Share> = self.lab.uplinks.iter().map(share).collect();
            // The user notices a failure when patience ends, which may be a line later.
            let noticed = |at: Instant| at.checked_sub(PATIENCE).unwrap_or(at);
            let failed = report.failed(noticed(from), noticed(until)).count();
            let line = self.paint.second(at, &shares, failed);
            self.say(&line)?;
            self.shown = until;
        }
        Ok(())
    }

    fn suffer(&mut self, uplink: &str, fault: Fault, seconds: usize) -> Result<()> {
        self.lab.fail(uplink, fault)?;
        let broken = Instant::now();
        self.watch(seconds)?;
        let report = self.so_far();
        let count = report.failed(broken, Instant::now()).count();
        let text = match report.last_failure_after(broken) {
            Some(last) => {
                format!("-> {count} new connections failed, the last {:.1} s after the break.", last.as_secs_f64())
            }
            None => "-> Not one connection failed.".to_owned(),
        };
        self.deed(&text)
    }

    fn recover(&mut self, uplink: &str, seconds: usize) -> Result<()> {
        let source = self.lab.uplink(uplink)?.address();
        self.lab.mend(uplink)?;
        let mended = Instant::now();
        self.watch(seconds)?;
        let text = match self.so_far().first_seen_after(mended, |seen| seen == source) {
            Some(first) => {
                format!("-> {uplink} carries connections again {:.1} s after the mend.", first.as_secs_f64())
            }
            None => format!("-> {uplink} is not used yet."),
        };
        self.deed(&text)
    }

    fn close(&mut self) -> Result<()> {
        let took = self.router.stop(Signal::SIGTERM)?;
        self.relay()?;
        let left = kernel::balanced(&self.lab, Family::V4)?.len();
        let report = match self.client.take() {
            Some(client) => client.finish()?,
            None => Report::default(),
        };
        let failed = report.failed(self.began, Instant::now()).count();
        let broke = report.held.iter().filter(|held| held.broke.is_some()).count();
        self.deed(&format!(
            "\nftr-monitor stopped in {} ms and left the routing in place ({left} uplinks). In all, {failed} of {} new \
             connections failed; of {} held ones the {broke} on dead uplinks were reset to reconnect.",
            took.as_millis(),
            report.attempts.len(),
            report.held.len(),
        ))
    }

    /// Shows what the monitor has logged since the last time.
    fn relay(&mut self) -> Result<()> {
        let log = self.router.log();
        let Some(whole) = log.rfind('\n').map(|end| end + 1).filter(|end| *end > self.log_shown) else {
            return Ok(());
        };
        for line in log.get(self.log_shown..whole).unwrap_or_default().lines() {
            // The time of day says nothing here, and of the rest only what the story is about.
            let text = line.split_once(' ').map_or(line, |(_, text)| text);
            if TOLD.iter().any(|part| text.contains(part)) {
                let shown = self.paint.word(text);
                self.say(&shown)?;
            }
        }
        self.log_shown = whole;
        Ok(())
    }

    fn so_far(&self) -> Report {
        self.client.as_ref().map(Client::so_far).unwrap_or_default()
    }

    fn deed(&mut self, text: &str) -> Result<()> {
        let lines = self.paint.deed(text);
        self.say(&lines)
    }

    fn say(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).context(|| "write to stdout".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::PICTURE;

    #[test]
    fn the_picture_fits_eighty_columns() {
        assert!(PICTURE.lines().all(|line| line.len() <= 80));
    }
}
