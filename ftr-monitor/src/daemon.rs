//! `ftr-monitor run`: carries out what the supervisor orders.
//!
//! One loop waits for everything there is to wait for: signals, the children's pipes, people who ask for the status, and
//! the next time something is due. Nothing in it blocks, so no child can hold up another.

mod child;
mod memory;
pub(crate) mod options;
mod orders;
mod reload;
mod renew;
mod requests;
mod service_manager;
mod sources;
mod taken;
mod terminal;
mod turns;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use caps::Capability;
use ftr_core::{Config, Exit};
use ftr_tool::cli::{Common, Failure};
use ftr_tool::running::Running;
use ftr_tool::{Output, Overflow, Signals, Watch, assigned, clock, programs, run_path};
use jiff::tz::TimeZone;
use nix::sys::signal::Signal;

use crate::entry::Entry;
use crate::followers::Followers;
use crate::instance::{Desk, Instance};
use crate::log::Log;
use crate::memory::{Keeper, recall};
use crate::privilege;
use crate::program::Each;
use crate::starter::Starter;
use crate::state;
use crate::supervisor::{Mode, Supervisor};
use crate::trial::{self, Start, Trial};
use child::Child;
use memory::Known;
use options::RunOptions;
use service_manager::ServiceManager;
use taken::{Taken, Turns};
use terminal::Terminal;
use writer::Writer;

/// How much waits for the reader of our standard output, in bytes: some hundred records.
const PRINTED: usize = 256 * 1024;
/// What is done at these: see [`Daemon::signals`].
const SIGNALS: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD, Signal::SIGUSR1, Signal::SIGUSR2];
/// How long the last records may take at the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// Runs until a signal ends it.
pub(crate) fn run(common: &Common, options: RunOptions) -> Result<Exit, Failure> {
    let now = clock::since_boot();
    let Start { mut config, text, trial, foreign } = trial::start(&common.source.file()?, now)?.unless_refused(now)?;
    let numbered = assigned::assign(&mut config);
    let config = Arc::new(config);
    let io = |what: &'static str| move |error: io::Error| Failure::new(Exit::Io, format!("{what}: {error}"));
    let running = Running::this(&config).map_err(io("configuration"))?;
    let terminal = Terminal::look();
    let signals = Signals::watch(&SIGNALS).map_err(io("signals"))?;
    let mut instance = Instance::claim_or_fail("run")?;
    // While it still can be done.
    let mut keeper = Keeper::default();
    let failed = keeper.keep(|| instance.take_over().and_then(|()| memory::tell(&config, &running)));
    let desk = Desk::open(instance).map_err(io("run: status"))?;
    let mut log = Log::open(&config.log, common.quiet);
    if let Some(failed) = failed {
        log.write(&Entry::error(failed));
    }
    begin_trial(trial.as_ref(), running.file(), &mut log);
    if foreign.is_some_and(|trial| trial.due().is_some()) {
        log.write(&Entry::warning("another user has put this configuration on trial, which has ended: it stays"));
    }
    if let Err(error) = numbered {
        log.write(&Entry::warning(format!("tables and marks follow the file anew: {error}")));
    }
    let both = [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW];
    privilege::keep_only(if options.dry_run { &both[1..] } else { &both })?;
    let (starter, remarks) = Starter::new(&config, &text, running.file())?;
    for remark in remarks {
        log.write(&Entry::warning(remark));
    }
    let (version, count, file) = (env!("CARGO_PKG_VERSION"), config.uplinks.len(), running.file().display());
    log.write(&Entry::notice(format!("ftr-monitor {version} started, {count} uplinks, {file}")));
    for warning in config.warning_lines().iter().filter(|_| !common.quiet) {
        log.write(&Entry::warning(warning));
    }
    let records = common.json.then(|| Output::stdout(PRINTED, Overflow::DropNewest));
    let memory = memory::writer(&config, keeper).map_err(io("memory"))?;
    let manager = ServiceManager::of_environment();
    let mode = Mode { dry_run: options.dry_run, debug: options.debug || common.verbose, print: records.is_some() };
    let mut supervisor = supervisor(&config, mode, &mut log);
    if manager.is_there() {
        supervisor.announce(&config, clock::since_boot());
    }
    // Else it would be tried again and again.
    let missing = supervisor.programs().find_map(|(program, _)| programs::sibling(program.command().0).err());
    if let Some(error) = missing {
        return Err(Failure::new(Exit::Unavailable, format!("run: {error}")));
    }
    let watch = Watch::begin(&run_path());
    let children = Each::new(|_| None);
    let exit = Exit::Yes;
    let daemon = Daemon {
        config,
        text,
        running,
        incoming: None,
        trial,
        turns: Turns::default(),
        quiet: common.quiet,
        starter,
        supervisor,
        children,
        log,
        records,
        memory,
        desk,
        followers: Followers::default(),
        watch,
        terminal,
        manager,
        unrenewed: None,
        exit,
    };
    daemon.serve(&signals)
}

