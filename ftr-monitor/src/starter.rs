//! Starts the programs of the pipeline, for the daemon and for single cycles: each with one capability at most, as its own
//! user where we may choose, unable to gain privileges or to reach into others, and with its part of the configuration.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;

use command_fds::CommandFdExt;
use ftr_core::config::unread_by;
use ftr_core::{Config, Exit};
use ftr_tool::cli::Failure;
use ftr_tool::open::readable;
use ftr_tool::{assigned, programs};
use nix::sys::prctl::set_no_new_privs;

use crate::confine;
use crate::privilege;
use crate::program::{Each, Program};
use crate::reduce;
use crate::snapshot::Snapshot;
use crate::user::Identity;

/// The longest password that is read from a file, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

/// What is needed to start programs, for as long as the configuration holds.
pub(crate) struct Starter {
    config: Config,
    /// Whose name the copies have.
    origin: PathBuf,
    parts: Each<Part>,
}

/// What one program gets.
struct Part {
    /// Its configuration.
    text: String,
    /// Its user; none: our own.
    identity: Option<Identity>,
}

impl Starter {
    /// For this configuration, read from a file as this text; and what people should know of users that programs cannot have.
    ///
    /// # Errors
    /// Exit 78: the configuration cannot be reduced to what a program needs.
    pub(crate) fn new(config: &Config, text: &str, origin: &Path) -> Result<(Self, Vec<String>), Failure> {
        let mut remarks = Vec::new();
        let mut part = |program: Program| {
            let text = reduce::without(config, text, program.reader()).ok_or_else(|| {
                let (name, hidden) = (program.name(), unread_by(program.reader()).join(", "));
                let what = "does not mean the same when it is taken apart; write each section on lines of its own";
                Failure::new(Exit::Config, format!("{}: without {hidden} for {name}: {what}", config.file.display()))
            })?;
            // None of the others has to do with tables and marks.
            let text = if program == Program::Route { text + &assigned::comment(config) } else { text };
            let identity = program.user().map_or(Ok(None), Identity::of).unwrap_or_else(|error| {
                let (name, user) = (program.name(), program.user().unwrap_or_default());
                remarks.push(format!("{name}: cannot be user {user}, and runs as the monitor's: {error}"));
                None
            });
            Ok::<_, Failure>(Part { text, identity })
        };
        let parts = Each::try_new(&mut part)?;
        Ok((Self { config: config.clone(), origin: origin.to_owned(), parts }, remarks))
    }

    /// Starts a program, whose standard streams `streams` says.
    ///
    /// # Errors
    /// It cannot be started, or the kernel refuses to confine it.
    pub(crate) fn start(
        &self,
        program: Program,
        args: &[&str],
        streams: impl FnOnce(&mut Command),
    ) -> io::Result<Child> {
        let part = self.parts.of(program);
        let (identity, origin) = (part.identity, self.origin.clone());
        let text = if program == Program::Notify { self.with_password(part)? } else { part.text.clone() };
        let mut command = programs::sibling(program.command().0)?;
        let path = PathBuf::from(command.get_program());
        streams(&mut command);
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        // All of this is a matter of the thread, and of what it starts.
        let starter = thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            set_no_new_privs()?;
            confine::enter(program.files(), &path).map_err(io::Error::other)?;
            identity.map_or(Ok(()), Identity::assume)?;
            privilege::restrict_thread(program.needs())?;
            // Made by its reader's user, who is the only one that may open it.
            let copy = Snapshot::of(&text, &origin)?;
            command.arg("-c").arg(copy.path()).args(args).preserved_fds(vec![copy.into()]);
            command.spawn()
        })?;
        starter.join().unwrap_or_else(|_| Err(io::Error::other("the thread that starts it panicked")))
    }

    /// The configuration of the program that mails, with the password itself where its user may not read the file of it.
    fn with_password(&self, part: &Part) -> io::Result<String> {
        let smtp = &self.config.email.smtp;
        let unreadable = |file: &&PathBuf| part.identity.is_some_and(|identity| !identity.may_read(file));
        let Some(file) = smtp.password_file.as_ref().filter(unreadable) else { return Ok(part.text.clone()) };
        let named = |error: &io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        let mut line = String::new();
        readable(file)
            .and_then(|open| BufReader::new(open.take(LONGEST_PASSWORD)).read_line(&mut line))
            .map_err(|error| named(&error))?;
        let password = line.trim_end_matches(['\r', '\n']);
        let text = Config::parse(&self.config.file, &part.text)
            .ok()
            .and_then(|config| reduce::with_password(&config, &part.text, password));
        text.ok_or_else(|| named(&io::Error::other("not usable as a password")))
    }
}
