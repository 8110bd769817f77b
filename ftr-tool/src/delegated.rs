//! The networks inside that hosts may have addresses of, by the uplink whose delegated prefix they are or were of, remembered
//! over a reboot in the state directory: a prefix that was replaced meanwhile is known to be gone then.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

use ftr_core::record::InsideNetwork;
use serde::{Deserialize, Serialize};

use crate::directory::{Directory, state_path};
use crate::here::boot;
use crate::plain::brief;

/// Its name there.
const FILE: &str = "prefixes.json";
/// The most that is read, in bytes: what `ftr-route` tells of is a line of a record.
const LONGEST: u64 = 256 * 1024;

/// By the names of uplinks.
pub type Networks = BTreeMap<String, Vec<InsideNetwork>>;

/// What is remembered.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// Times are of this boot.
    boot: String,
    uplinks: Networks,
}

/// What is remembered, if anything. Since when a prefix is gone is not known of one that was before this boot.
///
/// # Errors
/// The file is not one to be believed, or makes no sense.
pub fn recall() -> io::Result<Networks> {
    match Directory::open(&state_path()).and_then(|directory| directory.read(FILE, LONGEST)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Networks::new()),
        read => parse(&read?, &boot()?),
    }
}

fn parse(text: &[u8], boot: &str) -> io::Result<Networks> {
    let mut remembered: Remembered = serde_json::from_slice(text)
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, format!("{FILE}: {}", brief(&error.to_string()))))?;
    if remembered.boot != boot {
        remembered.uplinks.values_mut().flatten().for_each(|network| network.former = None);
    }
    Ok(remembered.uplinks)
}

/// Remembers it, unless it is remembered already: single cycles tell of it again and again.
///
/// # Errors
/// The state directory cannot be made or written.
pub fn remember(networks: &Networks) -> io::Result<()> {
    let directory = Directory::make(&state_path())?;
    let text = serde_json::to_vec(&Remembered { boot: boot()?, uplinks: networks.clone() })?;
    if directory.read(FILE, LONGEST).is_ok_and(|before| before == text) {
        return Ok(());
    }
    directory.write(FILE, &text).map(drop)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn times_are_those_of_the_boot_in_which_they_were_noted() {
        let text = br#"{"boot":"a","uplinks":{"eth2":[{"prefix":"2001:db8:2:100::/64","device":"eth0","former":7}]}}"#;
        let former = |boot| parse(text, boot).unwrap()["eth2"][0].former;
        assert_eq!([former("a"), former("b")], [Some(7), None]);
        assert!(parse(br#"{"boot":"a","uplinks":{"eth2":[{"prefix":"no","device":"eth0"}]}}"#, "a").is_err());
    }
}
