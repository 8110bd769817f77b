//! What tests of the supervisor share: a clock that stands still, and programs that take everything.

use std::time::{Duration, SystemTime};

use super::{Order, Pipe, Supervisor};
use crate::program::Program;

pub(super) const START: Duration = Duration::from_secs(100);
/// The answer of the route program that all is in the kernel.
pub(super) const APPLIED: &str =
    r#"{"type":"applied","time":"","mono":1,"family":4,"writes":0,"took_us":1,"active":[]}"#;

/// All that is to be done at the instant, by programs that take everything.
pub(super) fn orders(supervisor: &mut Supervisor, now: Duration) -> Vec<Order> {
    supervisor.catch_up(now, SystemTime::UNIX_EPOCH);
    let mut all = Vec::new();
    while let Some(order) = supervisor.next(now) {
        if let Order::Feed(program, _) = &order {
            supervisor.has_room(*program);
        }
        all.push(order);
    }
    all
}

/// A program says these lines.
pub(super) fn said(supervisor: &mut Supervisor, program: Program, lines: &[&str], now: Duration) {
    for line in lines {
        supervisor.heard(program, Pipe::Stdout, format!("{line}\n").as_bytes(), now);
    }
}
