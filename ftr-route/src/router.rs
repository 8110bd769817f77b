//! Brings the kernel's routing to what is wanted: look, compare, change the difference.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ftr_core::Family;
use ftr_core::config::Config;
use ftr_core::numbering::Numbering;
use ftr_core::record::{Applied, AppliedUplink, NoWay, Reason};
use ftr_netlink::{RouteKind, Write};
use ftr_tool::cli::say;
use ftr_tool::clock;
use ftr_tool::delegated::{self, Networks};

use crate::answer::TOOL;
use crate::error::Error;
use crate::iproute;
use crate::kernel::settle::settle;
use crate::kernel::{Kernel, RejectedOperation};
use crate::plan;
use crate::plan::active_set::ActiveSet;
use crate::plan::diff::Plan;
use crate::plan::former::Since;
use crate::plan::kept::{Kept, believed};
use crate::plan::operation::Operation;
use crate::plan::sysctl::Setting;
use crate::plan::uplink_state::{UplinkState, configured};
use crate::remembered::{Held, Remembered};
use crate::snapshot::{Search, Snapshot};

/// The router for one family.
#[derive(Debug)]
pub(crate) struct Router<'a> {
    pub(crate) config: &'a Config,
    pub(crate) family: Family,
    kernel: Kernel,
    pub(crate) remembered: Remembered,
    pub(crate) search: Search,
    former: Since,
    /// What was known of networks inside before a reboot.
    kept: Vec<Kept>,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) applied: Applied,
    /// Why not everything is as wanted.
    pub(crate) remarks: Vec<String>,
    /// What people should know although everything is as wanted.
    pub(crate) warnings: Vec<String>,
    /// Which of the uplinks asked for have no egress although nothing is wrong with their lines.
    pub(crate) stranded: Vec<String>,
    /// The changes made, as commands.
    pub(crate) commands: Vec<String>,
    /// What the kernel had before the last of them.
    pub(crate) snapshot: Snapshot,
}

/// Before IPv6 routes are deleted that others have replaced: look-ups that are on the way to the old ones have ended by
/// then. The kernel tells nobody when its readers are done (RCU), and fails a look-up that finds a deleted route.
const GRACE: Duration = Duration::from_millis(2);

fn deletes_a_way(stage: &[Operation]) -> bool {
    let deletes = |operation: &Operation| matches!(operation, Operation::Write { write: Write::DeleteRoute(route), .. } if route.kind == RouteKind::Unicast);
    stage.iter().any(deletes)
}

/// What came of the changes so far.
#[derive(Default)]
struct Work {
    writes: u32,
    commands: Vec<String>,
    remarks: Vec<String>,
    /// Uplinks whose route the kernel refused.
    refused: BTreeSet<usize>,
}

/// A change that the kernel refused.
struct Rejected {
    uplink: Option<usize>,
    reason: String,
}

impl Rejected {
    fn of(uplink: Option<usize>, rejected: &RejectedOperation, command: &str) -> Self {
        let uplink = uplink.filter(|_| !rejected.is_outrun);
        Self { uplink, reason: format!("{}: {command}", rejected.reason) }
    }
}

/// What a round of changes leaves to think about.
struct Unexplained {
    /// An uplink was found to blame, and will be left out.
    blamed: bool,
    /// Refusals that no uplink can be blamed for.
    reasons: Vec<String>,
}

impl Work {
    /// Finds the uplinks to blame, and says why once for each.
    fn blame(&mut self, refused: Vec<Rejected>, snapshot: &Snapshot) -> Unexplained {
        let known = self.refused.clone();
        let mut unexplained = Unexplained { blamed: false, reasons: Vec::new() };
        for Rejected { uplink, reason } in refused {
            match uplink.filter(|uplink| !known.contains(uplink)) {
                None => unexplained.reasons.push(reason),
                Some(uplink) => {
                    unexplained.blamed = true;
                    if self.refused.insert(uplink) {
                        let name = snapshot.states.get(uplink).map(|state| state.name.as_str());
                        self.remarks.push(format!("{}: {reason}", name.unwrap_or_default()));
                    }
                }
            }
        }
        unexplained
    }
}

impl<'a> Router<'a> {
    pub(crate) fn new(config: &'a Config, family: Family) -> Result<Self, Error> {
        let (kernel, remembered) = (Kernel::open()?, Remembered::usual());
        let kept = if family == Family::V6 && config.learns_prefixes() { kept(config) } else { Vec::new() };
        Ok(Self { config, family, kernel, remembered, search: Search::Everywhere, former: Since::default(), kept })
    }

    /// Looks at the kernel.
    pub(crate) fn look(&mut self) -> Result<Snapshot, Error> {
        let mut snapshot = Snapshot::look(&mut self.kernel, self.config, self.family, self.search, &self.kept)?;
        self.former.retain(&mut snapshot.learned, &mut self.kept, &snapshot.links, clock::since_boot());
        Ok(snapshot)
    }

