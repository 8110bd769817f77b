//! Follows event records on stdin and mails them.
//!
//! One thread reads, and never waits for anything else. For each attempt to send, a second one lives as long as the
//! attempt: between mails the program is a single thread that sleeps in poll(2).

mod sender;

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use ftr_core::Exit;
use ftr_core::config::Email;
use ftr_core::record::{Event, Record};
use ftr_tool::cli::{Common, Failure, say};
use ftr_tool::{Input, Signals, clock, ready};
use nix::poll::{PollFd, PollFlags};

use crate::acknowledge::Acknowledgements;
use crate::digest::Digest;
use crate::envelope::Addresses;
use crate::smtp::{self, Delivery, SmtpError};
use crate::{host, message, tool};
use sender::Sender;

/// For how long an attempt to send may begin once the input has ended. One that is under way ends in its own time: who is told
/// to stop is told by a signal, and a server that is slow would else get the same mail again.
const GRACE: Duration = Duration::from_secs(5);

/// Follows stdin to its end, or until a signal; `addresses` is none where mail is switched off.
pub(crate) fn follow(email: &Email, addresses: Option<Addresses>, common: &Common) -> Result<Exit, Failure> {
    let failure = |what: &str, error: io::Error| Failure::new(Exit::Unavailable, format!("{what}: {error}"));
    // Before any thread: threads inherit which signals wait for us to ask.
    let signals = Signals::ending().map_err(|error| failure("signals", error))?;
    let sender = Sender::new(email.smtp.clone()).map_err(|error| failure("eventfd", error))?;
    if addresses.is_none() && common.verbose {
        say(tool::NAME, "email.send: false in the configuration: events are read and not mailed");
    }
    let mut follower = Follower {
        server: smtp::server(&email.smtp),
        digest: Digest::new(email.digest),
        addresses,
        sender,
        acknowledgements: Acknowledgements::new(),
        input: Input::default(),
        given_up: 0,
        verbose: common.verbose,
        quiet: common.quiet,
        start: Instant::now(),
    };
    follower.run(&signals)
}

