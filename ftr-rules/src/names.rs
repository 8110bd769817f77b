//! Sets of the addresses of names: what makes them, and what lets a name server fill them.
//!
//! iptables looks into sets that have to be there before; nft makes them with the rules.

use std::collections::{BTreeMap, BTreeSet};

use ftr_core::config::{Domain, Policy};
use ftr_core::{Config, Family};

use crate::model::{Set, SetKind, Table};
use crate::nft::table_name;
use crate::render::Backend;

/// The set of a policy for names; none where it is for none.
fn set(policy: &Policy) -> Option<Set> {
    policy.set().filter(|_| policy.of_names()).map(|name| Set { name, kind: SetKind::Names })
}

/// Lines for `ipset restore`, which leave a set alone that is there already.
pub(crate) fn ipsets(config: &Config, families: &[Family]) -> String {
    let sets = config.policies.iter().filter_map(set);
    let line = |set: &Set, family: Family| format!("create {} {} -exist\n", set.ipset(family), set.create(family));
    sets.flat_map(|set| families.iter().map(move |family| line(&set, *family))).collect()
}

/// Lines for dnsmasq(8). It looks at the longest name alone that an answer is for, so each line has all sets that a name is
/// for.
///
/// A name server that remembers an answer for longer than the set does would send people to an address that the set no
/// longer has: it remembers half as long, and lets others do so for the other half.
pub(crate) fn dnsmasq(config: &Config, backend: Backend, families: &[Family]) -> String {
    let half = Set::STAYS / 2;
    let line = |(domain, sets): (&Domain, BTreeSet<Set>)| {
        let name = |set: &Set, family: Family| match backend {
            Backend::Iptables => set.ipset(family),
            Backend::Nft => {
                let table = table_name(Table::Mangle).replace(' ', "#");
                format!("{}#{table}#{}", family.number(), set.nft(family))
            }
        };
        let names: Vec<String> =
            sets.iter().flat_map(|set| families.iter().map(move |family| name(set, *family))).collect();
        let key = match backend {
            Backend::Iptables => "ipset",
            Backend::Nft => "nftset",
        };
        format!("{key}=/{domain}/{}\n", names.join(","))
    };
    let lines: String = by_domain(config).into_iter().map(line).collect();
    format!("max-cache-ttl={half}\nmax-ttl={half}\n{lines}")
}

/// Each domain, and the sets of all policies that are for it, by itself or by one that it is below.
fn by_domain(config: &Config) -> BTreeMap<&Domain, BTreeSet<Set>> {
    let stated = config.policies.iter().filter_map(|policy| policy.matching.as_ref());
    let sets = |domain: &Domain| -> BTreeSet<Set> {
        let is_for = |policy: &&Policy| {
            policy.matching.iter().flat_map(|matching| &matching.domains).any(|other| other.covers(domain))
        };
        config.policies.iter().filter(is_for).filter_map(set).collect()
    };
    stated.flat_map(|matching| &matching.domains).map(|domain| (domain, sets(domain))).collect()
}

#[cfg(test)]
mod tests {
    use super::{by_domain, dnsmasq, ipsets};
    use crate::render::Backend;
    use ftr_core::config::Domain;
    use ftr_core::{Config, Family};
    use proptest::prelude::*;
    use std::path::Path;

    const BOTH: [Family; 2] = [Family::V4, Family::V6];

    fn config(policies: &str) -> Config {
        let text = format!(
            "uplinks: [{{interface: eth1, type: ppp}}, {{interface: eth2, type: ppp}}]\ndownlinks: {{lan: eth0}}\n\
             tests: {{ips: [198.51.100.1], required_successful: 1}}\npolicies:\n{policies}"
        );
        Config::parse(Path::new("test"), &text).unwrap()
    }

    const TWO: &str = "\
- {name: video, uplinks: eth2, match: {domains: [Video.example, example.net.]}}
- {name: plain, uplinks: eth2, match: {set: mine}}
- {name: office, uplinks: eth1, match: {domains: mail.example.net, protocol: tcp}}
";

    #[test]
    fn sets_are_made_once_for_each_family() {
        let expected = "\
create ftr_video hash:ip family inet maxelem 65536 timeout 3600 -exist
create ftr_video6 hash:ip family inet6 maxelem 65536 timeout 3600 -exist
create ftr_office hash:ip family inet maxelem 65536 timeout 3600 -exist
create ftr_office6 hash:ip family inet6 maxelem 65536 timeout 3600 -exist
";
        assert_eq!(ipsets(&config(TWO), &BOTH), expected);
        assert_eq!(ipsets(&config(TWO), &BOTH[..1]).lines().count(), 2);
    }

    #[test]
    fn a_name_server_fills_the_sets_of_all_policies_that_a_name_is_for() {
        let expected = "\
max-cache-ttl=1800
max-ttl=1800
ipset=/example.net/ftr_video,ftr_video6
ipset=/mail.example.net/ftr_office,ftr_office6,ftr_video,ftr_video6
ipset=/video.example/ftr_video,ftr_video6
";
        assert_eq!(dnsmasq(&config(TWO), Backend::Iptables, &BOTH), expected);
        let nft = dnsmasq(&config(TWO), Backend::Nft, &BOTH);
        let video = "4#inet#ftr_mangle#to_ftr_video,6#inet#ftr_mangle#to_ftr_video6";
        assert!(nft.contains(&format!("\nnftset=/example.net/{video}\n")), "{nft}");
    }

    proptest! {
        #[test]
        fn whatever_is_resolved_gets_into_the_sets_of_its_policies(
            lists in prop::collection::vec(prop::collection::vec("[ab](\\.[ab]){0,3}", 1..4), 1..4), name in "[abc](\\.[abc]){0,4}",
        ) {
            let line = |(k, list): (usize, &Vec<String>)| {
                format!("- {{name: p{k}, uplinks: eth1, match: {{domains: [{}]}}}}\n", list.join(", "))
            };
            let config = config(&lists.iter().enumerate().map(line).collect::<String>());
            let name: Domain = name.parse().unwrap();
            // As dnsmasq chooses among its lines.
            let lines = by_domain(&config);
            let longest = lines.iter().filter(|(domain, _)| domain.covers(&name)).max_by_key(|(domain, _)| domain.as_str().len());
            let filled: Vec<String> = longest.map(|(_, sets)| sets.iter().map(|set| set.name.clone()).collect()).unwrap_or_default();
            let is_for = |list: &Vec<String>| list.iter().any(|one| one.parse::<Domain>().unwrap().covers(&name));
            let wanted: Vec<String> =
                lists.iter().enumerate().filter(|(_, list)| is_for(list)).map(|(k, _)| format!("ftr_p{k}")).collect();
            prop_assert_eq!(filled, wanted);
        }
    }
}
