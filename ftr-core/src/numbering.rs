//! The numbers that ftr puts into the kernel: tables, marks and rule priorities.
//!
//! Uplink `i` and policy `k` count from 0 in file order, `n` uplinks and `p` policies in all. So it is in the first configuration
//! after a boot; later ones leave tables and marks with the names that have them (see [`Assignment`]), and priorities follow
//! the order of the file:
//!
//! ```text
//! table:    uplink base_table+i, balanced base_table+n, policy base_table+n+1+k
//! mark:     uplink base_fwmark + step*i, policy base_fwmark + step*(n+k)
//!           step is the lowest bit of the mask, 1 without a mask
//! priority: mark B+i, device B+n+i, policy B+2n+k, from B+2n+p+i, balanced B+3n+p, and where an uplink has name servers
//!           these B+3n+p, balanced B+3n+p+1
//!           B = base_priority, and one more where the rule that looks into main comes first
//! ```
//!
//! B-1 is the rule that looks into main; it is there above 32766 too where the kernel's own rule for main does not come
//! before ours. Where that for the table local does not, one of ours has B-2.
//!
//! Marks come before addresses: two uplinks may have the same address, and what the router itself sends has an address of
//! an uplink before it has a mark. Devices come before policies: of what is bound to one, a policy that refuses would make
//! packets for hosts on the link.

mod assignment;

pub use assignment::{Assignment, Numbers};
pub(crate) use assignment::{Fits, Names};

/// The route protocol number that tags what is ours (`ftr` in `rt_protos`).
pub const PROTOCOL: u8 = 117;

/// Priority of the kernel's rule for the table main.
pub const MAIN_PRIORITY: u32 = 32766;
/// Priority of the kernel's rule for the table default.
pub const DEFAULT_PRIORITY: u32 = 32767;

/// The kernel's table `default` (`RT_TABLE_DEFAULT`), which its own rules ask last.
pub const DEFAULT_TABLE: u32 = 253;
/// The kernel's table `main` (`RT_TABLE_MAIN`).
pub const MAIN_TABLE: u32 = 254;
/// The kernel's table `local` (`RT_TABLE_LOCAL`): what is for this host itself.
pub const LOCAL_TABLE: u32 = 255;
/// The kernel's own tables: never ours, whatever rule points there.
pub const KERNEL_TABLES: std::ops::RangeInclusive<u32> = DEFAULT_TABLE..=LOCAL_TABLE;

/// The numbers of one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    assigned: Assigned,
    base: Base,
    /// Whether there are rules for name servers.
    resolvers: bool,
}

/// Whose numbers are whose, in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) uplinks: Vec<Numbers>,
    pub(crate) policies: Vec<Numbers>,
    pub(crate) balanced: u32,
}

/// Where the numbers begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) table: u32,
    pub(crate) priority: u32,
    pub(crate) fwmark: u32,
    pub(crate) mask: Option<u32>,
}

impl Base {
    /// The distance between marks: the lowest bit of the mask, 1 without a mask.
    const fn mark_step(self) -> u32 {
        match self.mask {
            Some(mask) if mask != 0 => 1 << mask.trailing_zeros(),
            _ => 1,
        }
    }

    /// Whether so many after the first there is a table that is not the kernel's.
    pub(crate) fn has_table(self, offset: u32) -> bool {
        self.table.checked_add(offset).is_some_and(|table| table > 0 && !KERNEL_TABLES.contains(&table))
    }

    /// Whether so many steps after the first there is a mark, and within the mask.
    pub(crate) fn has_mark(self, offset: u32) -> bool {
        let mark = self.mark_step().checked_mul(offset).and_then(|distance| self.fwmark.checked_add(distance));
        mark.is_some_and(|mark| mark > 0 && mark & !self.mask.unwrap_or(u32::MAX) == 0)
    }

    const fn mark(self, offset: u32) -> u32 {
        self.fwmark.saturating_add(self.mark_step().saturating_mul(offset))
    }
}

impl Numbering {
    pub(crate) const fn new(assigned: Assigned, base: Base, resolvers: bool) -> Self {
        Self { assigned, base, resolvers }
    }

    /// The table of uplink `i`.
    #[must_use]
    pub fn table(&self, i: usize) -> u32 {
        self.base.table.saturating_add(self.assigned.uplinks.get(i).map_or(u32::MAX, |numbers| numbers.table))
    }

