//! `ftr.yaml(5)`: every key of the configuration, from its declaration.

use ftr_core::config::{Key, known_keys};
use roff::{Roff, bold, italic, roman};

use crate::prose::marked;

const ABOUT: [&str; 4] = [
    "All programs of ftr read the same file: the one that -c names, else that of $FTR_CONFIG, else /etc/ftr/ftr.yaml, else \
     /etc/fault_tolerant_router.conf. It is YAML of at most 64 KiB, with the keys of Fault Tolerant Router, whose files \
     load unchanged, and some of our own. ftr-monitor init prints an example.",
    "A key that is left out, or has no value, has its default. A key that is unknown, or stated twice, is an error, as is a \
     value that does not fit. ftr-monitor check tells all that is wrong, and with -v prints the file with every default. \
     Restart the daemon after a change.",
    "Times are seconds as a number, or text such as 500ms, 2s, 1m 30s; 1ms to 366 days. Whole numbers may be written as \
     0x100 or 1_000. Where a list is allowed a single value stands for a list of one.",
    "Symbols of Ruby (:login) mean their text. Anchors, aliases and merge keys (<<) of YAML are understood.",
];

/// The page.
pub(crate) fn page() -> String {
    let keys = known_keys();
    let mut page = Roff::new();
    page.control("TH", ["ftr.yaml", "5"]);
    page.control("SH", ["NAME"])
        .text([roman("ftr.yaml - configuration of ftr, which keeps a router with several uplinks online")]);
    page.control("SH", ["DESCRIPTION"]);
    for about in ABOUT {
        page.control("PP", []).text([roman(about)]);
    }
    page.control("SH", ["KEYS"]);
    list(&mut page, &keys);
    sections(&mut page, "", &keys);
    page.control("SH", ["FILES"]);
    page.control("TP", []).text([roman("/etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf")]);
    page.text([roman("the configuration: the first that is there")]);
    page.control("SH", ["SEE ALSO"]);
    page.text([roman(
        "ftr(7), ftr-records(5), ftr-monitor(8), ftr-notify(8), ftr-probe(8), ftr-route(8), ftr-rules(8)",
    )]);
    page.render()
}

/// A heading for each section below, with its keys.
fn sections(page: &mut Roff, above: &str, keys: &[Key]) {
    for key in keys.iter().filter(|key| !key.below.is_empty()) {
        let many = if key.many { "[]" } else { "" };
        let path = format!("{above}{}{many}", key.name);
        // What an uplink overrides is told where it stands for all.
        if path == "uplinks[].tests" {
            continue;
        }
        page.control("SH", [path.to_uppercase().as_str()]);
        list(page, &key.below);
        sections(page, &format!("{path}."), &key.below);
    }
}

fn list(page: &mut Roff, keys: &[Key]) {
    for key in keys {
        let mut head = vec![bold(key.name), roman(": "), italic(key.allowed.as_str())];
        match &key.usual {
            Some(usual) => head.extend([roman("; default "), bold(usual.as_str())]),
            None if key.needed => head.push(roman("; needed")),
            None => {}
        }
        page.control("TP", []).text(head);
        page.text(marked(key.sentence));
        if !key.words.is_empty() {
            page.control("RS", []);
            for (word, sentence) in &key.words {
                page.control("TP", []).text([bold(*word)]).text(marked(sentence));
            }
            page.control("RE", []);
        }
        if !key.readers.is_empty() {
            let mut readers: Vec<&str> = key.readers.iter().map(|reader| reader.as_str()).collect();
            readers.dedup();
            let readers = if readers.len() == 5 { "all programs".to_owned() } else { readers.join(", ") };
            page.control("IP", []).text([roman(format!("Read by {readers}."))]);
        }
    }
}
