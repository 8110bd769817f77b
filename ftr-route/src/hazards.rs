//! What about this host works against several uplinks although nothing of ours is wrong, and what to do about it.
//!
//! Every judge is pure: what was read goes in, hazards come out. What they are told is read in `scene`, from the
//! kernel, from files, and from the programs of the firewall; nothing is changed on the way.

mod features;
mod firewall;
mod ini;
mod iptables;
mod listeners;
mod marks;
mod network_manager;
mod networkd;
mod networks;
mod nft;
mod owner;
mod processes;
mod program;
mod rules;
mod scene;
mod sysctls;

use std::fmt;

use ftr_core::cli::Failure;
use ftr_core::config::Config;
use ftr_core::layout::Layout;
use ftr_core::{Exit, Family};
use serde::Serialize;

use crate::error::Error;
use crate::observed::Observed;
use scene::Scene;

/// Something that works against us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Hazard {
    #[serde(rename = "hazard")]
    kind: Kind,
    /// What it is about: a device, a rule, a program.
    object: String,
    /// What is so, and what comes of it.
    what: String,
    /// A command or a setting that ends it.
    advice: String,
}

/// What kind of hazard it is, for those who filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// The table main leads everywhere, and is asked before ours.
    DefaultInMain,
    /// A rule of others takes packets before ours see them.
    ForeignRule,
    /// Others look into tables that are ours.
    SharedTable,
    /// Others use bits of the mark that are ours.
    SharedMark,
    /// The reverse path filter is strict on an uplink.
    RpFilter,
    /// The kernel does not forward, or not for a device.
    Forwarding,
    /// Routes over devices without carrier are used.
    Linkdown,
    /// Router advertisements are not taken while forwarding.
    AcceptRa,
    /// IPv6 is switched off on an uplink.
    Ipv6Disabled,
    /// The rules that `ftr-rules` prints are not loaded.
    RulesNotLoaded,
    /// Packets of some networks do not take the mark of their connection over.
    UnlistedNetwork,
    /// Connections are forwarded past routing.
    FlowOffload,
    /// systemd-networkd removes what it did not make.
    Networkd,
    /// `NetworkManager` removes what it did not make.
    NetworkManager,
    /// The kernel cannot do something that is needed.
    KernelFeature,
    /// A service of this host may answer from the wrong address.
    WildcardListener,
    /// Two devices are in one network.
    SameNetwork,
    /// Something could not be looked at.
    Unseen,
}

impl Hazard {
    fn new(kind: Kind, object: impl Into<String>, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { kind, object: object.into(), what: what.into(), advice: advice.into() }
    }
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, what, advice, .. } = self;
        write!(f, "warning: {object}: {what}: {advice}")
    }
}

/// Looks for hazards; `seen` is what the kernel has of each family that is used.
pub(crate) fn find(config: &Config, seen: &[(Family, Observed)]) -> Result<Vec<Hazard>, Error> {
    Ok(judge(config, seen, &Scene::look(config, seen)?))
}

/// What a failure to look at the kernel comes from, where that is something that the kernel lacks.
pub(crate) fn explain(family: Family, error: Error) -> Failure {
    let lack = match &error {
        Error::Netlink(error) => features::without_rules(family, error),
        _ => None,
    };
    match lack {
        Some(Hazard { object, what, advice, .. }) => {
            Failure::new(Exit::Unavailable, format!("{object}: {what}: {advice}"))
        }
        None => error.into(),
    }
}

fn judge(config: &Config, seen: &[(Family, Observed)], scene: &Scene) -> Vec<Hazard> {
    let layout = Layout::of(config);
    let mut hazards = Vec::new();
    for ((family, observed), routes) in seen.iter().zip(&scene.routes) {
        let name = |index| observed.name(index);
        let (rules, own) = (&observed.rules, &observed.routes);
        let tables = rules::Tables { family: *family, rules, routes, own, names: &name };
        hazards.extend(rules::main(config, &layout, &tables));
        hazards.extend(rules::foreign(config, &layout, &tables));
        hazards.extend(sysctls::judge(config, *family, &scene.sysctls));
    }
    hazards.extend(networks::judge(config, &scene.networks, &scene.sysctls));
    let families: Vec<_> = seen.iter().map(|(family, _)| *family).collect();
    let rules: Vec<_> = seen.iter().flat_map(|(_, observed)| &observed.rules).collect();
    hazards.extend(marks::judge(config, &layout, &rules, &scene.firewall.sets));
    hazards.extend(firewall::judge(config, &layout, &families, &scene.firewall, &scene.networks));
    hazards.extend(features::judge(&families, &scene.features));
    hazards.extend(networkd::judge(scene.networkd.as_ref()));
    hazards.extend(network_manager::judge(&scene.network_manager));
    let addresses: Vec<_> =
        seen.iter().flat_map(|(_, observed)| &observed.standings).flat_map(|standing| &standing.addresses).collect();
    hazards.extend(listeners::judge(&scene.listeners, &addresses));
    hazards
}
