//! What the rules of the firewall that are loaded do to a flow, whoever has made them.

use std::net::IpAddr;

use ftr_core::{Config, Family, numbering::Numbering};
use ftr_firewall::{Effects, Holder, MarkSet, Value};

/// The rules of a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loaded<'a> {
    effects: &'a Effects,
    family: Family,
    /// The bits that are ours.
    masked: u32,
}

impl<'a> Loaded<'a> {
    pub(super) fn of(effects: &'a Effects, family: Family, config: &Config) -> Self {
        Self { effects, family, masked: Numbering::of(config).mask().unwrap_or(u32::MAX) }
    }

    /// The rules that mark packets before they are routed: of this host, or those that come in by a device.
    fn marking(self, device: Option<&str>) -> impl Iterator<Item = &'a MarkSet> {
        let passes = move |set: &&MarkSet| {
            // What is in a chain that people have named may be for either.
            let there = match set.chain.to_ascii_lowercase().as_str() {
                "output" => device.is_none(),
                "prerouting" => device.is_some(),
                "postrouting" | "forward" | "input" => false,
                _ => true,
            };
            let input = set.input.as_deref().is_none_or(|only| device == Some(only));
            there && input && set.on == Holder::Packet && set.bits & self.masked != 0 && self.is_for(set.family)
        };
        self.effects.sets.iter().filter(passes)
    }

    fn is_for(self, family: Option<Family>) -> bool {
        family.is_none_or(|only| only == self.family)
    }

    /// Whether packets take over the mark of their connection. With a mask nft has a chain of ours for each mark, whichever
    /// family its table is for.
    pub(super) fn restores(self, device: Option<&str>) -> bool {
        let ours = |set: &MarkSet| set.table == "ftr_mangle";
        let given = |set: &MarkSet| ours(set) && set.on == Holder::Connection && self.is_for(set.family);
        let one_by_one =
            |set: &MarkSet| ours(set) && set.chain.starts_with("mark_") && self.effects.sets.iter().any(given);
        self.marking(device).any(|set| set.value == Value::Copied || one_by_one(set))
    }

    /// Whether some new connections are given a mark.
    pub(super) fn gives(self, device: Option<&str>, mark: u32) -> bool {
        self.marking(device).any(|set| matches!(set.value, Value::Fixed(value) if value & self.masked == mark))
    }

    /// Whether the filter is there that refuses sources which a provider does not take.
    pub(super) fn refuses(self) -> bool {
        let mut filters = self.effects.filters.iter().filter(|filter| self.is_for(filter.family));
        filters.any(|filter| filter.table == "ftr_filter" || filter.beside.contains("REFUSED"))
    }

    /// Whether the source of what leaves by a device is translated.
    pub(super) fn translates(self, output: &str, source: Option<IpAddr>) -> bool {
        self.effects.translations.iter().any(|rule| {
            self.is_for(rule.family)
                && rule.output.as_deref().is_none_or(|only| only == output)
                && rule.source.is_none_or(|only| source.is_none_or(|source| only.contains(source)))
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::Loaded;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::Family;
    use ftr_firewall::{Effects, Filter, Holder, MarkSet, Value, iptables};

    /// What iptables shows of rules in the tables mangle and nat.
    pub(crate) fn effects(mangle: &[&str], nat: &[&str]) -> Effects {
        let lines = |rules: &[&str]| rules.iter().map(|rule| format!("-A {rule}")).collect::<Vec<_>>().join("\n");
        let text = format!("*mangle\n{}\nCOMMIT\n*nat\n{}\nCOMMIT\n", lines(mangle), lines(nat));
        let mut effects = Effects::default();
        iptables::read(&text, "iptables", Family::V4, &mut effects);
        effects
    }

    #[test]
    fn rules_count_where_packets_pass_them() {
        let config = config(CONFIG);
        let restored = |rule: &str, family, device| {
            let effects = effects(&[rule], &[]);
            Loaded::of(&effects, family, &config).restores(device)
        };
        let (listed, own) = ("PREROUTING -i eth0 -j CONNMARK --restore-mark", "OUTPUT -j CONNMARK --restore-mark");
        assert!(restored(listed, Family::V4, Some("eth0")));
        assert!(!restored(listed, Family::V4, Some("docker0")));
        assert!(!restored(listed, Family::V4, None));
        assert!(!restored(listed, Family::V6, Some("eth0")));
        assert!(restored(own, Family::V4, None));
        assert!(!restored(own, Family::V4, Some("eth0")));
        assert!(!restored("POSTROUTING -j CONNMARK --restore-mark", Family::V4, Some("eth0")));
        assert!(!restored("PREROUTING -j CONNMARK --save-mark", Family::V4, Some("eth0")));
        assert!(restored("mine -j CONNMARK --restore-mark", Family::V4, None));
    }

    #[test]
    fn nft_has_a_chain_for_each_mark_where_there_is_a_mask() {
        let config = config(&CONFIG.replace("base_fwmark: 1", "base_fwmark: 0x100\nfwmark_mask: 0xff00"));
        let set = |chain: &str, on, family| MarkSet {
            program: "nft inet".to_owned(),
            table: "ftr_mangle".to_owned(),
            chain: chain.to_owned(),
            family,
            input: None,
            on,
            bits: 0xff00,
            value: Value::Fixed(0x100),
        };
        for only in [None, Some(Family::V4), Some(Family::V6)] {
            let sets = vec![set("mark_0x100", Holder::Packet, None), set("prerouting", Holder::Connection, only)];
            let effects = Effects { sets, ..Effects::default() };
            let restored = |device| Loaded::of(&effects, Family::V4, &config).restores(device);
            assert_eq!([restored(Some("eth0")), restored(None)], [only != Some(Family::V6); 2]);
        }
    }

    #[test]
    fn the_filter_refuses_where_it_is_loaded() {
        let config = config(CONFIG);
        let filter = |table: &str, beside: &[&str]| Filter {
            table: table.to_owned(),
            family: (table == "filter").then_some(Family::V6),
            beside: beside.iter().map(|chain| (*chain).to_owned()).collect(),
            ..Filter::default()
        };
        let refuses = |filter: Filter, family| {
            let effects = Effects { filters: vec![filter], ..Effects::default() };
            Loaded::of(&effects, family, &config).refuses()
        };
        assert!(refuses(filter("ftr_filter", &[]), Family::V6));
        assert!(refuses(filter("filter", &["REFUSED"]), Family::V6));
        assert!(
            !refuses(filter("filter", &["REFUSED"]), Family::V4) && !refuses(filter("filter", &["mine"]), Family::V6)
        );
    }

    #[test]
    fn what_is_given_and_translated() {
        let config = config(CONFIG);
        let effects = effects(
            &["PREROUTING -i eth0 -p tcp -j MARK --set-mark 3"],
            &["POSTROUTING -s 10.0.0.0/8 -o eth1 -j MASQUERADE"],
        );
        let loaded = Loaded::of(&effects, Family::V4, &config);
        assert!(loaded.gives(Some("eth0"), 3));
        assert!(!loaded.gives(Some("eth0"), 4) && !loaded.gives(None, 3) && !loaded.restores(Some("eth0")));
        let from = |address: [u8; 4]| Some(address.into());
        assert!(loaded.translates("eth1", from([10, 0, 0, 5])));
        assert!(!loaded.translates("eth1", from([192, 0, 2, 5])) && !loaded.translates("eth2", from([10, 0, 0, 5])));
    }
}
