//! Connections of an uplink that went down: forgotten, so that both ends notice at once.

use std::num::NonZeroU32;

use ftr_core::cli::say;
use ftr_core::config::Config;
use ftr_core::layout::Layout;
use ftr_core::record::{Active, Applied};
use ftr_netlink::Ctnetlink;

use crate::TOOL;

/// Deletes tracked connections by the mark of their uplink.
#[derive(Debug, Default)]
pub(crate) struct Flush {
    /// The kernel cannot do it, and that has been said.
    given_up: bool,
}

impl Flush {
    /// Forgets the connections that the record names, now that the routes are in.
    ///
    /// Without a working uplink to take them they are better off waiting for theirs to return.
    pub(crate) fn run(&mut self, config: &Config, active: &Active, applied: &Applied) {
        let works = applied.active.iter().any(|uplink| !active.failed.contains(uplink));
        if active.flush.is_empty() || !works || self.given_up {
            return;
        }
        let layout = Layout::of(config);
        let Some(mask) = NonZeroU32::new(layout.mask().unwrap_or(u32::MAX)) else { return };
        let result = Ctnetlink::open().and_then(|mut connections| {
            let marks = active.flush.iter().filter_map(|uplink| config.position(uplink.as_str()));
            marks.map(|uplink| layout.mark(uplink)).try_for_each(|mark| connections.flush(active.family, mark, mask))
        });
        if let Err(error) = result {
            self.given_up = true;
            say(TOOL, &format!("warning: connections of failed uplinks stay as they are: {error}"));
        }
    }
}
