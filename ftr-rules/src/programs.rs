//! The programs that load and show rules.

use std::io::{self, Write};
use std::process::{Child, Command, Output, Stdio};

use ftr_core::Exit;
use ftr_core::cli::Failure;

/// Where the programs of the administrator are: not in everybody's search path, nor in that of cron.
const PLACES: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// What a program prints; its name comes first.
///
/// # Errors
/// It is not there, may not look, or says something else.
pub(crate) fn shown<S: AsRef<str>>(line: &[S]) -> Result<String, Failure> {
    fed(line, "")
}

/// The same, of one that is told something.
///
/// # Errors
/// As above, and it does not take what it is told.
pub(crate) fn fed<S: AsRef<str>>(line: &[S], text: &str) -> Result<String, Failure> {
    let (program, arguments) = line.split_first().map_or(("", line), |(first, rest)| (first.as_ref(), rest));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(arguments.iter().map(AsRef::as_ref)).env("PATH", format!("{path}:{PLACES}")).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.spawn().and_then(|child| told(child, text)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(Exit::Unavailable, format!("{program}: not installed, or not in the path"))
        }
        _ => Failure::new(Exit::Io, format!("{program}: {error}")),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let reason = complaint.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    Err(refused(program, reason))
}

/// Writes while the program may be writing as well.
fn told(mut child: Child, text: &str) -> io::Result<Output> {
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        // A program that does not read it all has a reason, which it gives itself.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(text.as_bytes())));
        child.wait_with_output()
    })
}

/// Why a program could not look, by its own words.
fn refused(program: &str, reason: &str) -> Failure {
    let denied = ["not permitted", "denied", "must be root"].iter().any(|words| reason.contains(words));
    if denied {
        Failure::new(Exit::NotPermitted, format!("{program}: {reason}: CAP_NET_ADMIN is needed, so run it as root"))
    } else {
        Failure::new(Exit::Unavailable, format!("{program}: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{fed, shown};
    use ftr_core::Exit;

    #[test]
    fn why_nothing_is_shown() {
        let exit = |line: &str| shown(&["sh", "-c", line]).map_err(|failure| failure.exit());
        assert_eq!(exit("echo a"), Ok("a\n".to_owned()));
        assert_eq!(exit("echo 'Operation not permitted (you must be root)' >&2; exit 1"), Err(Exit::NotPermitted));
        assert_eq!(exit("exit 1"), Err(Exit::Unavailable));
        let missing = shown(&["no-such-program-anywhere"]).map_err(|failure| failure.exit());
        assert_eq!(missing, Err(Exit::Unavailable));
    }

    #[test]
    fn what_a_program_is_told_may_be_more_than_a_pipe_holds() {
        let text = "x".repeat(1 << 20);
        assert_eq!(fed(&["cat"], &text).map_err(|failure| failure.exit()), Ok(text.clone()));
        assert_eq!(fed(&["true"], &text).map_err(|failure| failure.exit()), Ok(String::new()));
    }
}
