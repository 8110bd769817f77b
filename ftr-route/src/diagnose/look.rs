//! All that is looked at: the one place that reads.

mod features;
pub(super) mod ini;
mod network_manager;
mod networkd;
mod processes;
pub(crate) mod program;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use ftr_core::Family;
use ftr_core::config::{Config, ConnectionsOnDown};
use ftr_core::numbering::{DEFAULT_TABLE, LOCAL_TABLE, MAIN_TABLE};
use ftr_firewall::{Effects, iptables, nft};
use ftr_netlink::{Action, Route};

use super::delegated;
use super::features::Features;
use super::firewall::Firewall;
use super::listeners::{self, Listener};
use super::network_manager::Managed;
use super::networkd::Networkd;
use super::networks::{self, Networks};
use super::sysctls;
use crate::error::Error;
use crate::iproute::is_ours;
use crate::kernel::{self, Kernel};
use crate::plan::sysctl::Values;
use crate::snapshot::Snapshot;

/// The ports that the kernel gives out itself.
const PORTS: &str = "net/ipv4/ip_local_port_range";

/// What there is beside the rules and routes that are ours.
#[derive(Debug)]
pub(super) struct HostFacts<'a> {
    /// For each family the routes of main, default, and the tables that rules of others look into.
    pub(super) routes: Vec<Vec<Route>>,
    pub(super) networks: Vec<Networks>,
    pub(super) sysctls: Values,
    pub(super) firewall: &'a Firewall,
    pub(super) features: Features,
    /// None where it does not run.
    pub(super) networkd: Option<Networkd>,
    pub(super) network_manager: Vec<Managed>,
    pub(super) listeners: Vec<Listener>,
}

impl<'a> HostFacts<'a> {
    /// Looks around, but at the firewall only where it is not `known` yet.
    ///
    /// # Errors
    /// The kernel does not answer. What files and programs do not tell is no error.
    pub(super) fn look(config: &Config, seen: &[Snapshot], known: &'a mut Option<Firewall>) -> Result<Self, Error> {
        let (root, proc) = (Path::new("/"), Path::new("/proc"));
        let mut kernel = Kernel::open()?;
        let mut routes = Vec::new();
        for snapshot in seen {
            routes.push(kernel.routes(snapshot.family, &tables(snapshot), &[])?);
        }
        let paths = sysctls::relevant(config).into_iter().chain(networks::relevant(config)).chain([PORTS.to_owned()]);
        let values = kernel::sysctl::read(paths);
        let families: Vec<Family> = seen.iter().map(|snapshot| snapshot.family).collect();
        let links = seen.first().map(|snapshot| snapshot.links.as_slice()).unwrap_or_default();
        let [manages, configures] = processes::running(proc, ["NetworkManager", "systemd-network"]);
        Ok(Self {
            networks: networks(&mut kernel, seen)?,
            firewall: known.get_or_insert_with(|| firewall(&families, config.learns_prefixes())),
            features: features::look(config.routing.connections_on_down == ConnectionsOnDown::Flush),
            networkd: configures.then(|| networkd::read(root)),
            network_manager: if manages { network_manager::read(root, config, links) } else { Vec::new() },
            listeners: listeners(proc, &values),
            sysctls: values,
            routes,
        })
    }
}

/// The tables whose routes matter although they are not ours.
fn tables(snapshot: &Snapshot) -> Vec<u32> {
    let looked_into = |rule: &ftr_netlink::Rule| match rule.action {
        Action::Lookup(table) if !is_ours(rule.protocol) => Some(table),
        _ => None,
    };
    let foreign = snapshot.rules.iter().filter_map(looked_into);
    // The table of local addresses is large, and leads nowhere.
    let tables: BTreeSet<u32> =
        foreign.chain([MAIN_TABLE, DEFAULT_TABLE]).filter(|table| ![0, LOCAL_TABLE].contains(table)).collect();
    tables.into_iter().collect()
}

/// The networks of every device.
fn networks(kernel: &mut Kernel, seen: &[Snapshot]) -> Result<Vec<Networks>, Error> {
    let mut all: Vec<Networks> = Vec::new();
    for snapshot in seen {
        for address in kernel.addresses(snapshot.family)?.iter().filter(|address| address.is_global()) {
            let (Some(name), Some(prefix)) = (snapshot.name(address.index), address.network()) else { continue };
            let (prefixes, addresses) = (vec![prefix], vec![address.local]);
            match all.iter_mut().find(|networks| networks.device == name) {
                Some(networks) => {
                    networks.prefixes.extend(prefixes);
                    networks.addresses.extend(addresses);
                }
                None => all.push(Networks { device: name.to_owned(), prefixes, addresses }),
            }
        }
    }
    Ok(all)
}

