//! A host with uplinks of both families and nobody at their far ends: all that routing itself needs.

use ftr_lab::deadline::wait_for;
use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::ipv6;
use ftr_lab::namespace::{Namespace, run};
use ftr_lab::program;
use ftr_lab::teardown;
use ftr_netlink::{Error, Lookup, RouteKind, Rtnetlink};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// An address of the host that is no uplink's.
pub(super) const LAN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);

/// How long all carriers may take.
const CARRIERS_WITHIN: Duration = Duration::from_secs(10);

/// How a configuration looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// How many uplinks there are: `eth1` and so on, of addresses 10.i.0.2/24 and `2001:db8:i::2/64`.
    pub(super) uplinks: u8,
    /// Whether they have IPv6 too.
    pub(super) ipv6: bool,
    /// More of the configuration, as YAML.
    pub(super) more: &'static str,
}

impl Shape {
    /// Three uplinks of both families and a policy.
    pub(super) const WHOLE: Self =
        Self { uplinks: 3, ipv6: true, more: "policies: [{name: voice, uplinks: [eth3, eth1], otherwise: none}]\n" };
}

/// A host, as long as this value lives.
#[derive(Debug)]
pub(super) struct Host {
    /// Where it is.
    pub(super) space: Namespace,
    /// Its shape.
    pub(super) shape: Shape,
    /// Where the other ends of its cables are.
    providers: Namespace,
    directory: PathBuf,
}

impl Host {
    /// Makes a host. Its devices are up and have carrier; nothing is routed yet.
    pub(super) fn new(shape: Shape) -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        teardown::sweep();
        let name = format!("ftr{}x{}-route", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(&name);
        fs::create_dir(&directory).context(|| format!("make {}", directory.display()))?;
        teardown::remember_directory(&directory);
        let host = Self {
            space: Namespace::create(&name)?,
            shape,
            providers: Namespace::create(&format!("{name}-far"))?,
            directory,
        };
        ipv6::raise::prepare(&host.space)?;
        host.space.ip(&cables(shape, host.providers.name()))?;
        host.providers.ip(&plugs(shape))?;
        // The kernel tells of carriers a little later, and takes no IPv6 gateway of a device that has none yet.
        wait_for("all carriers", CARRIERS_WITHIN, || host.carriers(), |count| *count == usize::from(shape.uplinks))?;
        // And it puts IPv6 addresses into use later still.
        wait_for("all IPv6 addresses", CARRIERS_WITHIN, || host.is_at_home(), |all| *all)?;
        host.configure(&configuration(shape))?;
        Ok(host)
    }

    /// How many of its uplinks have a carrier.
    fn carriers(&self) -> Result<usize> {
        let links = self.requests()?.links().map_err(|error| netlink(&error))?;
        Ok(links.iter().filter(|link| link.name.starts_with("eth") && link.flags.has_carrier()).count())
    }

    /// Whether packets to any of its IPv6 addresses are for it.
    fn is_at_home(&self) -> Result<bool> {
        let mut requests = self.requests()?;
        let mut is_own = |text: String| {
            let address = text.parse::<IpAddr>();
            let way = address.map(|address| requests.lookup(&Lookup::to(address)));
            way.is_ok_and(|way| way.is_ok_and(|way| way.kind == RouteKind::Local))
        };
        Ok((1..=self.shape.uplinks).all(|number| is_own(format!("2001:db8:{number}::2"))))
    }

    /// Writes the configuration.
    pub(super) fn configure(&self, text: &str) -> Result<()> {
        let file = self.file();
        fs::write(&file, text).context(|| format!("write {}", file.display()))
    }

    /// A directory of this host for files of the test; removed with it.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A program of ftr with this host's configuration. It has to be started by a thread inside the host: starting it
    /// with `ip netns exec` would take some milliseconds.
    pub(super) fn command(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(program::find(name)?);
        program::environment(&mut command, &self.directory)?;
        command.env("FTR_CONFIG", self.file()).stdin(Stdio::null());
        Ok(command)
    }

    /// Runs `ftr-route` to its end and returns what it prints.
    pub(super) fn route(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command("ftr-route")?;
        command.args(arguments);
        self.space.enter(|| run(&mut command))
    }

    /// A socket for requests to its kernel.
    pub(super) fn requests(&self) -> Result<Rtnetlink> {
        self.space.enter(|| Rtnetlink::open().map_err(|error| netlink(&error)))
    }

    fn file(&self) -> PathBuf {
        self.directory.join("ftr.yaml")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Whoever still runs there may write into the directory.
        teardown::remove(self.space.name());
        teardown::remove_directory(&self.directory);
    }
}

/// What a netlink exchange failed with.
pub(super) fn netlink(error: &Error) -> LabError {
    LabError::Unexpected(error.to_string())
}

/// The name of the uplink that counts from 1.
pub(super) fn device(number: u8) -> String {
    format!("eth{number}")
}

fn cables(shape: Shape, providers: &str) -> String {
    let mut lines = format!("addr add {LAN}/128 dev lo\n");
    for number in 1..=shape.uplinks {
        let device = device(number);
        // With the same number at both ends the kernel reports carrier late.
        let (ours, theirs) = (1000 + 2 * u32::from(number), 1001 + 2 * u32::from(number));
        // Writing to a String cannot fail.
        let _ = writeln!(
            lines,
            "link add {device} index {ours} type veth peer name {device} index {theirs} netns {providers}\n\
             addr add 10.{number}.0.2/24 dev {device}\naddr add 2001:db8:{number}::2/64 dev {device} nodad\n\
             link set {device} up"
        );
    }
    lines
}

/// Without a partner there is no carrier.
fn plugs(shape: Shape) -> String {
    let line = |number| format!("link set {} up", device(number));
    (1..=shape.uplinks).map(line).collect::<Vec<String>>().join("\n")
}

/// The configuration of a shape.
pub(super) fn configuration(shape: Shape) -> String {
    let mut text = String::from("uplinks:\n");
    for number in 1..=shape.uplinks {
        let device = device(number);
        let ipv6 = if shape.ipv6 {
            format!(", ip6: '2001:db8:{number}::2', gateway6: '2001:db8:{number}::1'")
        } else {
            String::new()
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {{interface: {device}, ip: 10.{number}.0.2, gateway: 10.{number}.0.1{ipv6}}}");
    }
    let target = if shape.ipv6 { ", '2001:db8:f::1'" } else { "" };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "downlinks: {{lan: eth0}}\ntests: {{ips: [8.8.8.8{target}], required_successful: 1, interval: 1}}\n\
         routing: {{hold_down: 0s}}\nbase_table: 1\nbase_priority: 20000\nbase_fwmark: 1\n{}",
        shape.more
    );
    text
}
