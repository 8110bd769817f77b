//! One of the two routers: its cables, its files and its programs.

use super::side::Side;
use crate::deadline::wait_for;
use crate::error::{Context, Result};
use crate::ipv6;
use crate::namespace::{Namespace, run};
use crate::plan;
use crate::process;
use crate::program::{self, Daemon};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What is shipped.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist");

/// The notify script of keepalived.
const SYNC: &str = "pair/sync-connections";

/// The hook that tells keepalived whether an uplink works.
const HOOK: &str = "hooks/vrrp-track";

/// How soon the monitor has to have decided.
const DECIDES_WITHIN: Duration = Duration::from_secs(20);

/// The targets of the shipped configuration, of either family.
const ASKED: &str = "8.8.8.8, 8.8.4.4, 9.9.9.9, 1.1.1.1";
const ASKED6: &str = "\"2001:4860:4860::8888\", \"2001:4860:4860::8844\", \"2620:fe::fe\", \"2606:4700:4700::1111\"";

/// The addresses that move: the LAN's gateway, and one of each uplink, of both families.
pub(super) const SHARED: [&str; 6] = ["192.168.1.1", "1.0.0.2", "2.0.0.2", "fe80::1", "2001:db8:1::2", "2001:db8:2::2"];

/// One of the routers.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) side: Side,
    pub(super) space: Namespace,
    pub(super) directory: PathBuf,
    pub(super) daemons: Vec<Daemon>,
}

/// Whether a router could take over, and what.
#[derive(Debug)]
pub(super) struct Readiness {
    pub(super) works: bool,
    pub(super) held: BTreeSet<String>,
}

impl Member {
    /// Lays a cable from a switch to the router; its device has the router's own addresses there.
    pub(super) fn plug(&self, place: &Namespace, device: &str, (ours, theirs): (u32, u32)) -> Result<()> {
        let (port, host) = (self.side.port(), self.side.host());
        let network = device.strip_prefix("eth").filter(|number| *number != "0");
        let (network, network6) = network.map_or_else(
            || ("192.168.1".to_owned(), ipv6::LAN.to_string()),
            |number| (format!("{number}.0.0"), format!("2001:db8:{number}::")),
        );
        self.space.ip(&format!(
            "link add {device} index {ours} type veth peer name {port} index {theirs} netns {}",
            place.name()
        ))?;
        let bridge = if device == "eth0" { "eth0" } else { "access" };
        place.ip(&format!("link set {port} master {bridge} up"))?;
        self.space
            .ip(&format!(
                "addr add {network}.{host}/24 dev {device}\naddr add {network6}{host}/64 dev {device}\nlink set {device} up"
            ))
            .map(drop)
    }

    /// Writes what is shipped with the addresses and paths of the lab, and loads the firewall.
    pub(super) fn configure(&self) -> Result<()> {
        let bins = program::directory()?;
        let files = ["ftr.yaml", "keepalived.conf", "conntrackd.conf", "radvd.conf", "nat.nft"];
        for from in files.map(|name| format!("pair/{name}")).iter().map(String::as_str).chain([SYNC, HOOK]) {
            let from = Path::new(SHIPPED).join(from);
            let text = fs::read_to_string(&from).context(|| format!("read {}", from.display()))?;
            let to = self.directory.join(from.file_name().unwrap_or_default());
            fs::write(&to, self.adapt(&text, &bins)).context(|| format!("write {}", to.display()))?;
            // keepalived reads no configuration that could be run.
            let mode = if from.ends_with(SYNC) || from.ends_with(HOOK) { 0o755 } else { 0o644 };
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(&to, permissions).context(|| format!("set the mode of {}", to.display()))?;
        }
        self.space.nft(&self.rules()?)?;
        run(self.space.command("nft").arg("-f").arg(self.directory.join("nat.nft"))).map(drop)
    }

    /// The addresses of the lab, those of the second router, and paths of the lab. Those of IPv6 are the same everywhere.
    fn adapt(&self, text: &str, bins: &Path) -> String {
        let directory = self.directory.display().to_string();
        let targets = plan::TARGETS.map(|target| target.to_string()).join(", ");
        let targets6 = ipv6::TARGETS.map(|target| format!("\"{target}\"")).join(", ");
        let own = |text: &str| {
            let mut text = text.replace("192.0.2.", "1.0.0.").replace("198.51.100.", "2.0.0.");
            if self.side == Side::B {
                for own in ["ip: 1.0.0.1", "ip: 2.0.0.1", "ip6: 2001:db8:1::1", "ip6: 2001:db8:2::1"] {
                    text = text.replace(&format!("{own}1 "), &format!("{own}2 "));
                }
                for (from, to) in [("_address 169.254.7.1 ", "2"), ("_Destination_Address 169.254.7.2 ", "1")] {
                    let key = from.split(' ').next().unwrap_or(from);
                    text = text.replace(from, &format!("{key} 169.254.7.{to} "));
                }
            }
            text
        };
        own(text)
            .replace(ASKED, &targets)
            .replace(ASKED6, &targets6)
            .replace("/run/ftr/vrrp-track", &format!("{directory}/run/vrrp-track"))
            // Wherever the tree is, others may be able to write a directory above it, and such a program is not run.
            .replace("[/usr/libexec/ftr/hooks/", &format!("[/bin/sh, {directory}/"))
            .replace("$(ftr-monitor ", &format!("$({}/ftr-monitor ", bins.display()))
            .replace("/run/sync-connections", &format!("{directory}/sync-connections"))
            .replace("/etc/keepalived", &directory)
            .replace("/var/lock/conntrack.lock", &format!("{directory}/conntrack.lock"))
            .replace("/var/run/conntrackd.ctl", &format!("{directory}/conntrackd.ctl"))
            .replace("conntrackd -", &format!("conntrackd -C {directory}/conntrackd.conf -"))
            .replace("syslog: true", &format!("file: {directory}/ftr.log"))
    }

