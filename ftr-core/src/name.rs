//! Interface names, which are the names of uplinks everywhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that the kernel accepts for a network device and that is harmless in a shell, in a firewall rule and in a
/// path: 1 to 15 characters of `A-Z a-z 0-9 _ . @ -`, not beginning with `-`.
///
/// The kernel's own rule (`dev_valid_name`) is wider: it lets through `a;id`, and `p+`, which iptables takes for a
/// wildcard. It refuses `.`, `..`, and, once it makes their sysctl directory, `all` and `default`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(String);

/// Why a text is no interface name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {}", self.what())]
pub struct BadName {
    text: String,
}

impl BadName {
    /// What is wrong, to be said of the text.
    #[must_use]
    pub fn what(&self) -> String {
        let allowed =
            "allowed: 1 to 15 characters of A-Z a-z 0-9 _ . @ -, not starting with -, and not . .. all default";
        match self.text.split_once(':').map(|(device, _)| device.parse::<InterfaceName>()) {
            Some(Ok(device)) => format!(
                "is no interface name but the label of an address of {device}: name {device}, all of whose addresses are \
                 served; for another provider on its cable make a device: ip link add link {device} name NAME type macvlan \
                 (or a VLAN); {allowed}"
            ),
            _ => format!("is no interface name; {allowed}"),
        }
    }
}

impl InterfaceName {
    /// The longest name that the kernel has room for: `IFNAMSIZ` - 1.
    pub const MAX: usize = 15;

    /// The device of the host itself.
    #[must_use]
    pub fn loopback() -> Self {
        Self("lo".to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InterfaceName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let fits = (1..=Self::MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.@-".contains(&b))
            && !text.starts_with('-')
            && !matches!(text, "." | ".." | "all" | "default");
        if fits { Ok(Self(text.to_owned())) } else { Err(BadName { text: text.chars().take(40).collect() }) }
    }
}

impl TryFrom<String> for InterfaceName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<InterfaceName> for String {
    fn from(name: InterfaceName) -> Self {
        name.0
    }
}

impl AsRef<str> for InterfaceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for InterfaceName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::InterfaceName;

    #[test]
    fn accepts_what_routers_have() {
        for name in ["eth0", "enp3s0f1", "ppp0", "e.10", "br-lan", "veth1@if2", "a", "fifteen-chars-x"] {
            assert_eq!(name.parse::<InterfaceName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn an_alias_is_told_from_a_device() {
        let told = |text: &str| text.parse::<InterfaceName>().unwrap_err().to_string();
        assert!(
            told("eth1:0")
                .starts_with("\"eth1:0\" is no interface name but the label of an address of eth1: name eth1,")
        );
        assert!(told("eth1:0").contains("ip link add link eth1 name NAME type macvlan"));
        for other in [":0", "a;id:0", "sixteen-chars-xx:1", "a;id"] {
            assert!(!told(other).contains("label"), "{other}");
        }
    }

    #[test]
    fn refuses_what_the_kernel_a_shell_or_iptables_would_trip_over() {
        for name in
            ["", ".", "..", "all", "default", "a;id", "p+", "a b", "a/b", "a:0", "-j", "sixteen-chars-xx", "é", "a\n"]
        {
            assert!(name.parse::<InterfaceName>().is_err(), "{name:?}");
        }
    }
}
