//! Prefixes that are not stated (`prefix6: auto`): `ftr-route` knows them.

use std::time::Duration;

use ftr_core::{Config, Prefix};
use ftr_tool::cli::say;
use ftr_tool::programs;
use ftr_tool::run::{Bounds, run};
use serde::Deserialize;

use crate::TOOL;

const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 4 << 20 };

/// What `ftr-route show -j` says of a family, as far as it is needed.
#[derive(Deserialize)]
struct Overview {
    uplinks: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    uplink: String,
    #[serde(default)]
    prefixes: Vec<Prefix>,
    #[serde(default)]
    former: Vec<Prefix>,
}

/// Fills in what is known now. Where nothing can be learned the rules are printed without, for marks and the filter do not
/// need it.
pub(crate) fn fill(config: &mut Config) {
    match ask(config) {
        Ok(overview) => take(config, overview),
        Err(reason) => say(TOOL, &format!("warning: prefix6: auto: nothing is known of it: ftr-route: {reason}")),
    }
}

fn ask(config: &Config) -> Result<Overview, String> {
    let mut command = programs::sibling("ftr-route").map_err(|error| error.to_string())?;
    command.arg("--config").arg(&config.file).args(["-6", "--json", "show"]);
    let text = run(&mut command, &[], BOUNDS).map_err(|error| error.to_string())?.text()?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

fn take(config: &mut Config, overview: Overview) {
    for uplink in config.uplinks.iter_mut().filter(|uplink| uplink.prefixes6.auto) {
        let row = overview.uplinks.iter().filter(|row| row.uplink == uplink.name.as_str());
        let (prefixes, former): (Vec<_>, Vec<_>) = row.map(|row| (row.prefixes.clone(), row.former.clone())).unzip();
        uplink.prefixes6.known = prefixes.concat();
        uplink.prefixes6.former = former.concat();
    }
}
