//! Filters of others that drop what they do not admit, beside one of ours.

use ftr_core::Family;
use ftr_core::config::{Config, Firewall};
use ftr_firewall::Filter;

use super::hazard::{Hazard, Kind};

/// The chains of the filter of `ftr-rules` in iptables.
const OURS: [&str; 4] = ["LAN_WAN", "WAN_LAN", "DMZ_WAN", "WAN_DMZ"];

/// Each filter drops a packet that it does not admit, whatever another one says of it: what people have opened in theirs is
/// closed by ours.
pub(super) fn evaluate(config: &Config, families: &[Family], filters: &[Filter]) -> Option<Hazard> {
    let inside = !config.downlinks.lan.is_empty() || !config.downlinks.dmz.is_empty();
    let used = |filter: &&Filter| filter.family.is_none_or(|family| families.contains(&family));
    // Without a network inside ours has no chain by which it could be told from theirs in iptables.
    let told_apart = |filter: &&Filter| inside || filter.program.starts_with("nft ");
    let places: Vec<String> = filters.iter().filter(used).filter(told_apart).filter_map(foreign).collect();
    (config.firewall == Some(Firewall::Safe) && !places.is_empty()).then(|| {
        Hazard::new(
            Kind::SecondFilter,
            places.join(", "),
            "drops what it does not admit, and the filter of ftr-rules (firewall: safe) does as well: a port that is open \
             in one of them alone is closed",
            format!(
                "set firewall: none in {}, load what ftr-rules prints again, and let your filter admit answers \
                 (established, related), what the local network sends out by each uplink, and all ICMPv6",
                config.file.display()
            ),
        )
    })
}

/// Where it stands, if it drops what it does not admit and is of somebody else. Docker has iptables drop what is forwarded
/// wherever it runs: that is nobody's filter.
fn foreign(filter: &Filter) -> Option<String> {
    let Filter { program, table, chain, beside, .. } = filter;
    let ours = table.starts_with("ftr_") || OURS.iter().any(|ours| beside.contains(*ours));
    let docker = chain == "FORWARD" && beside.iter().any(|chain| chain.starts_with("DOCKER"));
    let closes = filter.drops || filter.ends_in_drop;
    (closes && !ours && !docker).then(|| format!("{program} {table} {chain}"))
}

#[cfg(test)]
mod tests {
    use super::evaluate;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::Family;
    use ftr_firewall::{Effects, iptables, nft};

    /// What is said of this text of `iptables-save`, and of nft.
    fn told(more: &str, text: &str, json: &str) -> Option<String> {
        let mut effects = Effects::default();
        iptables::read(text, "iptables", Family::V4, &mut effects);
        nft::read(json, &mut effects).unwrap();
        evaluate(&config(&format!("{CONFIG}{more}")), &[Family::V4], &effects.filters).map(|hazard| hazard.to_string())
    }

    const SAFE: &str = "firewall: safe\n";
    const NO_NFT: &str = r#"{"nftables": []}"#;

    #[test]
    fn a_filter_of_others_that_drops_is_named_where_ours_does_so_too() {
        let chain = |table: &str| {
            format!(
                r#"{{"nftables": [{{"chain": {{"family": "inet", "table": "{table}", "name": "input", "handle": 1,
                    "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}}}]}}"#
            )
        };
        let line = told(SAFE, "", &chain("filter")).unwrap();
        assert!(line.starts_with("warning: nft inet filter input: drops what it does not admit"), "{line}");
        assert!(line.contains(": set firewall: none in "), "{line}");
        assert_eq!(told(SAFE, "", &chain("ftr_filter")), None);
        assert_eq!(told("firewall: none\n", "", &chain("filter")), None);
        assert_eq!(told("", "", &chain("filter")), None);
    }

    #[test]
    fn what_iptables_drops_is_ours_or_of_docker_or_a_filter() {
        let text = |chains: &str| format!("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n{chains}COMMIT\n");
        let line = told(SAFE, &text(""), NO_NFT).unwrap();
        assert!(line.starts_with("warning: iptables filter FORWARD: "), "{line}");
        assert_eq!(told(SAFE, &text(":LAN_WAN - [0:0]\n"), NO_NFT), None);
        assert_eq!(told(SAFE, &text(":DOCKER-USER - [0:0]\n"), NO_NFT), None);
        let open = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n";
        assert_eq!(told(SAFE, open, NO_NFT), None);
    }
}
