//! The kernel: what it has, and changes to it.

pub(crate) mod connections;
pub(crate) mod following;
pub(crate) mod ppp;
pub(crate) mod settle;
pub(crate) mod sysctl;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::numbering::{KERNEL_TABLES, MAIN_TABLE, PROTOCOL};
use ftr_netlink::{
    Action, Address, Label, Lifetime, Link, Lookup, Neighbour, NetlinkError, Route, RouteKind, Rtnetlink, Rule, Write,
};
use nix::errno::Errno;

use crate::error::Error;
use crate::iproute::is_ours;
use crate::plan::operation::Operation;

/// The kernel's routing.
#[derive(Debug)]
pub(crate) struct Kernel {
    netlink: Rtnetlink,
}

/// What became of a group of changes.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many were made.
    pub(crate) made: u32,
    /// Which were refused.
    pub(crate) refused: Vec<RejectedOperation>,
}

/// The kernel's no to a change.
#[derive(Debug)]
pub(crate) struct RejectedOperation {
    /// The index of the change in its group.
    pub(crate) index: usize,
    pub(crate) reason: String,
    /// Somebody was quicker since we looked: the like of it is there already (`EEXIST`), which no uplink is to blame for.
    pub(crate) is_outrun: bool,
}

impl Kernel {
    pub(crate) fn open() -> Result<Self, Error> {
        Ok(Self { netlink: Rtnetlink::open()? })
    }

    /// Every device.
    pub(crate) fn links(&mut self) -> Result<Vec<Link>, Error> {
        Ok(self.netlink.links()?)
    }

    /// Every address of the family.
    pub(crate) fn addresses(&mut self, family: Family) -> Result<Vec<Address>, Error> {
        Ok(self.netlink.addresses(Some(family))?)
    }

    /// For how long each address of the family is valid.
    pub(crate) fn lifetimes(&mut self, family: Family) -> Result<Vec<Lifetime>, Error> {
        Ok(self.netlink.lifetimes(family)?)
    }

    /// Whether the kernel has rules for the family at all.
    pub(crate) fn has(&mut self, family: Family) -> Result<bool, Error> {
        match self.rules(family) {
            Ok(_) => Ok(true),
            Err(error) if error.is_lacking() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Every rule of the family.
    pub(crate) fn rules(&mut self, family: Family) -> Result<Vec<Rule>, Error> {
        let mut rules = self.netlink.rules(family)?;
        // Without IPv6 the kernel answers for every family that it has.
        rules.retain(|rule| rule.family == family);
        Ok(rules)
    }

    /// Every address label, of which IPv4 has none.
    pub(crate) fn labels(&mut self, family: Family) -> Result<Vec<Label>, Error> {
        match family {
            Family::V4 => Ok(Vec::new()),
            Family::V6 => Ok(self.netlink.labels()?),
        }
    }

    /// The routes of the table main.
    pub(crate) fn main(&mut self, family: Family) -> Result<Vec<Route>, Error> {
        Ok(self.netlink.routes(family, Some(MAIN_TABLE))?)
    }

    /// The routes of these tables, and of those that rules of ours point to.
    pub(crate) fn routes(&mut self, family: Family, tables: &[u32], rules: &[Rule]) -> Result<Vec<Route>, Error> {
        let table = |rule: &Rule| match rule.action {
            Action::Lookup(table) if is_ours(rule.protocol) && !KERNEL_TABLES.contains(&table) => Some(table),
            _ => None,
        };
        let tables: BTreeSet<u32> = tables.iter().copied().chain(rules.iter().filter_map(table)).collect();
        let mut routes = Vec::new();
        for table in tables {
            routes.extend(self.netlink.routes(family, Some(table))?);
        }
        Ok(routes)
    }

    /// Our routes in every table but the system's own.
    pub(crate) fn ours(&mut self, family: Family) -> Result<Vec<Route>, Error> {
        let mut routes = self.netlink.routes_by(family, PROTOCOL)?;
        routes.retain(|route| route.family == family && !KERNEL_TABLES.contains(&route.table));
        Ok(routes)
    }

    /// The hosts that do not answer the kernel's question for their link-layer address, each with its device.
    pub(crate) fn silent(&mut self, family: Family) -> Result<Vec<(u32, IpAddr)>, Error> {
        let neighbours = self.netlink.neighbours(family)?.into_iter().filter(Neighbour::is_failed);
        Ok(neighbours.map(|neighbour| (neighbour.index, neighbour.address)).collect())
    }

    /// Every route of the family, in all tables.
    pub(crate) fn all_routes(&mut self, family: Family) -> Result<Vec<Route>, Error> {
        let mut routes = self.netlink.routes(family, None)?;
        routes.retain(|route| route.family == family);
        Ok(routes)
    }

    /// The way that the kernel would send a packet; within, why it would not.
    pub(crate) fn way(&mut self, lookup: &Lookup) -> Result<Result<Route, NetlinkError>, Error> {
        match self.netlink.lookup(lookup) {
            Ok(route) => Ok(Ok(route)),
            Err(ftr_netlink::Error::Rejected { error, .. }) => Ok(Err(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds a route that nothing takes to the table, and deletes it again.
    pub(crate) fn announce(&mut self, family: Family, table: u32) -> Result<(), Error> {
        // Its metric is that of no other route of ours.
        let nowhere =
            Route { metric: u32::MAX - 2, protocol: PROTOCOL, ..Route::default(family, table, RouteKind::Unreachable) };
        let both = [Write::AddRoute(nowhere.clone()), Write::DeleteRoute(nowhere)];
        self.netlink.write(&both).map(drop).map_err(Error::from)
    }

    /// Makes a group of changes. What is already gone counts as deleted.
    pub(crate) fn make(&mut self, operations: &[Operation]) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let mut writes = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            match operation {
                Operation::Write { write, .. } => writes.push((index, write.clone())),
                Operation::Sysctl(setting) => match sysctl::write(setting) {
                    Ok(()) => outcome.made += 1,
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                        return Err(Error::NotPermitted { object: setting.path.clone(), reason: error.to_string() });
                    }
                    Err(error) => {
                        outcome.refused.push(RejectedOperation { index, reason: error.to_string(), is_outrun: false });
                    }
                },
            }
        }
        let requests: Vec<Write> = writes.iter().map(|(_, write)| write.clone()).collect();
        let answers = self.netlink.write(&requests)?;
        for ((index, write), answer) in writes.into_iter().zip(answers) {
            match answer {
                Ok(()) => outcome.made += 1,
                Err(error) if error.is_permission() => {
                    return Err(Error::NotPermitted { object: "routing".to_owned(), reason: error.to_string() });
                }
                Err(error) if is_gone(&write, &error) => {}
                Err(error) => outcome.refused.push(RejectedOperation {
                    index,
                    reason: error.to_string(),
                    is_outrun: error.errno == Errno::EEXIST,
                }),
            }
        }
        Ok(outcome)
    }
}

fn is_gone(write: &Write, error: &NetlinkError) -> bool {
    let deletion = matches!(write, Write::DeleteRoute(_) | Write::DeleteRule(_) | Write::DeleteLabel(_));
    deletion && matches!(error.errno, Errno::ESRCH | Errno::ENOENT | Errno::ENODEV)
}