    /// Looks at the kernel, and compares it with what is wanted.
    pub(crate) fn compare(&mut self, active_set: &ActiveSet) -> Result<(Snapshot, Plan), Error> {
        let snapshot = self.look()?;
        let plan = snapshot.plan(self.config, active_set, &BTreeSet::new());
        Ok((snapshot, plan))
    }

    /// Changes the kernel to what is wanted, whatever others have put between ours: that is told.
    ///
    /// An uplink whose route the kernel refuses is left out, so that it does not keep the others from theirs. A change
    /// that is refused for no uplink's sake is tried once more, for the kernel may have changed since we looked.
    ///
    /// `seen` is what a look has just shown, if there was one.
    pub(crate) fn apply(&mut self, active_set: &ActiveSet, mut seen: Option<Snapshot>) -> Result<Report, Error> {
        let begin = Instant::now();
        let mut work = Work::default();
        let mut retried = false;
        let mut unsettled = BTreeSet::new();
        loop {
            let snapshot = seen.take().map_or_else(|| self.look(), Ok)?;
            unsettled.extend(active_set.unsettled(self.config, &snapshot));
            let plan = snapshot.plan(self.config, active_set, &work.refused);
            let refused = self.execute(&snapshot, &plan, &mut work)?;
            let unexplained = work.blame(refused, &snapshot);
            let blamed = unexplained.blamed;
            // Every further round either leaves out one more uplink, or is the only one of its kind.
            let again = blamed || (!retried && (!unexplained.reasons.is_empty() || plan.takes_over));
            if !again {
                work.remarks.extend(unexplained.reasons);
                work.remarks.extend(snapshot.objections(&plan));
                let mut report = self.report(begin, work, snapshot, active_set);
                if report.applied.writes > 0 && !unsettled.is_empty() {
                    report.warnings.extend(settle(self.config, &report.snapshot.links, &unsettled));
                }
                return Ok(report);
            }
            retried |= !blamed;
        }
    }

    /// Lets programs that listen for changed routes look again, as tunnels do that keep the source that worked last. Rules
    /// are not what they listen for.
    pub(crate) fn announce(&mut self) -> Result<(), Error> {
        self.kernel.announce(self.family, Numbering::of(self.config).balanced_table())
    }

    /// Makes the changes up to the first group in which the kernel refuses one.
    fn execute(&mut self, snapshot: &Snapshot, plan: &Plan, work: &mut Work) -> Result<Vec<Rejected>, Error> {
        let names = |index| snapshot.name(index);
        let mut refused = Vec::new();
        for stage in &plan.stages {
            if self.family == Family::V6 && work.writes > 0 && deletes_a_way(stage) {
                std::thread::sleep(GRACE);
            }
            let settings: Vec<Setting> = stage.iter().filter_map(Operation::setting).cloned().collect();
            let held = if settings.is_empty() { None } else { self.note(&settings, work) };
            let outcome = self.kernel.make(stage)?;
            drop(held);
            work.writes += outcome.made;
            for (index, operation) in stage.iter().enumerate() {
                let command = iproute::command(operation, &names);
                match outcome.refused.iter().find(|rejected| rejected.index == index) {
                    // What was not done is no repair, nor is it undone by anybody.
                    Some(rejected) => refused.push(Rejected::of(operation.uplink(), rejected, &command)),
                    None => work.commands.push(command),
                }
            }
            if !refused.is_empty() && settings.is_empty() {
                break;
            }
        }
        Ok(refused)
    }

    /// Notes what settings are to be undone one day. Not to be able to is no reason to leave people without a route now.
    fn note(&mut self, settings: &[Setting], work: &mut Work) -> Option<Held> {
        let held = self.remembered.hold().and_then(|held| self.remembered.note(settings, &held).map(|()| held));
        held.map_err(|error| work.remarks.push(error.to_string())).ok()
    }

    fn report(&self, begin: Instant, work: Work, snapshot: Snapshot, active_set: &ActiveSet) -> Report {
        let members = active_set.members(self.config, &snapshot).unwrap_or_else(|| snapshot.carrying(self.config));
        let state = |uplink: usize| {
            snapshot.states.get(uplink).filter(|state| state.egress.is_some() && !work.refused.contains(&uplink))
        };
        let prefixes = |i: usize| snapshot.learned.prefixes.iter().filter(move |(whose, _)| *whose == i);
        let uplink = |(i, state): (usize, &UplinkState)| AppliedUplink {
            prefixes: prefixes(i).map(|(_, prefix)| *prefix).collect(),
            networks: self.former.told(i, &snapshot.learned, &self.kept, &snapshot.links, clock::since_boot()),
            uplink: state.name.clone(),
            address: state.egress.as_ref().and_then(|egress| egress.source),
            gateway: state.far_end(),
        };
        let active = members.iter().filter_map(|member| state(member.uplink)).map(|state| state.name.clone());
        let applied = Applied {
            at: clock::now(),
            family: self.family,
            writes: work.writes,
            took_us: u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX),
            active: active.collect(),
            uplinks: configured(&snapshot.states).map(uplink).collect(),
            no_way: no_way(&snapshot, &active_set.asked(self.config, &snapshot), &work.refused),
        };
        let stranded = snapshot.stranded().into_iter().filter(|one| applied.no_way.contains(one));
        let stranded = stranded.map(|one| stranded_text(&one, self.family)).collect();
        let (remarks, commands, warnings) = (work.remarks, work.commands, Vec::new());
        Report { applied, remarks, warnings, stranded, commands, snapshot }
    }
}

