//! The live firewall: which rules change marks, and whether those of `ftr-rules` are among them.

use ftr_core::Family;
use ftr_core::config::Config;
use ftr_core::layout::Layout;

use super::networks::Networks;
use super::{Hazard, Kind};

/// What a look at the firewall has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Firewall {
    /// The rules that change marks.
    pub(super) sets: Vec<MarkSet>,
    /// The rules that hand connections to the kernel's fast path.
    pub(super) offloads: Vec<Offload>,
    /// Why something could not be looked at: the program, and its reason.
    pub(super) unseen: Vec<(String, String)>,
    /// None of the programs that show a firewall is there.
    pub(super) blind: bool,
}

/// A rule that changes the mark of packets or connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MarkSet {
    /// Who shows it: `iptables`, `ip6tables`, `nft inet`.
    pub(super) program: String,
    pub(super) table: String,
    pub(super) chain: String,
    /// The packets that it is for; none for both families.
    pub(super) family: Option<Family>,
    /// The device that they come in by, where it is for one alone.
    pub(super) input: Option<String>,
    pub(super) on: Holder,
    /// The bits that it may change.
    pub(super) bits: u32,
    pub(super) value: Value,
}

/// What carries a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Packet,
    Connection,
}

/// Where a mark comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Stated.
    Fixed(u32),
    /// From the other holder: restored from the connection, or saved into it.
    Copied,
    /// From a calculation that is not followed.
    Computed,
}

/// A rule that hands connections to the fast path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offload {
    /// Where it stands.
    pub(super) place: String,
    /// The command that deletes it.
    pub(super) remedy: String,
}

/// What the firewall lacks, has too much of, or does not show.
pub(super) fn judge(
    config: &Config,
    layout: &Layout,
    families: &[Family],
    firewall: &Firewall,
    networks: &[Networks],
) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    if firewall.blind {
        hazards.push(Hazard::new(
            Kind::Unseen,
            "firewall",
            "could not be looked at, for neither iptables-save nor nft is there",
            "apt-get install nftables, or whatever the package is called here",
        ));
    }
    if let Some((first, reason)) = firewall.unseen.first() {
        let programs: Vec<&str> = firewall.unseen.iter().map(|(program, _)| program.as_str()).collect();
        let what = format!("could not be looked at by {} ({reason})", programs.join(", "));
        let forbidden = ["root", "ermission", "ermitted"].iter().any(|word| reason.contains(word));
        let advice = if forbidden { "run ftr-route check as root".to_owned() } else { format!("run {first} by hand") };
        hazards.push(Hazard::new(Kind::Unseen, "firewall", what, advice));
    }
    if firewall.unseen.is_empty() && !firewall.blind {
        hazards.extend(families.iter().filter_map(|family| not_loaded(config, layout, *family, &firewall.sets)));
        hazards
            .extend(families.iter().filter_map(|family| unlisted(config, layout, *family, &firewall.sets, networks)));
    }
    hazards.extend(firewall.offloads.iter().map(|offload| {
        let what = "hands connections to the fast path, where packets are not routed by their marks any more";
        Hazard::new(Kind::FlowOffload, &offload.place, what, &offload.remedy)
    }));
    hazards
}

