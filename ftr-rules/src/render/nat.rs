//! The nat table: addresses that the providers accept.

use ftr_core::Config;
use ftr_core::config::UplinkKind;

use crate::script::Script;

const PURPOSE: &str = "\
nat: what leaves by an uplink carries that uplink's address.

Only the first packet of a connection passes here; the kernel translates the others, and the answers, like it.";

const DNAT: &str = "\
To offer a server of yours to the internet, send what arrives for it there, and admit it in the filter table. One rule
for each uplink that it shall be reached by:";

const SNAT: &str = "\
Where an uplink has a second address, connections of some hosts can use that one. Before the rules below, which take
the rest:";

const LEAVING: &str = "\
A fixed address is stated. Where the provider assigns one, MASQUERADE takes whatever the device has at the moment,
and forgets the connections when the device goes.";

pub(super) fn write(config: &Config, script: &mut Script) {
    script.comment(PURPOSE);
    let accept = ["PREROUTING", "POSTROUTING", "OUTPUT"].map(|chain| (chain, "ACCEPT"));
    script.table("nat", &accept, &[]);
    if let Some(first) = config.uplinks.first() {
        script.comment(DNAT);
        let server = "-p tcp --dport 443 -j DNAT --to-destination 192.168.0.10";
        script.example("PREROUTING", &format!("-i {} {server}", first.name));
        if !config.downlinks.dmz.is_empty() {
            let server = "-p tcp --dport 25 -j DNAT --to-destination 192.168.1.10";
            script.example("PREROUTING", &format!("-i {} {server}", first.name));
        }
        script.comment(SNAT);
        let second = "-j SNAT --to-source 198.51.100.3";
        script.example("POSTROUTING", &format!("-s 192.168.0.10 -o {} {second}", first.name));
    }
    script.comment(LEAVING);
    for uplink in &config.uplinks {
        let target = match uplink.kind {
            UplinkKind::Static { ip, .. } => format!("SNAT --to-source {ip}"),
            UplinkKind::Ppp | UplinkKind::Dhcp => "MASQUERADE".to_owned(),
        };
        script.rule("POSTROUTING", &format!("-o {} -j {target}", uplink.name));
    }
    script.commit();
}
