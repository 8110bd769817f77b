//! What works against several uplinks on this host.

use serde::{Deserialize, Serialize};

use super::stamp::Stamp;

/// Something on this host that works against several uplinks although nothing of ours is wrong: it has appeared, is another
/// than before, or has gone.
///
/// Kind and object together tell which one it is. Of one that has gone, the rest is as it was last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hazard {
    /// When it was seen.
    #[serde(flatten)]
    pub at: Stamp,
    /// Its kind in kebab case, such as `rules-not-loaded`.
    #[serde(rename = "hazard")]
    pub kind: String,
    /// What it is about: a device, a rule, a program.
    pub object: String,
    /// What is so, and what comes of it.
    pub what: String,
    /// A command or a setting that ends it.
    pub advice: String,
    /// When it was first seen: UTC, RFC 3339 with milliseconds.
    pub since: String,
    /// Connections are lost, or go where nobody wants them, for as long as it lasts.
    #[serde(default)]
    pub loses_traffic: bool,
    /// It has ended.
    #[serde(default)]
    pub gone: bool,
}