/// Connections stay on their uplink only if each is given its uplink's mark, and its packets take that over.
fn not_loaded(config: &Config, layout: &Layout, family: Family, sets: &[MarkSet]) -> Option<Hazard> {
    let heeded = layout.mask().unwrap_or(u32::MAX);
    let sets: Vec<&MarkSet> = sets.iter().filter(|set| set.family.is_none_or(|only| only == family)).collect();
    let copies = |on| sets.iter().any(|set| set.on == on && set.value == Value::Copied && set.bits & heeded != 0);
    let states = |on, mark: u32| {
        let meant = |set: &&MarkSet| matches!(set.value, Value::Fixed(value) if value & heeded == mark);
        sets.iter().any(|set| set.on == on && meant(set))
    };
    let saved = copies(Holder::Connection);
    let given = |i: &usize| {
        let mark = layout.mark(*i);
        states(Holder::Connection, mark) || (saved && states(Holder::Packet, mark))
    };
    let has = |i: &usize| config.uplinks.get(*i).is_some_and(|uplink| uplink.has(family));
    let uplinks: Vec<usize> = (0..config.uplinks.len()).filter(has).collect();
    let lacking: Vec<&str> = uplinks
        .iter()
        .filter(|i| !given(i))
        .filter_map(|i| config.uplinks.get(*i))
        .map(|uplink| uplink.name.as_str())
        .collect();
    let restored = copies(Holder::Packet) || uplinks.iter().all(|i| states(Holder::Packet, layout.mark(*i)));
    let what = match (restored, lacking.len()) {
        (true, 0) => return None,
        (false, 0) => "no rule gives packets the mark of their connection, so that it leaves its uplink".to_owned(),
        (false, all) if all == uplinks.len() => {
            "the rules of ftr-rules are not loaded, so that established connections leave their uplink".to_owned()
        }
        _ => format!("no rule gives connections of {} their mark, so that they leave it", lacking.join(", ")),
    };
    // What is there of others must not be flushed, but half of ours must not be doubled either.
    let keep = if lacking.len() == uplinks.len() && !restored { " --noflush" } else { "" };
    let (object, advice) = match family {
        Family::V4 => ("firewall", format!("ftr-rules --table mangle --table nat | iptables-restore{keep}")),
        Family::V6 => {
            ("firewall of IPv6", format!("ftr-rules -6 --table mangle --table nat | ip6tables-restore{keep}"))
        }
    };
    Some(Hazard::new(Kind::RulesNotLoaded, object, what, advice))
}

