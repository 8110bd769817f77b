//! What every text from outside has to hold to, whatever is in it. Fuzzers feed these functions (`fuzz/`), and the tests
//! of `ftr-tool` with what the fuzzers once found.

use std::path::Path;

use serde_json::Value;

use crate::lines::{Line, Lines, MAX_LINE};
use crate::numbering::{KERNEL_TABLES, Numbering};
use crate::record::Record;
use crate::{Config, InterfaceName, Prefix, config, duration};

/// What a configuration is called in messages.
const FILE: &str = "ftr.yaml";

/// The name of a target in `fuzz/`, and what it is.
pub type Target = (&'static str, fn(&[u8]));

/// Texts, each fed to the function of its name.
pub const TARGETS: &[Target] = &[
    ("configuration", configuration),
    ("effective", effective),
    ("numbers", numbers),
    ("records", records),
    ("values", values),
];

/// Any text is refused with reasons or is a configuration.
pub fn configuration(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match Config::parse(Path::new(FILE), text) {
        Ok(config) => {
            assert!(!config.uplinks.is_empty(), "a configuration without uplinks");
            assert!(config.uplinks.iter().all(|uplink| config.position(uplink.name.as_str()).is_some()));
            lines(&config.warning_lines());
        }
        Err(problems) => {
            let told = problems.lines();
            assert!(!told.is_empty(), "refused without a reason");
            let drawn = problems.drawn(false);
            assert!(!drawn.chars().any(|letter| letter.is_control() && letter != '\n'), "{drawn:?} moves the cursor");
            lines(&told);
        }
    }
}

/// The first line is what was remembered of numbers, the rest a configuration. Whatever was remembered, each uplink and each
/// policy has a table and a mark of its own, within the mask and none of the kernel's; and what follows from them is what
/// the next one goes on from.
pub fn numbers(bytes: &[u8]) {
    let Some((first, rest)) = text(bytes).and_then(|text| text.split_once('\n')) else { return };
    let (Ok(before), Ok(mut config)) = (serde_json::from_str(first), Config::parse(Path::new(FILE), rest)) else {
        return;
    };
    config.assign(Some(&before));
    let numbering = Numbering::of(&config);
    let (uplinks, policies) = (config.uplinks.len(), config.policies.len());
    let tables: Vec<u32> = numbering.tables().collect();
    let marks: Vec<u32> =
        (0..uplinks).map(|i| numbering.mark(i)).chain((0..policies).map(|k| numbering.policy_mark(k))).collect();
    assert_eq!((tables.len(), marks.len()), (uplinks + policies + 1, uplinks + policies));
    for numbers in [&tables, &marks] {
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), numbers.len(), "{numbers:?}: somebody shares a number");
    }
    assert!(tables.iter().all(|table| *table > 0 && !KERNEL_TABLES.contains(table)), "{tables:?}");
    let mask = numbering.mask().unwrap_or(u32::MAX);
    assert!(marks.iter().all(|mark| *mark > 0 && mark & !mask == 0), "{marks:?}");
    let mut again = config.clone();
    again.assign(config.assignment.as_ref());
    assert_eq!(Numbering::of(&again), numbering);
}

/// Each is one line that names the file.
fn lines(lines: &[String]) {
    for line in lines {
        assert!(line.starts_with(FILE), "{line:?} does not name its file");
    }
}

/// What is accepted is accepted again when it is written out, and means the same.
pub fn effective(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let Ok(config) = Config::parse(Path::new(FILE), text) else { return };
    for written in [config.effective_yaml(), config.effective().to_string()] {
        let again = Config::parse(Path::new(FILE), &written).unwrap_or_else(|problems| panic!("{problems}\n{written}"));
        assert_eq!(again.effective(), config.effective());
        assert_eq!(meaning(again), meaning(config.clone()));
    }
}

/// A configuration without what is not written out: the password, and where warnings stand.
fn meaning(mut config: Config) -> Config {
    config.warnings.clear();
    config.email.smtp.password = config.email.smtp.password.map(|_| String::new());
    config
}

/// A stream of bytes is cut into the same lines whatever pieces it comes in; each line that is a record is the same
/// record after it is written and read again. What the first byte says is the length of the pieces.
pub fn records(bytes: &[u8]) {
    let Some((length, stream)) = bytes.split_first() else { return };
    let mut whole = Vec::new();
    Lines::default().push(stream, |line| whole.push(owned(&line)));
    let (mut reader, mut pieces) = (Lines::default(), Vec::new());
    for piece in stream.chunks(usize::from(*length).max(1)) {
        reader.push(piece, |line| pieces.push(owned(&line)));
    }
    assert_eq!(whole, pieces);
    for line in whole.iter().flatten() {
        assert!(line.len() <= MAX_LINE);
        if let Ok(record) = Record::parse(line) {
            let written = record.line().unwrap_or_else(|error| panic!("{error}: {record:?}"));
            assert_eq!(written.find('\n'), Some(written.len() - 1));
            let again = Record::parse(written.as_bytes()).unwrap_or_else(|error| panic!("{error}: {written}"));
            let values = [&record, &again].map(|record| serde_json::to_value(record).unwrap_or_default());
            assert!(alike(&values[0], &values[1]), "{record:?} is not {again:?}");
        }
    }
}

/// Whether both are the same but for the last digit of fractions, which `serde_json` may read as its neighbour.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let mut pairs = one.iter().map(|(key, one)| other.get(key).is_some_and(|other| alike(one, other)));
            one.len() == other.len() && pairs.all(|same| same)
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or(f64::NAN), other.as_f64().unwrap_or(f64::NAN));
            (one - other).abs() <= one.abs() * 1e-12 + f64::MIN_POSITIVE
        }
        _ => one == other,
    }
}

fn owned(line: &Line<'_>) -> Option<Vec<u8>> {
    match line {
        Line::Whole(text) => Some(text.to_vec()),
        Line::TooLong => None,
    }
}

/// A name, a time span, a prefix or a target that is accepted is the same when it is written and read again.
pub fn values(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(name) = text.parse::<InterfaceName>() {
        assert_eq!(name.as_str(), text);
        let whole = Path::new("/proc/sys/net").join(text);
        assert_eq!(whole.parent(), Some(Path::new("/proc/sys/net")), "{text:?} leads elsewhere");
    }
    if let Ok(span) = duration::parse(text) {
        assert_eq!(duration::parse(&humantime::format_duration(span).to_string()), Ok(span));
    }
    again::<Prefix>(text);
    again::<config::Target>(text);
    again::<config::Ports>(text);
}

fn again<T: std::str::FromStr + ToString + PartialEq + std::fmt::Debug>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let written = value.to_string();
    let Ok(again) = written.parse::<T>() else { panic!("{written:?} is not accepted, which {text:?} means") };
    assert_eq!(again, value, "{written:?}");
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= config::MAX_FILE)
}
