//! The live firewall: which rules change marks, and whether those of `ftr-rules` are among them.

use std::collections::BTreeSet;
use std::fmt;

use ftr_core::config::Config;
use ftr_core::numbering::Numbering;
use ftr_core::{Family, Prefix};
use ftr_firewall::{Effects, Holder, MarkSet, Value};

use super::hazard::{Hazard, Kind};
use super::networks::Networks;
use super::translated::{self, Untranslated};

/// What a look at the firewall has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Firewall {
    pub(super) effects: Effects,
    /// Why something could not be looked at: the program, and its reason.
    pub(super) unseen: Vec<(String, String)>,
    /// None of the programs that show a firewall is there.
    pub(super) blind: bool,
    /// The command by which systemd loads the rules of `ftr-rules`, where it runs and has the service.
    pub(super) service: Option<&'static str>,
    /// The networks of IPv6 that rules name, where prefixes are learned.
    pub(super) networks: BTreeSet<Prefix>,
}

/// What the firewall lacks, has too much of, or does not show.
pub(super) fn evaluate(
    config: &Config,
    numbering: &Numbering,
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
        for family in families {
            let marks = lacking_marks(config, numbering, *family, &firewall.effects.sets);
            let untranslated = translated::lacking(config, *family, &firewall.effects.translations, networks);
            hazards.extend(not_loaded(*family, firewall, marks.as_ref(), untranslated.as_ref()));
            hazards.extend(unlisted(config, numbering, *family, &firewall.effects.sets, networks));
        }
    }
    hazards.extend(firewall.effects.offloads.iter().map(|offload| {
        let what = "hands connections to the fast path, where packets are not routed by their marks any more";
        Hazard::new(Kind::FlowOffload, &offload.place, what, &offload.remedy)
    }));
    hazards
}

/// What is missing of the rules that keep connections on their uplink.
#[derive(Debug)]
struct LackingMarks<'a> {
    /// Packets do not take over the mark of their connection.
    restored: bool,
    /// The uplinks whose mark is given to no connection.
    uplinks: Vec<&'a str>,
    /// That is all of them.
    all: bool,
}

/// Connections stay on their uplink only if each is given its uplink's mark, and its packets take that over.
fn lacking_marks<'a>(
    config: &'a Config,
    numbering: &Numbering,
    family: Family,
    sets: &[MarkSet],
) -> Option<LackingMarks<'a>> {
    let masked = numbering.mask().unwrap_or(u32::MAX);
    let sets: Vec<&MarkSet> = sets.iter().filter(|set| set.family.is_none_or(|only| only == family)).collect();
    let copies = |on| sets.iter().any(|set| set.on == on && set.value == Value::Copied && set.bits & masked != 0);
    let states = |on, mark: u32| {
        let meant = |set: &&MarkSet| matches!(set.value, Value::Fixed(value) if value & masked == mark);
        sets.iter().any(|set| set.on == on && meant(set))
    };
    let saved = copies(Holder::Connection);
    let given = |mark| states(Holder::Connection, mark) || (saved && states(Holder::Packet, mark));
    let uplinks = || config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.has(family));
    let lacking = uplinks().filter(|(i, _)| !given(numbering.mark(*i))).map(|(_, uplink)| uplink.name.as_str());
    let lacking: Vec<&str> = lacking.collect();
    let restored = copies(Holder::Packet) || uplinks().all(|(i, _)| states(Holder::Packet, numbering.mark(i)));
    let all = lacking.len() == uplinks().count();
    (!restored || !lacking.is_empty()).then_some(LackingMarks { restored, uplinks: lacking, all })
}

/// What the rules of `ftr-rules` do that no rule does. The cause is one where all of it is missing, and so is the hazard.
fn not_loaded(
    family: Family,
    firewall: &Firewall,
    marks: Option<&LackingMarks<'_>>,
    untranslated: Option<&Untranslated<'_>>,
) -> Option<Hazard> {
    let unmarked = marks.is_some_and(|marks| marks.all && !marks.restored);
    let (kind, what) = match (marks, untranslated) {
        (None, None) => return None,
        (None, Some(untranslated)) => (Kind::NotTranslated, untranslated.to_string()),
        (Some(_), Some(untranslated)) if unmarked && untranslated.all => {
            let what = "the rules of ftr-rules are not loaded, so that established connections leave their uplink, and";
            (Kind::RulesNotLoaded, format!("{what} {untranslated}"))
        }
        (Some(marks), _) => (Kind::RulesNotLoaded, marks.to_string()),
    };
    // What is there of others must not be flushed, but half of ours must not be doubled either.
    let nothing = match kind {
        Kind::NotTranslated => untranslated.is_some_and(|untranslated| untranslated.all),
        _ => unmarked,
    };
    let keep = if nothing { " --noflush" } else { "" };
    let tables = if kind == Kind::NotTranslated { "--table nat" } else { "--table mangle --table nat" };
    let (object, print, load) = match family {
        Family::V4 => ("firewall", "ftr-rules", "iptables-restore"),
        Family::V6 => ("firewall of IPv6", "ftr-rules -6", "ip6tables-restore"),
    };
    // With nft all of ours are replaced in one step, and those of others are not touched.
    let in_nft = firewall.effects.sets.iter().any(|set| set.program == "nft inet" && set.table == "ftr_mangle");
    let (print, load, keep) = if in_nft { ("ftr-rules --backend nft", "nft -f -", "") } else { (print, load, keep) };
    // The service adds to iptables what it has not loaded itself, so it is for those who have nothing of ours there.
    let service =
        firewall.service.filter(|_| nothing || in_nft).map(|command| format!("{command}, or ")).unwrap_or_default();
    Some(Hazard::new(kind, object, what, format!("{service}{print} {tables} | {load}{keep}")))
}

