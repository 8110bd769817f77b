//! `ftr-route` on the real kernel, in small: what scripts/bench measures at length.

fn main() {}
