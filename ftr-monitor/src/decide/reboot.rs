//! A reboot, as records tell of it: `mono` begins anew.

/// How far `mono` may go backwards between two records before it means a reboot: records of several writers may be
/// somewhat out of order.
const BACKWARDS_MS: u64 = 10_000;

/// Whether the machine was started anew between two values of `mono`, in the order in which they came.
pub(super) const fn is_between(before: u64, after: u64) -> bool {
    after.saturating_add(BACKWARDS_MS) < before
}
