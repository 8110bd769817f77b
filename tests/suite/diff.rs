//! `ftr-rules --diff` beside the real programs: 0 right after loading, 1 once any one rule is another.
//!
//! Random configurations, by seed. `FTR_DIFF_SEEDS=0..1000` plays more of them.

use fastrand::Rng;
use ftr_lab::error::Result;
use ftr_lab::suite;
use libtest_mimic::{Failed, Trial};
use mutation::{Language, Mutation};
use std::ops::Range;
use std::process::ExitCode;

#[path = "diff/mutation.rs"]
mod mutation;
#[path = "../fixtures/rules/place.rs"]
mod place;
#[path = "../fixtures/rules/random.rs"]
mod random;

use place::Place;

/// The seeds of every run.
const SEEDS: Range<u64> = 0..5;

/// How rules are printed, loaded, shown and taken away.
struct Way {
    name: &'static str,
    arguments: &'static [&'static str],
    load: &'static [&'static str],
    show: &'static [&'static str],
    language: Language,
}

const IPTABLES: &[&str] = &[];
const IP6TABLES: &[&str] = &["-6"];
const NFT: &[&str] = &["nft", "-f", "-"];
const LISTED: &[&str] = &["nft", "-s", "list", "ruleset"];

const WAYS: [Way; 6] = [
    Way {
        name: "iptables-nft",
        arguments: IPTABLES,
        load: &["iptables-nft-restore"],
        show: &["iptables-nft-save"],
        language: Language::Iptables,
    },
    Way {
        name: "iptables-legacy",
        arguments: IPTABLES,
        load: &["iptables-legacy-restore"],
        show: &["iptables-legacy-save"],
        language: Language::Iptables,
    },
    Way {
        name: "ip6tables-nft",
        arguments: IP6TABLES,
        load: &["ip6tables-nft-restore"],
        show: &["ip6tables-nft-save"],
        language: Language::Iptables,
    },
    Way {
        name: "ip6tables-legacy",
        arguments: IP6TABLES,
        load: &["ip6tables-legacy-restore"],
        show: &["ip6tables-legacy-save"],
        language: Language::Iptables,
    },
    Way { name: "nft", arguments: &["--backend", "nft"], load: NFT, show: LISTED, language: Language::Nft },
    Way { name: "nft-4", arguments: &["--backend", "nft", "-4"], load: NFT, show: LISTED, language: Language::Nft },
];

fn main() -> ExitCode {
    let trials = WAYS.iter().map(|way| Trial::test(way.name, move || one_is_another(way).map_err(Failed::from)));
    suite::run(trials.collect())
}

fn seeds() -> Range<u64> {
    let stated = std::env::var("FTR_DIFF_SEEDS").ok();
    let range = stated.as_deref().and_then(|text| {
        let (first, last) = text.split_once("..")?;
        Some(first.parse().ok()?..last.parse().ok()?)
    });
    assert!(range.is_some() || stated.is_none(), "FTR_DIFF_SEEDS: {stated:?}, wanted: such as 0..1000");
    range.unwrap_or(SEEDS)
}

fn one_is_another(way: &Way) -> Result<()> {
    let place = Place::new()?;
    let (mut equal, mut told) = (0, 0);
    for seed in seeds() {
        let text = random::configuration(seed, true);
        let file = place.write(&text)?;
        let diff = || place.rules(&file, &[way.arguments, &["--diff"]].concat());
        let (rules, _) = place.rules(&file, way.arguments)?;
        way.load(&place, &rules);
        let (lines, exit) = diff()?;
        assert_eq!((lines.as_str(), exit), ("", Some(0)), "seed {seed}\n{text}\n{rules}");
        equal += 1;
        let loaded = place.feed(way.show, "")?;
        let mut rng = Rng::with_seed(seed);
        for kind in Mutation::ALL {
            let Some((other, what)) = mutation::of(&mut rng, kind, way.language, &loaded) else { continue };
            way.load(&place, &other);
            let (lines, exit) = diff()?;
            assert_eq!(exit, Some(1), "seed {seed}, {kind:?}: {what}\n{lines}\n{text}\n{rules}");
            told += 1;
        }
    }
    way.load(&place, "");
    println!("{}: {equal} loaded and equal, {told} differences told", way.name);
    Ok(())
}

impl Way {
    /// In place of whatever was loaded before.
    fn load(&self, place: &Place, rules: &str) {
        let all = match self.language {
            Language::Iptables => format!("*mangle\nCOMMIT\n*nat\nCOMMIT\n*filter\nCOMMIT\n{rules}"),
            Language::Nft => format!("flush ruleset\n{rules}"),
        };
        if let Err(error) = place.feed(self.load, &all) {
            panic!("{error}\n{all}");
        }
    }
}
