//! The lab of ftr: a router with several providers in network namespaces, ways to break its uplinks, and a client
//! that sees what its user would see. Scenarios, demo and benchmarks are built of these.

pub mod client;
pub mod config;
mod connection;
pub mod deadline;
pub mod error;
pub mod fault;
pub mod lab;
pub mod namespace;
pub mod plan;
pub mod ppp;
pub mod provider;
pub mod report;
pub mod server;
pub mod teardown;
