//! The lab of ftr: a router with several providers in network namespaces, ways to break its uplinks, and a client
//! that sees what its user would see. Scenarios, demo and benchmarks are built of these.

pub mod bench;
pub mod by_hand;
pub mod cli;
pub mod client;
pub mod config;
mod connection;
pub mod deadline;
pub mod demo;
pub mod error;
pub mod expect;
pub mod expectation;
pub mod fault;
pub mod ipv6;
pub mod kernel;
pub mod lab;
pub mod mail;
pub mod namespace;
pub mod outage;
pub mod plan;
pub mod play;
pub mod ppp;
pub mod process;
pub mod program;
pub mod provider;
pub mod report;
pub mod router;
pub mod scenario;
pub mod screen;
pub mod server;
pub mod span;
pub mod suite;
pub mod teardown;
