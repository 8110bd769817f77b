//! The script that a good administrator would write around fping and `ip route`.

use ftr_lab::error::{Context, Result};
use ftr_lab::lab::Lab;
use ftr_lab::plan::TARGETS;
use ftr_lab::program::Daemon;
use std::fs;
use std::path::Path;

/// Checks all uplinks at once each second; one miss takes an uplink out, two hits in a row bring it back.
const LOOP: &str = r#"#!/bin/bash
table=$1; shift
targets=$1; shift
declare -A gateway weight up hits
names=()
for uplink in "$@"; do
    IFS=, read -r name via share <<<"$uplink"
    names+=("$name"); gateway[$name]=$via; weight[$name]=$share; up[$name]=1; hits[$name]=2
done
write() {
    local hops=()
    for name in "${names[@]}"; do
        [ "${up[$name]}" = 1 ] && hops+=(nexthop via "${gateway[$name]}" dev "$name" weight "${weight[$name]}")
    done
    [ "${#hops[@]}" -gt 0 ] && ip route replace default table "$table" "${hops[@]}"
}
next=$(date +%s%N)
while :; do
    declare -A asked=()
    changed=0
    for name in "${names[@]}"; do
        fping -q -c1 -t450 -x4 -I "$name" $targets >/dev/null 2>&1 &
        asked[$name]=$!
    done
    for name in "${names[@]}"; do
        if wait "${asked[$name]}"; then
            hits[$name]=$((hits[$name] + 1))
            [ "${up[$name]}" = 0 ] && [ "${hits[$name]}" -ge 2 ] && up[$name]=1 && changed=1
        else
            hits[$name]=0
            [ "${up[$name]}" = 1 ] && up[$name]=0 && changed=1
        fi
    done
    [ "$changed" = 1 ] && write
    next=$((next + 1000000000))
    left=$((next - $(date +%s%N)))
    [ "$left" -gt 0 ] && sleep "$((left / 1000000000)).$(printf %09d $((left % 1000000000)))"
done
"#;

pub(super) fn launch(lab: &Lab) -> Result<Daemon> {
    let script = lab.directory().join("fping-loop");
    write(&script, LOOP)?;
    let targets = TARGETS.map(|target| target.to_string()).join(" ");
    let mut command = lab.router.command("bash");
    command.arg(&script).arg((lab.uplinks.len() + 1).to_string()).arg(targets);
    for uplink in &lab.uplinks {
        command.arg(format!("{},{},{}", uplink.device(), uplink.gateway(), uplink.wish.weight.unwrap_or(1)));
    }
    Daemon::start("fping-loop", &mut command, lab.directory())
}

pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).context(|| format!("write {}", path.display()))
}
