//! What an uplink cannot be looked at for, because this host does not permit it.

use std::fmt::Display;

use ftr_core::InterfaceName;
use ftr_core::record::Reason;

/// Signs of a fault that a check could not look for. That is said when it begins to be so: whoever reads of another
/// reason has to know that this one was not ruled out.
#[derive(Debug, Default)]
pub(super) struct Blind {
    gateway: Sight,
    captive: Sight,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    /// In this check.
    is_missing: bool,
    /// It was said, and has not changed since.
    is_said: bool,
}

impl Blind {
    /// A check begins.
    pub(super) const fn begin(&mut self) {
        self.gateway.is_missing = false;
        self.captive.is_missing = false;
    }

    /// Whether the gateway is silent was looked for, or why it cannot be.
    pub(super) fn gateway(&mut self, uplink: &InterfaceName, looked: Result<(), impl Display>) {
        let left = "gateway-silent is told late, by the kernel's table alone, or as no-answer";
        self.gateway.look(looked.map_err(|why| format!("{uplink}: ask the gateway by ARP or NDP: {why}: {left}")));
    }

    /// Whether the gateway answers in place of the internet was looked for, or why it cannot be.
    pub(super) fn captive(&mut self, uplink: &InterfaceName, looked: Result<(), impl Display>) {
        let left = "captive cannot be told";
        self.captive.look(looked.map_err(|why| format!("{uplink}: test for a captive gateway: {why}: {left}")));
    }

    /// What was not looked for in this check.
    pub(super) fn signs(&self) -> impl Iterator<Item = Reason> + use<> {
        let gateway = self.gateway.is_missing.then_some(Reason::GatewaySilent);
        gateway.into_iter().chain(self.captive.is_missing.then_some(Reason::Captive))
    }
}

impl Sight {
    fn look(&mut self, looked: Result<(), String>) {
        if let Some(message) = self.news(looked) {
            ftr_tool::cli::say(crate::tool::NAME, &message);
        }
    }

    /// What is to be said.
    fn news(&mut self, looked: Result<(), String>) -> Option<String> {
        match looked {
            Ok(()) => {
                *self = Self::default();
                None
            }
            Err(message) => {
                let before = std::mem::replace(self, Self { is_missing: true, is_said: true });
                (!before.is_said).then_some(message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Blind, Reason, Sight};

    #[test]
    fn it_is_said_once_and_again_after_it_was_seen() {
        let mut sight = Sight::default();
        let mut news = |looked: Result<(), &str>| sight.news(looked.map_err(str::to_owned)).is_some();
        assert_eq!([Err("a"), Err("a"), Ok(()), Ok(()), Err("a")].map(&mut news), [true, false, false, false, true]);
    }

    #[test]
    fn each_check_tells_what_it_did_not_look_for() {
        let mut blind = Blind::default();
        blind.gateway.news(Err(String::new()));
        blind.captive.news(Err(String::new()));
        assert_eq!(blind.signs().collect::<Vec<_>>(), [Reason::GatewaySilent, Reason::Captive]);
        blind.begin();
        assert_eq!(blind.signs().count(), 0);
        assert!(blind.gateway.is_said, "it is not said again in each check");
    }
}
