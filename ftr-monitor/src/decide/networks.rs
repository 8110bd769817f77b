//! The networks inside that hosts may have addresses of, of prefixes that were learned: they are known after a reboot.

use ftr_core::Family;
use ftr_core::record::Applied;
use ftr_tool::delegated::Networks;

/// As `ftr-route` has told of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    networks: Networks,
    is_unwritten: bool,
}

impl Known {
    /// Takes in what the kernel has now.
    pub(super) fn take(&mut self, applied: &Applied) {
        if applied.family != Family::V6 {
            return;
        }
        let told = applied.uplinks.iter().filter(|uplink| !uplink.networks.is_empty());
        let now: Networks = told.map(|uplink| (uplink.uplink.to_string(), uplink.networks.clone())).collect();
        self.is_unwritten |= now != self.networks;
        self.networks = now;
    }

    /// Whether there is anything new.
    pub(crate) const fn is_unwritten(&self) -> bool {
        self.is_unwritten
    }

    /// What to remember, where it is new; it counts as remembered.
    pub(crate) fn write(&mut self) -> Option<Networks> {
        std::mem::take(&mut self.is_unwritten).then(|| self.networks.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Known;
    use ftr_core::record::Record;

    #[test]
    fn what_is_new_is_written_once() {
        let mut known = Known::default();
        let mut written = |family: u8, networks: &str| {
            let line = format!(
                r#"{{"type":"applied","time":"t","mono":9,"family":{family},"writes":1,"took_us":1,"active":[],"uplinks":[{{"uplink":"eth2","address":null,"gateway":null,"networks":[{networks}]}}]}}"#
            );
            let Ok(Record::Applied(applied)) = Record::parse(line.as_bytes()) else { panic!("{line}") };
            known.take(&applied);
            known.write().map(|networks| networks.values().map(Vec::len).sum::<usize>())
        };
        let network = r#"{"prefix":"2001:db8:2:100::/64","device":"eth0"}"#;
        let former = r#"{"prefix":"2001:db8:2:100::/64","device":"eth0","former":9}"#;
        let all = [(6, ""), (6, network), (4, ""), (6, network), (6, former), (6, "")];
        let written = all.map(|(family, networks)| written(family, networks));
        assert_eq!(written, [None, Some(1), None, None, Some(1), Some(0)]);
    }
}
