//! The configuration without what is none of a program's business. What stays keeps its line and its meaning.

use std::path::Path;

use ftr_core::config::{MAX_FILE, Reader, unread_by};
use ftr_core::{Config, Prefix};

/// The text of a configuration without what a program does not read and without comments, which may tell of it.
///
/// Lines are blanked where a section has lines of its own, as nearly always; else the effective configuration is
/// written out. Either is read again, and has to mean what it did. None where neither does.
pub(crate) fn without(config: &Config, text: &str, reader: Reader) -> Option<String> {
    let wanted = config.as_read_by(reader);
    let means_the_same = |reduced: &String| {
        reduced.len() as u64 <= MAX_FILE
            && Config::parse(Path::new(""), reduced).is_ok_and(|read| {
                let (file, warnings, assignment) = (read.file.clone(), read.warnings.clone(), read.assignment.clone());
                Config { file, warnings, assignment, ..wanted.clone() } == read
            })
    };
    [blanked(text, &unread_by(reader), wanted.downlinks.prefix6), wanted.effective().to_string()]
        .into_iter()
        .find(means_the_same)
}

/// The text with a password in place of the file that has it. None where it cannot be put so that it means that.
pub(crate) fn with_password(config: &Config, text: &str, password: &str) -> Option<String> {
    let mut wanted = config.email.clone();
    (wanted.smtp.password_file, wanted.smtp.password) = (None, Some(password.to_owned()));
    let mut effective = config.effective();
    let parameters = effective.pointer_mut("/email/smtp_parameters")?.as_object_mut()?;
    parameters.remove("password_file");
    parameters.insert("password".to_owned(), password.into());
    let means_that = |changed: &String| {
        changed.len() as u64 <= MAX_FILE && Config::parse(Path::new(""), changed).is_ok_and(|read| read.email == wanted)
    };
    let stated = format!("password: {}", serde_json::to_string(password).ok()?);
    [in_place_of("password_file", &stated, text), effective.to_string()].into_iter().find(means_that)
}

/// The text with other words in each line that begins with a key.
fn in_place_of(name: &str, replacement: &str, text: &str) -> String {
    let changed = |line: &str| {
        let key = line.trim_start();
        let indent = line.get(..line.len() - key.len()).unwrap_or_default();
        if is_key(key, name) { format!("{indent}{replacement}\n") } else { format!("{line}\n") }
    };
    text.lines().map(changed).collect()
}

/// Blanks the lines of top-level sections, and those that have nothing but a comment.
///
/// An uplink that translates prefixes takes `prefix6` of `downlinks` along.
fn blanked(text: &str, hidden: &[&str], prefix6: Option<Prefix>) -> String {
    let mut hide = false;
    let mut reduced = String::with_capacity(text.len());
    for line in text.lines() {
        if begins(line) {
            hide = hidden.iter().any(|name| is_key(line, name));
            if let Some(prefix) = prefix6.filter(|_| hide && is_key(line, "downlinks")) {
                reduced.extend(["downlinks: {prefix6: '", &prefix.to_string(), "'}"]);
            }
        }
        if !hide && !line.trim_start().starts_with('#') {
            reduced.push_str(line);
        }
        reduced.push('\n');
    }
    reduced
}

/// Whether a line begins something else than what stands above it: a key, or a document.
fn begins(line: &str) -> bool {
    let mut letters = line.trim_start_matches(['\'', '"', ':']).chars();
    letters.next().is_some_and(|letter| letter.is_ascii_alphabetic()) || line.starts_with("---")
}