/// What the monitor has remembered of networks inside, as far as it can be believed.
fn kept(config: &Config) -> Vec<Kept> {
    let remembered = delegated::recall().unwrap_or_else(|error| {
        say(TOOL, &format!("warning: which prefixes hosts had before a reboot is not known: {error}"));
        Networks::new()
    });
    believed(config, &remembered, clock::since_boot())
}

/// That an uplink has no egress, in words.
pub(crate) fn stranded_text(NoWay { uplink, reason }: &NoWay, family: Family) -> String {
    let advice = match reason {
        Reason::NoAddress => "the device does not have the configured address",
        Reason::NoGateway => "no gateway is stated or learned, and the device needs one",
        _ => "see ftr-probe",
    };
    format!("{uplink}: {family}: no egress, so its table refuses all: {reason}: {advice}")
}

/// Stops where rules of others stand between ours, and says which.
pub(crate) fn refuse_conflicts<'p>(plans: impl Iterator<Item = &'p Plan>) -> Result<(), Error> {
    let conflicts: Vec<String> = plans.flat_map(plan::conflicts).collect();
    for conflict in &conflicts {
        say(TOOL, conflict);
    }
    if conflicts.is_empty() { Ok(()) } else { Err(Error::Conflict) }
}

/// Those of the uplinks asked for that have no egress, or one that the kernel has refused.
fn no_way(snapshot: &Snapshot, asked: &[usize], refused: &BTreeSet<usize>) -> Vec<NoWay> {
    let without = |i: &usize| {
        let state = snapshot.states.get(*i).filter(|state| state.configured)?;
        let reason = state.missing.or(refused.contains(i).then_some(Reason::NoRoute))?;
        Some(NoWay { uplink: state.name.clone(), reason })
    };
    asked.iter().filter_map(without).collect()
}

#[cfg(test)]
mod tests {
    use super::{Rejected, RejectedOperation, Work, no_way};
    use crate::plan::uplink_state::HostView;
    use crate::plan::uplink_state::tests::{address, link};
    use crate::snapshot::tests::bare;

    #[test]
    fn an_uplink_is_not_to_blame_where_somebody_else_was_quicker() {
        let refused = |is_outrun| {
            let rejected = RejectedOperation { index: 0, reason: "File exists (EEXIST)".to_owned(), is_outrun };
            Rejected::of(Some(2), &rejected, "ip route add default")
        };
        assert_eq!((refused(true).uplink, refused(false).uplink), (None, Some(2)));
        assert_eq!(refused(true).reason, "File exists (EEXIST): ip route add default");
    }

    #[test]
    fn uplinks_without_a_way_are_named_with_what_is_missing() {
        let links = [link(3, "eth1"), link(4, "eth2")];
        let addresses = [address(3, "1.0.0.2", None, 24)];
        let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
        let snapshot = bare(host);
        let told = |asked: &[usize], refused: &[usize]| {
            let refused = refused.iter().copied().collect();
            let all = no_way(&snapshot, asked, &refused);
            all.iter().map(|one| format!("{} {}", one.uplink, one.reason)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[0, 1, 2], &[]), ["eth2 no-address", "ppp0 no-interface"]);
        assert_eq!(told(&[0, 1], &[0, 1]), ["eth1 no-route", "eth2 no-address"]);
        assert!(told(&[], &[0]).is_empty(), "nobody has asked for it");
    }

    #[test]
    fn an_uplink_is_blamed_once_and_what_it_is_not_to_blame_for_is_told_apart() {
        let snapshot = bare(HostView::default());
        let refused = |uplink, reason: &str| Rejected { uplink, reason: reason.to_owned() };
        let mut work = Work::default();
        let round = vec![refused(Some(1), "no"), refused(Some(1), "no again"), refused(None, "why")];
        let left = work.blame(round, &snapshot);
        assert!(left.blamed);
        assert_eq!((work.remarks.as_slice(), left.reasons), (&["eth2: no".to_owned()][..], vec!["why".to_owned()]));
        // Left out already, so it is not its egress that the kernel does not like.
        let left = work.blame(vec![refused(Some(1), "end")], &snapshot);
        assert!(!left.blamed);
        assert_eq!((work.remarks.len(), left.reasons), (1, vec!["end".to_owned()]));
    }
}
