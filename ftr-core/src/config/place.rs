//! Line and column of a node, found by its path.
//!
//! A `serde_yaml` value does not know where it stood, but an *error* does. So the text is read once more along the
//! path, and reading is made to fail at the node sought. That happens only for problems, in files of at most 64 KiB.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::problem::{NodePath, Problem, Step};
use super::scalar::key_text;

/// The problems with their places, in file order.
pub(super) fn found(text: &str, mut problems: Vec<Problem>) -> Vec<Problem> {
    for problem in &mut problems {
        if problem.place.is_none() {
            problem.place = find(text, &problem.path);
        }
    }
    problems.sort_by_key(|problem| problem.place);
    problems.dedup();
    problems
}

/// Line and column of a node, or of the nearest one above it that stands in the text (what a merge key brings in does not).
fn find(text: &str, path: &NodePath) -> Option<(usize, usize)> {
    (0..=path.0.len()).rev().find_map(|depth| {
        let steps = path.0.get(..depth)?;
        let error = Walk(steps).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
        error.location().map(|location| (location.line(), location.column()))
    })
}

/// Reads a node; fails at the end of its steps, succeeds where they lead nowhere.
struct Walk<'s>(&'s [Step]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0.split_first() {
            None => deserializer.deserialize_any(Here),
            Some((step, rest)) => deserializer.deserialize_any(Down { step, rest }),
        }
    }
}

/// Accepts nothing, so that whatever it meets is reported with its place.
struct Here;

impl Visitor<'_> for Here {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the place of a problem")
    }
}

struct Down<'s> {
    step: &'s Step,
    rest: &'s [Step],
}

impl<'de> Visitor<'de> for Down<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a list on the way to a problem")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<serde_yaml::Value>()? {
            let here = matches!(self.step, Step::Key(wanted) if key_text(&key).as_deref() == Some(wanted));
            if here {
                map.next_value_seed(Walk(self.rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        loop {
            let here = *self.step == Step::Index(index);
            let more = if here {
                list.next_element_seed(Walk(self.rest))?.is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            index += 1;
        }
    }

    // A scalar or nothing where the path goes on: the path leads nowhere, which is no error of the file.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}
