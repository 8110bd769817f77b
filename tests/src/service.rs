//! What people use the internet for, as far as an uplink check can ask for it: name service, web servers, and the
//! log-in page of a provider that wants to be paid first.

use crate::deadline::wait_for;
use crate::error::{LabError, Result};
use crate::namespace::Namespace;
use crate::program::Daemon;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// How long a server may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

const DNS: u16 = 53;
const WEB: u16 = 80;
/// A port that is only connected to.
const TLS: u16 = 443;

/// A name server of the root, as wire format in hexadecimal: `a.root-servers.net`.
const ROOT_SERVER: &str = "01610c726f6f742d73657276657273036e657400";

/// Servers on every address of the internet. Dropping them ends them.
#[derive(Debug)]
pub struct Services {
    _dns: Daemon,
    _web: Daemon,
}

impl Services {
    /// Starts dnsmasq, which gives every name an address and knows a server of the root, and a web server that has
    /// `/generate_204` (204), `/success.txt` (200, `success`) and sends everything else elsewhere (302).
    ///
    /// # Errors
    /// When a program is not installed, or a port is taken.
    pub fn start(internet: &Namespace, directory: &Path) -> Result<Self> {
        let mut command = internet.command("dnsmasq");
        // As a daemon it would become another user, which a user namespace does not have.
        command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--address=/#/192.0.2.1"]);
        command.arg(format!("--dns-rr=,2,{ROOT_SERVER}"));
        let dns = Daemon::start("dnsmasq", &mut command, directory)?;
        let web = web(internet, "internet", &[WEB, TLS], directory)?;
        listens(internet, &dns, DNS)?;
        [WEB, TLS].into_iter().try_for_each(|port| listens(internet, &web, port))?;
        Ok(Self { _dns: dns, _web: web })
    }
}

/// Starts the web server to which a captive gateway sends people. Dropping it ends it.
///
/// # Errors
/// When Python is not installed, or the port is taken.
pub fn portal(provider: &Namespace, directory: &Path) -> Result<Daemon> {
    let portal = web(provider, "portal", &[WEB], directory)?;
    listens(provider, &portal, WEB)?;
    Ok(portal)
}

fn web(space: &Namespace, role: &str, ports: &[u16], directory: &Path) -> Result<Daemon> {
    let mut command = space.command("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/web.py")).arg(role);
    command.args(ports.iter().map(u16::to_string));
    Daemon::start(&format!("web-{role}"), &mut command, directory)
}

fn listens(space: &Namespace, server: &Daemon, port: u16) -> Result<()> {
    let reach = || space.enter(|| Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()));
    wait_for(&format!("port {port} to be served"), STARTS_WITHIN, reach, |reached| *reached)
        .map(drop)
        .map_err(|error| LabError::Unexpected(format!("{error}\n{}", server.output())))
}
