//! Other programs, which tell what only they know: within a time limit, and no more than so much.

use std::io::ErrorKind;
use std::time::Duration;

use ftr_tool::programs;
use ftr_tool::run::{Bounds, run};

const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), bytes: 16 << 20 };

/// What a program prints; none where there is no such program.
///
/// # Errors
/// Why it did not print all of it, in its own words where it has some.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<Option<String>, String> {
    let mut command = match programs::system(program) {
        Ok(command) => command,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let ended = run(command.args(arguments), b"", BOUNDS).map_err(|error| error.to_string())?;
    ended.text().map(Some)
}

#[cfg(test)]
mod tests {
    use super::output;

    #[test]
    fn what_is_printed_and_why_not() {
        assert_eq!(output("echo", &["a"]), Ok(Some("a\n".to_owned())));
        assert_eq!(output("no-such-program-anywhere", &[]), Ok(None));
        assert_eq!(output("sh", &["-c", "echo why >&2; exit 4"]), Err("why".to_owned()));
        assert_eq!(output("sh", &["-c", "exit 4"]), Err("exit status: 4".to_owned()));
    }
}
