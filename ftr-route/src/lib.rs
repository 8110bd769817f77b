//! x
#![allow(dead_code)]
mod balance;
mod desired;
mod diff;
mod iproute;
mod operation;
mod standing;
mod sysctl;
