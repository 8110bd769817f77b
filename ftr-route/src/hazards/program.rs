//! Other programs, which tell what only they know: within a time limit, and no more than so much.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many bytes it may print.
const MOST: usize = 16 * 1024 * 1024;
/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;
/// Where the programs of the administrator are: not in everybody's search path, nor in that of cron.
const PLACES: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// What a program prints; none where there is no such program.
///
/// # Errors
/// Why it did not print all of it, in its own words where it has some.
pub(super) fn output(program: &str, arguments: &[&str]) -> Result<Option<String>, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", format!("{path}:{PLACES}")).env("LC_ALL", "C");
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let printed = listen(&mut child, Instant::now() + PATIENCE);
    if printed.is_err() {
        // Nothing is left to do for one that has ended by itself just now.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let [answer, complaint] = printed?;
    if status.success() {
        return Ok(Some(String::from_utf8_lossy(&answer).into_owned()));
    }
    let complaint = String::from_utf8_lossy(&complaint);
    Err(complaint.lines().find(|line| !line.trim().is_empty()).map_or_else(|| status.to_string(), str::to_owned))
}

/// All that it prints, on standard output and standard error.
fn listen(child: &mut Child, deadline: Instant) -> Result<[Vec<u8>; 2], String> {
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("its output is not to be had".to_owned());
    };
    let mut texts = [Vec::new(), Vec::new()];
    let mut open = [true; 2];
    let mut chunk = vec![0; CHUNK];
    while open.contains(&true) {
        // A descriptor that is to be watched for nothing still tells of its end, so what has ended is left out.
        let all = [stdout.as_fd(), stderr.as_fd()];
        let mut waiting: Vec<PollFd<'_>> = all
            .into_iter()
            .zip(open)
            .filter(|(_, open)| *open)
            .map(|(fd, _)| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(&mut waiting, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(0) => return Err(format!("it takes more than {} s", PATIENCE.as_secs())),
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.desc().to_owned()),
            Ok(_) => {}
        }
        let mut ready = waiting.iter().map(|fd| fd.any() == Some(true));
        let ready = open.map(|open| open && ready.next() == Some(true));
        let pipes: [&mut dyn Read; 2] = [&mut stdout, &mut stderr];
        for (((pipe, text), open), ready) in pipes.into_iter().zip(&mut texts).zip(&mut open).zip(ready) {
            if ready {
                let read = pipe.read(&mut chunk).map_err(|error| error.to_string())?;
                text.extend(chunk.get(..read).unwrap_or_default());
                *open = read != 0;
            }
        }
        if texts.iter().any(|text| text.len() > MOST) {
            return Err(format!("it prints more than {} MiB", MOST / 1024 / 1024));
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::{MOST, output};

    #[test]
    fn what_is_printed_and_why_not() {
        assert_eq!(output("echo", &["a"]), Ok(Some("a\n".to_owned())));
        assert_eq!(output("no-such-program-anywhere", &[]), Ok(None));
        assert_eq!(output("sh", &["-c", "echo why >&2; exit 4"]), Err("why".to_owned()));
        assert_eq!(output("sh", &["-c", "exit 4"]), Err("exit status: 4".to_owned()));
    }

    #[test]
    fn much_on_both_sides_is_read_and_too_much_is_not() {
        let line = "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero";
        assert_eq!(output("sh", &["-c", line]).map(|text| text.map(|text| text.len())), Ok(Some(300_000)));
        let line = format!("exec head -c {} /dev/zero", MOST + 1);
        assert_eq!(output("sh", &["-c", &line]), Err("it prints more than 16 MiB".to_owned()));
    }
}
