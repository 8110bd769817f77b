//! `ftr-records(5)`: every record and every field, from the structs that are written.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use roff::{Roff, bold, italic, roman};

use crate::prose::marked;
use crate::source::{Field, Kind, Shape, Source};

const ABOUT: [&str; 4] = [
    "The programs of ftr tell each other what happens by records: one JSON object a line, in UTF-8, at most 64 KiB long. The \
     field `type` names the record. `ftr-probe --watch -j` writes `check` records, `ftr-monitor decide` makes `active` and \
     `event` records of them, `ftr-route apply -` follows the `active` ones and passes every record on, and `ftr-notify -` \
     mails the events. `ftr-monitor run -j` prints what it decides and what ftr-route answers; with `--debug` the checks too.",
    "`null` stands for none: what is not known or does not apply. Where a field may be absent, a missing one means none, 0 or \
     an empty list.",
    "A reader ignores types and fields that it does not know, and keeps a word that it does not know: an unknown reason is \
     a failed check like any other, an unknown event is acknowledged. So programs of different versions work together, and \
     later versions add fields and words without notice. They neither rename nor remove any. A line that is no record, or \
     lacks a field that is not left out here, is skipped and counted.",
    "A reader of its own should be as tolerant: `ftr-probe --watch -j | jq -c --unbuffered 'select(.type==\"check\" and \
     .up==false)'`.",
];

/// Who writes and who reads each record, and one as an example.
const RECORDS: [(&str, &str, &str); 6] = [
    (
        "check",
        "Written by `ftr-probe -j`; read by `ftr-monitor decide`.",
        r#"{"type":"check","time":"2026-11-01T10:00:00.000Z","mono":86400123,"uplink":"eth2","family":4,"up":false,"reason":"no-answer","answered":1,"required":4,"asked":6,"questions":24,"replies":1,"rtt_ms":12.1,"jitter_ms":null,"loss":0.958,"address":"192.0.2.2","gateway":"192.0.2.1","targets":[{"target":"8.8.8.8","rtt_ms":12.1},{"target":"9.9.9.9","error":"timeout"}],"prompt":"traffic"}"#,
    ),
    (
        "active",
        "Written by `ftr-monitor decide`; read by `ftr-route apply -`. A newer one for the same family supersedes it.",
        r#"{"type":"active","time":"2026-11-01T10:00:00.010Z","mono":86400133,"family":4,"uplinks":[{"uplink":"eth1","weight":1}],"failed":["eth2"],"flush":["eth2"],"reason":"eth2 down"}"#,
    ),
    (
        "applied",
        "Written by `ftr-route apply -`, when it has done what an `active` record asks for, or has put something right.",
        r#"{"type":"applied","time":"2026-11-01T10:00:00.012Z","mono":86400135,"family":4,"writes":3,"took_us":1353,"active":["eth1"],"uplinks":[{"uplink":"eth1","address":"198.51.100.2","gateway":"198.51.100.1"}],"no_way":[]}"#,
    ),
    (
        "event",
        "Written by `ftr-monitor decide`, for people; read by `ftr-notify -`.",
        r#"{"type":"event","seq":17,"kind":"state","time":"2026-11-01T10:00:00.010Z","mono":86400133,"uplink":"eth2","family":4,"description":"Provider 2","from":"up","to":"down","reason":"no-answer","answered":1,"required":4,"asked":6,"questions":24,"replies":1,"active":["eth1"]}"#,
    ),
    (
        "hazard",
        "Written by `ftr-route apply -`; the daemon logs it, and mails one that loses traffic as an `event`.",
        r#"{"type":"hazard","time":"2026-11-01T10:00:01.000Z","mono":86401123,"hazard":"not-translated","object":"firewall","what":"no rule translates the source","advice":"ftr-rules --table nat | iptables-restore --noflush","since":"2026-11-01T10:00:01.000Z","loses_traffic":true,"gone":false}"#,
    ),
    (
        "spooled",
        "Written by `ftr-notify -` when an event is in safe hands; the daemon forgets the event then.",
        r#"{"type":"spooled","seq":17}"#,
    ),
];

