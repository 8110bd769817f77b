//! Follows event records on stdin and mails them.
//!
//! One thread reads, and never waits for anything else. For each attempt to send, a second one lives as long as the
//! attempt: between mails the program is a single thread that sleeps in poll(2).

mod sender;
mod stop;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime};

use ftr_core::Exit;
use ftr_core::cli::{Common, Failure, say};
use ftr_core::config::Email;
use ftr_core::lines::{Line, Lines};
use ftr_core::record::{Event, Record};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::acknowledge::Acknowledgements;
use crate::digest::Digest;
use crate::letter::Addresses;
use crate::smtp::{self, Delivery, SmtpError};
use crate::{TOOL, host, message};
use sender::Sender;
use stop::Stop;

/// For how long delivery is tried once the input has ended.
const GRACE: Duration = Duration::from_secs(5);

/// Follows stdin to its end, or until a signal; `addresses` is none where mail is switched off.
pub(crate) fn follow(email: &Email, addresses: Option<Addresses>, common: &Common) -> Result<Exit, Failure> {
    let failure = |what: &str, error: io::Error| Failure::new(Exit::Unavailable, format!("{what}: {error}"));
    // Before any thread: threads inherit which signals wait for us to ask.
    let stop = Stop::new().map_err(|error| failure("signals", error))?;
    let sender = Sender::new(email.smtp.clone()).map_err(|error| failure("eventfd", error))?;
    if addresses.is_none() && common.verbose {
        say(TOOL, "email.send: false in the configuration: events are read and not mailed");
    }
    let mut follower = Follower {
        server: smtp::server(&email.smtp),
        digest: Digest::new(email.digest),
        addresses,
        sender,
        acknowledgements: Acknowledgements::new(),
        lines: Lines::default(),
        malformed: 0,
        given_up: 0,
        verbose: common.verbose,
        start: Instant::now(),
    };
    follower.run(&stop)
}

struct Follower {
    server: String,
    digest: Digest,
    addresses: Option<Addresses>,
    sender: Sender,
    acknowledgements: Acknowledgements,
    lines: Lines,
    malformed: u64,
    given_up: usize,
    verbose: bool,
    start: Instant,
}

/// What a poll may find ready.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A signal ends the program.
    Stop,
    /// An attempt to send has ended.
    Sender,
    /// Stdout takes acknowledgements.
    Output,
    /// Stdin has bytes, or has ended.
    Input,
}

