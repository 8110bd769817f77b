//! Brings the kernel's routing to what is wanted: look, compare, change the difference.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ftr_core::Family;
use ftr_core::config::Config;
use ftr_core::layout::Layout;
use ftr_core::record::{Applied, AppliedUplink, NoWay, Reason};
use ftr_netlink::{RouteKind, Write};

use crate::check;
use crate::clock;
use crate::diff::Plan;
use crate::error::Error;
use crate::flush;
use crate::iproute;
use crate::kernel::{Denial, Kernel};
use crate::observed::{Carriers, Observed, Search};
use crate::operation::Operation;
use crate::remembered::{Held, Remembered};
use crate::renumbered::{Former, Renumbered};
use crate::sockets::Addresses;
use crate::standing::Standing;
use crate::sysctl::Setting;

/// The router for one family.
#[derive(Debug)]
pub(crate) struct Router<'a> {
    config: &'a Config,
    pub(crate) family: Family,
    kernel: Kernel,
    pub(crate) remembered: Remembered,
    pub(crate) search: Search,
    renumbered: Renumbered,
    /// How the uplinks stood at the last change.
    standings: Vec<Standing>,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) applied: Applied,
    /// Why not everything is as wanted.
    pub(crate) remarks: Vec<String>,
    /// What people should know although everything is as wanted.
    pub(crate) warnings: Vec<String>,
    /// Which of the uplinks asked for have no way out although nothing is wrong with their lines.
    pub(crate) stranded: Vec<String>,
    /// The numbers of the uplinks' devices.
    pub(crate) devices: BTreeSet<u32>,
    /// Those of the devices towards the people who are served.
    pub(crate) inside: BTreeSet<u32>,
    /// The changes made, as commands.
    pub(crate) commands: Vec<String>,
    /// The addresses of each uplink that has the family.
    pub(crate) addresses: Addresses,
    /// Those that an uplink has exchanged for another since the last time.
    pub(crate) former: Vec<Former>,
    /// Addresses, gateways or devices are others than the last time.
    pub(crate) moved: bool,
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
struct Refused {
    uplink: Option<usize>,
    words: String,
}

impl Refused {
    fn of(uplink: Option<usize>, denial: &Denial, command: &str) -> Self {
        let uplink = uplink.filter(|_| !denial.is_outrun);
        Self { uplink, words: format!("{}: {command}", denial.reason) }
    }
}

/// What a round of changes leaves to think about.
struct Unexplained {
    /// An uplink was found to blame, and will be left out.
    blamed: bool,
    /// Refusals that no uplink can be blamed for.
    words: Vec<String>,
}

impl Work {
    /// Finds the uplinks to blame, and says why once for each.
    fn blame(&mut self, refused: Vec<Refused>, observed: &Observed) -> Unexplained {
        let known = self.refused.clone();
        let mut unexplained = Unexplained { blamed: false, words: Vec::new() };
        for Refused { uplink, words } in refused {
            match uplink.filter(|uplink| !known.contains(uplink)) {
                None => unexplained.words.push(words),
                Some(uplink) => {
                    unexplained.blamed = true;
                    if self.refused.insert(uplink) {
                        let name = observed.standings.get(uplink).map(|standing| standing.name.as_str());
                        self.remarks.push(format!("{}: {words}", name.unwrap_or_default()));
                    }
                }
            }
        }
        unexplained
    }
}

impl<'a> Router<'a> {
    pub(crate) fn new(config: &'a Config, family: Family) -> Result<Self, Error> {
        let search = Search::Everywhere;
        Ok(Self {
            config,
            family,
            kernel: Kernel::open()?,
            remembered: Remembered::usual(),
            search,
            renumbered: Renumbered::default(),
            standings: Vec::new(),
        })
    }

    /// Looks at the kernel.
    pub(crate) fn look(&mut self) -> Result<Observed, Error> {
        Observed::look(&mut self.kernel, self.config, self.family, self.search)
    }

