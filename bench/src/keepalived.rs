//! keepalived as people use it for uplinks: a VRRP instance each, with fping as track script and the device
//! tracked, and a notify script that writes the balanced route from the instances' states.

use super::fping::write;
use ftr_lab::error::{Context, Result};
use ftr_lab::lab::Lab;
use ftr_lab::plan::TARGETS;
use ftr_lab::program::Daemon;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// keepalived calls it with `INSTANCE NAME STATE PRIORITY`; a lock keeps simultaneous changes in order.
const NOTIFY: &str = r#"#!/bin/bash
cd "${0%/*}/keepalived" || exit 1
exec 9>lock
flock 9
case $3 in
    FAULT | STOP) rm -f "up/$2" ;;
    *) touch "up/$2" ;;
esac
[ "$3" = STOP ] && exit
hops=()
while read -r name via weight; do
    [ -e "up/$name" ] && hops+=(nexthop via "$via" dev "$name" weight "$weight")
done <uplinks
[ "${#hops[@]}" -gt 0 ] && ip route replace default table "$(cat table)" "${hops[@]}"
exit 0
"#;

pub(super) fn launch(lab: &Lab) -> Result<Daemon> {
    let directory = lab.directory();
    let place = directory.join("keepalived");
    fs::create_dir_all(place.join("up")).context(|| format!("make {}", place.display()))?;
    let notify = directory.join("keepalived-notify");
    write(&notify, NOTIFY)?;
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&notify, executable).context(|| format!("make {} executable", notify.display()))?;
    let targets = TARGETS.map(|target| target.to_string()).join(" ");
    let mut text = String::from("global_defs {\n script_user root\n router_id lab\n}\n");
    let mut list = String::new();
    for uplink in &lab.uplinks {
        let (device, gateway, weight) = (uplink.device(), uplink.gateway(), uplink.wish.weight.unwrap_or(1));
        // Writing to a String cannot fail.
        let _ = writeln!(list, "{device} {gateway} {weight}");
        let _ = writeln!(
            text,
            "vrrp_script {device} {{\n script \"/usr/bin/fping -q -c1 -t450 -x4 -I {device} {targets}\"\n \
             interval 1\n timeout 2\n rise 2\n fall 1\n}}\n\
             vrrp_instance {device} {{\n state BACKUP\n interface eth0\n virtual_router_id {}\n priority 100\n \
             advert_int 1\n track_script {{ {device} }}\n track_interface {{ {device} }}\n notify {}\n}}",
            uplink.number,
            notify.display()
        );
    }
    write(&place.join("uplinks"), &list)?;
    write(&place.join("table"), &(lab.uplinks.len() + 1).to_string())?;
    let config = directory.join("keepalived.conf");
    write(&config, &text)?;
    let mut command = lab.router.command("keepalived");
    command.args(["-n", "-l", "-P", "-f"]).arg(&config);
    command.arg("-p").arg(place.join("pid")).arg("-r").arg(place.join("vrrp.pid"));
    Daemon::start("keepalived", &mut command, directory)
}