/// What else is printed with -j: what prints it, the struct, and how it is printed.
const ANSWERS: [(&str, &str, &str); 9] = [
    (
        "ftr-monitor status",
        "Status",
        "One object, which `ftr-monitor status -j` prints. The exit code is 0 where every uplink is up, 1 where one is not, and \
         69 where no monitor runs.",
    ),
    (
        "ftr-route detect",
        "Host",
        "One object, which `ftr-route detect -j` prints and `ftr-monitor init --detect` reads.",
    ),
    ("ftr-route show", "Overview", "An object for each family, which `ftr-route show -j` prints."),
    (
        "ftr-route check",
        "Difference",
        "An object for each family, which `ftr-route check -j` prints; behind them one with the field `hazards`, for all.",
    ),
    ("ftr-route check, the last line", "Hazards", "What works against several uplinks on this host."),
    ("ftr-route explain", "Explanation", "One object, which `ftr-route explain -j` prints."),
    (
        "ftr-route connections",
        "Count",
        "An object for each uplink and family, which `ftr-route connections -j` prints.",
    ),
    ("ftr-route advertise", "Network", "One list of objects, which `ftr-route advertise -j` prints."),
    ("ftr-route dns", "Server", "One list of objects, which `ftr-route dns -j` prints."),
];

/// Where the structs of records are, and of what is kept with them.
const OF_RECORDS: [&str; 5] = [
    "ftr-core/src/record.rs",
    "ftr-core/src/record",
    "ftr-core/src/host.rs",
    "ftr-monitor/src/status.rs",
    "ftr-tool/src/running.rs",
];

/// Where those of ftr-route's answers are. It has a struct for hazards of its own.
const OF_ROUTE: [&str; 11] = [
    "ftr-core/src/record/applied.rs",
    "ftr-core/src/record/reason.rs",
    "ftr-core/src/record/stamp.rs",
    "ftr-route/src/advertise.rs",
    "ftr-route/src/dns.rs",
    "ftr-route/src/check.rs",
    "ftr-route/src/connections.rs",
    "ftr-route/src/diagnose/hazard.rs",
    "ftr-route/src/explain/answer.rs",
    "ftr-route/src/explain/mark.rs",
    "ftr-route/src/show.rs",
];

/// How wide a line of an example may be.
const COLUMNS: usize = 70;

/// The page.
pub(crate) fn page(root: &Path) -> io::Result<String> {
    Ok(made(root)?.0)
}

/// The page, and the structs that it describes.
fn made(root: &Path) -> io::Result<(String, BTreeSet<String>)> {
    let of_records = Source::read(&OF_RECORDS.map(|file| root.join(file)))?;
    let of_route = Source::read(&OF_ROUTE.map(|file| root.join(file)))?;
    let mut page = Page { roff: Roff::new(), source: &of_records, told: BTreeSet::new(), described: BTreeSet::new() };
    page.whole(&of_route)?;
    Ok((page.roff.render(), page.described.into_iter().map(str::to_owned).collect()))
}

fn unknown(name: &str) -> io::Error {
    io::Error::other(format!("{name}: no struct of the files that are read, and no word is said of it here"))
}

struct Page<'a> {
    roff: Roff,
    source: &'a Source,
    /// The words of which each was explained already.
    told: BTreeSet<&'a str>,
    /// The structs whose fields are there.
    described: BTreeSet<&'a str>,
}

impl<'a> Page<'a> {
    fn whole(&mut self, of_route: &'a Source) -> io::Result<()> {
        self.roff.control("TH", ["ftr-records", "5"]);
        self.section("NAME", "ftr-records - what the programs of ftr tell each other, in lines of JSON");
        self.roff.control("SH", ["DESCRIPTION"]);
        for about in ABOUT {
            self.paragraph(about);
        }
        for (name, shape) in self.source.unions.get("Record").into_iter().flatten() {
            self.record(name, shape)?;
        }
        self.section(
            "OTHER ANSWERS",
            "What follows are no records and have no `type`: other programs may read them as well.",
        );
        for (command, shape, printed) in ANSWERS {
            if !self.source.structs.contains_key(shape) {
                self.source = of_route;
            }
            self.roff.control("SS", [command]).text(marked(printed));
            let shape = self.described(shape)?;
            self.fields(shape)?;
        }
        self.section(
            "SEE ALSO",
            "ftr(7), ftr-monitor(8), ftr-notify(8), ftr-probe(8), ftr-route(8), ftr.yaml(5), jq(1)",
        );
        Ok(())
    }

