//! A configuration of what was seen, with what was seen as comments. It fits a terminal of eighty columns.

use std::fmt::Write as _;

use ftr_core::numbering::KERNEL_TABLES;
use ftr_core::sanitize::sanitize;

use super::{Roles, Source, Source6, Uplink};

const WIDTH: usize = 80;
/// The column in which comments beside keys begin.
const BESIDE: usize = 26;
/// Large name servers that answer everywhere, of several operators.
const TARGETS: [&str; 6] = ["8.8.8.8", "8.8.4.4", "208.67.222.222", "208.67.220.220", "1.1.1.1", "9.9.9.9"];
const TARGETS6: [&str; 6] = [
    "2001:4860:4860::8888",
    "2001:4860:4860::8844",
    "2620:119:35::35",
    "2620:119:53::53",
    "2606:4700:4700::1111",
    "2620:fe::fe",
];
/// How the kernel names devices of mobile modems.
const MODEM: &str = "ww";
/// Our tables begin here, or so many further where others have theirs there.
const TABLE: u32 = 117;
const NEXT_TABLE: u32 = 100;

const HEAD: &str = "\
# Configuration of ftr for this host, made by ftr-monitor init --detect.
# Each device is described as it was found. Correct what is not right, then run
# ftr-monitor check. man ftr.yaml has all keys, ftr-monitor init an example.
";
const SEVERAL: &str = "\
# New connections are spread over those that work: weight says how, and those of
# priority_group: 2 wait until none of group 1 works.
";
const SECOND: &str = "\
# Only one device leads to the internet now. A second uplink looks like this:
# - interface: eth2
#   type: dhcp

";
const TESTS: &str = "  required_successful: 4  # so many of them have to answer
  interval: 1s
  timeout: 1s
  rise: 2                 # checks in a row that succeed before it is used again
";
const REST: &str = "
log:
  syslog: true

# Mail at every change: see email in man ftr.yaml.

# Below 32766 a default route in the table main does no harm; a mask leaves the
# other bits of marks to other programs.
";

/// The configuration, or nothing where there is no uplink.
pub(crate) fn text(roles: &Roles<'_>) -> String {
    let mut text = Text(HEAD.to_owned());
    if !roles.others.is_empty() {
        text.0.push_str("#\n# Not taken:\n");
        for (name, why) in &roles.others {
            text.comment("", &format!("{name}: {why}"));
        }
    }
    text.0.push('\n');
    if roles.uplinks.len() > 1 {
        text.0.push_str(SEVERAL);
    }
    text.0.push_str("uplinks:\n");
    for uplink in &roles.uplinks {
        text.uplink(uplink);
    }
    if roles.uplinks.len() == 1 {
        text.0.push_str(SECOND);
    }
    text.downlinks(roles);
    text.firewall(roles);
    text.tests(roles.uplinks.iter().any(|uplink| uplink.source6.is_some()));
    text.0.push_str(REST);
    let table = table(roles);
    let _ = write!(text.0, "base_table: {table}\nbase_priority: 20000\nbase_fwmark: 0x100\nfwmark_mask: 0xff00\n");
    text.0
}

/// The first of our tables, so that none of them is another's.
fn table(roles: &Roles<'_>) -> u32 {
    let needed = u32::try_from(roles.uplinks.len()).unwrap_or(u32::MAX);
    let is_free = |first: &u32| {
        let ours = *first..=first.saturating_add(needed);
        !KERNEL_TABLES.chain(roles.tables.iter().copied()).any(|table| ours.contains(&table))
    };
    (0..).map(|step| TABLE + NEXT_TABLE * step).take(1000).find(is_free).unwrap_or(TABLE)
}

struct Text(String);

