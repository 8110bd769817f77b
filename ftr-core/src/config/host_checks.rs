//! What of a configuration does not fit the host that it is on: devices that are not there, addresses that another one
//! has, files that the service cannot use. A host changes without its configuration, so these are warnings.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::ipv4::UplinkKind;
use super::location;
use super::path::NodePath;
use super::problem::Problem;
use super::problems::Problems;
use super::uplink::Uplink;
use super::warnings::{addresses_of, beyond, gateways_of, inside, near};
use super::whole::Config;
use crate::host::{Device, DeviceAddress, Host};
use crate::numbering::MAIN_TABLE;
use crate::{Family, InterfaceName, Prefix};

/// What is wrong with the files that a configuration is about, each in words; none where nothing is, or nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFaults {
    /// The configuration itself.
    pub configuration: Option<String>,
    /// `log.file`.
    pub log: Option<String>,
    /// `email.smtp_parameters.password_file`.
    pub password: Option<String>,
    /// The program of each hook that has a fault, by the index of the hook.
    pub hooks: BTreeMap<usize, String>,
}

impl Config {
    /// What of it does not fit this host, each with its location in the text that it was read from.
    #[must_use]
    pub fn on_host(&self, text: &str, host: Option<&Host>, files: &FileFaults) -> Problems {
        let mut found = Vec::new();
        file_faults(files, &mut found);
        if let Some(host) = host {
            for (index, uplink) in self.uplinks.iter().enumerate() {
                uplink_on_host(host, uplink, &NodePath::default().key("uplinks").index(index), &mut found);
            }
            downlinks(self, host, &mut found);
            targets(self, host, &mut found);
            policies(self, host, &mut found);
        }
        Problems::warnings(&self.file, &location::found(text, found))
    }
}

fn file_faults(files: &FileFaults, found: &mut Vec<Problem>) {
    let top = NodePath::default();
    let password = top.key("email").key("smtp_parameters").key("password_file");
    for (path, fault) in
        [(top.clone(), &files.configuration), (top.key("log").key("file"), &files.log), (password, &files.password)]
    {
        found.extend(fault.as_ref().map(|what| Problem::new(path, what.as_str())));
    }
    let hook = |index: &usize| top.key("hooks").index(*index).key("run");
    found.extend(files.hooks.iter().map(|(index, what)| Problem::new(hook(index), what.as_str())));
}

fn uplink_on_host(host: &Host, uplink: &Uplink, path: &NodePath, found: &mut Vec<Problem>) {
    let mut note = |key: &str, what: String| found.push(Problem::new(path.key(key), what));
    let Some(device) = host.device(uplink.name.as_str()) else {
        let since = match uplink.kind {
            UplinkKind::Ppp => "; that of a PPP connection is there while it is up",
            UplinkKind::Static { .. } | UplinkKind::Dhcp => "",
        };
        return note("interface", format!("{}{since}", absent(host, &uplink.name)));
    };
    if !device.up {
        note("interface", switched_off(device));
    }
    for address in addresses_of(uplink) {
        let key = if address.is_ipv4() { "ip" } else { "ip6" };
        match device.addresses.iter().find(|own| own.address == address) {
            None => note(key, elsewhere(host, device, address)),
            Some(own) if is_leased(host, device, own) => note(
                key,
                format!(
                    "{} has {address} for a time only, as from DHCP, and may get another: say type: dhcp",
                    device.name
                ),
            ),
            Some(_) => {}
        }
    }
    if let UplinkKind::Static { gateway: Some(gateway), .. } = uplink.kind {
        if let Some(own) = host.owner(gateway.into()) {
            note("gateway", format!("{gateway} is an address of this host itself ({})", own.name));
        }
        let networks = device.addresses_of(Family::V4).filter_map(DeviceAddress::network);
        if let Some(network) = networks.into_iter().find(|network| network.broadcast() == Some(gateway.into())) {
            note("gateway", format!("{gateway} is the broadcast address of {network}, which is no host"));
        }
    }
    for gateway in gateways_of(uplink) {
        let key = if gateway.is_ipv4() { "gateway" } else { "gateway6" };
        if let Some(what) = far(host, device, gateway) {
            note(key, what);
        }
    }
    if let Some(what) = unlearned(host, uplink, device) {
        note("type", what);
    }
    for source in &uplink.tests.sources {
        if !device.addresses.iter().any(|own| own.address == *source) {
            found.push(Problem::new(path.key("tests").key("source"), elsewhere(host, device, *source)));
        }
    }
}

