//! Reads what the programs of the Linux firewall show: `iptables-save` and `nft -j list ruleset`.
//!
//! Text in, values out, whatever the text is: nothing here starts a program. [`iptables::lines`] are the lines of a text as
//! they stand; [`Effects`] is what rules do to marks, to source addresses and to the path of packets, and which chains drop
//! what they do not admit.

mod effects;
pub mod iptables;
pub mod nft;

pub use effects::{Effects, Filter, Holder, MarkSet, Offload, Translation, Value};
