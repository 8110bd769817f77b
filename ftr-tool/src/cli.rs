//! What all command lines have in common.

use std::ffi::OsStr;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Args, Parser};
use clap_complete::CompleteEnv;
use ftr_core::config::Problems;
use ftr_core::sanitize::sanitize;
use ftr_core::{Config, Exit, Severity};

use crate::{assigned, configuration, journal, running};

/// Which configuration a program goes by.
#[derive(Args, Clone, Debug, Default)]
pub struct Source {
    /// Configuration file [default: the first of the usual places]
    #[arg(
        short,
        long,
        value_name = "FILE",
        global = true,
        help = "Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]"
    )]
    pub config: Option<PathBuf>,
}

impl Source {
    /// The configuration that the flag names, or else the first of the usual places.
    ///
    /// # Errors
    /// No file is there, it cannot be read, or it has problems.
    pub fn load(&self) -> Result<Config, Failure> {
        Ok(configuration::load(&self.file()?)?)
    }

    /// The same, for a program that prints or sets tables and marks: these are the ones that the running monitor has given,
    /// or will give.
    ///
    /// # Errors
    /// As [`Source::load`].
    pub fn load_numbered(&self) -> Result<Config, Failure> {
        let mut config = self.load()?;
        // One that is a copy of the monitor's has its numbers. What is not to be believed has been said by the monitor.
        if config.assignment.is_none() {
            let _ = assigned::assign(&mut config);
        }
        Ok(config)
    }

    /// Where the configuration is read from: see [`Source::load`].
    ///
    /// # Errors
    /// None is named and none of the usual places has one.
    pub fn file(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.config {
            return Ok(file.clone());
        }
        if let Some(file) = std::env::var_os("FTR_CONFIG").filter(|file| !file.is_empty()) {
            return Ok(PathBuf::from(file));
        }
        USUAL_FILES.iter().map(PathBuf::from).find(|file| file.exists()).ok_or_else(|| {
            Failure::new(
                Exit::Config,
                format!(
                    "configuration: none found in {}; write one with `ftr-monitor init`, or name it with -c",
                    USUAL_FILES.join(", ")
                ),
            )
        })
    }
}

/// The flags of the programs that answer in words and in JSON.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Which configuration.
    #[command(flatten)]
    pub source: Source,
    /// Print JSON, one object a line
    #[arg(short, long, global = true)]
    pub json: bool,
    /// Print no answer and no remarks, only errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; what that is, tells the help of each command
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// The flag `-v` as one command has it, with what it says there.
#[must_use]
pub fn verbose(help: &'static str) -> Arg {
    Arg::new("verbose").short('v').long("verbose").action(ArgAction::SetTrue).help(help)
}

/// The flag `-q` of a command that is there to print, and does so with it as well.
#[must_use]
pub fn no_remarks() -> Arg {
    Arg::new("quiet")
        .short('q')
        .long("quiet")
        .action(ArgAction::SetTrue)
        .help("Print no remarks, only errors and the answer")
}

const USUAL_FILES: [&str; 2] = ["/etc/ftr/ftr.yaml", "/etc/fault_tolerant_router.conf"];

/// Why a tool stops: the exit code, and what it says on stderr.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    lines: Vec<String>,
    problems: Option<Problems>,
}

impl Failure {
    /// A failure with a message of the form `object: reason`.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, lines: vec![message.into()], problems: None }
    }

    /// Standard output could not be written: quiet if its reader went away, as in `| head`.
    #[must_use]
    pub fn stdout(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self { exit: Exit::Yes, lines: Vec::new(), problems: None }
        } else {
            Self::new(Exit::Io, format!("standard output: {error}"))
        }
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// What there is to say, a line each.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self { exit: Exit::Config, lines: problems.lines(), problems: Some(problems) }
    }
}

/// Prints an answer, or a part of one, on standard output.
///
/// # Errors
/// It cannot be written; quiet where its reader went away, see [`Failure::stdout`].
pub fn answer(text: &str) -> Result<(), Failure> {
    use io::Write as _;
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| Failure::stdout(&error))
}

/// Writes `tool: message` to stderr, cleaned of control characters: what people should look at, though the program goes on.
pub fn say(tool: &str, message: &str) {
    complain(Severity::Warning, &format!("{tool}: {message}"));
}

/// Writes a line to stderr, with its severity where the journal reads it.
fn complain(severity: Severity, line: &str) {
    use io::Write as _;
    let (mut stderr, line) = (io::stderr(), sanitize(line));
    let text = if journal::reads(&stderr) { journal::line(severity, line) } else { format!("{line}\n") };
    // Nothing is left to tell it to when stderr is gone.
    let _ = stderr.write_all(text.as_bytes());
}

/// Writes problems of the configuration to stderr: for a terminal drawn below their lines, else as compilers write them,
/// without the tool's name, so that an editor can jump to each.
pub fn show(problems: &Problems) {
    use io::{IsTerminal as _, Write as _};
    let mut stderr = io::stderr();
    if !stderr.is_terminal() {
        return problems.lines().iter().for_each(|line| complain(Severity::Error, line));
    }
    // Nothing is left to tell it to when stderr is gone.
    let _ = stderr.write_all(problems.drawn(colour(&stderr)).as_bytes());
}

/// By which variable of the environment a shell asks what could come next on a line. It is ours alone: one that others use
/// as well would have the daemon answer instead of doing its work.
pub const COMPLETE: &str = "FTR_COMPLETE";

/// Answers a shell that completes a line (the scripts in `dist/completions` ask so); none where nobody has asked.
fn completed<C: Parser>(tool: &str) -> Option<Exit> {
    let directory = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(C::command).var(COMPLETE);
    match asked.try_complete(std::env::args_os(), directory.as_deref()) {
        Ok(true) => Some(Exit::Yes),
        Ok(false) => None,
        Err(error) => {
            say(tool, &format!("{COMPLETE}: {error}"));
            Some(Exit::Usage)
        }
    }
}

/// Runs a tool: parses the command line, calls `body`, and turns its end into an exit code.
///
/// Wrong usage is exit 64, with clap's explanation on stderr; `--help` and `--version` are exit 0. A panic is a bug of
/// ours, and exit 70.
pub fn run<C: Parser>(tool: &str, body: impl FnOnce(&C) -> Result<Exit, Failure>) -> ExitCode {
    if let Some(exit) = completed::<C>(tool) {
        return exit.into();
    }
    let command = match C::try_parse() {
        Ok(command) => command,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Yes };
            return match error.print() {
                Err(failed) if !error.use_stderr() => Failure::stdout(&failed).exit.into(),
                // Nobody is left to explain it to when stderr is gone.
                _ => exit.into(),
            };
        }
    };
    // Nothing that the panic may have left half done is looked at again.
    match catch_unwind(AssertUnwindSafe(|| body(&command))) {
        Err(_) => Exit::Bug.into(),
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => {
            match &failure.problems {
                Some(problems) => {
                    show(problems);
                    if let Some(line) = running::goes_on() {
                        say(tool, &line);
                    }
                }
                None => failure.lines.iter().for_each(|line| complain(Severity::Error, &format!("{tool}: {line}"))),
            }
            failure.exit.into()
        }
    }
}

/// Whether to colour what goes to `terminal`: only a terminal, and never with `NO_COLOR` (no-color.org).
#[must_use]
pub fn colour(terminal: &impl io::IsTerminal) -> bool {
    terminal.is_terminal() && std::env::var_os("NO_COLOR").as_deref().is_none_or(OsStr::is_empty)
}
