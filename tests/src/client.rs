//! The LAN's user: opens new connections at a steady rate and holds some that talk all the time.

use crate::connection::{Fresh, Lasting};
use crate::datagrams::Asker;
use crate::error::{Context, LabError, Result};
use crate::family::Family;
use crate::namespace::Namespace;
use crate::report::{Attempt, Outcome, Report};
use crate::{ipv6, plan, server};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use std::io;
use std::iter::Cycle;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::vec::IntoIter;

/// The client woke so much later than it wanted to: it was not there to listen, and no line is to blame for that.
const ABSENCE: Duration = Duration::from_millis(50);

/// What the client does.
#[derive(Debug, Clone)]
pub struct Habit {
    /// The families that it speaks.
    pub families: Vec<Family>,
    /// New connections a second, of each family.
    pub rate: f64,
    /// How many of the LAN's addresses it uses; none where the kernel is to choose.
    pub sources: u8,
    /// How many connections it holds, of each family.
    pub held: usize,
    /// How many flows of datagrams it has, of each family.
    pub datagrams: usize,
    /// The numbers of the uplinks whose delegated prefixes its IPv6 addresses are of; those of the LAN alone when empty.
    pub delegated: Vec<u8>,
    /// Chooses the order of sources and servers.
    pub seed: u64,
}

impl Default for Habit {
    fn default() -> Self {
        Self {
            families: vec![Family::V4],
            rate: 40.0,
            sources: 64,
            held: 18,
            datagrams: 0,
            delegated: Vec::new(),
            seed: 1,
        }
    }
}

/// A client at work.
#[derive(Debug)]
pub struct Client {
    stop: Arc<EventFd>,
    report: Arc<Mutex<Report>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Client {
    /// Starts the client in the namespace, and returns when it has made its held connections.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn start(space: &Namespace, habit: &Habit) -> Result<Self> {
        let stop = Arc::new(EventFd::new().context(|| "make an eventfd".to_owned())?);
        let report = Arc::new(Mutex::new(Report::default()));
        let (ready, opened) = mpsc::channel();
        let work = Work::new(habit, Arc::clone(&report));
        let seen = Arc::clone(&stop);
        // A thread belongs to the namespace of the thread that made it.
        let thread = space.enter(|| Ok(thread::spawn(move || work.run(&seen, &ready))))?;
        // Whoever cannot open them ends, and tells so at the end.
        let _ = opened.recv();
        Ok(Self { stop, report, thread: Some(thread) })
    }

    /// What it has seen so far.
    #[must_use]
    pub fn so_far(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens no more connections, waits until each has succeeded or failed, and reports.
    ///
    /// # Errors
    /// When a socket could not be made or polled.
    pub fn finish(mut self) -> Result<Report> {
        self.stop.write(1).context(|| "stop the client".to_owned())?;
        let thread = self.thread.take().ok_or_else(|| LabError::Unexpected("client: finished twice".to_owned()))?;
        match thread.join() {
            Ok(done) => done.context(|| "client".to_owned())?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        Ok(self.so_far())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Only after a failure elsewhere, which is what gets reported.
            let _ = self.stop.write(1);
            let _ = thread.join();
        }
    }
}

struct Work {
    pairs: Cycle<IntoIter<(IpAddr, IpAddr)>>,
    period: Duration,
    held: usize,
    datagrams: usize,
    report: Arc<Mutex<Report>>,
    fresh: Vec<(usize, Fresh)>,
    lasting: Vec<Lasting>,
    askers: Vec<Asker>,
}

impl Work {
    fn new(habit: &Habit, report: Arc<Mutex<Report>>) -> Self {
        let families = u32::try_from(habit.families.len()).unwrap_or(u32::MAX);
        Self {
            pairs: pairs(habit).into_iter().cycle(),
            period: Duration::from_secs_f64(1.0 / habit.rate / f64::from(families)),
            held: habit.held * habit.families.len(),
            datagrams: habit.datagrams * habit.families.len(),
            report,
            fresh: Vec::new(),
            lasting: Vec::new(),
            askers: Vec::new(),
        }
    }

    fn run(mut self, stop: &EventFd, ready: &mpsc::Sender<()>) -> io::Result<()> {
        for _ in 0..self.held {
            let (source, server) = self.pair();
            self.lasting.push(Lasting::open(source, server, Instant::now())?);
        }
        for _ in 0..self.datagrams {
            let (source, server) = self.pair();
            self.askers.push(Asker::open(source, server, Instant::now())?);
        }
        let mut next_start = Instant::now();
        self.lasting.iter_mut().for_each(|lasting| lasting.begin(next_start));
        // Nobody listens any more where the scenario has failed.
        let _ = ready.send(());
        let mut stopping = false;
        while !(stopping && self.fresh.is_empty()) {
            let now = Instant::now();
            while !stopping && next_start <= now {
                self.open()?;
                next_start += self.period;
            }
            let wake = self.next_wake(if stopping { None } else { Some(next_start) });
            stopping |= self.wait(stop, wake)?;
            let now = Instant::now();
            self.excuse(wake.map_or(Duration::ZERO, |wake| now.saturating_duration_since(wake)));
            self.advance(now);
        }
        Ok(())
    }