    /// Looks at the kernel, and compares it with what is wanted.
    pub(crate) fn compare(&mut self, carriers: &Carriers) -> Result<(Observed, Plan), Error> {
        let observed = self.look()?;
        let plan = observed.plan(self.config, self.family, carriers, &BTreeSet::new());
        Ok((observed, plan))
    }

    /// Changes the kernel to what is wanted, whatever others have put between ours: that is told.
    ///
    /// An uplink whose route the kernel refuses is left out, so that it does not keep the others from theirs. A change
    /// that is refused for no uplink's sake is tried once more, for the kernel may have changed since we looked.
    pub(crate) fn apply(&mut self, carriers: &Carriers) -> Result<Report, Error> {
        let begin = Instant::now();
        let mut work = Work::default();
        let mut retried = false;
        let mut unsettled = BTreeSet::new();
        loop {
            let observed = self.look()?;
            unsettled.extend(observed.unsettled(self.config, self.family, carriers));
            let plan = observed.plan(self.config, self.family, carriers, &work.refused);
            let refused = self.execute(&observed, &plan, &mut work)?;
            let unexplained = work.blame(refused, &observed);
            let blamed = unexplained.blamed;
            // Every further round either leaves out one more uplink, or is the only one of its kind.
            let again = blamed || (!retried && (!unexplained.words.is_empty() || plan.takes_over));
            if !again {
                work.remarks.extend(unexplained.words);
                work.remarks.extend(observed.objections(&plan));
                let mut report = self.report(begin, work, &observed, carriers);
                if report.applied.writes > 0 && !unsettled.is_empty() {
                    report.warnings.extend(flush::settle(self.config, &observed.links, &unsettled));
                }
                report.former = self.renumbered.take(self.config, self.family, &observed.standings);
                self.standings = observed.standings;
                return Ok(report);
            }
            retried |= !blamed;
        }
    }

    /// Lets programs that listen for changed routes look again, as tunnels do that keep the source that worked last. Rules
    /// are not what they listen for.
    pub(crate) fn announce(&mut self) -> Result<(), Error> {
        self.kernel.announce(self.family, Layout::of(self.config).balanced_table())
    }

