//! Counts in records.

/// Counts that say nothing are left out of records.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over by reference")]
pub(super) const fn is_zero(count: &u32) -> bool {
    *count == 0
}
