//! The numbers that ftr puts into the kernel: tables, marks and rule priorities.
//!
//! Uplink `i` and policy `k` count from 0 in file order, `n` uplinks and `p` policies in all:
//!
//! ```text
//! table:    uplink base_table+i, balanced base_table+n, policy base_table+n+1+k
//! mark:     uplink base_fwmark + step*i, policy base_fwmark + step*(n+k)
//!           step is the lowest bit of the mask, 1 without a mask
//! priority: mark B+i, device B+n+i, policy B+2n+k, from B+2n+p+i, balanced B+3n+p
//!           B = base_priority, and one more where the rule that looks into main comes first
//! ```
//!
//! B-1 is the rule that looks into main; it is there above 32766 too where the kernel's own rule for main does not come
//! before ours. Where that for the table local does not, one of ours has B-2.
//!
//! Marks come before addresses: two uplinks may have the same address, and what the router itself sends has an address of
//! an uplink before it has a mark. Devices come before policies: of what is bound to one, a policy that refuses would make
//! packets for hosts on the link.

use crate::config::Config;

/// The route protocol number that tags what is ours (`ftr` in `rt_protos`).
pub const PROTOCOL: u8 = 117;

/// Priority of the kernel's rule for the table main.
pub const MAIN_PRIORITY: u32 = 32766;
/// Priority of the kernel's rule for the table default.
pub const DEFAULT_PRIORITY: u32 = 32767;

/// The numbers of one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    uplinks: u32,
    policies: u32,
    base_table: u32,
    base_priority: u32,
    base_fwmark: u32,
    mask: Option<u32>,
}

impl Layout {
    /// The layout of a configuration, whose checks have made sure that no number overflows.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self::new(
            (config.uplinks.len(), config.policies.len()),
            config.base_table,
            config.base_priority,
            config.base_fwmark,
            config.fwmark_mask,
        )
    }

    pub(crate) fn new(
        (uplinks, policies): (usize, usize),
        base_table: u32,
        base_priority: u32,
        base_fwmark: u32,
        mask: Option<u32>,
    ) -> Self {
        Self { uplinks: index(uplinks), policies: index(policies), base_table, base_priority, base_fwmark, mask }
    }

    /// The table of uplink `i`.
    #[must_use]
    pub fn table(&self, i: usize) -> u32 {
        self.base_table.saturating_add(index(i))
    }

    /// The table of new connections.
    #[must_use]
    pub const fn balanced_table(&self) -> u32 {
        self.base_table.saturating_add(self.uplinks)
    }

    /// The table of policy `k`.
    #[must_use]
    pub fn policy_table(&self, k: usize) -> u32 {
        self.balanced_table().saturating_add(1).saturating_add(index(k))
    }

    /// Every table of ours: those of the uplinks, the balanced one, those of the policies.
    #[must_use]
    pub const fn tables(&self) -> std::ops::RangeInclusive<u32> {
        self.base_table..=self.balanced_table().saturating_add(self.policies)
    }

    /// The mark of the connections of uplink `i`.
    #[must_use]
    pub fn mark(&self, i: usize) -> u32 {
        self.base_fwmark.saturating_add(self.mark_step().saturating_mul(index(i)))
    }

    /// The mark of the packets of policy `k`.
    #[must_use]
    pub fn policy_mark(&self, k: usize) -> u32 {
        let nth = self.uplinks.saturating_add(index(k));
        self.base_fwmark.saturating_add(self.mark_step().saturating_mul(nth))
    }

    /// The bits of a mark that are ours; none means all of them.
    #[must_use]
    pub const fn mask(&self) -> Option<u32> {
        self.mask
    }

    /// The distance between the marks of neighbouring uplinks: the lowest bit of the mask, 1 without a mask.
    #[must_use]
    pub const fn mark_step(&self) -> u32 {
        match self.mask {
            Some(mask) if mask != 0 => 1 << mask.trailing_zeros(),
            _ => 1,
        }
    }

    /// The priority of the rule that looks into main without its default, where it is needed: only before main.
    #[must_use]
    pub const fn local_priority(&self) -> Option<u32> {
        if self.base_priority < MAIN_PRIORITY { Some(self.base_priority) } else { None }
    }

    /// The priority of that rule where it is needed for another reason: the kernel's own rule for main has been moved behind
    /// ours, or is gone.
    #[must_use]
    pub const fn networks_priority(&self) -> u32 {
        match self.local_priority() {
            Some(priority) => priority,
            None => self.base_priority.saturating_sub(1),
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
        self.after(self.uplinks.saturating_mul(2), k)
    }

    /// The priority of the rules for the source addresses of uplink `i`.
    #[must_use]
    pub fn from_priority(&self, i: usize) -> u32 {
        self.after(self.uplinks.saturating_mul(2).saturating_add(self.policies), i)
    }

    /// The priority of the rule for what is bound to the device of uplink `i`.
    #[must_use]
    pub fn device_priority(&self, i: usize) -> u32 {
        self.after(self.uplinks, i)
    }

    /// The priority of the rule for new connections, the last of ours.
    #[must_use]
    pub fn balanced_priority(&self) -> u32 {
        self.after(self.uplinks.saturating_mul(3).saturating_add(self.policies), 0)
    }

    /// The first of our priorities.
    #[must_use]
    pub const fn first_priority(&self) -> u32 {
        self.base_priority
    }

    /// The priority so many rules after the first one that is there under every `base_priority`.
    fn after(&self, count: u32, i: usize) -> u32 {
        let first = self.base_priority.saturating_add(u32::from(self.local_priority().is_some()));
        first.saturating_add(count).saturating_add(index(i))
    }
}

fn index(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn the_numbers_of_the_original() {
        let layout = Layout::new((3, 0), 1, 40000, 1, None);
        assert_eq!((0..3).map(|i| layout.table(i)).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(layout.balanced_table(), 4);
        assert_eq!((0..3).map(|i| layout.mark(i)).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((layout.local_priority(), layout.networks_priority(), layout.host_priority()), (None, 39999, 39998));
        assert_eq!(layout.mark_priority(2), 40002);
        assert_eq!(layout.device_priority(0), 40003);
        assert_eq!(layout.from_priority(0), 40006);
        assert_eq!(layout.balanced_priority(), 40009);
    }

    #[test]
    fn before_main_everything_moves_by_one_for_the_local_rule() {
        let layout = Layout::new((2, 0), 100, 20000, 0x100, Some(0xff00));
        assert_eq!(
            (layout.local_priority(), layout.networks_priority(), layout.host_priority()),
            (Some(20000), 20000, 19999)
        );
        assert_eq!(
            (layout.mark_priority(0), layout.from_priority(0), layout.balanced_priority()),
            (20001, 20005, 20007)
        );
        assert_eq!((layout.mark(0), layout.mark(1)), (0x100, 0x200));
    }

    #[test]
    fn policies_come_after_marks_and_devices_of_uplinks_and_before_addresses() {
        let layout = Layout::new((2, 2), 100, 20000, 0x100, Some(0xff00));
        assert_eq!((layout.policy_table(0), layout.policy_table(1), layout.tables()), (103, 104, 100..=104));
        assert_eq!((layout.policy_mark(0), layout.policy_mark(1)), (0x300, 0x400));
        assert_eq!((layout.policy_priority(0), layout.policy_priority(1)), (20005, 20006));
        assert_eq!((layout.from_priority(0), layout.device_priority(1)), (20007, 20004));
        assert_eq!((layout.balanced_table(), layout.balanced_priority()), (102, 20009));
    }
}
