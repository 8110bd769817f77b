//! Measurements of ftr and, in the same run and the same kind of lab, of what people use otherwise: the rows of
//! `docs/benchmarks.md`.

mod burden;
mod cable;
mod changes;
pub mod cli;
mod contender;
mod daemon_rows;
mod failover;
mod figure;
mod fping;
mod keepalived;
mod moves;
mod pair;
mod probe;
mod rescue;
mod restart;
pub mod route;
mod rows;
mod spread;
mod standby;
mod table;
mod upkeep;
