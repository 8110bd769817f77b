//! The programs that load and show rules.

use std::time::Duration;

use ftr_core::Exit;
use ftr_tool::cli::Failure;
use ftr_tool::programs;
use ftr_tool::run::{Bounds, run};

/// Tens of thousands of rules take iptables seconds, and print some MiB.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(60), bytes: 64 << 20 };

/// What a program prints; its name comes first.
///
/// # Errors
/// It is not there, may not look, says something else, or takes too long.
pub(crate) fn shown<S: AsRef<str>>(line: &[S]) -> Result<String, Failure> {
    fed(line, "")
}

/// The same, of one that is told something.
///
/// # Errors
/// As above, and it does not take what it is told.
pub(crate) fn fed<S: AsRef<str>>(line: &[S], text: &str) -> Result<String, Failure> {
    let (program, arguments) = line.split_first().map_or(("", line), |(first, rest)| (first.as_ref(), rest));
    let mut command = programs::system(program).map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
    command.args(arguments.iter().map(AsRef::as_ref));
    let ended = run(&mut command, text.as_bytes(), BOUNDS);
    let ended = ended.map_err(|error| Failure::new(Exit::Io, format!("{program}: {error}")))?;
    ended.text().map_err(|reason| refused(program, &reason))
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
