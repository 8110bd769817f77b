//! The built program against a real mail server (aiosmtpd) and hostile ones, on loopback ports that the kernel chooses.

mod attacker;
mod attackers;
mod delivery;
mod follow;
mod lines;
mod random;
mod scratch;
mod server;