impl fmt::Display for LackingMarks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.uplinks.is_empty() {
            f.write_str("no rule gives packets the mark of their connection, so that it leaves its uplink")
        } else if self.all && !self.restored {
            f.write_str("the rules of ftr-rules are not loaded, so that established connections leave their uplink")
        } else {
            write!(f, "no rule gives connections of {} their mark, so that they leave it", self.uplinks.join(", "))
        }
    }
}

/// Where marks are restored for the devices that are listed, as the original has it, those of other networks leave their
/// uplink.
fn unlisted(
    config: &Config,
    numbering: &Numbering,
    family: Family,
    sets: &[MarkSet],
    networks: &[Networks],
) -> Option<Hazard> {
    let masked = numbering.mask().unwrap_or(u32::MAX);
    let restores = |set: &&MarkSet| {
        set.family.is_none_or(|only| only == family)
            && (set.on, set.value) == (Holder::Packet, Value::Copied)
            && set.bits & masked != 0
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
    use super::{Effects, Firewall, Holder, MarkSet, Networks, Value, evaluate};
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::Family;
    use ftr_core::numbering::Numbering;
    use ftr_firewall::{Offload, Translation};

    pub(in crate::diagnose) fn set(on: Holder, bits: u32, value: Value) -> MarkSet {
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
        let hazards = evaluate(&config, &Numbering::of(&config), &[Family::V4], firewall, &[]);
        hazards.iter().map(ToString::to_string).collect()
    }

    fn firewall(sets: Vec<MarkSet>) -> Firewall {
        let translations = vec![Translation::default()];
        Firewall { effects: Effects { sets, translations, ..Effects::default() }, ..Firewall::default() }
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
            ..Networks::default()
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
            let hazards = evaluate(&config, &Numbering::of(&config), &[Family::V4], &firewall(sets), &there);
            hazards.iter().map(ToString::to_string).collect()
        };
        let listed = restore(Some("eth0"), "PREROUTING");
        let lines = told(&[listed.clone(), restore(None, "OUTPUT")]);
        assert!(lines.len() == 1 && lines[0].starts_with("warning: docker0: what comes in by it"), "{lines:?}");
        assert_eq!(told(&[listed.clone(), restore(Some("docker0"), "PREROUTING")]), [""; 0]);
        assert_eq!(told(&[restore(None, "PREROUTING")]), [""; 0]);
    }

    #[test]
    fn what_is_not_translated_is_named_with_what_loads_it() {
        let prefixes = "10.0.0.0/24".parse().into_iter().collect();
        let lan = Networks { device: "eth0".to_owned(), prefixes, ..Networks::default() };
        let config = config(CONFIG);
        let told = |sets: Vec<MarkSet>, output: Option<&str>| -> Vec<String> {
            let mut firewall = firewall(sets);
            firewall.effects.translations.clear();
            firewall
                .effects
                .translations
                .extend(output.map(|device| Translation { output: Some(device.to_owned()), ..Translation::default() }));
            let found =
                evaluate(&config, &Numbering::of(&config), &[Family::V4], &firewall, std::slice::from_ref(&lan));
            found.iter().map(ToString::to_string).collect()
        };
        let marks =
            || connections(&[1, 2, 3]).into_iter().chain([set(Holder::Packet, u32::MAX, Value::Copied)]).collect();
        let lines = told(marks(), None);
        assert!(lines[0].contains("what comes from eth0 leaves by eth1, eth2, ppp0 with its own address"), "{lines:?}");
        assert!(lines[0].ends_with(": ftr-rules --table nat | iptables-restore --noflush"), "{lines:?}");
        let lines = told(marks(), Some("eth1"));
        assert!(lines[0].ends_with(": ftr-rules --table nat | iptables-restore"), "{lines:?}");
        // Where systemd has the service, it is named first; not to those who have half of the rules already.
        let mut served = firewall(Vec::new());
        served.service = Some("systemctl enable --now ftr-rules");
        let lines = self::told(&served);
        assert!(lines[0].contains(": systemctl enable --now ftr-rules, or ftr-rules --table mangle"), "{lines:?}");
        served.effects.sets = connections(&[1]);
        assert!(!self::told(&served)[0].contains("systemctl"));
        // What nft has loaded is replaced as a whole.
        for set in &mut served.effects.sets {
            (set.program, set.table, set.family) = ("nft inet".to_owned(), "ftr_mangle".to_owned(), None);
        }
        let advice =
            ": systemctl enable --now ftr-rules, or ftr-rules --backend nft --table mangle --table nat | nft -f -";
        let lines = self::told(&served);
        assert!(lines[0].contains("connections of eth2, ppp0 their mark") && lines[0].ends_with(advice), "{lines:?}");
        // One cause, one hazard.
        let lines = told(Vec::new(), None);
        assert!(lines.len() == 1 && lines[0].contains("are not loaded, so that established"), "{lines:?}");
        assert!(lines[0].contains(", and what comes from eth0"), "{lines:?}");
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
        let lines = told(&Firewall {
            effects: Effects { sets, offloads: vec![offload], ..Effects::default() },
            ..Firewall::default()
        });
        assert!(lines[0].ends_with(": nft delete rule inet f forward handle 4"), "{lines:?}");
    }
}