/// Remembers what is on trial, or that nothing is, and tells people where it was not confirmed.
fn begin_trial(trial: Option<&Trial>, file: &Path, log: &mut Log) {
    if let Err(error) = trial.map_or_else(trial::forget, Trial::remember) {
        log.write(&Entry::warning(format!("what is to be confirmed cannot be remembered: {error}")));
    }
    if trial.is_some_and(Trial::is_rejected) {
        let line = "nobody has confirmed it, so the configuration before runs; `ftr-monitor reload` takes it";
        log.write(&Entry::error(format!("{}: {line}", file.display())));
    }
}

/// One that goes on from what was remembered, where that still holds.
fn supervisor(config: &Config, mode: Mode, log: &mut Log) -> Supervisor {
    let known = recall(config).unwrap_or_else(|error| {
        log.write(&Entry::warning(format!("what was known before is not believed: {error}")));
        None
    });
    let (known, events) = known.unzip();
    Supervisor::new(config, mode, (known, events.unwrap_or_default()), clock::since_boot()).with_decider(|decider| {
        let (decider, said) = state::resume(decider.in_zone(config, TimeZone::system()), config);
        if let Some(said) = said {
            log.write(&Entry::warning(said));
        }
        decider
    })
}

struct Daemon {
    config: Arc<Config>,
    /// The text that it was read from.
    text: String,
    /// One that programs do not know yet.
    incoming: Option<Taken>,
    /// One that nobody has confirmed.
    trial: Option<Trial>,
    turns: Turns,
    quiet: bool,
    /// What others are told of it.
    running: Running,
    /// Has the configuration as children read it.
    starter: Starter,
    supervisor: Supervisor,
    children: Each<Option<Child>>,
    log: Log,
    /// Records are printed for whoever reads our standard output.
    records: Option<Output>,
    memory: Writer<Known>,
    desk: Desk,
    followers: Followers,
    /// Tells that the run directory is gone.
    watch: Option<Watch>,
    terminal: Terminal,
    manager: ServiceManager,
    /// Why lock and socket could not be made again, as people were told.
    unrenewed: Option<String>,
    /// How it ends once it has stopped.
    exit: Exit,
}

impl Daemon {
    fn serve(mut self, signals: &Signals) -> Result<Exit, Failure> {
        loop {
            let now = clock::since_boot();
            self.supervisor.catch_up(now, SystemTime::now());
            for asker in self.desk.visitors().overdue(now) {
                self.answer(asker, now);
            }
            self.take_turns(now);
            while let Some(order) = self.supervisor.next(now) {
                self.carry_out(order, now);
            }
            self.take_turns(now);
            self.manager.turn(now);
            if self.supervisor.is_over() {
                return Ok(self.finish());
            }
            let ready = self.wait(signals, now)?;
            let now = clock::since_boot();
            for source in ready {
                self.attend(source, signals, now);
            }
        }
    }

    /// The last things: what is known is remembered, what was lost is told.
    fn finish(mut self) -> Exit {
        let (words, is_unwritten) = self.supervisor.last_words();
        for word in words {
            self.log.write(&Entry::warning(word));
        }
        let last = (is_unwritten || self.supervisor.has_lasting()).then(|| self.known());
        for said in self.memory.finish(|| last) {
            self.log.write(&Entry::warning(said));
        }
        if let Some(records) = &mut self.records {
            // Whoever has gone away misses nothing.
            let _ = records.finish(Some(FAREWELL));
            if let Some(dropped) = records.dropped_at_last() {
                self.log.write(&Entry::warning(dropped));
            }
        }
        self.running.take_back();
        self.log.write(&Entry::notice("stopped; routing stays as it is"));
        self.exit
    }
}
