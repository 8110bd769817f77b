//! For ten thousand random configurations: what the rules refer to is defined, and no text of the file becomes a rule.

use std::collections::BTreeSet;
use std::path::Path;

use ftr_core::numbering::Numbering;
use ftr_core::{Config, Family};
use ftr_rules::model::Table;
use ftr_rules::render::{Backend, Request, render};

#[path = "../../tests/fixtures/rules/random.rs"]
mod random;

const COUNT: u64 = 10_000;

/// What is asked for of a seed: both families of nft, one of iptables, and now and then one of nft.
fn requests(seed: u64) -> Vec<Request> {
    let both = [Family::V4, Family::V6];
    let one = if seed % 4 < 2 { &both[..1] } else { &both[1..] };
    let mut asked = vec![(Backend::Nft, &both[..]), (Backend::Iptables, one)];
    asked.extend((seed % 10 == 0).then_some((Backend::Nft, one)));
    let request = |(backend, families): (Backend, &[Family])| Request {
        backend,
        families: families.to_vec(),
        tables: Table::ALL.to_vec(),
    };
    asked.into_iter().map(request).collect()
}

/// What a rule may name.
struct Known {
    devices: BTreeSet<String>,
    /// Marks, 0 for none, and masks.
    numbers: BTreeSet<u32>,
    /// The configuration.
    text: String,
}

impl Known {
    fn of(config: &Config, text: &str) -> Self {
        let numbering = Numbering::of(config);
        let mut numbers: BTreeSet<u32> = (0..config.uplinks.len()).map(|i| numbering.mark(i)).collect();
        numbers.extend((0..config.policies.len()).map(|k| numbering.policy_mark(k)));
        numbers.extend(numbering.mask().into_iter().flat_map(|mask| [mask, !mask]));
        numbers.insert(0);
        let uplinks = config.uplinks.iter().map(|uplink| &uplink.name);
        let devices = uplinks.chain(&config.downlinks.lan).chain(&config.downlinks.dmz).map(ToString::to_string);
        Self {
            devices: devices.chain(["lo", "eth0", "docker0"].map(str::to_owned)).collect(),
            numbers,
            text: text.to_owned(),
        }
    }

    fn number(&self, text: &str) {
        for text in text.split('/') {
            let number = text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u32::from_str_radix(hex, 16));
            assert!(number.as_ref().is_ok_and(|number| self.numbers.contains(number)), "{text}");
        }
    }

    fn device(&self, name: &str) {
        assert!(self.devices.contains(name), "{name}");
    }
}

const TARGETS: [&str; 11] =
    ["ACCEPT", "DROP", "REJECT", "RETURN", "CONNMARK", "MARK", "SNAT", "DNAT", "MASQUERADE", "NETMAP", "TCPMSS"];

fn iptables(text: &str, known: &Known) {
    let mut chains = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(chain) = line.strip_prefix(':') {
            assert!(chains.insert(chain.split(' ').next().unwrap_or_default()), "{line} is there twice");
            continue;
        }
        let Some(rule) = line.strip_prefix("[0:0] -A ") else {
            assert!(["*mangle", "*nat", "*filter", "COMMIT"].contains(&line), "{line}");
            chains.clear();
            continue;
        };
        let words: Vec<&str> = rule.split(' ').collect();
        assert!(words.first().is_some_and(|chain| chains.contains(chain)), "{line}");
        for (word, value) in words.iter().zip(words.iter().skip(1)) {
            match *word {
                "-i" | "-o" => known.device(value),
                "-j" => assert!(TARGETS.contains(value) || chains.contains(value), "{line}"),
                "--set-mark" | "--set-xmark" | "--mark" | "--nfmask" | "--ctmask" => known.number(value),
                "--to-source" => assert!(known.text.contains(value), "{line}"),
                _ => {}
            }
        }
    }
}

fn nft(text: &str, known: &Known) {
    let mut defined = BTreeSet::new();
    let mut depth = 0;
    let mut used: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(head) = line
            .strip_suffix(" {")
            .filter(|head| ["table ", "chain ", "set "].iter().any(|word| head.starts_with(word)))
        {
            depth += 1;
            let name = head.replace("set ", "@").replace("chain ", "");
            assert!(depth == 1 || defined.insert(name), "{line} is there twice");
            continue;
        }
        if line == "}" {
            depth -= 1;
            if depth == 0 {
                for (name, line) in used.drain(..) {
                    assert!(defined.contains(&name), "{line}");
                }
                defined.clear();
            }
            continue;
        }
        assert!(
            depth == 2 || ["add table", "delete table", "flush table"].iter().any(|word| line.starts_with(word)),
            "{line}"
        );
        line.split('"').skip(1).step_by(2).for_each(|name| known.device(name));
        let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        for (word, value) in words.iter().zip(words.iter().skip(1)) {
            if *word == "jump" || value.starts_with('@') {
                used.push(((*value).to_owned(), line.to_owned()));
            }
        }
        words.iter().filter(|word| word.starts_with("0x")).for_each(|word| known.number(word));
    }
    assert_eq!(depth, 0, "{text}");
}

fn check(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let text = random::configuration(seed, seed % 2 == 0);
        let config =
            Config::parse(Path::new("random"), &text).unwrap_or_else(|problems| panic!("{seed}: {problems}\n{text}"));
        let known = Known::of(&config, &text);
        for request in &requests(seed) {
            let rules = render(&config, request);
            match request.backend {
                Backend::Iptables => iptables(&rules, &known),
                Backend::Nft => nft(&rules, &known),
            }
            if seed % 100 == 0 {
                assert_eq!(render(&config, request), rules, "{seed}: each time the same");
            }
        }
    }
}

/// In several tests, which run side by side.
#[test]
fn the_first_half_refers_to_what_is_defined() {
    check(0..COUNT / 2);
}

#[test]
fn the_second_half_refers_to_what_is_defined() {
    check(COUNT / 2..COUNT);
}