    /// The table of new connections.
    #[must_use]
    pub const fn balanced_table(&self) -> u32 {
        self.base.table.saturating_add(self.assigned.balanced)
    }

    /// The table of policy `k`.
    #[must_use]
    pub fn policy_table(&self, k: usize) -> u32 {
        self.base.table.saturating_add(self.assigned.policies.get(k).map_or(u32::MAX, |numbers| numbers.table))
    }

    /// Every table of ours: those of the uplinks, the balanced one, those of the policies.
    pub fn tables(&self) -> impl Iterator<Item = u32> {
        let Assigned { uplinks, policies, balanced } = &self.assigned;
        let offsets = uplinks.iter().map(|it| it.table).chain([*balanced]).chain(policies.iter().map(|it| it.table));
        offsets.map(|offset| self.base.table.saturating_add(offset))
    }

    /// Whether this is a table of ours.
    #[must_use]
    pub fn has_table(&self, table: u32) -> bool {
        self.tables().any(|own| own == table)
    }

    /// The mark of the connections of uplink `i`.
    #[must_use]
    pub fn mark(&self, i: usize) -> u32 {
        self.base.mark(self.assigned.uplinks.get(i).map_or(u32::MAX, |numbers| numbers.mark))
    }

    /// The mark of the packets of policy `k`.
    #[must_use]
    pub fn policy_mark(&self, k: usize) -> u32 {
        self.base.mark(self.assigned.policies.get(k).map_or(u32::MAX, |numbers| numbers.mark))
    }

    /// The bits of a mark that are ours; none means all of them.
    #[must_use]
    pub const fn mask(&self) -> Option<u32> {
        self.base.mask
    }

    /// The distance between the marks of neighbouring uplinks: the lowest bit of the mask, 1 without a mask.
    #[must_use]
    pub const fn mark_step(&self) -> u32 {
        self.base.mark_step()
    }

    /// The priority of the rule that looks into main without its default, where it is needed: only before main.
    #[must_use]
    pub const fn local_priority(&self) -> Option<u32> {
        if self.base.priority < MAIN_PRIORITY { Some(self.base.priority) } else { None }
    }

    /// The priority of that rule where it is needed for another reason: the kernel's own rule for main has been moved behind
    /// ours, or is gone.
    #[must_use]
    pub const fn networks_priority(&self) -> u32 {
        match self.local_priority() {
            Some(priority) => priority,
            None => self.base.priority.saturating_sub(1),
        }
    }

    /// The priority of the rule for what is for this host itself, where the kernel's own has been moved behind ours or is
    /// gone.
    #[must_use]
    pub const fn host_priority(&self) -> u32 {
        self.networks_priority().saturating_sub(1)
    }

    /// The priority of the rules for datagrams of this host from the addresses of uplinks that are given up: that of the
    /// last rule before those for all that has their source.
    #[must_use]
    pub fn given_up_priority(&self) -> u32 {
        self.from_priority(0).saturating_sub(1)
    }

    /// The priority of the rule for the mark of uplink `i`.
    #[must_use]
    pub fn mark_priority(&self, i: usize) -> u32 {
        self.after(0, i)
    }

    /// The priority of the rule for the mark of policy `k`.
    #[must_use]
    pub fn policy_priority(&self, k: usize) -> u32 {
        self.after(self.uplinks().saturating_mul(2), k)
    }

    /// The priority of the rules for the source addresses of uplink `i`.
    #[must_use]
    pub fn from_priority(&self, i: usize) -> u32 {
        self.after(self.uplinks().saturating_mul(2).saturating_add(self.policies()), i)
    }

    /// The priority of the rule for what is bound to the device of uplink `i`.
    #[must_use]
    pub fn device_priority(&self, i: usize) -> u32 {
        self.after(self.uplinks(), i)
    }

    /// The priority of the rule for new connections, the last of ours.
    #[must_use]
    pub fn balanced_priority(&self) -> u32 {
        self.resolver_priority().saturating_add(u32::from(self.resolvers))
    }

    /// The priority of the rules for the name servers of uplinks, where there are any.
    #[must_use]
    pub fn resolver_priority(&self) -> u32 {
        self.after(self.uplinks().saturating_mul(3).saturating_add(self.policies()), 0)
    }

