//! A configuration written out with everything that was left to its usual value.

use serde_json::{Map, Value, json};

use super::key::Keys as _;
use super::whole::Config;

impl Config {
    /// The effective configuration under the names of the file; a password is told only as `***`.
    #[must_use]
    pub fn effective(&self) -> Value {
        let mut whole = Value::Object(self.write());
        self.name_uplinks(&mut whole);
        drop_blank(&mut whole);
        self.keep_stated(&mut whole);
        whole
    }

    /// The effective configuration as YAML.
    #[must_use]
    pub fn effective_yaml(&self) -> String {
        // What came out of YAML goes into YAML: there is nothing in it that could fail.
        serde_yaml::to_string(&self.effective()).unwrap_or_default()
    }

    /// Writes out what means something only beside the uplinks.
    fn name_uplinks(&self, whole: &mut Value) {
        let names = |indices: &[usize]| {
            let name = |index: &usize| self.uplinks.get(*index).map(|uplink| uplink.name.as_str());
            json!(indices.iter().map(name).collect::<Vec<_>>())
        };
        for (policy, written) in self.policies.iter().zip(objects(whole, "policies")) {
            written.insert("uplinks".to_owned(), names(&policy.uplinks));
            if let (Some(matching), Some(Value::Object(written))) = (&policy.matching, written.get_mut("match")) {
                written.insert("interface".to_owned(), json!(matching.devices()));
            }
        }
        for (forward, written) in self.forwards.iter().zip(objects(whole, "forwards")) {
            written.insert("uplink".to_owned(), names(&forward.uplinks));
            written.insert("to".to_owned(), json!(forward.target()));
        }
    }

    /// Puts back lists that were stated to be empty where their key must not be left out.
    fn keep_stated(&self, whole: &mut Value) {
        if self.email.send && self.email.recipients.is_empty() {
            if let Some(Value::Object(email)) = whole.get_mut("email") {
                email.insert("recipients".to_owned(), json!([]));
            }
        }
        for (policy, written) in self.policies.iter().zip(objects(whole, "policies")) {
            if policy.uplinks.is_empty() {
                written.insert("uplinks".to_owned(), json!([]));
            }
        }
    }
}

/// The sections of a list.
fn objects<'w>(whole: &'w mut Value, key: &str) -> impl Iterator<Item = &'w mut Map<String, Value>> {
    whole.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// An absent key says the same as a blank one, in fewer words.
fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn drop_blank(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let kept: Map<_, _> = std::mem::take(object).into_iter().filter(|(_, value)| !is_blank(value)).collect();
            *object = kept;
            object.values_mut().for_each(drop_blank);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_blank),
        _ => {}
    }
}
