//! A mapping of the file, taken apart key by key. What is wrong is noted and reading goes on, so that one run reports all.

use serde_yaml::Value;

use super::path::NodePath;
use super::problem::Problem;
use super::quote;
use super::scalar::{self, key_text};

/// A mapping, with the keys that were asked for so far.
pub(super) struct Section<'a> {
    path: NodePath,
    entries: Vec<(String, &'a Value)>,
    asked: Vec<&'static str>,
    /// The keys that are missing, or whose values are wrong.
    faulty: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Section<'a> {
    pub(super) fn root(tree: &'a Value, problems: &'a mut Vec<Problem>) -> Option<Self> {
        Self::of(NodePath::default(), tree, problems)
    }

    fn of(path: NodePath, value: &'a Value, problems: &'a mut Vec<Problem>) -> Option<Self> {
        let Value::Mapping(mapping) = value else {
            problems.push(Problem::new(
                path,
                format!("{} where a section of `key: value` is expected", scalar::kind(value)),
            ));
            return None;
        };
        let mut entries: Vec<(String, &Value)> = Vec::new();
        for (key, value) in mapping {
            match key_text(key) {
                // `port` and `:port` are one key to us, and two to YAML.
                Some(key) if entries.iter().any(|(known, _)| *known == key) => {
                    problems.push(Problem::again(&path, &key, 2));
                }
                Some(key) => entries.push((key, value)),
                None => problems.push(Problem::new(path.clone(), "a key that is no text")),
            }
        }
        Some(Self { path, entries, asked: Vec::new(), faulty: Vec::new(), problems })
    }

    /// The value of a key; a blank one counts as absent.
    fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.entries.iter().find(|(known, value)| known == key && !value.is_null()).map(|(_, value)| *value)
    }

    /// Whether a key is stated and not blank.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Whether a section stands there.
    pub(super) fn is_section(&mut self, key: &'static str) -> bool {
        self.value(key).is_some_and(Value::is_mapping)
    }

    /// Whether a list without items stands there.
    pub(super) fn is_empty_list(&mut self, key: &'static str) -> bool {
        self.value(key).and_then(Value::as_sequence).is_some_and(Vec::is_empty)
    }

    /// Whether this word stands there, in any case.
    pub(super) fn is_word(&mut self, key: &'static str, word: &str) -> bool {
        self.value(key).and_then(|value| scalar::text(value).ok()).is_some_and(|text| text.eq_ignore_ascii_case(word))
    }

    /// What is said of a value: what it is, and what is wrong with it.
    fn said(&self, value: &Value, what: &str) -> String {
        let subject = if self.path.is_secret() { scalar::kind(value).to_owned() } else { quote::value(value) };
        format!("{subject} {what}")
    }

    /// Reads a key; none if it is absent, blank, or wrong (which is noted). What `read` finds wrong is said of the value:
    /// `is no duration, allowed: …`.
    pub(super) fn optional<T>(&mut self, key: &'static str, read: impl Fn(&Value) -> Result<T, String>) -> Option<T> {
        let value = self.value(key)?;
        read(value).map_err(|what| self.wrong(key, self.said(value, &what))).ok()
    }

    /// Notes that a key is missing where it is; `what` says what belongs there.
    pub(super) fn require(&mut self, key: &'static str, what: &str) {
        if !self.has(key) {
            self.missing(key, what);
        }
    }

    /// Whether a key is missing that must be there, or its value is wrong.
    pub(super) fn faulty(&self, key: &str) -> bool {
        self.faulty.contains(&key)
    }

    /// Whether a key is stated, and its value is right.
    pub(super) fn sound(&mut self, key: &'static str) -> bool {
        self.has(key) && !self.faulty(key)
    }

    /// Reads a section below this one.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'_>> {
        let value = self.value(key)?;
        Section::of(self.path.key(key), value, self.problems)
    }

    /// Reads each section of a list that must be there and not be empty; none for an item that is wrong.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        mut each: impl FnMut(Section<'_>) -> Option<T>,
    ) -> Vec<Option<T>> {
        let path = self.path.key(key);
        let list = match self.value(key) {
            Some(Value::Sequence(list)) if !list.is_empty() => list,
            Some(Value::Sequence(_)) => {
                self.wrong(key, "an empty list, allowed: one or more");
                return Vec::new();
            }
            Some(other) => {
                self.wrong(key, format!("{} where a list is expected", scalar::kind(other)));
                return Vec::new();
            }
            None => {
                self.missing(key, "a list, one or more");
                return Vec::new();
            }
        };
        list.iter()
            .enumerate()
            .map(|(index, item)| Section::of(path.index(index), item, self.problems).and_then(&mut each))
            .collect()
    }

    /// Reads a list, or a single value as a list of one; each wrong item is noted.
    pub(super) fn list<T>(&mut self, key: &'static str, read: impl Fn(&Value) -> Result<T, String>) -> Vec<T> {
        let path = self.path.key(key);
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Sequence(list)) => {
                let mut items = Vec::new();
                for (index, item) in list.iter().enumerate() {
                    match read(item) {
                        Ok(item) => items.push(item),
                        Err(what) => {
                            self.faulty.push(key);
                            self.problems.push(Problem::new(path.index(index), self.said(item, &what)));
                        }
                    }
                }
                items
            }
            Some(single) => {
                read(single).map_err(|what| self.wrong(key, self.said(single, &what))).into_iter().collect()
            }
        }
    }

    /// Notes that the value of a key is wrong.
    pub(super) fn wrong(&mut self, key: &'static str, what: impl Into<String>) {
        self.faulty.push(key);
        self.problems.push(Problem::new(self.path.key(key), what));
    }

    /// Notes that a key is missing.
    pub(super) fn missing(&mut self, key: &'static str, what: &str) {
        self.faulty.push(key);
        self.problems.push(Problem::new(self.path.clone(), format!("{key} is missing: {what}")));
    }

    /// Notes every key that nothing asked for.
    pub(super) fn finish(self) {
        for (key, _) in &self.entries {
            if !self.asked.contains(&key.as_str()) {
                let path = self.path.strange(key);
                self.problems.push(Problem::new(path, unknown(key, &self.asked)));
            }
        }
    }
}

fn unknown(key: &str, known: &[&'static str]) -> String {
    let nearest = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(key, word), word))
        .min()
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4);
    match nearest {
        Some((_, word)) => format!("unknown key, did you mean {word}?"),
        None => format!("unknown key, allowed: {}", known.join(", ")),
    }
}