struct Follower {
    server: String,
    digest: Digest,
    addresses: Option<Addresses>,
    sender: Sender,
    acknowledgements: Acknowledgements,
    input: Input,
    given_up: usize,
    verbose: bool,
    quiet: bool,
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
    fn run(&mut self, signals: &Signals) -> Result<Exit, Failure> {
        let mut end = None;
        loop {
            let ready = self.wait(signals, end).map_err(|error| Failure::new(Exit::Io, format!("poll: {error}")))?;
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
            let is_over = end.is_some_and(|end| self.now() >= end);
            if !is_over {
                self.send()?;
            }
            if let Some(told) = self.input.malformed.told(self.now()) {
                self.say_of_input(&told);
            }
            let done = self.digest.open() == 0 && self.acknowledgements.wants().is_none();
            if end.is_some() && (done || is_over && !self.digest.is_sending()) {
                return Ok(self.farewell());
            }
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Sleeps until something is ready or due. No attempt begins after `end`, once the input has ended.
    fn wait(&self, signals: &Signals, end: Option<Duration>) -> io::Result<Vec<Source>> {
        let stdin = io::stdin();
        let mut polled = vec![(Source::Stop, signals.as_fd()), (Source::Sender, self.sender.as_fd())];
        polled.extend(self.acknowledgements.wants().map(|fd| (Source::Output, fd)));
        polled.extend(end.is_none().then(|| (Source::Input, stdin.as_fd())));
        let flags = |source| if source == Source::Output { PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let mut fds: Vec<_> = polled.iter().map(|&(source, fd)| PollFd::new(fd, flags(source))).collect();
        let now = self.now();
        let end = end.filter(|_| !self.digest.is_sending());
        let until = [self.digest.due(), self.input.malformed.due(now), end].into_iter().flatten().min();
        if ready::wait(&mut fds, until.map(|until| until.saturating_sub(now)))? == 0 {
            return Ok(Vec::new());
        }
        let ready = fds.iter().map(|fd| fd.any() != Some(false));
        Ok(polled.iter().zip(ready).filter(|(_, ready)| *ready).map(|((source, _), _)| *source).collect())
    }

    /// Reads what is there; false at the end of the input.
    fn read(&mut self) -> Result<bool, Failure> {
        let mut events = Vec::new();
        let more = self.input.read(io::stdin(), |_, record| {
            if let Record::Event(event) = record {
                events.push(event);
            }
        });
        for event in events {
            self.take_in(event);
        }
        more.map_err(|error| Failure::new(Exit::Io, format!("standard input: {error}")))
    }

    fn take_in(&mut self, event: Event) {
        if self.addresses.is_none() {
            self.acknowledgements.add([event.seq]);
        } else {
            let given_up = self.digest.add(event, self.now());
            self.acknowledgements.add(given_up);
        }
    }

    fn say_of_input(&self, told: &str) {
        if !self.quiet {
            say(tool::NAME, &format!("standard input: {told}"));
        }
    }

    /// Starts to send what is due.
    fn send(&mut self) -> Result<(), Failure> {
        let now = self.start.elapsed();
        let (Some(addresses), Some(batch)) = (&self.addresses, self.digest.take(now)) else { return Ok(()) };
        let envelope = addresses
            .envelope(&message::of_events(&host::name(), batch, clock::local_of), SystemTime::now())
            .map_err(|error| Failure::new(Exit::Bug, format!("message: {error}")))?;
        if let Err(error) = self.sender.start(envelope) {
            self.postpone(&format!("thread: {error}"));
        }
        Ok(())
    }

    /// Takes note of how the attempt ended.
    fn sent(&mut self) {
        match self.sender.outcome() {
            None => {}
            Some(Ok(delivery)) => self.delivered(&delivery),
            Some(Err(error)) if error.is_refusal() => self.give_up(&error),
            Some(Err(error)) => self.postpone(&format!("smtp {}: {error}", self.server)),
        }
    }

    fn delivered(&mut self, delivery: &Delivery) {
        let numbers = self.digest.settled();
        for refusal in &delivery.refused {
            say(tool::NAME, &format!("smtp {}: {}: {}", self.server, refusal.recipient, refusal.reply));
        }
        if self.verbose {
            let (count, to) = (events(numbers.len()), delivery.accepted.join(", "));
            say(tool::NAME, &format!("smtp {}: {count} mailed to {to}", self.server));
        }
        self.acknowledgements.add(numbers);
    }

    fn give_up(&mut self, error: &SmtpError) {
        let numbers = self.digest.settled();
        self.given_up += numbers.len();
        say(tool::NAME, &format!("smtp {}: {error}; given up: {}", self.server, events(numbers.len())));
        self.acknowledgements.add(numbers);
    }

    fn postpone(&mut self, reason: &str) {
        let postponed = self.digest.failed(self.now());
        let pause = humantime::format_duration(postponed.pause);
        say(tool::NAME, &format!("{reason}; next attempt in {pause}, waiting: {}", events(postponed.waiting)));
        self.acknowledgements.add(postponed.given_up);
    }

    /// The last words: what was not delivered is not hushed up.
    fn farewell(&mut self) -> Exit {
        if let Some(told) = self.input.malformed.told_at_last() {
            self.say_of_input(&told);
        }
        // After a signal only what fits without waiting.
        self.acknowledgements.write();
        match (self.digest.open(), self.given_up) {
            (0, 0) => Exit::Yes,
            (0, _) => Exit::No,
            (open, _) => {
                say(tool::NAME, &format!("smtp {}: not delivered: {}", self.server, events(open)));
                Exit::Again
            }
        }
    }
}

/// `1 event`, `2 events`.
fn events(count: usize) -> String {
    format!("{count} event{}", if count == 1 { "" } else { "s" })
}
