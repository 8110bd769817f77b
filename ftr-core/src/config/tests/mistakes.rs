//! Mistakes that people make, as data: what is said of each, and where.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::Config;
use crate::config::FileFaults;
use crate::host::Host;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    configuration: String,
    host: Host,
    mistakes: Vec<Mistake>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mistake {
    put: String,
    #[serde(rename = "for")]
    instead: String,
    /// How the line begins that is said of it, behind the name of the file.
    says: String,
    /// It has other consequences, of which more is said.
    #[serde(default)]
    more: bool,
    /// What the host says of files.
    #[serde(default)]
    of: BTreeMap<String, String>,
}

impl Mistake {
    fn faults(&self) -> FileFaults {
        let of = |name: &str| self.of.get(name).cloned();
        let hooks = of("hook").map(|what| (0, what)).into_iter().collect();
        FileFaults { configuration: of("configuration"), log: of("log"), password: of("password"), hooks }
    }
}

fn table() -> Table {
    serde_yaml::from_str(include_str!("mistakes.yaml")).unwrap()
}

/// All that `ftr-monitor check` says of a configuration.
fn told(text: &str, host: &Host, faults: &FileFaults) -> Vec<String> {
    match Config::parse(Path::new("f"), text) {
        Err(problems) => problems.lines(),
        Ok(config) => {
            let mut lines = config.warning_lines();
            lines.extend(config.on_host(text, Some(host), faults).lines());
            lines
        }
    }
}

#[test]
fn of_what_is_right_nothing_is_said() {
    let table = table();
    assert_eq!(told(&table.configuration, &table.host, &FileFaults::default()), [""; 0]);
}

#[test]
fn each_mistake_is_told_where_it_is() {
    let table = table();
    let mut wrong = Vec::new();
    for mistake in &table.mistakes {
        assert!(table.configuration.contains(&mistake.instead), "{}", mistake.instead);
        let text = table.configuration.replacen(&mistake.instead, &mistake.put, 1);
        let lines = told(&text, &table.host, &mistake.faults());
        let wanted = format!("f:{}", mistake.says);
        let right = lines.iter().any(|line| line.starts_with(&wanted)) && (mistake.more || lines.len() == 1);
        if !right {
            wrong.push(format!("{}\n  wanted {wanted}\n  told {lines:#?}", mistake.put));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.mistakes.len() >= 40 + 24, "{}", table.mistakes.len());
}

/// Nothing that is only odd keeps a router from starting.
#[test]
fn what_does_not_fit_the_host_is_a_warning() {
    let table = table();
    let config = Config::parse(Path::new("f"), &table.configuration).unwrap();
    let faults = FileFaults { log: Some("x".to_owned()), ..FileFaults::default() };
    let elsewhere = config.on_host(&table.configuration, Some(&Host::default()), &faults).lines();
    assert!(elsewhere.len() > 5 && elsewhere.iter().all(|line| line.contains("warning: ")), "{elsewhere:#?}");
    let unknown = config.on_host(&table.configuration, None, &FileFaults::default()).lines();
    assert_eq!(unknown, [""; 0]);
}
