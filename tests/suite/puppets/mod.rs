//! A monitor whose programs do nothing by themselves: what they say the test says, through their pipes.

mod answerer;

use ftr_lab::deadline::wait_for;
use ftr_lab::error::{Context, LabError, Result, malformed};
use ftr_lab::namespace::Namespace;
use ftr_lab::process;
use ftr_lab::program::{self, Daemon};
use ftr_lab::router::STOPS_WITHIN;
use ftr_lab::teardown;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(crate) use answerer::Answerer;

pub(crate) const ROUTE: &str = "ftr-route";
pub(crate) const PROBE: &str = "ftr-probe";
pub(crate) const NOTIFY: &str = "ftr-notify";

/// Waits for a signal; the notifier for the end of its input.
const PUPPET: &str = "#!/usr/bin/python3 -I\nimport signal\nsignal.sigwait([signal.SIGTERM])\n";
const READER: &str = "#!/usr/bin/python3 -I\nimport sys\nfor line in sys.stdin.buffer: pass\n";
/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where it all is; removed at the end.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        teardown::remove_directory(&self.0);
    }
}

/// A running monitor, alone in its network namespace.
pub(crate) struct Monitor {
    pub(crate) space: Namespace,
    directory: Directory,
    daemon: Mutex<Daemon>,
    pid: u32,
}

impl Monitor {
    pub(crate) fn start(name: &str) -> Result<Self> {
        let name = format!("ftr{name}-{}", std::process::id());
        let kept = Directory(std::env::temp_dir().join(&name));
        let directory = &kept.0;
        teardown::remember_directory(directory);
        let programs = directory.join("bin");
        let made = |path: &Path| format!("make {}", path.display());
        fs::create_dir_all(directory.join("run")).context(|| made(directory))?;
        fs::create_dir_all(&programs).context(|| made(&programs))?;
        fs::copy(program::find("ftr-monitor")?, programs.join("ftr-monitor")).context(|| made(&programs))?;
        for (program, text) in [(ROUTE, PUPPET), (PROBE, PUPPET), (NOTIFY, READER)] {
            let path = programs.join(program);
            fs::write(&path, text).context(|| made(&path))?;
            fs::set_permissions(&path, Permissions::from_mode(0o755)).context(|| made(&path))?;
        }
        let uplinks: Vec<String> = (1..=3)
            .map(|n| format!("- {{interface: eth{n}, ip: 192.0.2.{n}, gateway: 192.0.2.9, weight: {n}}}\n"))
            .collect();
        let config = format!(
            "uplinks:\n{}downlinks: {{lan: eth0}}\n\
             tests: {{ips: [198.51.100.1], required_successful: 1, interval: 60}}\n\
             log: {{file: {}/ftr.log, max_size: 1000000000}}\n\
             email: {{send: true, sender: router@example.net, recipients: [admin@example.net], \
             smtp_parameters: {{address: 127.0.0.1, port: 2525}}}}\n\
             base_table: 1\nbase_priority: 20000\nbase_fwmark: 0x100\nfwmark_mask: 0xff00\n",
            uplinks.concat(),
            directory.display()
        );
        fs::write(directory.join("ftr.yaml"), config).context(|| made(directory))?;
        Self::run(Namespace::create(&name)?, kept)
    }

    fn run(space: Namespace, kept: Directory) -> Result<Self> {
        let directory = &kept.0;
        let mut command = space.command(directory.join("bin/ftr-monitor"));
        command.env("FTR_RUN_DIR", directory.join("run")).arg("-c").arg(directory.join("ftr.yaml")).arg("run");
        let daemon = Daemon::start("ftr-monitor", &mut command, directory)?;
        let pid = daemon.pid();
        Ok(Self { space, directory: kept, daemon: Mutex::new(daemon), pid })
    }

    /// Its successor, which finds these events in the memory that this one has left.
    pub(crate) fn again(self, events: &Value) -> Result<Self> {
        let mut memory = self.memory()?;
        if let Some(kept) = memory.get_mut("events") {
            kept.clone_from(events);
        }
        let path = self.directory.0.join("run/monitor.json");
        fs::write(&path, memory.to_string()).context(|| format!("write {}", path.display()))?;
        Self::run(self.space, self.directory)
    }