/// How systemd loads the rules: what it has loaded once it loads again only when it is told to. By a reload it would not where
/// nftables.service has stopped it along with itself.
fn service(root: &Path) -> Option<&'static str> {
    let there = |path: &str| root.join(path).exists();
    let folders = ["etc", "usr/local/lib", "usr/lib"];
    let installed = folders.iter().any(|folder| there(&format!("{folder}/systemd/system/ftr-rules.service")));
    (installed && there("run/systemd/system")).then_some(if there("run/ftr-rules") {
        "systemctl restart ftr-rules"
    } else {
        "systemctl enable --now ftr-rules"
    })
}

/// What the rules do that are loaded for a family.
///
/// # Errors
/// Why that cannot be seen.
pub(crate) fn effects(family: Family) -> Result<Effects, String> {
    let firewall = firewall(&[family], false);
    match firewall.unseen.into_iter().next() {
        Some((program, reason)) => Err(format!("{program}: {reason}")),
        None if firewall.blind => Err("neither iptables-save nor nft is there".to_owned()),
        None => Ok(firewall.effects),
    }
}

/// What the programs of the firewall show; the networks that rules name where that matters.
fn firewall(families: &[Family], named: bool) -> Firewall {
    let mut firewall = Firewall { blind: true, service: service(Path::new("/")), ..Firewall::default() };
    let mut ask =
        |program: &str, arguments: &[&str], read: &mut dyn FnMut(&str, &mut Firewall) -> Result<(), String>| {
            match program::output(program, arguments) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    firewall.blind = false;
                    let misread = read(&text, &mut firewall).err();
                    firewall.unseen.extend(misread.map(|reason| (program.to_owned(), reason)));
                }
                Err(reason) => {
                    firewall.blind = false;
                    firewall.unseen.push((program.to_owned(), reason));
                }
            }
        };
    for family in families {
        let name = match family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        let mut read = |text: &str, firewall: &mut Firewall| {
            iptables::read(text, name, *family, &mut firewall.effects);
            if named && *family == Family::V6 {
                firewall.networks.extend(delegated::in_iptables(text));
            }
            Ok(())
        };
        ask(&format!("{name}-save"), &[], &mut read);
        // Tables of the older kind, which the other program does not show, where there are any.
        if legacy_tables(*family).is_ok_and(|tables| !tables.trim().is_empty()) {
            ask(&format!("{name}-legacy-save"), &[], &mut read);
        }
    }
    // Terse: sets can be very long.
    ask("nft", &["-j", "-t", "list", "ruleset"], &mut |text, firewall| {
        if named {
            firewall.networks.extend(delegated::in_nft(text));
        }
        nft::read(text, &mut firewall.effects)
    });
    firewall
}

/// The names of the tables of the legacy iptables. Without it the kernel has no such file.
fn legacy_tables(family: Family) -> io::Result<String> {
    fs::read_to_string(match family {
        Family::V4 => "/proc/net/ip_tables_names",
        Family::V6 => "/proc/net/ip6_tables_names",
    })
}

/// Whether rules may change without the kernel telling anybody.
pub(super) fn is_legacy_possible(families: &[Family]) -> bool {
    families.iter().any(|family| match legacy_tables(*family) {
        Ok(tables) => !tables.trim().is_empty(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    })
}

/// The services that wait for UDP packets on all addresses.
fn listeners(proc: &Path, values: &Values) -> Vec<Listener> {
    let given_out = listeners::given_out(values.get(PORTS));
    let list = |name: &str| fs::read_to_string(proc.join("net").join(name)).unwrap_or_default();
    let sockets: Vec<_> = ["udp", "udp6"].iter().flat_map(|name| listeners::sockets(&list(name), &given_out)).collect();
    if sockets.is_empty() {
        return Vec::new();
    }
    let (holders, complete) = processes::holders(proc, &sockets.iter().map(|socket| socket.inode).collect());
    listeners::listeners(&sockets, &holders, complete)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A root directory with files, which goes when it is dropped.
    #[derive(Debug)]
    pub(crate) struct Root(PathBuf);

    impl Root {
        pub(crate) fn with(files: &[(&str, &str)]) -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let root = std::env::temp_dir().join(format!("ftr-route-hazards-{}-{number}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            // A root without files was never made.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
