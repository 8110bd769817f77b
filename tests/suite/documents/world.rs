//! A router on which what documents say is typed.

use crate::fence::{Block, Way};
use ftr_lab::config;
use ftr_lab::deadline::wait_for;
use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::family::Family;
use ftr_lab::lab::Lab;
use ftr_lab::namespace::Namespace;
use ftr_lab::plan;
use ftr_lab::program::{self, Daemon};
use ftr_lab::router::Router;
use ftr_lab::service::Services;
use nix::sys::signal::Signal;
use serde_yaml::Mapping;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Hosts that documents ask, beside those of the lab.
const HOSTS: [&str; 4] = ["9.9.9.9", "1.1.1.1", "198.51.100.53", "203.0.113.9"];

/// What stands before each line: an /etc of its own with our configuration in it, the programs that a router has and the lab
/// needs not, and a directory to write into.
const BEFORE: &str = r#"
set -e -o pipefail
mount -t tmpfs tmpfs "$DESK"
mkdir "$DESK/upper" "$DESK/work" "$DESK/here"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$DESK/upper,workdir=$DESK/work" /etc
mkdir -p /etc/ftr
[ "$BARE" ] || cp "$CONFIGURATION" /etc/ftr/ftr.yaml
sudo() { "$@"; }
cd "$DESK/here"
echo '{"type":"check","time":"","mono":1,"uplink":"eth1","family":4,"up":true,"reason":null,"answered":1,"required":1,"asked":1,"rtt_ms":1,"jitter_ms":0,"loss":0,"targets":[]}' >checks
"#;

/// A line may take this long.
const PATIENCE: &str = "30";

pub(crate) struct World {
    router: Router,
    lab: Lab,
    runs: bool,
    _services: Services,
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        let lab = Lab::build(&plan::three())?;
        let hosts: Vec<String> = HOSTS.iter().map(|host| format!("addr add {host}/32 dev lo")).collect();
        lab.internet.ip(&hosts.join("\n"))?;
        let services = Services::start(&lab.internet, lab.directory())?;
        let router = Router::prepare(&lab, &Mapping::new())?;
        fs::create_dir(lab.directory().join("desk")).context(|| "make a desk".to_owned())?;
        Ok(Self { router, lab, runs: false, _services: services })
    }

    /// Does what a block is for.
    pub(crate) fn play(&mut self, block: &Block) -> Result<()> {
        match &block.way {
            Way::Untested => Ok(()),
            Way::Configuration => self.check(&block.text),
            Way::Shell { exit, place, monitor, endless, bare } => {
                self.monitor(*monitor)?;
                if *endless {
                    return self.endless(&block.text);
                }
                let output = self.shell(place, &block.text, *bare)?;
                let code = output.status.code();
                if code == Some(*exit) {
                    return Ok(());
                }
                let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
                Err(LabError::Unexpected(format!("ended with {code:?}, not {exit}:\n{}{out}{err}", block.text)))
            }
        }
    }

    /// Whether the lab's configuration is right with a part of another.
    fn check(&self, text: &str) -> Result<()> {
        let text = config::text(&self.lab.uplinks, false, self.lab.directory(), &config::parse(text)?)?;
        let file = self.lab.directory().join("part.yaml");
        fs::write(&file, &text).context(|| format!("write {}", file.display()))?;
        let output = self.shell("router", &format!("ftr-monitor -q -c {} check", file.display()), false)?;
        if output.status.success() {
            return Ok(());
        }
        Err(LabError::Unexpected(format!("{}\n{text}", String::from_utf8_lossy(&output.stderr))))
    }

    /// Has the monitor run, or not.
    fn monitor(&mut self, wanted: bool) -> Result<()> {
        if wanted && !self.runs {
            self.router.start(&self.lab)?;
            // Routes may be there from before: it is at work when it says so.
            let well = || Ok(self.shell("router", "ftr-monitor status -q", false)?.status.success());
            wait_for("the monitor to find all well", Duration::from_secs(15), well, |well| *well)
                .map_err(|error| LabError::Unexpected(format!("{error}\n{}", self.router.log())))?;
        } else if !wanted && self.runs {
            self.router.stop(Signal::SIGTERM)?;
        }
        self.runs = wanted;
        Ok(())
    }

    /// Starts what does not end by itself, from a kernel without routes of ours, and ends it when it has done its work.
    fn endless(&self, text: &str) -> Result<()> {
        let cleared = self.shell("router", "ftr-route clear", false)?;
        if !cleared.status.success() {
            return Err(LabError::Unexpected(String::from_utf8_lossy(&cleared.stderr).into_owned()));
        }
        let mut command = self.command(&self.lab.router, text, false)?;
        let mut daemon = Daemon::start("line", &mut command, self.lab.directory())?;
        let all = |seen: &BTreeMap<String, u32>| seen.len() == self.lab.uplinks.len();
        let carried = wait_for("all uplinks to carry", Duration::from_secs(10), || router_carries(&self.lab), all);
        let ended = daemon.stop_all(Duration::from_secs(5));
        carried.map_err(|error| LabError::Unexpected(format!("{text}{error}\n{}", daemon.output())))?;
        ended
    }

    /// Types lines somewhere.
    pub(crate) fn shell(&self, place: &str, text: &str, bare: bool) -> Result<Output> {
        let space = match place {
            "router" => &self.lab.router,
            "lan" => &self.lab.lan,
            "internet" => &self.lab.internet,
            other => return Err(LabError::Unexpected(format!("on={other}: no such place"))),
        };
        self.command(space, text, bare)?.output().context(|| format!("start {text}"))
    }

    fn command(&self, space: &Namespace, text: &str, bare: bool) -> Result<Command> {
        let mut command = space.command("timeout");
        program::environment(&mut command, &self.router.run_directory())?;
        command.args(["--foreground", "--kill-after=1", PATIENCE, "bash", "-c"]).arg(format!("{BEFORE}{text}"));
        command.env("CONFIGURATION", &self.router.config).env("DESK", self.lab.directory().join("desk"));
        command.env("BARE", if bare { "yes" } else { "" }).env_remove("FTR_CONFIG").stdin(Stdio::null());
        Ok(command)
    }
}

fn router_carries(lab: &Lab) -> Result<BTreeMap<String, u32>> {
    ftr_lab::kernel::balanced(lab, Family::V4)
}
