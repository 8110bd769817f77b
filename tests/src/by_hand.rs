//! Routing and firewall as an administrator would type them: the lab is proven with these before any program of
//! ftr is trusted in it, and daemons that only flip the balanced route are measured on top of them.

use crate::error::Result;
use crate::ipv6;
use crate::lab::Lab;
use crate::namespace::feed;
use crate::plan::Uplink;
use std::fmt::Write as _;

/// Tables, rules and marks of the original's numbering, and a balanced route over all uplinks.
///
/// # Errors
/// When the kernel refuses something.
pub fn route(lab: &Lab) -> Result<()> {
    let count = lab.uplinks.len();
    let mut batch = String::new();
    let mut firewall = String::from("*mangle\n-A PREROUTING -i eth0 -j CONNMARK --restore-mark\n");
    let mut nat = String::from("*nat\n");
    for (position, uplink) in lab.uplinks.iter().enumerate() {
        let (device, address, gateway) = (uplink.device(), uplink.address(), uplink.gateway());
        let number = position + 1;
        // Writing to a String cannot fail.
        let _ = writeln!(
            batch,
            "route add default via {gateway} dev {device} src {address} table {number}\n\
             rule add from {address} lookup {number} priority {}\n\
             rule add fwmark {number} lookup {number} priority {}\n\
             rule add oif {device} lookup {number} priority {}",
            40000 + position,
            40000 + count + position,
            40000 + 2 * count + position
        );
        let _ =
            writeln!(firewall, "-A PREROUTING -i {device} -m conntrack --ctstate NEW -j CONNMARK --set-mark {number}");
        let _ =
            writeln!(firewall, "-A POSTROUTING -o {device} -m conntrack --ctstate NEW -j CONNMARK --set-mark {number}");
        let _ = writeln!(nat, "-A POSTROUTING -o {device} -j SNAT --to-source {address}");
    }
    let balanced = count + 1;
    let _ = writeln!(batch, "rule add lookup {balanced} priority {}", 40000 + 4 * count);
    lab.router.ip(&batch)?;
    if lab.ipv6 {
        lab.router.sh(&bind_ipv6(lab))?;
        for uplink in &lab.uplinks {
            restore_ipv6(lab, uplink)?;
        }
    }
    carry(lab, &lab.uplinks.iter().collect::<Vec<_>>())?;
    feed(&mut lab.router.command("iptables-restore"), &format!("{firewall}COMMIT\n{nat}COMMIT\n")).map(drop)
}

/// Makes these uplinks carry new connections.
///
/// # Errors
/// When the kernel refuses the route.
pub fn carry(lab: &Lab, active: &[&Uplink]) -> Result<()> {
    let nexthops: Vec<String> = active
        .iter()
        .map(|uplink| {
            let weight = uplink.wish.weight.unwrap_or(1);
            format!("nexthop via {} dev {} weight {weight}", uplink.gateway(), uplink.device())
        })
        .collect();
    let table = lab.uplinks.len() + 1;
    lab.router.ip(&format!("route replace default table {table} {}", nexthops.join(" "))).map(drop)
}

/// Puts back an uplink's own table after its device was away, as the hooks of a distribution do when it comes up.
///
/// # Errors
/// When the kernel refuses the route.
pub fn restore(lab: &Lab, uplink: &Uplink) -> Result<()> {
    let (device, address, gateway, table) = (uplink.device(), uplink.address(), uplink.gateway(), uplink.number);
    let line = format!("route replace default via {gateway} dev {device} src {address} table {table}");
    lab.router.ip(&line)?;
    if lab.ipv6 { restore_ipv6(lab, uplink) } else { Ok(()) }
}

/// IPv6 is balanced by nobody here: what is bound to a device finds its gateway, all else goes by the first uplink.
fn bind_ipv6(lab: &Lab) -> String {
    let count = lab.uplinks.len();
    let rule = |(position, uplink): (usize, &Uplink)| {
        let (device, table, priority) = (uplink.device(), uplink.number, 40000 + 2 * count + position);
        format!("ip -6 rule add oif {device} lookup {table} priority {priority}\n")
    };
    let all_else = format!("ip -6 rule add lookup 1 priority {}\n", 40000 + 4 * count);
    lab.uplinks.iter().enumerate().map(rule).chain([all_else]).collect()
}

fn restore_ipv6(lab: &Lab, uplink: &Uplink) -> Result<()> {
    let (device, gateway, table) = (uplink.device(), ipv6::gateway(uplink), uplink.number);
    lab.router.ip(&format!("route replace default via {gateway} dev {device} table {table}")).map(drop)
}
