//! What a scenario expects of the client's connections and of check records, as its file has it.

use crate::family::Family;
use crate::span::Span;
use serde::Deserialize;

/// What must be true afterwards. `after` names a step, such as `break eth1`, `mend eth1` or
/// `restart`; its last occurrence counts; absent: the beginning.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Expectation {
    /// New connections that failed.
    Failures {
        /// Of the router's own connections, not of the client's.
        #[serde(default)]
        router: bool,
        /// Over IPv4 (4) or IPv6 (6); both when absent.
        #[serde(default)]
        family: Option<Family>,
        /// Counted from there.
        #[serde(default)]
        after: Option<String>,
        /// Counted until there.
        #[serde(default)]
        until: Option<String>,
        /// None begins later than this after the step.
        #[serde(default)]
        settled: Option<Span>,
        /// No more than so many.
        #[serde(default)]
        at_most: Option<usize>,
    },
    /// The held connections of these uplinks, and the flows of datagrams, neither broke nor stalled longer.
    Unharmed {
        /// Which uplinks; all when absent.
        #[serde(default)]
        uplinks: Option<Vec<String>>,
        /// Over IPv4 (4) or IPv6 (6); both when absent.
        #[serde(default)]
        family: Option<Family>,
        /// The longest silence allowed.
        stall: Span,
    },
    /// The held connections of an uplink were reset within this time of the step.
    Reset {
        /// Which uplink.
        uplink: String,
        /// Over IPv4 (4) or IPv6 (6); both when absent.
        #[serde(default)]
        family: Option<Family>,
        /// The step.
        after: String,
        /// At most this long.
        within: Span,
    },
    /// The flows of datagrams of an uplink were answered by way of another within this time of the step, and still are.
    Moved {
        /// Which uplink.
        uplink: String,
        /// Over IPv4 (4) or IPv6 (6); both when absent.
        #[serde(default)]
        family: Option<Family>,
        /// The step.
        after: String,
        /// At most this long.
        within: Span,
    },
    /// Every one of these uplinks carried new connections after the step.
    Used {
        /// Which.
        uplinks: Vec<String>,
        /// Over IPv4 (4) or IPv6 (6); 4 when absent.
        #[serde(default)]
        family: Family,
        /// The step.
        #[serde(default)]
        after: Option<String>,
        /// The first one at most so long after it.
        #[serde(default)]
        within: Option<Span>,
    },
    /// New connections were spread over the three uplinks by their weights.
    Spread {
        /// Over IPv4 (4) or IPv6 (6); 4 when absent.
        #[serde(default)]
        family: Family,
        /// There were no fewer.
        count: usize,
        /// The chance of so uneven a spread where the weights are kept is no smaller (Pearson's test).
        p: f64,
    },
    /// There were check records of an uplink, and all say this.
    Checks {
        /// Of which uplink.
        uplink: String,
        /// 4 or 6; 4 when absent.
        #[serde(default)]
        family: Family,
        /// The verdict.
        up: bool,
        /// Why; any when absent.
        #[serde(default)]
        reason: Option<String>,
        /// From there.
        #[serde(default)]
        after: Option<String>,
        /// Until there.
        #[serde(default)]
        until: Option<String>,
        /// Not before this time has passed.
        #[serde(default)]
        settled: Option<Span>,
    },
    /// Packets with another uplink's source that reached a provider, at most.
    Foreign(u64),
}