/// That a gateway is in no network of its device, where that has one: it may be asked for all the same, but is more often a slip.
fn far(host: &Host, device: &Device, gateway: IpAddr) -> Option<String> {
    let family = Family::of(gateway);
    let networks = |device: &Device| -> Vec<Prefix> {
        let all = device.addresses_of(family).filter_map(DeviceAddress::network);
        all.filter(|network| *network != Prefix::host(network.address())).collect()
    };
    let own = networks(device);
    let is_link_local = matches!(gateway, IpAddr::V6(six) if six.is_unicast_link_local());
    let is_near = own.iter().any(|network| network.contains(gateway));
    if own.is_empty() || is_near || is_link_local || host.owner(gateway).is_some() {
        return None;
    }
    let has = |other: &Device| networks(other).into_iter().find(|network| network.contains(gateway));
    let elsewhere = host.devices.iter().find_map(|other| Some(format!(", but in {} of {}", has(other)?, other.name)));
    let own: Vec<String> = own.iter().map(Prefix::to_string).collect();
    Some(format!(
        "{gateway} is outside {} of {}{}, and asked for on its link all the same: is that meant?",
        own.join(", "),
        device.name,
        elsewhere.unwrap_or_default()
    ))
}

/// Why nothing can be learned from a device in the way that its type says.
fn unlearned(host: &Host, uplink: &Uplink, device: &Device) -> Option<String> {
    let name = &device.name;
    let has_address = device.addresses_of(Family::V4).next().is_some();
    let no_default = host.defaults_of(name, Family::V4).next().is_none();
    match uplink.kind {
        UplinkKind::Ppp if !device.point_to_point => {
            Some(format!("ppp, but {name} is no point-to-point device: say dhcp or static"))
        }
        UplinkKind::Dhcp if has_address && no_default => Some(format!(
            "dhcp, but no default route leads through {name}: its gateway is learned from that of the client"
        )),
        UplinkKind::Ppp | UplinkKind::Dhcp | UplinkKind::Static { .. } => None,
    }
}

/// Whether an address is one that `type: dhcp` would follow: it has come from DHCP, and so has a default route in main.
fn is_leased(host: &Host, device: &Device, own: &DeviceAddress) -> bool {
    let comes = own.lease.is_some() || !own.permanent;
    comes && own.address.is_ipv4() && host.defaults_of(&device.name, Family::V4).any(|route| route.table == MAIN_TABLE)
}

/// That a device is not there, and which are.
fn absent(host: &Host, name: &InterfaceName) -> String {
    let known: Vec<&str> = host.devices.iter().map(|device| device.name.as_str()).collect();
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name.as_str(), known), known))
        .min()
        .filter(|(distance, _)| *distance == 1 && name.as_str().len() > 3);
    let hint = match nearest {
        Some((_, near)) if known.len() > MANY => format!(", did you mean {near}?"),
        _ if known.is_empty() || known.len() > MANY => String::new(),
        _ => format!(", which has {}", known.join(", ")),
    };
    format!("{name} is no device of this host{hint}")
}

/// That nothing goes through a device.
fn switched_off(device: &Device) -> String {
    format!("{0} is switched off: ip link set {0} up", device.name)
}

/// More devices than this are not named.
const MANY: usize = 12;