/// Whether a line states a key, in quotes or as a symbol of Ruby.
fn is_key(line: &str, name: &str) -> bool {
    let line = line.trim_start_matches(['\'', '"', ':']);
    line.strip_prefix(name).is_some_and(|rest| rest.trim_start_matches(['\'', '"', ' ']).starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Program;

    const MODERN: &str = "\
# The password was hunter1 before.
email:
  send: true
  # hunter2 does not work any more
  sender: router@example.com
  recipients: [admin@example.com]
# also hunter3
  smtp_parameters: {address: mail.example.com, user_name: u,
    password: hunter4}
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, description: 'a # b'}
- interface: ppp0
  type: ppp
'log':
  file: /var/log/ftr.log
downlinks: {lan: eth0}
tests: {ips: [198.51.100.1], required_successful: 1}
policies: [{name: voice, match: {protocol: udp}, uplinks: [ppp0]}]
routing: {failback: hard}
";

    fn config(text: &str) -> Config {
        Config::parse(Path::new("ftr.yaml"), text).unwrap()
    }

    #[test]
    fn who_does_not_mail_sees_no_password_and_everything_else_where_it_was() {
        for program in [Program::Route, Program::Probe] {
            let reduced = without(&config(MODERN), MODERN, program.reader()).unwrap();
            assert!(!reduced.contains("hunter") && !reduced.contains("example.com"), "{reduced}");
            assert_eq!(reduced.lines().count(), MODERN.lines().count());
            for (reduced, whole) in reduced.lines().zip(MODERN.lines()) {
                assert!(reduced.is_empty() || reduced == whole, "{reduced}");
            }
            let (read, whole) = (config(&reduced), config(MODERN));
            assert_eq!((&read.uplinks, &read.tests), (&whole.uplinks, &whole.tests));
            if program == Program::Route {
                assert_eq!((&read.policies, read.routing), (&whole.policies, whole.routing));
            } else {
                assert!(!reduced.contains("voice") && !reduced.contains("eth0"), "{reduced}");
            }
        }
    }

    #[test]
    fn who_mails_sees_the_mail_server_and_not_the_network_inside() {
        let reduced = without(&config(MODERN), MODERN, Program::Notify.reader()).unwrap();
        assert_eq!(config(&reduced).email, config(MODERN).email);
        assert!(!reduced.contains("voice") && !reduced.contains("eth0"), "{reduced}");
    }

    #[test]
    fn an_uplink_that_translates_prefixes_takes_the_one_inside_along() {
        let text = MODERN
            .replace("192.0.2.1,", "192.0.2.1, type6: ra, prefix6: '2001:db8:1::/56', nat6: npt,")
            .replace("{lan: eth0}", "{lan: eth0, prefix6: 'fd00::/64'}");
        for program in [Program::Probe, Program::Notify] {
            let reduced = without(&config(&text), &text, program.reader()).unwrap();
            assert!(reduced.contains("fd00::/64") && !reduced.contains("eth0"), "{reduced}");
        }
    }

    #[test]
    fn a_file_in_any_other_form_is_reduced_as_well() {
        // All in one line, as JSON is, and the original's symbols as keys.
        let json = serde_json::to_string(&config(MODERN).effective()).unwrap().replace("***", "hunter5");
        let symbols = MODERN.replace("email:", ":email:").replace("uplinks:\n", ":uplinks:\n");
        for text in [json, symbols] {
            let whole = config(&text);
            assert!(whole.email.smtp.password.is_some());
            let reduced = without(&whole, &text, Program::Probe.reader()).unwrap();
            assert!(!reduced.contains("hunter"), "{reduced}");
            assert_eq!(config(&reduced).uplinks, whole.uplinks);
        }
    }

    #[test]
    fn a_password_takes_the_place_of_its_file() {
        let text = MODERN.replace("{address: mail.example.com, user_name: u,", "");
        let text = text
            .replace("    password: hunter4}", "    address: x.example\n    user_name: u\n    password_file: /etc/p");
        let changed = with_password(&config(&text), &text, "a \"b: #c").unwrap();
        assert_eq!(config(&changed).email.smtp.password.as_deref(), Some("a \"b: #c"));
        assert_eq!(changed.lines().count(), text.lines().count());
        // On a line with others it cannot be told from them.
        let flow = MODERN.replace("password: hunter4", "password_file: /etc/p");
        let changed = with_password(&config(&flow), &flow, "hunter6").unwrap();
        assert_eq!(config(&changed).email.smtp.password.as_deref(), Some("hunter6"));
        assert_eq!(config(&changed).uplinks, config(&flow).uplinks);
    }
}