    fn pair(&mut self) -> (IpAddr, SocketAddr) {
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let (source, server) = self.pairs.next().unwrap_or((nobody, nobody));
        (source, SocketAddr::new(server, server::PORT))
    }

    fn open(&mut self) -> io::Result<()> {
        let (source, server) = self.pair();
        let began = Instant::now();
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let (fresh, outcome) = match Fresh::open(source, server, began)? {
            Ok(fresh) => (Some(fresh), Outcome::Pending),
            Err(refused) => (None, Outcome::Failed(refused.to_string())),
        };
        self.fresh.extend(fresh.map(|fresh| (report.attempts.len(), fresh)));
        report.attempts.push(Attempt { began, family: Family::of(server.ip()), outcome, seen_as: None });
        Ok(())
    }

    fn next_wake(&self, next_start: Option<Instant>) -> Option<Instant> {
        let deadlines = self.fresh.iter().map(|(_, fresh)| fresh.deadline());
        let chats = self.lasting.iter().filter_map(Lasting::next_word);
        let asks = self.askers.iter().map(Asker::next_word);
        deadlines.chain(chats).chain(asks).chain(next_start).min()
    }

    /// Waits for an event or the instant; true when told to stop.
    fn wait(&self, stop: &EventFd, until: Option<Instant>) -> io::Result<bool> {
        let pause = until.map(|until| TimeSpec::from_duration(until.saturating_duration_since(Instant::now())));
        let mut fds: Vec<PollFd> = vec![PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.fresh.iter().map(|(_, fresh)| PollFd::new(fresh.as_fd(), fresh.interest())));
        fds.extend(
            self.lasting
                .iter()
                .filter(|lasting| lasting.alive())
                .map(|lasting| PollFd::new(lasting.as_fd(), PollFlags::POLLIN)),
        );
        fds.extend(self.askers.iter().map(|asker| PollFd::new(asker.as_fd(), PollFlags::POLLIN)));
        ppoll(&mut fds, pause, None)?;
        let told = fds.first().and_then(PollFd::any).unwrap_or(false);
        if told {
            // Empties the counter, so that waiting for the last connections does not spin.
            stop.read()?;
        }
        Ok(told)
    }

    /// A machine that stands still for a moment holds up the client as well: that time counts as nobody's silence.
    fn excuse(&mut self, absence: Duration) {
        if absence >= ABSENCE {
            self.lasting.iter_mut().for_each(|lasting| lasting.excuse(absence));
            self.askers.iter_mut().for_each(|asker| asker.excuse(absence));
        }
    }

    fn advance(&mut self, now: Instant) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        self.fresh.retain_mut(|(number, fresh)| {
            report.attempts.get_mut(*number).is_some_and(|attempt| fresh.advance(now, attempt))
        });
        report.held = self.lasting.iter_mut().map(|lasting| lasting.advance(now)).collect();
        report.flows = self.askers.iter_mut().map(|asker| asker.advance(now)).collect();
    }
}

/// Every pair of source and server once, the families in turn, each in an order of the seed. The kernel's default hash
/// sees little but these two addresses: a pair used twice takes the same uplink twice, which is no second draw.
fn pairs(habit: &Habit) -> Vec<(IpAddr, IpAddr)> {
    let mut random = fastrand::Rng::with_seed(habit.seed);
    let mut turns: Vec<_> = habit.families.iter().map(|family| of_family(*family, habit, &mut random)).collect();
    let rounds = turns.iter().map(ExactSizeIterator::len).min().unwrap_or(0);
    (0..rounds).flat_map(|_| turns.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()).collect()
}

fn of_family(family: Family, habit: &Habit, random: &mut fastrand::Rng) -> IntoIter<(IpAddr, IpAddr)> {
    let all = |addresses: Vec<Ipv4Addr>| addresses.into_iter().map(IpAddr::V4).collect::<Vec<_>>();
    let (sources, servers) = match family {
        Family::V4 if habit.sources == 0 => (all(vec![Ipv4Addr::UNSPECIFIED]), all(plan::servers())),
        Family::V6 if habit.sources == 0 => (vec![Ipv6Addr::UNSPECIFIED.into()], ipv6::servers()),
        Family::V4 => (all(plan::clients(habit.sources)), all(plan::servers())),
        Family::V6 if habit.delegated.is_empty() => (ipv6::clients(None, habit.sources), ipv6::servers()),
        Family::V6 => {
            let of = |number: &u8| ipv6::clients(Some(*number), habit.sources);
            (habit.delegated.iter().flat_map(of).collect(), ipv6::servers())
        }
    };
    let mut pairs: Vec<_> =
        sources.iter().flat_map(|source| servers.iter().map(move |server| (*source, *server))).collect();
    random.shuffle(&mut pairs);
    pairs.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn families_take_turns_and_no_pair_comes_twice() {
        let habit = Habit { families: vec![Family::V4, Family::V6], sources: 3, ..Habit::default() };
        let pairs = pairs(&habit);
        assert_eq!(pairs.iter().collect::<BTreeSet<_>>().len(), 2 * 3 * usize::from(plan::SERVERS));
        assert!(pairs.chunks(2).all(|turn| turn[0].0.is_ipv4() && turn[1].0.is_ipv6()));
        assert!(pairs.iter().all(|(source, server)| source.is_ipv4() == server.is_ipv4()));
    }
}
