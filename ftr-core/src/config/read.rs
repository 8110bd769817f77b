//! Reads a whole configuration from its text.

use std::path::Path;

use super::key::Keys as _;
use super::path::NodePath;
use super::problem::Problem;
use super::problems::Problems;
use super::section::Section;
use super::uplink::{self, Uplink};
use super::whole::Config;
use super::{cross_checks, downlinks, email, forward, hook, location, policy, tests_section, tree};

/// Which some editors begin a file with; it is no part of the text.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// The largest configuration that is read, in bytes.
pub const MAX_FILE: u64 = 64 * 1024;

impl Config {
    /// Checks a configuration that was read already; `file` is for messages only.
    ///
    /// # Errors
    /// All problems of the text at once, each with its location.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let mut problems = Vec::new();
        let tree = tree::parse(text, &mut problems).map_err(|problem| Problems::new(file, text, vec![problem]))?;
        match read(file, &tree, &mut problems) {
            Some(config) if problems.is_empty() => {
                Ok(Self { warnings: location::found(text, config.warnings), ..config })
            }
            _ => Err(Problems::new(file, text, problems)),
        }
    }

    /// Adds what the mode of the file says: others must not read a password.
    #[must_use]
    pub fn beside_mode(mut self, text: &str, mode: u32) -> Self {
        if self.email.smtp.password.is_some() && mode & 0o006 != 0 {
            let path = NodePath::default().key("email").key("smtp_parameters").key("password");
            let what = format!(
                "a password in a file that others can read (mode {:04o}): chgrp ftr and chmod 640, or use password_file",
                mode & 0o7777
            );
            self.warnings.extend(location::found(text, vec![Problem::new(path, what)]));
        }
        self
    }
}

fn read(file: &Path, tree: &serde_yaml::Value, problems: &mut Vec<Problem>) -> Option<Config> {
    let mut warnings = Vec::new();
    let mut root = Section::root(tree, problems)?;
    let tests = tests_section::read_common(&mut root);
    let uplinks = uplink::read(&mut root, &tests);
    // Numbers are given out by index, so an uplink that is wrong still takes its own.
    let count = uplinks.len();
    let mut config = Config {
        tests,
        policies: policy::read(&mut root, &uplinks),
        forwards: forward::read(&mut root, &uplinks),
        hooks: hook::read(&mut root),
        file: file.to_owned(),
        ..Config::usual()
    };
    let uplinks: Vec<Uplink> = uplinks.into_iter().flatten().collect();
    config.downlinks = downlinks::read(&mut root, &uplinks);
    config.uplinks = uplinks;
    config.read(&mut root);
    root.finish();
    warnings.extend(email::unsent(tree));
    cross_checks::check(&config, count, problems, &mut warnings);
    Some(Config { warnings, ..config })
}
