//! A hazard: something that works against several uplinks.

use std::fmt;

use serde::Serialize;

/// Something that works against us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Hazard {
    /// What kind it is.
    #[serde(rename = "hazard")]
    pub(crate) kind: Kind,
    /// What it is about: a device, a rule, a program.
    pub(crate) object: String,
    /// Connections are lost, or go where nobody wants them, for as long as it lasts.
    pub(crate) loses_traffic: bool,
    /// What is so, and what comes of it.
    pub(crate) what: String,
    /// A command or a setting that ends it.
    pub(crate) advice: String,
}

/// What kind of hazard it is, for those who filter. `docs/hazards.md` tells of each, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The table main leads everywhere, and is asked before ours.
    DefaultInMain,
    /// A rule of others takes packets before ours see them.
    ForeignRule,
    /// Others look into tables that are ours.
    SharedTable,
    /// Others use bits of the mark that are ours.
    SharedMark,
    /// Two devices are in one network.
    SameNetwork,
    /// A gateway is in no network of its uplink.
    FarGateway,
    /// The reverse path filter is strict on an uplink.
    RpFilter,
    /// The kernel does not forward, or not for a device.
    Forwarding,
    /// Routes over devices without carrier are used.
    Linkdown,
    /// Router advertisements are not taken while forwarding.
    AcceptRa,
    /// IPv6 is switched off on an uplink.
    Ipv6Disabled,
    /// The kernel cannot do something that is needed.
    KernelFeature,
    /// The rules that `ftr-rules` prints are not loaded.
    RulesNotLoaded,
    /// Packets of the LAN leave with an address that no provider lets through.
    NotTranslated,
    /// Packets leave with another address than the one that the uplink's route names.
    OtherAddress,
    /// It is not known by which uplink a delegated prefix came.
    UnclaimedPrefix,
    /// Packets of some networks do not take the mark of their connection over.
    UnlistedNetwork,
    /// A filter of others drops what it does not admit, and ours does so as well.
    SecondFilter,
    /// Connections are forwarded past routing.
    FlowOffload,
    /// Something could not be looked at.
    Unseen,
    /// systemd-networkd removes what it did not make.
    Networkd,
    /// `NetworkManager` removes what it did not make.
    NetworkManager,
    /// A service of this host may answer from the wrong address.
    WildcardListener,
}

impl Kind {
    /// Whether connections are lost, or go where nobody wants them. Not where it takes a failure or somebody else's doing
    /// first.
    const fn loses_traffic(self) -> bool {
        match self {
            Self::DefaultInMain
            | Self::SameNetwork
            | Self::RpFilter
            | Self::Forwarding
            | Self::AcceptRa
            | Self::Ipv6Disabled
            | Self::RulesNotLoaded
            | Self::NotTranslated
            | Self::OtherAddress
            | Self::UnclaimedPrefix
            | Self::UnlistedNetwork => true,
            Self::ForeignRule
            | Self::SharedTable
            | Self::SharedMark
            | Self::FarGateway
            | Self::Linkdown
            | Self::KernelFeature
            | Self::SecondFilter
            | Self::FlowOffload
            | Self::Unseen
            | Self::Networkd
            | Self::NetworkManager
            | Self::WildcardListener => false,
        }
    }
}

impl Hazard {
    pub(super) fn new(
        kind: Kind,
        object: impl Into<String>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let loses_traffic = kind.loses_traffic();
        Self { kind, object: object.into(), loses_traffic, what: what.into(), advice: advice.into() }
    }

    /// The same, where it is not as with others of its kind.
    pub(super) fn with_loss(self, loses_traffic: bool) -> Self {
        Self { loses_traffic, ..self }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, what, advice, .. } = self;
        write!(f, "warning: {object}: {what}: {advice}")
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use clap::ValueEnum;
    use std::fs;

    /// The words in the first column of a table, and those that a section begins with and a colon follows.
    fn described<'a>(text: &'a str) -> Vec<&'a str> {
        let word = |line: &'a str| match line.strip_prefix("| ") {
            Some(row) => row.split(" | ").next()?.split('`').nth(1),
            None => line.strip_prefix('`')?.split_once("`:").map(|(word, _)| word),
        };
        let is_kind = |word: &&str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        text.lines().filter_map(word).filter(is_kind).collect()
    }

    #[test]
    fn the_page_describes_every_kind_in_this_order() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hazards.md");
        let text = fs::read_to_string(page).unwrap();
        let kinds: Vec<String> = Kind::value_variants()
            .iter()
            .map(|kind| serde_json::to_value(kind).unwrap().as_str().unwrap().to_owned())
            .collect();
        assert_eq!(described(&text), kinds);
    }
}
