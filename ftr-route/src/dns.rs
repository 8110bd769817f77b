//! `dns`: the name servers of the uplinks that work, in the words of a daemon that asks them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ftr_core::config::{Config, Resolver};
use ftr_core::{Exit, Family, InterfaceName};
use ftr_tool::cli::{Common, Failure, say};
use serde::Serialize;

use crate::answer::{TOOL, answer};
use crate::cli::{Dns, Forwarder, position};
use crate::kernel::Kernel;
use crate::plan::active_set::ActiveSet;
use crate::snapshot::{Search, Snapshot};

/// A name server of an uplink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Server {
    /// Where it is.
    address: IpAddr,
    /// The uplink by which it is reached; of several that have it, one that works.
    uplink: InterfaceName,
    /// The uplink works; where none with a name server does, all are asked nevertheless.
    works: bool,
}

/// Prints it for the state that the kernel shows, or for these uplinks failed.
pub(crate) fn run(config: &Config, common: &Common, families: &[Family], asked: &Dns) -> Result<Exit, Failure> {
    let known = |names: &Vec<String>| names.iter().map(|name| position(config, name)).collect::<Result<_, _>>();
    let failed: Option<Vec<usize>> = asked.failed.as_ref().map(known).transpose()?;
    let set = failed.map_or(ActiveSet::AsFound, |failed| ActiveSet::Eligible { failed });
    if !config.has_resolvers() {
        let what = format!("no uplink of {} has name servers (dns)", config.file.display());
        return Err(Failure::new(Exit::Config, what));
    }
    let mut kernel = Kernel::open()?;
    let (mut servers, mut learned) = (Vec::new(), BTreeSet::new());
    for family in families {
        let snapshot = Snapshot::look(&mut kernel, config, *family, Search::Tables, &[])?;
        let told = snapshot.resolvers.iter().enumerate().filter(|(_, told)| !told.is_empty());
        learned.extend(told.map(|(uplink, _)| uplink));
        servers.extend(of(config, &snapshot.resolvers, &set.working(config, &snapshot)));
    }
    if !common.quiet {
        let silent = |(i, uplink): &(usize, &ftr_core::config::Uplink)| {
            uplink.dns.contains(&Resolver::Learned) && !learned.contains(i)
        };
        for (_, uplink) in config.uplinks.iter().enumerate().filter(silent) {
            say(
                TOOL,
                &format!("{}: dns: auto, but no client's file that can be read names a name server", uplink.name),
            );
        }
    }
    if common.json {
        answer([serde_json::to_string(&servers).map_err(|error| Failure::new(Exit::Bug, error.to_string()))?])?;
    } else {
        answer(lines(asked.daemon, &to_ask(&servers)))?;
    }
    Ok(Exit::Yes)
}

/// The name servers of a family, each once: by an uplink that works where one that has it does.
fn of(config: &Config, resolvers: &[Vec<IpAddr>], resolving: &BTreeSet<usize>) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    let mut known: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for (i, (uplink, addresses)) in config.uplinks.iter().zip(resolvers).enumerate() {
        for address in addresses {
            let server = Server { address: *address, uplink: uplink.name.clone(), works: resolving.contains(&i) };
            match known.get(address).and_then(|at| servers.get_mut(*at)) {
                Some(other) if server.works && !other.works => *other = server,
                Some(_) => {}
                None => {
                    known.insert(*address, servers.len());
                    servers.push(server);
                }
            }
        }
    }
    servers
}

/// Those whose uplinks work. Where none does, all: an uplink without name servers may lead to them, and no name server at all
/// is not better.
fn to_ask(servers: &[Server]) -> Vec<IpAddr> {
    let one_works = servers.iter().any(|server| server.works);
    servers.iter().filter(|server| server.works || !one_works).map(|server| server.address).collect()
}

fn lines(daemon: Forwarder, servers: &[IpAddr]) -> Vec<String> {
    let mut lines: Vec<String> = match daemon {
        Forwarder::Unbound if !servers.is_empty() => vec!["forward-zone:".to_owned(), "  name: \".\"".to_owned()],
        Forwarder::Resolved if !servers.is_empty() => vec!["[Resolve]".to_owned(), "Domains=~.".to_owned()],
        _ => Vec::new(),
    };
    let line = |server: &IpAddr| match daemon {
        Forwarder::Dnsmasq => format!("server={server}"),
        Forwarder::Unbound => format!("  forward-addr: {server}"),
        Forwarder::Resolved => format!("DNS={server}"),
    };
    lines.extend(servers.iter().map(line));
    lines
}

#[cfg(test)]
mod tests {
    use super::{lines, of, to_ask};
    use crate::cli::Forwarder;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use std::net::IpAddr;

    fn told(daemon: Forwarder, resolvers: [&[&str]; 3], resolving: &[usize]) -> String {
        let parsed = |all: &[&str]| all.iter().map(|one| one.parse().unwrap()).collect::<Vec<IpAddr>>();
        let servers = of(&config(CONFIG), &resolvers.map(parsed), &resolving.iter().copied().collect());
        lines(daemon, &to_ask(&servers)).join("\n")
    }

    const OWN: [&[&str]; 3] = [&["10.1.1.1", "8.8.8.8"], &["8.8.8.8", "2001:db8::2"], &[]];

    #[test]
    fn those_of_a_dead_uplink_are_dropped_unless_another_has_them_too() {
        let dnsmasq = |resolving: &[usize]| told(Forwarder::Dnsmasq, OWN, resolving);
        assert_eq!(dnsmasq(&[0, 1, 2]), "server=10.1.1.1\nserver=8.8.8.8\nserver=2001:db8::2");
        assert_eq!(dnsmasq(&[0, 2]), "server=10.1.1.1\nserver=8.8.8.8");
        assert_eq!(dnsmasq(&[1]), "server=8.8.8.8\nserver=2001:db8::2");
    }

    #[test]
    fn where_no_uplink_with_name_servers_works_all_are_asked() {
        assert_eq!(told(Forwarder::Dnsmasq, OWN, &[2]).lines().count(), 3);
        for daemon in [Forwarder::Dnsmasq, Forwarder::Unbound, Forwarder::Resolved] {
            assert_eq!(told(daemon, [&[], &[], &[]], &[0]), "", "without name servers nothing leads to them");
        }
    }

    #[test]
    fn each_daemon_has_words_of_its_own() {
        let unbound = "forward-zone:\n  name: \".\"\n  forward-addr: 8.8.8.8\n  forward-addr: 2001:db8::2";
        assert_eq!(told(Forwarder::Unbound, OWN, &[1]), unbound);
        let resolved = "[Resolve]\nDomains=~.\nDNS=8.8.8.8\nDNS=2001:db8::2";
        assert_eq!(told(Forwarder::Resolved, OWN, &[1]), resolved);
    }
}