    /// Makes the changes up to the first group in which the kernel refuses one.
    fn execute(&mut self, observed: &Observed, plan: &Plan, work: &mut Work) -> Result<Vec<Refused>, Error> {
        let names = |index| observed.name(index);
        let mut refused = Vec::new();
        for stage in &plan.stages {
            if self.family == Family::V6 && work.writes > 0 && deletes_a_way(stage) {
                std::thread::sleep(GRACE);
            }
            let settings: Vec<Setting> = stage.iter().filter_map(Operation::setting).cloned().collect();
            let held = if settings.is_empty() { None } else { self.note(&settings, work) };
            let fate = self.kernel.make(stage)?;
            drop(held);
            work.writes += fate.made;
            for (place, operation) in stage.iter().enumerate() {
                let command = iproute::command(operation, &names);
                match fate.refused.iter().find(|denial| denial.place == place) {
                    // What was not done is no repair, nor is it undone by anybody.
                    Some(denial) => refused.push(Refused::of(operation.uplink(), denial, &command)),
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

    fn report(&self, begin: Instant, work: Work, observed: &Observed, carriers: &Carriers) -> Report {
        let parts = observed.parts(self.config, carriers).unwrap_or_else(|| observed.carrying(self.config));
        let standing = |uplink: usize| {
            observed.standings.get(uplink).filter(|standing| standing.way.is_some() && !work.refused.contains(&uplink))
        };
        let uplink = |standing: &Standing| AppliedUplink {
            uplink: standing.name.clone(),
            address: standing.way.as_ref().and_then(|way| way.source),
            gateway: standing.far_end(),
        };
        let active = parts.iter().filter_map(|part| standing(part.uplink)).map(|standing| standing.name.clone());
        let applied = Applied {
            at: clock::now(),
            family: self.family,
            writes: work.writes,
            took_us: u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX),
            active: active.collect(),
            uplinks: observed.standings.iter().filter(|standing| standing.configured).map(uplink).collect(),
            no_way: no_way(observed, &observed.asked(self.config, carriers), &work.refused),
        };
        let devices = observed.numbers(|name| self.config.position(name).is_some());
        let downlinks = &self.config.downlinks;
        let inside =
            observed.numbers(|name| downlinks.lan.iter().chain(&downlinks.dmz).any(|one| one.as_str() == name));
        let warnings = observed.warnings.clone();
        let stranded = observed.stranded().into_iter().filter(|one| applied.no_way.contains(one));
        let stranded = stranded.map(|one| check::stranded(&one, self.family)).collect();
        let addresses = observed.addresses(self.config, self.family);
        let moved = self.standings != observed.standings;
        let (remarks, commands, former) = (work.remarks, work.commands, Vec::new());
        Report { applied, remarks, warnings, stranded, devices, inside, commands, addresses, former, moved }
    }
}

/// Those of the uplinks asked for that have no way out, or one that the kernel has refused.
fn no_way(observed: &Observed, asked: &[usize], refused: &BTreeSet<usize>) -> Vec<NoWay> {
    let without = |i: &usize| {
        let standing = observed.standings.get(*i).filter(|standing| standing.configured)?;
        let reason = standing.missing.or(refused.contains(i).then_some(Reason::NoRoute))?;
        Some(NoWay { uplink: standing.name.clone(), reason })
    };
    asked.iter().filter_map(without).collect()
}

#[cfg(test)]
mod tests {
    use super::{Denial, Refused, Work, no_way};
    use crate::observed::Observed;
    use crate::standing::tests::{CONFIG, address, config, link};
    use crate::standing::{Host, standings};
    use crate::sysctl::Values;
    use ftr_core::Family;

    #[test]
    fn an_uplink_is_not_to_blame_where_somebody_else_was_quicker() {
        let refused = |is_outrun| {
            let denial = Denial { place: 0, reason: "File exists (EEXIST)".to_owned(), is_outrun };
            Refused::of(Some(2), &denial, "ip route add default")
        };
        assert_eq!((refused(true).uplink, refused(false).uplink), (None, Some(2)));
        assert_eq!(refused(true).words, "File exists (EEXIST): ip route add default");
    }

    /// A kernel that has nothing of ours yet.
    fn standing(host: Host<'_>) -> Observed {
        Observed {
            standings: standings(&config(CONFIG), Family::V4, host),
            links: Vec::new(),
            rules: Vec::new(),
            routes: Vec::new(),
            sysctls: Values::new(),
            labels: Vec::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn uplinks_without_a_way_are_named_with_what_is_missing() {
        let links = [link(3, "eth1"), link(4, "eth2")];
        let addresses = [address(3, "1.0.0.2", None, 24)];
        let host = Host { links: &links, addresses: &addresses, ..Host::default() };
        let observed = standing(host);
        let told = |asked: &[usize], refused: &[usize]| {
            let refused = refused.iter().copied().collect();
            let all = no_way(&observed, asked, &refused);
            all.iter().map(|one| format!("{} {}", one.uplink, one.reason)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[0, 1, 2], &[]), ["eth2 no-address", "ppp0 no-interface"]);
        assert_eq!(told(&[0, 1], &[0, 1]), ["eth1 no-route", "eth2 no-address"]);
        assert!(told(&[], &[0]).is_empty(), "nobody has asked for it");
    }

    #[test]
    fn an_uplink_is_blamed_once_and_what_it_is_not_to_blame_for_is_told_apart() {
        let observed = standing(Host::default());
        let refused = |uplink, words: &str| Refused { uplink, words: words.to_owned() };
        let mut work = Work::default();
        let round = vec![refused(Some(1), "no"), refused(Some(1), "no again"), refused(None, "why")];
        let left = work.blame(round, &observed);
        assert!(left.blamed);
        assert_eq!((work.remarks.as_slice(), left.words), (&["eth2: no".to_owned()][..], vec!["why".to_owned()]));
        // Left out already, so it is not its way out that the kernel does not like.
        let left = work.blame(vec![refused(Some(1), "end")], &observed);
        assert!(!left.blamed);
        assert_eq!((work.remarks.len(), left.words), (1, vec!["end".to_owned()]));
    }
}
