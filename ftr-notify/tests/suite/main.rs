//! The built program against a real mail server (aiosmtpd), on loopback ports that the kernel chooses.

mod delivery;
mod follow;
mod lines;
mod scratch;
mod server;