impl Text {
    /// A comment, on as many lines as it needs.
    fn comment(&mut self, indent: &str, words: &str) {
        let words = sanitize(words);
        let mut line = format!("{indent}#");
        for word in words.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > indent.len() + "#  ".len() {
                self.0.extend([line.as_str(), "\n"]);
                line = format!("{indent}#  ");
            }
            line.extend([" ", word]);
        }
        self.0.extend([line.as_str(), "\n"]);
    }

    /// A key, with what it is for beside it.
    fn key(&mut self, key: &str, why: &str) {
        let line = if why.is_empty() { key.to_owned() } else { format!("{key:<BESIDE$}# {why}") };
        self.0.extend([line.as_str(), "\n"]);
    }

    fn uplink(&mut self, uplink: &Uplink<'_>) {
        for seen in &uplink.seen {
            self.comment("", seen);
        }
        self.key(&format!("- interface: {}", quoted(uplink.device)), "");
        match uplink.source {
            Source::Dhcp => self.key("  type: dhcp", "address and gateway are followed as they change"),
            Source::Ppp => self.key("  type: ppp", "address and peer are followed as they change"),
            Source::Static { ip, gateway } => {
                let gateway = gateway.map_or_else(|| "none".to_owned(), |gateway| gateway.to_string());
                self.key("  type: static", "");
                self.key(&format!("  ip: {ip}"), "");
                self.key(&format!("  gateway: {gateway}"), "");
            }
        }
        if uplink.device.starts_with(MODEM) {
            self.key("  # metered: true", "if what goes through it costs money");
        }
        match uplink.source6 {
            None => {}
            Some(Source6::Advertised) => self.key("  type6: ra", "IPv6, as its router advertises it"),
            Some(Source6::Static { ip, gateway }) => {
                let gateway = gateway.map_or_else(|| "none".to_owned(), |gateway| format!("'{gateway}'"));
                self.key(&format!("  ip6: '{ip}'"), "");
                self.key(&format!("  gateway6: {gateway}"), "");
            }
        }
        if !uplink.prefixes6.is_empty() {
            let prefixes: Vec<String> = uplink.prefixes6.iter().map(|prefix| format!("'{prefix}'")).collect();
            self.key(&format!("  prefix6: [{}]", prefixes.join(", ")), "");
        } else if uplink.source6.is_some() {
            self.key("  nat6: masquerade", "no prefix of its own is known for hosts inside");
        }
        self.0.push('\n');
    }

    fn downlinks(&mut self, roles: &Roles<'_>) {
        if roles.lan.is_empty() {
            self.comment("", "No device of a local network was found: this host serves only itself.");
            self.0.push_str("downlinks:\n");
            return;
        }
        for lan in &roles.lan {
            self.comment("", &format!("{} has {}, and no default route.", lan.device, lan.networks.join(", ")));
        }
        let names: Vec<String> = roles.lan.iter().map(|lan| quoted(lan.device)).collect();
        let one = if let [only] = names.as_slice() { only.clone() } else { format!("[{}]", names.join(", ")) };
        self.0.push_str("downlinks:\n");
        self.key(&format!("  lan: {one}"), "");
    }

    fn firewall(&mut self, roles: &Roles<'_>) {
        let (word, why) = if roles.has_guests {
            ("none", "The filter stays with you and with what runs the containers: safe would shut them off.")
        } else if roles.lan.is_empty() {
            ("none", "The filter stays with you: safe would admit new connections from nowhere.")
        } else {
            (
                "safe",
                "New connections from the uplinks are dropped, SSH included, whatever a filter admits that this host has \
                 already: write none beside one.",
            )
        };
        self.0.push('\n');
        self.comment("", why);
        let _ = writeln!(self.0, "firewall: {word}");
    }

    fn tests(&mut self, ipv6: bool) {
        let six = TARGETS6.iter().filter(|_| ipv6).map(|target| format!("'{target}'"));
        let targets: Vec<String> = TARGETS.iter().map(|target| (*target).to_owned()).chain(six).collect();
        self.0.push_str("\ntests:\n  ips:                    # who is asked through each uplink\n");
        for target in targets {
            let _ = writeln!(self.0, "  - {target}");
        }
        self.0.push_str(TESTS);
    }
}

/// A name as YAML takes it for a text: `no`, `1e3` and `null` are names as well.
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.ends_with(|last: char| last.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { name.to_owned() } else { format!("'{name}'") }
}
