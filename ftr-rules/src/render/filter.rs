//! The filter table: what may pass, in its simplest form.

use ftr_core::{Config, InterfaceName};

use crate::script::Script;

const PURPOSE: &str = "\
filter: the router and the local network are closed to the internet.

A beginning to build on: a router with a firewall of its own leaves this table out (--table mangle --table nat).";

const LOOPBACK: &str = "The router talks to itself.";

const ANSWERS: &str = "\
Answers are let in: also those to the test packets of ftr, without which every uplink would look dead.";

const SERVICES: &str = "\
New connections to the router itself are dropped, from inside too. What it offers to the local network:";

const FORWARDED_ANSWERS: &str = "\
Packets of a connection that was let through once, and ICMP errors about it.";

const LAN: &str = "New connections between local network and uplinks; between the uplinks none pass.";

const LAN_WAN: &str = "From the local network to the internet: all.";

const SERVER: &str = "From the internet to the local network: none, but to servers that the nat table sends them to.";

const DMZ: &str = "New connections between DMZ and uplinks.";

const BETWEEN: &str =
    "New connections between local network and DMZ are dropped. To let your people reach the servers:";

const DMZ_WAN: &str = "From the DMZ to the internet: all.";

const WAN_DMZ: &str = "\
From the internet to the DMZ: all. Each server there is on its own; put rules before this one to narrow it.";

pub(super) fn write(config: &Config, script: &mut Script) {
    let dmz = !config.downlinks.dmz.is_empty();
    let own: &[&str] = if dmz { &["LAN_WAN", "WAN_LAN", "DMZ_WAN", "WAN_DMZ"] } else { &["LAN_WAN", "WAN_LAN"] };
    script.comment(PURPOSE);
    script.table("filter", &[("INPUT", "DROP"), ("FORWARD", "DROP"), ("OUTPUT", "ACCEPT")], own);
    input(config, script);
    script.comment(FORWARDED_ANSWERS);
    script.rule("FORWARD", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
    script.comment(LAN);
    forward(config, &config.downlinks.lan, ["LAN_WAN", "WAN_LAN"], script);
    if dmz {
        script.comment(DMZ);
        forward(config, &config.downlinks.dmz, ["DMZ_WAN", "WAN_DMZ"], script);
        if let (Some(lan), Some(dmz)) = (config.downlinks.lan.first(), config.downlinks.dmz.first()) {
            script.comment(BETWEEN);
            script.example("FORWARD", &format!("-i {lan} -o {dmz} -j ACCEPT"));
        }
    }
    script.comment(LAN_WAN);
    script.rule("LAN_WAN", "-j ACCEPT");
    script.comment(SERVER);
    script.example("WAN_LAN", "-d 192.168.0.10 -p tcp --dport 443 -j ACCEPT");
    script.rule("WAN_LAN", "-j REJECT");
    if dmz {
        script.comment(DMZ_WAN);
        script.rule("DMZ_WAN", "-j ACCEPT");
        script.comment(WAN_DMZ);
        script.rule("WAN_DMZ", "-j ACCEPT");
    }
    script.commit();
}

fn input(config: &Config, script: &mut Script) {
    script.comment(LOOPBACK);
    script.rule("INPUT", "-i lo -j ACCEPT");
    script.comment(ANSWERS);
    script.rule("INPUT", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
    script.comment(SERVICES);
    for lan in &config.downlinks.lan {
        // SSH, DNS, DHCP, ping.
        for service in ["-p tcp --dport 22", "-p udp --dport 53", "-p udp --dport 67", "-p icmp"] {
            script.example("INPUT", &format!("-i {lan} {service} -j ACCEPT"));
        }
    }
}

/// Sends what passes from `inside` to an uplink into the first chain, and what passes back into the second.
fn forward(config: &Config, inside: &[InterfaceName], [out, back]: [&str; 2], script: &mut Script) {
    for device in inside {
        for uplink in &config.uplinks {
            script.rule("FORWARD", &format!("-i {device} -o {} -j {out}", uplink.name));
        }
    }
    for uplink in &config.uplinks {
        for device in inside {
            script.rule("FORWARD", &format!("-i {} -o {device} -j {back}", uplink.name));
        }
    }
}