impl Follower {
    fn run(&mut self, stop: &Stop) -> Result<Exit, Failure> {
        let mut end = None;
        loop {
            let ready = self.wait(stop, end).map_err(|error| Failure::new(Exit::Io, format!("poll: {error}")))?;
            for &source in &ready {
                match source {
                    Source::Stop => return Ok(self.farewell()),
                    Source::Sender => self.sent(),
                    Source::Output => self.acknowledgements.write(),
                    Source::Input if self.read()? => {}
                    Source::Input => {
                        end = Some(self.now() + GRACE);
                        self.digest.finish(self.now());
                    }
                }
            }
            self.send()?;
            let done = self.digest.open() == 0 && self.acknowledgements.wants().is_none();
            if end.is_some_and(|end| done || self.now() >= end) {
                return Ok(self.farewell());
            }
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Sleeps until something is ready or due. `end` is the time to give up, once the input has ended.
    fn wait(&self, stop: &Stop, end: Option<Duration>) -> nix::Result<Vec<Source>> {
        let stdin = io::stdin();
        let mut polled = vec![(Source::Stop, stop.as_fd()), (Source::Sender, self.sender.as_fd())];
        polled.extend(self.acknowledgements.wants().map(|fd| (Source::Output, fd)));
        polled.extend(end.is_none().then(|| (Source::Input, stdin.as_fd())));
        let flags = |source| if source == Source::Output { PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let mut fds: Vec<_> = polled.iter().map(|&(source, fd)| PollFd::new(fd, flags(source))).collect();
        let until = [self.digest.due(), end].into_iter().flatten().min();
        match poll(&mut fds, timeout(until, self.now())) {
            Err(nix::errno::Errno::EINTR) => return Ok(Vec::new()),
            other => other?,
        };
        let ready = fds.iter().map(|fd| fd.any() != Some(false));
        Ok(polled.iter().zip(ready).filter(|(_, ready)| *ready).map(|((source, _), _)| *source).collect())
    }

    /// Reads what is there; false at the end of the input.
    fn read(&mut self) -> Result<bool, Failure> {
        let mut buffer = [0; 8192];
        let length = match nix::unistd::read(io::stdin(), &mut buffer) {
            Ok(length) => length,
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => return Ok(true),
            Err(error) => return Err(Failure::new(Exit::Io, format!("standard input: {error}"))),
        };
        let mut events = Vec::new();
        let mut malformed = 0;
        self.lines.push(buffer.get(..length).unwrap_or_default(), |line| match line {
            Line::TooLong => malformed += 1,
            Line::Whole(line) => match Record::parse(line) {
                Ok(Record::Event(event)) => events.push(event),
                Ok(_) => {}
                Err(_) => malformed += 1,
            },
        });
        malformed += u64::from(length == 0 && self.lines.has_rest());
        for event in events {
            self.take_in(event);
        }
        self.count_malformed(malformed);
        Ok(length > 0)
    }

    fn take_in(&mut self, event: Event) {
        if self.addresses.is_none() {
            self.acknowledgements.add([event.seq]);
        } else {
            let given_up = self.digest.add(event, self.now());
            self.acknowledgements.add(given_up);
        }
    }

    /// Says so at 1, 2, 4, 8, … lines: a writer that has gone mad does not fill the log.
    fn count_malformed(&mut self, more: u64) {
        let before = self.malformed;
        self.malformed += more;
        if self.malformed.checked_ilog2() > before.checked_ilog2() {
            say(TOOL, &format!("standard input: {} malformed lines skipped so far", self.malformed));
        }
    }

    /// Starts to send what is due.
    fn send(&mut self) -> Result<(), Failure> {
        let now = self.start.elapsed();
        let (Some(addresses), Some(batch)) = (&self.addresses, self.digest.take(now)) else { return Ok(()) };
        let letter = addresses
            .letter(&message::of_events(&host(), batch), SystemTime::now())
            .map_err(|error| Failure::new(Exit::Bug, format!("message: {error}")))?;
        if let Err(error) = self.sender.start(letter) {
            self.postpone(&format!("thread: {error}"));
        }
        Ok(())
    }

    /// Takes note of how the attempt ended.
    fn sent(&mut self) {
        match self.sender.outcome() {
            None => {}
            Some(Ok(delivery)) => self.delivered(&delivery),
            Some(Err(error)) if error.is_permanent() => self.give_up(&error),
            Some(Err(error)) => self.postpone(&format!("smtp {}: {error}", self.server)),
        }
    }

    fn delivered(&mut self, delivery: &Delivery) {
        let numbers = self.digest.settled();
        for refusal in &delivery.refused {
            say(TOOL, &format!("smtp {}: {}: {}", self.server, refusal.recipient, refusal.reply));
        }
        if self.verbose {
            let (count, to) = (events(numbers.len()), delivery.accepted.join(", "));
            say(TOOL, &format!("smtp {}: {count} mailed to {to}", self.server));
        }
        self.acknowledgements.add(numbers);
    }

    fn give_up(&mut self, error: &SmtpError) {
        let numbers = self.digest.settled();
        self.given_up += numbers.len();
        say(TOOL, &format!("smtp {}: {error}; given up: {}", self.server, events(numbers.len())));
        self.acknowledgements.add(numbers);
    }

    fn postpone(&mut self, reason: &str) {
        let postponed = self.digest.failed(self.now());
        let pause = humantime::format_duration(postponed.pause);
        say(TOOL, &format!("{reason}; next attempt in {pause}, waiting: {}", events(postponed.waiting)));
        self.acknowledgements.add(postponed.given_up);
    }

    /// The last words: what was not delivered is not hushed up.
    fn farewell(&mut self) -> Exit {
        // After a signal only what fits without waiting.
        while self.acknowledgements.wants().is_some_and(writable) {
            self.acknowledgements.write();
        }
        match (self.digest.open(), self.given_up) {
            (0, 0) => Exit::Yes,
            (0, _) => Exit::No,
            (open, _) => {
                say(TOOL, &format!("smtp {}: not delivered: {}", self.server, events(open)));
                Exit::Again
            }
        }
    }
}

/// `1 event`, `2 events`.
fn events(count: usize) -> String {
    format!("{count} event{}", if count == 1 { "" } else { "s" })
}

/// Whether a write would not block.
fn writable(fd: BorrowedFd<'_>) -> bool {
    poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// The poll's timeout, rounded up so that what is due then is due.
fn timeout(until: Option<Duration>, now: Duration) -> PollTimeout {
    let Some(until) = until else { return PollTimeout::NONE };
    let left = until.saturating_sub(now).as_millis().saturating_add(1);
    // poll(2) takes 24 days; waking once in that time is harmless.
    i32::try_from(left).ok().and_then(|left| PollTimeout::try_from(left).ok()).unwrap_or(PollTimeout::MAX)
}