/// That an address is not one of a device: whose it is, or else what the device has.
fn elsewhere(host: &Host, device: &Device, address: IpAddr) -> String {
    let name = &device.name;
    let family = Family::of(address);
    let own: Vec<String> = device.addresses_of(family).map(|own| format!("{}/{}", own.address, own.length)).collect();
    match host.owner(address) {
        Some(other) => format!("{address} is not an address of {name}, but of {}", other.name),
        None if own.is_empty() => format!("{address} is not an address of {name}, which has none of {family}"),
        None => format!("{address} is not an address of {name}, which has {}", own.join(", ")),
    }
}

fn downlinks(config: &Config, host: &Host, found: &mut Vec<Problem>) {
    let path = NodePath::default().key("downlinks");
    for (key, names) in [("lan", &config.downlinks.lan), ("dmz", &config.downlinks.dmz)] {
        for (index, name) in names.iter().enumerate() {
            let mut note = |what: String| found.push(Problem::new(path.key(key).index(index), what));
            let Some(device) = host.device(name.as_str()) else {
                note(absent(host, name));
                continue;
            };
            let default = host.defaults_of(name.as_str(), Family::V4).next();
            if let Some(route) = default {
                note(format!("{name} leads to the internet itself ({}): is it an uplink?", route.line));
            } else if !device.up {
                note(switched_off(device));
            } else if device.addresses.is_empty() {
                note(format!("{name} has no address, so that its hosts have no gateway"));
            }
        }
    }
}

/// Targets that are near although the configuration alone does not say so.
fn targets(config: &Config, host: &Host, found: &mut Vec<Problem>) {
    let top = NodePath::default();
    let own = config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.tests.targets != config.tests.targets);
    let own = own.map(|(index, uplink)| (top.key("uplinks").index(index).key("tests"), &uplink.tests));
    for (path, tests) in [(top.key("tests"), &config.tests)].into_iter().chain(own) {
        for (index, target) in tests.targets.iter().enumerate() {
            let address = target.address();
            if near(config, address).is_some() {
                continue;
            }
            let path = path.key("ips").index(tests.as_stated.index_in_file(index));
            found.extend(near_here(config, host, address).map(|what| Problem::new(path, what)));
        }
    }
}

fn near_here(config: &Config, host: &Host, address: IpAddr) -> Option<String> {
    if let Some(device) = host.owner(address) {
        let name = &device.name;
        return Some(format!(
            "{address} is an address of this host itself ({name}), which answers whatever an uplink is like"
        ));
    }
    let gateway = host.defaults.iter().find(|route| route.gateway == Some(address));
    if let Some(route) = gateway {
        return Some(beyond(address, &route.device));
    }
    let outer = config.uplinks.iter().filter_map(|uplink| host.device(uplink.name.as_str()));
    let beside = |device: &&Device| {
        device.addresses.iter().filter_map(DeviceAddress::network).any(|network| network.contains(address))
    };
    if let Some(device) = outer.into_iter().find(beside) {
        return Some(format!(
            "{address} is in the network of {} itself, beside the gateway and not behind it, and may answer while the \
             line is dead: ask hosts in the internet",
            device.name
        ));
    }
    let inner = config.downlinks.lan.iter().chain(&config.downlinks.dmz);
    let mut networks = inner.filter_map(|name| host.device(name.as_str())).flat_map(|device| &device.addresses);
    networks
        .find_map(|own| own.network().filter(|network| network.contains(address)))
        .map(|network| inside(address, network))
}

/// Policies for connections that come in by a device that is not there.
fn policies(config: &Config, host: &Host, found: &mut Vec<Problem>) {
    for (index, policy) in config.policies.iter().enumerate() {
        let path = NodePath::default().key("policies").index(index).key("match").key("interface");
        for name in policy.matching.iter().flat_map(|matching| &matching.interfaces) {
            if host.device(name.as_str()).is_none() {
                found.push(Problem::new(path.clone(), absent(host, name)));
            }
        }
    }
}