    /// The first of our priorities.
    #[must_use]
    pub const fn first_priority(&self) -> u32 {
        self.base.priority
    }

    fn uplinks(&self) -> u32 {
        index(self.assigned.uplinks.len())
    }

    fn policies(&self) -> u32 {
        index(self.assigned.policies.len())
    }

    /// The priority so many rules after the first one that is there under every `base_priority`.
    fn after(&self, count: u32, i: usize) -> u32 {
        let first = self.base.priority.saturating_add(u32::from(self.local_priority().is_some()));
        first.saturating_add(count).saturating_add(index(i))
    }
}

fn index(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Assigned, Assignment, Base, Names, Numbering};

    /// As of the first configuration.
    fn numbering(
        (uplinks, policies): (usize, usize),
        table: u32,
        priority: u32,
        fwmark: u32,
        mask: Option<u32>,
    ) -> Numbering {
        let name = |i: usize| format!("uplink{i}");
        let names: Vec<String> = (0..uplinks.max(policies)).map(name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (uplinks, policies) = (&names[..uplinks], &names[..policies]);
        let assignment = Assignment::by_position(Names { uplinks, policies });
        let assigned = Assigned {
            uplinks: uplinks.iter().map(|name| assignment.uplink(name).unwrap()).collect(),
            policies: policies.iter().map(|name| assignment.policy(name).unwrap()).collect(),
            balanced: assignment.balanced(),
        };
        Numbering::new(assigned, Base { table, priority, fwmark, mask }, false)
    }

    #[test]
    fn what_there_is_room_for() {
        let base = Base { table: 250, priority: 1, fwmark: 0x100, mask: Some(0x300) };
        assert_eq!((0..9).filter(|i| base.has_table(*i)).collect::<Vec<_>>(), [0, 1, 2, 6, 7, 8]);
        assert_eq!((0..9).filter(|i| base.has_mark(*i)).collect::<Vec<_>>(), [0, 1, 2]);
        let end = Base { table: u32::MAX, fwmark: u32::MAX, mask: None, ..base };
        assert!(end.has_table(0) && !end.has_table(1) && end.has_mark(0) && !end.has_mark(1));
    }

    #[test]
    fn the_numbers_of_the_original() {
        let numbering = numbering((3, 0), 1, 40000, 1, None);
        assert_eq!((0..3).map(|i| numbering.table(i)).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(numbering.balanced_table(), 4);
        assert_eq!((0..3).map(|i| numbering.mark(i)).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(
            (numbering.local_priority(), numbering.networks_priority(), numbering.host_priority()),
            (None, 39999, 39998)
        );
        assert_eq!(numbering.mark_priority(2), 40002);
        assert_eq!(numbering.device_priority(0), 40003);
        assert_eq!(numbering.from_priority(0), 40006);
        assert_eq!(numbering.balanced_priority(), 40009);
    }

    #[test]
    fn before_main_everything_moves_by_one_for_the_local_rule() {
        let numbering = numbering((2, 0), 100, 20000, 0x100, Some(0xff00));
        assert_eq!(
            (numbering.local_priority(), numbering.networks_priority(), numbering.host_priority()),
            (Some(20000), 20000, 19999)
        );
        assert_eq!(
            (numbering.mark_priority(0), numbering.from_priority(0), numbering.balanced_priority()),
            (20001, 20005, 20007)
        );
        assert_eq!((numbering.mark(0), numbering.mark(1)), (0x100, 0x200));
    }

    #[test]
    fn policies_come_after_marks_and_devices_of_uplinks_and_before_addresses() {
        let numbering = numbering((2, 2), 100, 20000, 0x100, Some(0xff00));
        assert_eq!((numbering.policy_table(0), numbering.policy_table(1)), (103, 104));
        assert_eq!(numbering.tables().collect::<Vec<_>>(), [100, 101, 102, 103, 104]);
        assert!(numbering.has_table(104) && !numbering.has_table(105));
        assert_eq!((numbering.policy_mark(0), numbering.policy_mark(1)), (0x300, 0x400));
        assert_eq!((numbering.policy_priority(0), numbering.policy_priority(1)), (20005, 20006));
        assert_eq!((numbering.from_priority(0), numbering.device_priority(1)), (20007, 20004));
        assert_eq!((numbering.balanced_table(), numbering.balanced_priority()), (102, 20009));
    }
}
