//! What `ftr-route` alone does to the kernel: how soon, at what cost, and without a hole or a harm on the way.

mod applied;
pub mod back;
mod cost;
mod datagrams;
pub mod drift;
mod ear;
mod entry;
pub mod flush;
mod follower;
pub mod foreign;
mod host;
pub mod killed;
pub mod lookups;
pub mod order;
pub mod pipeline;
pub mod rows;
pub mod stepwise;
mod ways;
