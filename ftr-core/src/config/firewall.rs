//! `firewall`: which filter the rules have.

use super::words::words;

words! {
    /// Which filter the rules have, where that is stated.
    pub enum Firewall {
        /// The local networks reach the router, the DMZ and each other; other new connections are dropped.
        "safe" => Safe,
        /// None: the administrator has another.
        "none" => None,
    }
}
