//! What real shells offer when somebody presses the tabulator, with the files that are shipped, as each shell finds them.

use ftr_lab::deadline::wait_for;
use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::program;
use ftr_lab::suite;
use libtest_mimic::{Failed, Trial};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// What is shipped.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/completions");

/// A line as it is typed, and what the tabulator makes of it.
const LINES: [(&str, &str); 12] = [
    ("ftr-monitor dec", "ftr-monitor decide"),
    ("ftr-monitor status --ver", "ftr-monitor status --verbose"),
    ("ftr-monitor run --dr", "ftr-monitor run --dry-run"),
    ("ftr-notify --sub", "ftr-notify --subject"),
    ("ftr-rules --backend n", "ftr-rules --backend nft"),
    ("ftr-probe p", "ftr-probe ppp0"),
    ("ftr-route apply --dry", "ftr-route apply --dry-run"),
    ("ftr-route apply -n e", "ftr-route apply -n eth1"),
    ("ftr-route apply --failed p", "ftr-route apply --failed ppp0"),
    ("ftr-route explain --assume e", "ftr-route explain --assume eth1=down"),
    ("ftr-route -c other.yaml apply w", "ftr-route -c other.yaml apply wan9"),
    // What cannot be read has no uplinks, and nobody is told while typing.
    ("ftr-route -c missing.yaml apply p", "ftr-route -c missing.yaml apply p"),
];

const CONFIGURATION: &str = "\
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, description: Cable}
- {interface: ppp0, type: ppp}
downlinks: {lan: eth0}
tests: {ips: [8.8.8.8, 9.9.9.9], required_successful: 1}
";

fn main() -> ExitCode {
    let trial = |name: &str, shell: fn(&Desk) -> Result<()>| {
        Trial::test(format!("{name}_completes"), move || {
            Desk::new().and_then(|desk| shell(&desk)).map_err(Failed::from)
        })
    };
    suite::run(vec![trial("bash", bash), trial("zsh", zsh), trial("fish", fish)])
}

/// A directory with two configurations. Dropping it removes it.
struct Desk {
    directory: PathBuf,
}

impl Desk {
    fn new() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("ftr-completion-{}", std::process::id()));
        fs::create_dir_all(&directory).context(|| format!("make {}", directory.display()))?;
        let desk = Self { directory };
        desk.write("ftr.yaml", CONFIGURATION)?;
        desk.write("other.yaml", &CONFIGURATION.replace("ppp0", "wan9"))?;
        Ok(desk)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.directory.join(name);
        fs::write(&path, text).context(|| format!("write {}", path.display()))
    }

    /// A command that begins here, with our programs and our first configuration.
    fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(program);
        program::environment(&mut command, &self.directory)?;
        command.env("FTR_CONFIG", self.directory.join("ftr.yaml")).env("TERM", "dumb").env("HOME", &self.directory);
        command.env("ZDOTDIR", &self.directory).current_dir(&self.directory);
        Ok(command)
    }

    /// Types each line at a terminal, presses the tabulator, goes to the beginning of the line, and has it printed.
    fn type_lines(&self, shell: &str) -> Result<()> {
        let mut terminal = Terminal::open(self, shell)?;
        for (typed, wanted) in LINES {
            terminal.awaits("READY")?;
            let words = format!("<{}>", wanted.replace(' ', "><"));
            terminal.types(&format!("{typed}\t\x01printf '<%s>' \n"))?;
            terminal.awaits(&words).map_err(|error| LabError::Unexpected(format!("{typed}: {error}")))?;
        }
        Ok(())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What is left over lies in the system's directory for such files.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A shell at a terminal of its own.
struct Terminal {
    child: Child,
    shows: PathBuf,
    seen: usize,
}

impl Terminal {
    fn open(desk: &Desk, shell: &str) -> Result<Self> {
        let shows = desk.directory.join("shows");
        let file = fs::File::create(&shows).context(|| format!("make {}", shows.display()))?;
        let mut command = desk.command("script")?;
        command.args(["--quiet", "--flush", "--return", "--command", shell, "/dev/null"]);
        let child =
            command.stdin(Stdio::piped()).stdout(file).spawn().context(|| format!("start script for {shell}"))?;
        Ok(Self { child, shows, seen: 0 })
    }

    fn types(&mut self, text: &str) -> Result<()> {
        let keys = self.child.stdin.as_mut().ok_or_else(|| LabError::Unexpected("no keyboard".to_owned()))?;
        keys.write_all(text.as_bytes()).and_then(|()| keys.flush()).context(|| format!("type {text:?}"))
    }

    /// Waits until the terminal shows a text behind what was awaited before. Nothing of ours complains meanwhile.
    fn awaits(&mut self, text: &str) -> Result<()> {
        let read = || {
            let bytes = fs::read(&self.shows).context(|| "read what the terminal shows".to_owned())?;
            Ok(String::from_utf8_lossy(bytes.get(self.seen..).unwrap_or_default()).into_owned())
        };
        let new =
            wait_for(&format!("{text:?} at the terminal"), Duration::from_secs(20), read, |new| new.contains(text))?;
        let at = new.find(text).unwrap_or_default();
        let before = new.get(..at).unwrap_or_default();
        if before.contains("ftr-route: ") || before.contains("missing.yaml: ") {
            return Err(LabError::Unexpected(format!("the terminal shows {before:?}")));
        }
        self.seen += at + text.len();
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Already ended is what this wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bash(desk: &Desk) -> Result<()> {
    desk.write("bashrc", &format!("PS1=READY\nfor file in {SHIPPED}/bash/*; do . \"$file\"; done\n"))?;
    desk.type_lines("bash --noprofile --rcfile bashrc -i")
}

fn zsh(desk: &Desk) -> Result<()> {
    let rc = format!(
        "PS1=READY\nunsetopt prompt_sp\nbindkey -e\nfpath=({SHIPPED}/zsh $fpath)\nautoload -Uz compinit\ncompinit -u -D\n"
    );
    desk.write(".zshrc", &rc)?;
    desk.type_lines("zsh -d -i")
}

/// fish tells what it would offer without a terminal.
fn fish(desk: &Desk) -> Result<()> {
    for (typed, wanted) in LINES {
        let mut command = desk.command("fish")?;
        let ask = format!("set fish_complete_path {SHIPPED}/fish; complete --do-complete '{typed}'");
        let output = command.args(["--no-config", "--command", &ask]).output().context(|| "start fish".to_owned())?;
        let offered = String::from_utf8_lossy(&output.stdout).into_owned();
        let offered: Vec<&str> = offered.lines().filter_map(|line| line.split('\t').next()).collect();
        let last = |line: &'static str| line.rsplit(' ').next().unwrap_or_default();
        let expected: Vec<&str> = if typed == wanted { Vec::new() } else { vec![last(wanted)] };
        let noise = String::from_utf8_lossy(&output.stderr).into_owned();
        if offered != expected || !noise.is_empty() {
            return Err(LabError::Unexpected(format!("{typed}: fish offers {offered:?} and says {noise:?}")));
        }
    }
    Ok(())
}
