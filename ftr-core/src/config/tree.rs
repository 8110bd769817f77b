//! The text of a configuration as a tree of values.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess as _, Visitor};
use serde_yaml::value::{Tag, TaggedValue};
use serde_yaml::{Mapping, Value};

use super::location;
use super::path::{Location, NodePath};
use super::problem::Problem;
use super::quote;
use super::scalar::key_text;

/// Parses YAML and resolves its merge keys (`<<`). Keys that are stated twice are noted, and count as first stated.
pub(super) fn parse(text: &str, problems: &mut Vec<Problem>) -> Result<Value, Problem> {
    let invalid = |error: serde_yaml::Error| {
        let location = error.location().map(|location| Location::at(location.line(), location.column()));
        let location = location.or_else(|| location::second_document(text));
        Problem { location, ..Problem::new(NodePath::default(), format!("not valid YAML: {}", quote::parser(&error))) }
    };
    // It refuses a mapping with a key twice. If nothing else is wrong, the text is right for the second look.
    let mut tree = serde_yaml::from_str(text).or_else(|error| lenient(text, problems).ok_or(error)).map_err(invalid)?;
    tree.apply_merge().map_err(invalid)?;
    Ok(tree)
}

fn lenient(text: &str, problems: &mut Vec<Problem>) -> Option<Value> {
    let found = RefCell::new(Vec::new());
    let seed = Lenient { path: NodePath::default(), found: &found };
    let tree = seed.deserialize(serde_yaml::Deserializer::from_str(text)).ok()?;
    problems.extend(found.into_inner());
    Some(tree)
}

/// Reads a node as `serde_yaml` does, but for keys that are stated twice.
struct Lenient<'f> {
    path: NodePath,
    found: &'f RefCell<Vec<Problem>>,
}

impl Lenient<'_> {
    fn below(&self, path: NodePath) -> Self {
        Self { path, ..*self }
    }
}

impl<'de> DeserializeSeed<'de> for Lenient<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Lenient<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut mapping = Mapping::new();
        let mut stated: Vec<(Value, usize)> = Vec::new();
        while let Some(key) = map.next_key::<Value>()? {
            let name = key_text(&key).unwrap_or_default();
            let value = map.next_value_seed(self.below(self.path.key(&name)))?;
            if let Some((_, times)) = stated.iter_mut().find(|(known, _)| *known == key) {
                *times += 1;
                self.found.borrow_mut().push(Problem::again(&self.path, &name, *times));
            } else {
                stated.push((key.clone(), 1));
                mapping.insert(key, value);
            }
        }
        Ok(Value::Mapping(mapping))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self.below(self.path.index(items.len())))? {
            items.push(item);
        }
        Ok(Value::Sequence(items))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (tag, contents) = data.variant::<String>()?;
        let value = contents.newtype_variant_seed(self)?;
        Ok(Value::Tagged(Box::new(TaggedValue { tag: Tag::new(tag), value })))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{lenient, parse};
    use proptest::prelude::*;
    use serde_yaml::Value;

    #[test]
    fn what_is_stated_first_counts() {
        let mut problems = Vec::new();
        let tree = parse("a: {b: !ruby/symbol c, b: 2}\nd: &d [0x10, .5, ~]\na: *d\n", &mut problems).unwrap();
        assert_eq!(problems.len(), 2);
        assert_eq!(tree, serde_yaml::from_str::<Value>("a: {b: !ruby/symbol c}\nd: [16, 0.5, null]\n").unwrap());
    }

    proptest! {
        #[test]
        fn both_looks_at_a_text_see_the_same(text in "[a-c0-9:\\[\\]{}&*!<?|>\"' \n#.~-]{0,60}") {
            // An empty text is no document to one of them, and an empty one to the other.
            if let Some(tree) = serde_yaml::from_str::<Value>(&text).ok().filter(|tree| !tree.is_null()) {
                let mut problems = Vec::new();
                prop_assert_eq!(lenient(&text, &mut problems), Some(tree));
                prop_assert_eq!(problems, []);
            }
        }
    }
}
