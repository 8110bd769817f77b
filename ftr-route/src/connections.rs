//! `connections`: how many tracked connections stay on each uplink, by their marks.

use std::num::NonZeroU32;

use ftr_core::numbering::Numbering;
use ftr_core::{Config, Exit, Family, InterfaceName};
use ftr_netlink::Ctnetlink;
use ftr_tool::cli::{Common, Failure};
use serde::Serialize;

use crate::answer::answer;
use crate::cli::position;
use crate::error::Error;

/// How many connections an uplink has.
#[derive(Debug, Serialize)]
struct Count {
    /// Which uplink.
    uplink: InterfaceName,
    /// Over which family.
    family: Family,
    /// How many tracked connections have its mark.
    connections: usize,
}

impl Count {
    fn text(&self) -> String {
        let family = if self.family == Family::V6 { " IPv6" } else { "" };
        format!("{}{family} {}", self.uplink, self.connections)
    }
}

/// Prints a line, or an object, for each uplink and family; no names: of every uplink.
pub(crate) fn run(config: &Config, common: &Common, families: &[Family], named: &[String]) -> Result<Exit, Failure> {
    let numbering = Numbering::of(config);
    let named: Vec<usize> = named.iter().map(|name| position(config, name)).collect::<Result<_, _>>()?;
    let wanted = |index: &usize| named.is_empty() || named.contains(index);
    let masked = NonZeroU32::new(numbering.mask().unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MAX);
    let mut tracked = Ctnetlink::open().map_err(Error::from)?;
    for &family in families {
        for index in (0..config.uplinks.len()).filter(wanted) {
            let Some(uplink) = config.uplinks.get(index).filter(|uplink| uplink.has(family)) else { continue };
            let connections = tracked.marked(family, numbering.mark(index), masked).map_err(Error::from)?.len();
            let count = Count { uplink: uplink.name.clone(), family, connections };
            let line = if common.json { serde_json::to_string(&count).ok() } else { Some(count.text()) };
            answer(line.filter(|_| !common.quiet))?;
        }
    }
    Ok(Exit::Yes)
}
