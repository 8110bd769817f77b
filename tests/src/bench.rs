//! Measurements of ftr and, in the same run and the same kind of lab, of what people use otherwise.

pub mod burden;
pub mod contender;
pub mod daemon_rows;
pub mod failover;
pub mod figure;
mod fping;
mod keepalived;
pub mod probe;
pub mod restart;
pub mod route;
pub mod rows;
pub mod spread;
pub mod upkeep;
