//! The mangle table: which uplink a connection belongs to.

mod policy;

use ftr_core::Config;
use ftr_core::config::UplinkKind;
use ftr_core::layout::Layout;

use crate::script::Script;

const PURPOSE: &str = "\
mangle: every connection stays on its uplink.

A provider drops packets that carry another provider's address, so a connection cannot change its uplink. Connection
tracking therefore keeps a mark for each connection, the number of its uplink, and the routing rules of ftr send a
packet with a mark into that uplink's routing table. Only the first packet of a connection is routed without one.";

const CHOOSE: &str = "\
To choose the uplink of some connections yourself, mark them here, before their packets take the mark over. They do
not move to another uplink while theirs is down. By service, by the far end's address, by a host of yours:";

const RESTORE: &str = "\
Packets from inside take over the mark of their connection. A new connection has none: routing balances it.";

const INCOMING: &str = "\
A connection that comes in by an uplink belongs to it: the answers go back the same way.";

const OUTGOING: &str = "\
A new connection that routing has sent to an uplink belongs to it from now on.";

const NEW: &str = "-m conntrack --ctstate NEW";

pub(super) fn write(config: &Config, script: &mut Script) {
    let layout = Layout::of(config);
    let inside: Vec<_> = config.downlinks.lan.iter().chain(&config.downlinks.dmz).collect();
    script.comment(PURPOSE);
    script.comment("");
    uplinks(config, &layout, script);
    let accept = ["PREROUTING", "POSTROUTING", "OUTPUT", "INPUT"].map(|chain| (chain, "ACCEPT"));
    script.table("mangle", &accept, &[]);
    if let (Some(lan), false) = (config.downlinks.lan.first(), config.uplinks.is_empty()) {
        let last = config.uplinks.len() - 1;
        script.comment(CHOOSE);
        for (matched, uplink) in [("-p tcp --dport 25", 0), ("-d 198.51.100.20", last), ("-s 192.168.0.20", last)] {
            script.example("PREROUTING", &format!("-i {lan} {matched} {NEW} -j {}", set_mark(&layout, uplink)));
        }
    }
    script.comment(RESTORE);
    for device in &inside {
        script.rule("PREROUTING", &format!("-i {device} -j {}", restore_mark(&layout)));
    }
    policy::write(config, &layout, &inside, script);
    for (why, chain, direction) in [(INCOMING, "PREROUTING", "-i"), (OUTGOING, "POSTROUTING", "-o")] {
        script.comment(why);
        for (i, uplink) in config.uplinks.iter().enumerate() {
            script.rule(chain, &format!("{direction} {} {NEW} -j {}", uplink.name, set_mark(&layout, i)));
        }
    }
    script.commit();
}

/// A line for each uplink, so that the numbers below have names.
fn uplinks(config: &Config, layout: &Layout, script: &mut Script) {
    for (i, uplink) in config.uplinks.iter().enumerate() {
        let address = match uplink.kind {
            UplinkKind::Static { ip, .. } => ip.to_string(),
            UplinkKind::Ppp | UplinkKind::Dhcp => "address from the provider".to_owned(),
        };
        script.comment(&format!("mark {}: {}, {address} ({})", mark(layout, i), uplink.name, uplink.description));
    }
}

/// Takes the connection's mark over to the packet: all of it, or our bits (iptables-extensions(8), CONNMARK).
fn restore_mark(layout: &Layout) -> String {
    match layout.mask() {
        None => "CONNMARK --restore-mark".to_owned(),
        Some(mask) => format!("CONNMARK --restore-mark --nfmask {mask:#x} --ctmask {mask:#x}"),
    }
}

/// Gives the connection the mark of an uplink; with a mask the other bits stay as they are.
fn set_mark(layout: &Layout, uplink: usize) -> String {
    let option = if layout.mask().is_some() { "--set-xmark" } else { "--set-mark" };
    format!("CONNMARK {option} {}", mark(layout, uplink))
}

fn mark(layout: &Layout, uplink: usize) -> String {
    let value = layout.mark(uplink);
    match layout.mask() {
        None => value.to_string(),
        Some(mask) => format!("{value:#x}/{mask:#x}"),
    }
}