    fn section(&mut self, heading: &str, text: &str) {
        self.roff.control("SH", [heading]).text(marked(text));
    }

    fn paragraph(&mut self, text: &str) {
        self.roff.control("PP", []).text(marked(text));
    }

    fn record(&mut self, name: &str, shape: &'a str) -> io::Result<()> {
        let nothing = || io::Error::other(format!("record {name}: nothing is said of who writes and reads it"));
        let (_, written, example) = RECORDS.iter().find(|(known, ..)| *known == name).ok_or_else(nothing)?;
        let shape = self.described(shape)?;
        self.section(&format!("{name} records").to_uppercase(), &shape.about);
        self.paragraph(written);
        self.fields(shape)?;
        self.paragraph("For example, here on several lines:");
        self.roff.control("PP", []).control("nf", []);
        for line in wrapped(example) {
            self.roff.text([roman(line)]);
        }
        self.roff.control("fi", []);
        Ok(())
    }

    /// The shape of a struct whose fields are told now.
    fn described(&mut self, name: &str) -> io::Result<&'a Shape> {
        let (name, shape) = self.source.structs.get_key_value(name).ok_or_else(|| unknown(name))?;
        self.described.insert(name);
        Ok(shape)
    }

    /// The fields of a struct, and below each those of the struct that it holds.
    fn fields(&mut self, shape: &'a Shape) -> io::Result<()> {
        for field in &shape.fields {
            let held = field.kind.innermost();
            if !field.flat {
                self.field(field, held)?;
            } else if held != "BTreeMap" {
                // That is for what a later version says, of which this one knows nothing.
                let shape = self.described(held)?;
                self.fields(shape)?;
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Field, held: &'a str) -> io::Result<()> {
        let words = self.source.words.get_key_value(held);
        let mut about = field.about.clone();
        if words.is_some_and(|(name, _)| self.told.contains(name.as_str())) {
            about.push_str(" The words are those that are explained above.");
        }
        let title = [bold(field.name.as_str()), roman(": "), italic(self.held(field)?)];
        self.roff.control("TP", []).text(title);
        self.roff.text(marked(&about));
        let words = words.filter(|(name, _)| self.told.insert(name));
        let below = self.source.structs.get(held).filter(|_| !self.source.is_record(held));
        if words.is_none() && below.is_none() {
            return Ok(());
        }
        self.roff.control("RS", []);
        for (word, about) in words.into_iter().flat_map(|(_, words)| words) {
            self.roff.control("TP", []).text([bold(word.as_str())]).text(marked(about));
        }
        if below.is_some() {
            let shape = self.described(held)?;
            self.fields(shape)?;
        }
        self.roff.control("RE", []);
        Ok(())
    }

    /// What a field holds.
    fn held(&self, field: &Field) -> io::Result<String> {
        Ok(match (&field.kind, field.absent) {
            (Kind::Maybe(of), Some(absent)) => format!("{}; {absent}", self.text(of)?),
            (of, Some(absent)) => format!("{}; {absent}", self.text(of)?),
            (of, None) => self.text(of)?,
        })
    }

    fn text(&self, kind: &Kind) -> io::Result<String> {
        Ok(match kind {
            Kind::List(of) => format!("list of {}", self.plural(of)?),
            Kind::Maybe(of) => format!("{}, or null", self.text(of)?),
            Kind::Named(name) => match name.as_str() {
                "String" | "str" => "text",
                "bool" => "true or false",
                "u8" | "u16" | "u32" | "u64" | "usize" | "i32" => "whole number",
                "f64" => "number",
                "IpAddr" => "address",
                "InterfaceName" => "name of an uplink",
                "Family" => "4 or 6",
                "PathBuf" => "path",
                "Prefix" => "network",
                name if self.source.words.contains_key(name) => "word",
                name if self.source.structs.contains_key(name) => "object",
                name => return Err(unknown(name)),
            }
            .to_owned(),
        })
    }

    fn plural(&self, kind: &Kind) -> io::Result<String> {
        Ok(match kind {
            Kind::Named(name) if name == "InterfaceName" => "names of uplinks".to_owned(),
            Kind::Named(name) if name == "String" => "texts".to_owned(),
            Kind::Named(name) if self.source.is_record(name) => {
                format!("objects with the fields of {} records", name.to_lowercase())
            }
            _ => match self.text(kind)?.as_str() {
                "address" => "addresses".to_owned(),
                other => format!("{other}s"),
            },
        })
    }
}

/// A record on several lines, broken behind commas.
fn wrapped(record: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for part in record.split_inclusive(',') {
        match lines.last_mut() {
            Some(line) if line.len() + part.len() <= COLUMNS => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{RECORDS, made, page};
    use crate::root;
    use ftr_core::record::{Check, Event, EventKind, Reason, Record, Stamp};
    use ftr_core::{Family, InterfaceName};

    #[test]
    fn examples_are_what_would_be_written() {
        for (name, _, example) in RECORDS {
            let record = Record::parse(example.as_bytes()).unwrap();
            assert_eq!(record.line().unwrap().trim_end(), example);
            assert!(example.starts_with(&format!("{{\"type\":\"{name}\",")), "{example}");
        }
    }

    /// Of what is written as JSON that which is neither a record nor an answer, and where it is instead.
    const OWN: [(&str, &[&str]); 4] = [
        (
            "the run directory",
            &[
                "Assignment",
                "Change",
                "Counted",
                "Damping",
                "Departure",
                "Departures",
                "Drain",
                "Failed",
                "GivenUp",
                "Health",
                "Lasting",
                "Memory",
                "Noted",
                "Numbers",
                "Remembered",
                "Setting",
                "Trial",
                "Whole",
            ],
        ),
        ("the state directory", &["Usage", "Used"]),
        ("the control socket", &["Answer"]),
        ("text in records", &["InterfaceName"]),
    ];

    #[test]
    fn every_struct_that_is_written_is_described_or_kept_to_ourselves() {
        let root = root();
        let (_, described) = made(&root).unwrap();
        let mut directories: Vec<_> = std::fs::read_dir(&root)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("ftr-"))
            .map(|path| path.join("src"))
            .collect();
        let mut written = BTreeSet::new();
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    written.extend(crate::source::written(&std::fs::read_to_string(&path).unwrap()).unwrap());
                }
            }
        }
        let own: BTreeSet<String> = OWN.iter().flat_map(|(_, names)| *names).map(|name| (*name).to_owned()).collect();
        let missing: Vec<_> = written.difference(&described).filter(|name| !own.contains(*name)).collect();
        assert!(missing.is_empty(), "neither described in ftr-records(5) nor of our own: {missing:?}");
        let gone: Vec<_> = own.iter().filter(|name| !written.contains(*name) || described.contains(*name)).collect();
        assert!(gone.is_empty(), "not there, or described: {gone:?}");
    }

    #[test]
    fn what_is_serialised_is_described() {
        let page = page(&root()).unwrap();
        let stamp = || Stamp { time: String::new(), mono: 1 };
        let uplink = "eth1".parse::<InterfaceName>().unwrap();
        let check = Check::without_questions(stamp(), uplink, Family::V4, false, Some(Reason::Captive));
        let mut written = vec![Record::Check(check), Record::Event(Event::new(1, EventKind::State, stamp()))];
        written.extend(RECORDS.map(|(_, _, example)| Record::parse(example.as_bytes()).unwrap()));
        let mut fields = 0;
        for record in written {
            let value = serde_json::to_value(&record).unwrap();
            let kind = value["type"].as_str().unwrap().to_uppercase();
            let (_, part) = page.split_once(&format!(".SH \"{kind} RECORDS\"")).expect("a section for each record");
            let part = part.split("\n.SH").next().unwrap();
            for name in value.as_object().unwrap().keys().filter(|name| *name != "type") {
                assert!(part.contains(&format!("\\fB{name}\\fR: ")), "{kind}: {name}");
                fields += 1;
            }
        }
        assert!(fields > 60, "{fields}");
    }
}