    /// What it has remembered; null while there is nothing.
    pub(crate) fn memory(&self) -> Result<Value> {
        let path = self.directory.0.join("run/monitor.json");
        if !path.exists() {
            return Ok(Value::Null);
        }
        let text = fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| malformed("memory of the monitor", &error))
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.0.join("ftr.log")).unwrap_or_default()
    }

    /// Bytes that it has written so far, to whatever file.
    pub(crate) fn written(&self) -> Result<u64> {
        let path = format!("/proc/{}/io", self.pid);
        let text = fs::read_to_string(&path).context(|| format!("read {path}"))?;
        let count = text.lines().find_map(|line| line.strip_prefix("wchar: ")?.trim().parse().ok());
        count.ok_or_else(|| malformed(path, &text))
    }

    pub(crate) fn until(&self, what: &str, mut is: impl FnMut() -> Result<bool>) -> Result<()> {
        wait_for(what, PATIENCE, &mut is, |is| *is).map(drop).map_err(|error| self.explained(&error))
    }

    /// An error with what the monitor has to say.
    pub(crate) fn explained(&self, error: &LabError) -> LabError {
        LabError::Unexpected(format!("{error}\nthe end of the log:\n{}", tail(&self.log())))
    }

    /// One end of a pipe of a program: 0 is its input, 1 its output, 2 its errors.
    pub(crate) fn pipe(&self, program: &str, number: u8) -> Result<File> {
        let find = || process::descendant(self.pid, program);
        let pid = wait_for(program, PATIENCE, find, Option::is_some).map_err(|error| self.explained(&error))?;
        let path = format!("/proc/{}/fd/{number}", pid.unwrap_or_default());
        // A puppet that is only just there may not have its pipes yet.
        let is_pipe = || Ok(fs::read_link(&path).is_ok_and(|end| end.to_string_lossy().starts_with("pipe:")));
        wait_for(&path, PATIENCE, is_pipe, |is| *is)?;
        File::options().read(number == 0).write(number != 0).open(&path).context(|| format!("open {path}"))
    }

    /// Where it is asked how things are.
    pub(crate) fn socket(&self) -> Result<PathBuf> {
        let run = self.directory.0.join("run");
        let listed = fs::read_dir(&run).context(|| format!("list {}", run.display()))?;
        let mut paths = listed.filter_map(|entry| Some(entry.ok()?.path()));
        let socket = paths.find(|path| path.extension().is_some_and(|kind| kind == "sock"));
        socket.ok_or_else(|| LabError::Unexpected(format!("no socket in {}", run.display())))
    }

    /// Asks there; what is not read stays open.
    ///
    /// # Errors
    /// It has ended, or has said nothing.
    pub(crate) fn ask(socket: &Path, reads: bool) -> std::io::Result<UnixStream> {
        let mut monitor = UnixStream::connect(socket)?;
        if reads {
            monitor.set_read_timeout(Some(PATIENCE))?;
            let mut status = String::new();
            monitor.read_to_string(&mut status)?;
            if !status.contains("\"uplinks\"") {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(monitor)
    }

    /// Ends it as an administrator does, and it has to end in time; how long that took.
    pub(crate) fn terminate(&self) -> Result<Duration> {
        let began = Instant::now();
        program::send(self.pid, Signal::SIGTERM)?;
        self.ended(STOPS_WITHIN)?;
        Ok(began.elapsed())
    }

    /// Ends it without warning.
    pub(crate) fn kill(&self) -> Result<()> {
        program::send(self.pid, Signal::SIGKILL)?;
        self.ended(PATIENCE)
    }

    fn ended(&self, within: Duration) -> Result<()> {
        let mut daemon = self.daemon.lock().map_err(|_| LabError::Unexpected("another thread panicked".to_owned()))?;
        daemon.ended(within).map(drop)
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
}

/// Milliseconds since boot, for records.
fn mono() -> u128 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| Duration::from(time).as_millis())
}

/// A line that says how an uplink is.
pub(crate) fn check(uplink: &str, up: bool) -> String {
    let (reason, answered) = if up { ("null", 1) } else { (r#""no-answer""#, 0) };
    let mono = mono();
    format!(
        r#"{{"type":"check","time":"t","mono":{mono},"uplink":"{uplink}","family":4,"up":{up},"reason":{reason},"answered":{answered},"required":1,"asked":1,"rtt_ms":null,"jitter_ms":null,"loss":null,"targets":[]}}"#
    ) + "\n"
}

/// A line that says what the kernel has; `eth3` has no gateway there, or has one again, or nothing is said of it.
pub(crate) fn applied(eth3_has_one: Option<bool>) -> String {
    let (uplinks, no_way) = match eth3_has_one {
        None => ("", ""),
        Some(true) => (r#"{"uplink":"eth3","address":"192.0.2.3","gateway":"192.0.2.9"}"#, ""),
        Some(false) => ("", r#"{"uplink":"eth3","reason":"no-gateway"}"#),
    };
    let mono = mono();
    format!(
        r#"{{"type":"applied","time":"t","mono":{mono},"family":4,"writes":1,"took_us":1,"active":[],"uplinks":[{uplinks}],"no_way":[{no_way}]}}"#
    ) + "\n"
}
