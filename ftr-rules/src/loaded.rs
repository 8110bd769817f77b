//! What is loaded, as the programs that load rules show it.

use std::io;
use std::process::{Command, Stdio};

use ftr_core::Exit;
use ftr_core::cli::Failure;

/// Where the programs of the administrator are: not in everybody's search path, nor in that of cron.
const PLACES: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// What a program prints.
///
/// # Errors
/// It is not there, may not look, or says something else.
pub(crate) fn shown(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", format!("{path}:{PLACES}")).env("LC_ALL", "C").stdin(Stdio::null());
    let output = command.output().map_err(|error| match error.kind() {
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
    use super::shown;
    use ftr_core::Exit;

    #[test]
    fn why_nothing_is_shown() {
        let exit = |line: &str| shown("sh", &["-c", line]).map_err(|failure| failure.exit());
        assert_eq!(exit("echo a"), Ok("a\n".to_owned()));
        assert_eq!(exit("echo 'Operation not permitted (you must be root)' >&2; exit 1"), Err(Exit::NotPermitted));
        assert_eq!(exit("exit 1"), Err(Exit::Unavailable));
        let missing = shown("no-such-program-anywhere", &[]).map_err(|failure| failure.exit());
        assert_eq!(missing, Err(Exit::Unavailable));
    }
}