/// Where marks are restored for the devices that are listed, as the original has it, those of other networks leave their
/// uplink.
fn unlisted(
    config: &Config,
    layout: &Layout,
    family: Family,
    sets: &[MarkSet],
    networks: &[Networks],
) -> Option<Hazard> {
    let heeded = layout.mask().unwrap_or(u32::MAX);
    let restores = |set: &&MarkSet| {
        set.family.is_none_or(|only| only == family)
            && (set.on, set.value) == (Holder::Packet, Value::Copied)
            && set.bits & heeded != 0
            && set.chain != "OUTPUT"
    };
    let served: Option<Vec<&str>> = sets.iter().filter(restores).map(|set| set.input.as_deref()).collect();
    // None is one for all devices.
    let served = served.filter(|served| !served.is_empty())?;
    let missed = |network: &&Networks| {
        let device = network.device.as_str();
        let spoken = network.prefixes.iter().any(|prefix| Family::of(prefix.address()) == family);
        spoken && device != "lo" && config.position(device).is_none() && !served.contains(&device)
    };
    let missed: Vec<&str> = networks.iter().filter(missed).map(|network| network.device.as_str()).collect();
    (!missed.is_empty()).then(|| {
        Hazard::new(
            Kind::UnlistedNetwork,
            missed.join(", "),
            format!(
                "what comes in by it does not take the mark of its connection over ({family}), so that its connections \
                 leave their uplink, and ports that are published there are answered by any"
            ),
            format!(
                "set firewall: safe (or none, for a firewall of your own) in {}, or list it in downlinks, and load what \
                 ftr-rules prints again",
                config.file.display()
            ),
        )
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Firewall, Holder, MarkSet, Networks, Offload, Value, judge};
    use crate::standing::tests::{CONFIG, config};
    use ftr_core::Family;
    use ftr_core::layout::Layout;

    pub(in crate::hazards) fn set(on: Holder, bits: u32, value: Value) -> MarkSet {
        MarkSet {
            program: "iptables".to_owned(),
            table: "mangle".to_owned(),
            chain: "PREROUTING".to_owned(),
            family: Some(Family::V4),
            input: None,
            on,
            bits,
            value,
        }
    }

    fn told(firewall: &Firewall) -> Vec<String> {
        let config = config(CONFIG);
        let hazards = judge(&config, &Layout::of(&config), &[Family::V4], firewall, &[]);
        hazards.iter().map(ToString::to_string).collect()
    }

    fn firewall(sets: Vec<MarkSet>) -> Firewall {
        Firewall { sets, ..Firewall::default() }
    }

    fn connections(marks: &[u32]) -> Vec<MarkSet> {
        marks.iter().map(|mark| set(Holder::Connection, u32::MAX, Value::Fixed(*mark))).collect()
    }

    #[test]
    fn all_of_the_rules_some_or_none() {
        let restore = set(Holder::Packet, u32::MAX, Value::Copied);
        let mut sets = connections(&[1, 2, 3]);
        assert!(told(&firewall(sets.clone()))[0].contains("no rule gives packets the mark"));
        sets.push(restore.clone());
        assert_eq!(told(&firewall(sets)), [""; 0]);
        let mut some = connections(&[1, 3]);
        some.push(restore);
        let lines = told(&firewall(some));
        assert!(lines[0].contains("connections of eth2 their mark"), "{lines:?}");
        assert!(lines[0].ends_with("| iptables-restore"), "{lines:?}");
        let lines = told(&Firewall::default());
        assert!(lines[0].contains("are not loaded") && lines[0].ends_with("--noflush"), "{lines:?}");
    }

    #[test]
    fn marks_may_be_put_on_packets_and_saved() {
        let packets = [1, 2, 3].map(|mark| set(Holder::Packet, u32::MAX, Value::Fixed(mark)));
        let save = set(Holder::Connection, u32::MAX, Value::Copied);
        assert_eq!(told(&firewall(packets.into_iter().chain([save]).collect())), [""; 0]);
    }

    #[test]
    fn rules_of_the_other_family_do_not_count() {
        let mut sets = connections(&[1, 2, 3]);
        sets.push(set(Holder::Packet, u32::MAX, Value::Copied));
        for set in &mut sets {
            set.family = Some(Family::V6);
        }
        assert_eq!(told(&firewall(sets)).len(), 1);
    }

    #[test]
    fn networks_whose_packets_take_no_mark_over_are_named() {
        let config = config(CONFIG);
        let network = |device: &str, address: [u8; 4]| Networks {
            device: device.to_owned(),
            prefixes: ftr_netlink::Prefix::new(address.into(), 24).into_iter().collect(),
        };
        let there = [
            network("eth1", [192, 0, 2, 0]),
            network("eth0", [10, 0, 0, 0]),
            network("docker0", [172, 17, 0, 0]),
            network("lo", [192, 0, 2, 0]),
        ];
        let restore = |input: Option<&str>, chain: &str| MarkSet {
            input: input.map(str::to_owned),
            chain: chain.to_owned(),
            ..set(Holder::Packet, u32::MAX, Value::Copied)
        };
        let told = |restores: &[MarkSet]| -> Vec<String> {
            let sets = connections(&[1, 2, 3]).into_iter().chain(restores.iter().cloned()).collect();
            let hazards = judge(&config, &Layout::of(&config), &[Family::V4], &firewall(sets), &there);
            hazards.iter().map(ToString::to_string).collect()
        };
        let listed = restore(Some("eth0"), "PREROUTING");
        let lines = told(&[listed.clone(), restore(None, "OUTPUT")]);
        assert!(lines.len() == 1 && lines[0].starts_with("warning: docker0: what comes in by it"), "{lines:?}");
        assert_eq!(told(&[listed.clone(), restore(Some("docker0"), "PREROUTING")]), [""; 0]);
        assert_eq!(told(&[restore(None, "PREROUTING")]), [""; 0]);
    }

    #[test]
    fn what_was_not_seen_is_said_and_nothing_follows_from_it() {
        let unseen = vec![("nft".to_owned(), "you must be root".to_owned())];
        let lines = told(&Firewall { unseen, ..Firewall::default() });
        assert_eq!(
            lines,
            ["warning: firewall: could not be looked at by nft (you must be root): run ftr-route check as root"]
        );
        let unseen = vec![("nft".to_owned(), "it takes more than 5 s".to_owned())];
        assert!(told(&Firewall { unseen, ..Firewall::default() })[0].ends_with(": run nft by hand"));
        let lines = told(&Firewall { blind: true, ..Firewall::default() });
        assert_eq!(lines.len(), 1, "{lines:?}");
    }

    #[test]
    fn the_fast_path_is_named_with_the_command_that_ends_it() {
        let mut sets = connections(&[1, 2, 3]);
        sets.push(set(Holder::Packet, u32::MAX, Value::Copied));
        let offload = Offload {
            place: "nft inet f forward".to_owned(),
            remedy: "nft delete rule inet f forward handle 4".into(),
        };
        let lines = told(&Firewall { sets, offloads: vec![offload], ..Firewall::default() });
        assert!(lines[0].ends_with(": nft delete rule inet f forward handle 4"), "{lines:?}");
    }
}
