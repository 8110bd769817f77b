//! What all command lines have in common.

use std::ffi::OsStr;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};

use crate::clean::clean;
use crate::config::{Config, Problems};
use crate::exit::Exit;

/// The flags that every tool has.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Configuration file [default: the first of the usual places]
    #[arg(
        short,
        long,
        value_name = "FILE",
        global = true,
        help = "Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]"
    )]
    pub config: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(short, long, global = true)]
    pub json: bool,
    /// Print no answer and no remarks, only errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl Common {
    /// The configuration that the flags name, or else the first of the usual places.
    ///
    /// # Errors
    /// No file is there, it cannot be read, or it has problems.
    pub fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.config_file()?)?)
    }

    /// Where the configuration is read from: see [`Common::load`].
    ///
    /// # Errors
    /// None is named and none of the usual places has one.
    pub fn config_file(&self) -> Result<PathBuf, Failure> {
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

const USUAL_FILES: [&str; 2] = ["/etc/ftr/ftr.yaml", "/etc/fault_tolerant_router.conf"];

/// Why a tool stops: the exit code, and what it says on stderr.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    lines: Vec<String>,
    named: bool,
}

impl Failure {
    /// A failure with a message of the form `object: reason`.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, lines: vec![message.into()], named: true }
    }

    /// Standard output could not be written: quiet if its reader went away, as in `| head`.
    #[must_use]
    pub fn stdout(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self { exit: Exit::Yes, lines: Vec::new(), named: true }
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
        // As compilers write them, without the tool's name: an editor can jump to each.
        Self { exit: Exit::Config, lines: problems.lines(), named: false }
    }
}

/// Writes `tool: message` to stderr, cleaned of control characters.
pub fn say(tool: &str, message: &str) {
    use io::Write as _;
    // Nothing is left to tell it to when stderr is gone.
    let _ = writeln!(io::stderr(), "{tool}: {}", clean(message));
}

/// Runs a tool: parses the command line, calls `body`, and turns its end into an exit code.
///
/// Wrong usage is exit 64, with clap's explanation on stderr; `--help` and `--version` are exit 0. A panic is a bug of
/// ours, and exit 70.
pub fn run<C: Parser>(tool: &str, body: impl FnOnce(&C) -> Result<Exit, Failure>) -> ExitCode {
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
            for line in &failure.lines {
                if failure.named {
                    say(tool, line);
                } else {
                    use io::Write as _;
                    let _ = writeln!(io::stderr(), "{}", clean(line));
                }
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