    pub(super) fn program(&self, name: &str) -> Result<Command> {
        let mut command = program::command(&self.space, name, &self.directory.join("run"))?;
        command.env("FTR_CONFIG", self.directory.join("ftr.yaml"));
        Ok(command)
    }

    /// What `ftr-rules` prints.
    pub(super) fn rules(&self) -> Result<String> {
        run(self.program("ftr-rules")?.args(["--backend", "nft"]))
    }

    /// Starts all three daemons.
    pub(super) fn launch(&mut self) -> Result<()> {
        let directory = self.directory.clone();
        // As after a boot.
        let run_directory = directory.join("run");
        let _ = fs::remove_dir_all(&run_directory);
        fs::create_dir(&run_directory).context(|| format!("make {}", run_directory.display()))?;
        for stale in ["conntrack.lock", "conntrackd.ctl", "vrrp.pid", "keepalived.pid", "radvd.pid"] {
            let _ = fs::remove_file(directory.join(stale));
        }
        let monitor = Daemon::start("ftr-monitor", self.program("ftr-monitor")?.arg("run"), &directory)?;
        // As the unit does once the monitor has decided.
        let track = || {
            let mut command = self.space.command(directory.join("vrrp-track"));
            program::environment(&mut command, &directory.join("run"))?;
            Ok(command.status().is_ok_and(|status| status.success()))
        };
        wait_for("the monitor to decide", DECIDES_WITHIN, track, |done| *done)?;
        let mut conntrackd = self.space.command("conntrackd");
        conntrackd.arg("-C").arg(directory.join("conntrackd.conf"));
        let conntrackd = Daemon::start("conntrackd", &mut conntrackd, &directory)?;
        let mut radvd = self.space.command("radvd");
        radvd.args(["-n", "-m", "stderr", "-C"]).arg(directory.join("radvd.conf"));
        let radvd = Daemon::start("radvd", radvd.arg("-p").arg(directory.join("radvd.pid")), &directory)?;
        let mut keepalived = self.space.command("keepalived");
        // Without a syslog daemon each line would go to the console of the machine, which may be slow: adverts would be late.
        keepalived.args(["-n", "-l", "-G", "-P", "-D", "-f"]).arg(directory.join("keepalived.conf"));
        keepalived.arg("-p").arg(directory.join("keepalived.pid")).arg("-r").arg(directory.join("vrrp.pid"));
        let keepalived = Daemon::start("keepalived", &mut keepalived, &directory)?;
        self.daemons = vec![monitor, conntrackd, radvd, keepalived];
        Ok(())
    }

    /// Kills the daemons with all that they have started.
    pub(super) fn kill(&mut self) -> Result<()> {
        let mut all = BTreeSet::new();
        for daemon in &self.daemons {
            all.extend(process::tree(daemon.pid())?);
        }
        for pid in all {
            // Whoever ends with its parent is as dead.
            let _ = program::send(pid, Signal::SIGKILL);
        }
        self.daemons.clear();
        Ok(())
    }

    /// Which of the shared addresses it has.
    pub(super) fn shared(&self) -> Result<Vec<&'static str>> {
        let text = self.space.ip("addr show")?;
        Ok(SHARED.into_iter().filter(|address| text.contains(&format!(" {address}/"))).collect())
    }

    pub(super) fn readiness(&self) -> Result<Readiness> {
        let track = fs::read_to_string(self.directory.join("run/vrrp-track")).unwrap_or_default();
        Ok(Readiness { works: track == "0\n", held: self.connections()? })
    }

    pub(super) fn connections(&self) -> Result<BTreeSet<String>> {
        let list = "conntrack -L -p tcp --state ESTABLISHED 2>/dev/null";
        let text = self.space.sh(&format!("{list} --src 192.168.1.0/24; {list} -f ipv6 --src fd00::/64 || :"))?;
        let part = |line: &str| {
            let words = line.split_whitespace().filter(|word| word.contains('='));
            words.filter(|word| !word.starts_with("use=")).collect::<Vec<_>>().join(" ")
        };
        Ok(text.lines().map(part).collect())
    }
}
