//! One rule of a firewall that is another than it was.

use fastrand::Rng;

/// In whose words the firewall is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// `iptables-save`.
    Iptables,
    /// `nft list ruleset`.
    Nft,
}

/// What becomes of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// One of its words is another.
    Changed,
    /// It is gone.
    Removed,
    /// It is there twice.
    Doubled,
    /// Somebody has put another into a table of ours, anywhere: the kernel's chains among them, and those without rules.
    Added,
    /// It stands behind the next one.
    Moved,
}

impl Mutation {
    pub(crate) const ALL: [Self; 5] = [Self::Changed, Self::Removed, Self::Doubled, Self::Added, Self::Moved];
}

/// Where a rule stands in the text, and in which chain.
struct Rule {
    line: usize,
    table: String,
    chain: String,
}

impl Rule {
    fn beside(&self, other: &Self) -> bool {
        (&self.table, &self.chain) == (&other.table, &other.chain)
    }
}

/// The text with one rule made another, and what it was; none where there is no rule that could be.
pub(crate) fn of(rng: &mut Rng, kind: Mutation, language: Language, text: &str) -> Option<(String, String)> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let rules = match language {
        Language::Iptables => of_iptables(&lines),
        Language::Nft => of_nft(&lines),
    };
    let at = rng.choice(0..rules.len())?;
    let rule = rules.get(at)?;
    let was = lines.get(rule.line)?.clone();
    match kind {
        Mutation::Removed => drop(lines.remove(rule.line)),
        Mutation::Doubled => {
            let others: Vec<usize> = rules.iter().filter(|one| one.beside(rule)).map(|one| one.line).collect();
            lines.insert(*rng.choice(&others)?, was.clone());
        }
        Mutation::Added => {
            let (line, more) = added(rng, language, &lines, &rules)?;
            lines.insert(line, more.clone());
            return Some((lines.join("\n") + "\n", more));
        }
        Mutation::Moved => {
            let pairs = rules.iter().zip(rules.iter().skip(1));
            let differ =
                |(one, other): &(&Rule, &Rule)| one.beside(other) && lines.get(one.line) != lines.get(other.line);
            let pairs: Vec<(&Rule, &Rule)> = pairs.filter(differ).collect();
            let (one, other) = rng.choice(pairs)?;
            lines.swap(one.line, other.line);
        }
        Mutation::Changed => {
            let words: Vec<&str> = was.split(' ').collect();
            let changes = match language {
                Language::Iptables => changes_of_iptables(&words),
                Language::Nft => changes_of_nft(&words),
            };
            let (word, other) = rng.choice(changes)?;
            let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            *words.get_mut(word)? = other;
            *lines.get_mut(rule.line)? = words.join(" ");
        }
    }
    Some((lines.join("\n") + "\n", was))
}

/// A rule of nobody's, and the line to put it at.
fn added(rng: &mut Rng, language: Language, lines: &[String], rules: &[Rule]) -> Option<(usize, String)> {
    if language == Language::Nft {
        let more =
            ["ct state untracked accept", "iifname \"zz9\" return", "meta l4proto udp accept", "meta length 77 drop"];
        return Some((rng.choice(rules)?.line, (*rng.choice(&more)?).to_owned()));
    }
    let more = [
        "-m conntrack --ctstate UNTRACKED -j ACCEPT",
        "-i zz9 -j RETURN",
        "-p udp -j ACCEPT",
        "-m length --length 77 -j RETURN",
        "-j ACCEPT",
    ];
    let (table, chain) = rng.choice(chains(lines, rules))?;
    // Only what is routed already leaves by a device, and nothing comes in by one to OUTPUT.
    let more = match *rng.choice(&more)? {
        "-i zz9 -j RETURN" if matches!(chain.as_str(), "OUTPUT" | "POSTROUTING") => "-o zz9 -j RETURN",
        more => more,
    };
    let begins = lines.iter().position(|line| *line == table)?;
    let ends = begins + lines.iter().skip(begins).position(|line| line == "COMMIT")?;
    let beside = rules.iter().filter(|rule| (&rule.table, &rule.chain) == (&table, &chain)).map(|rule| rule.line);
    // Before any of the chain's, or behind them all.
    let places: Vec<usize> = beside.chain([ends]).collect();
    Some((*rng.choice(&places)?, format!("-A {chain} {more}")))
}

/// The chains of those tables that have rules.
fn chains(lines: &[String], rules: &[Rule]) -> Vec<(String, String)> {
    let mut chains = Vec::new();
    let mut table = "";
    for line in lines {
        if line.starts_with('*') {
            table = line;
        } else if let Some(declared) = line.strip_prefix(':') {
            if rules.iter().any(|rule| rule.table == table) {
                chains.extend(declared.split(' ').next().map(|chain| (table.to_owned(), chain.to_owned())));
            }
        }
    }
    chains
}

fn of_iptables(lines: &[String]) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut table = "";
    for (line, text) in lines.iter().enumerate() {
        let mut words = text.split(' ');
        match (words.next(), words.next()) {
            (Some("-A"), Some(name)) => {
                rules.push(Rule { line, table: table.to_owned(), chain: name.to_owned() });
            }
            _ if text.starts_with('*') => table = text,
            _ => {}
        }
    }
    rules
}

fn of_nft(lines: &[String]) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut chain = None;
    let mut table = "";
    for (line, text) in lines.iter().map(|line| line.trim()).enumerate() {
        match text {
            "}" => chain = None,
            _ if text.starts_with("table ") => table = text,
            _ if text.starts_with("chain ") => chain = Some(text.to_owned()),
            _ if text.is_empty() || text.starts_with("type ") => {}
            _ => rules.extend(chain.clone().map(|chain| Rule { line, table: table.to_owned(), chain })),
        }
    }
    rules
}

/// Each word that could be another, and which.
fn changes_of_iptables(words: &[&str]) -> Vec<(usize, String)> {
    let pairs = words.iter().zip(words.iter().skip(1)).enumerate();
    let change = |(at, (option, value)): (usize, (&&str, &&str))| {
        let other = match (*option, *value) {
            ("-i" | "-o", _) => "zz0",
            // The nat table does not take DROP.
            ("-j", "ACCEPT" | "DROP") => "RETURN",
            ("--ctstate", "NEW" | "DNAT") => "INVALID",
            ("--ctstate", _) => "ESTABLISHED",
            ("--pol", _) => "ipsec",
            ("--dport" | "--sport" | "--dports" | "--sports", _) => "7",
            ("--set-mss", _) => "999",
            ("-s" | "-d" | "--to-source", value) if value.contains(':') => "2001:db8:ffff::9",
            ("-s" | "-d" | "--to-source", _) => "203.0.113.9",
            ("--set-xmark" | "--mark", value) => return Some((at + 1, other_mark(value))),
            ("--nfmask" | "--ctmask", _) => "0x8000",
            _ => return None,
        };
        Some((at + 1, other.to_owned()))
    };
    pairs.filter_map(change).collect()
}

/// Another bit of the same mask, or of a mask that has only one another.
fn other_mark(text: &str) -> String {
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    let number = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_default();
    let (value, mask) = (number(value), number(mask));
    format!("{:#x}/{mask:#x}", value ^ (1 << (31 - mask.leading_zeros().min(31))))
}

fn changes_of_nft(words: &[&str]) -> Vec<(usize, String)> {
    let change = |(at, word): (usize, &&str)| {
        let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
        let bare = word.trim_matches(['\t', ',', '"']);
        let other = match bare {
            "accept" => "drop",
            "drop" => "accept",
            "new" => "established",
            "missing" => "exists",
            _ if word.contains('"') => "zz0",
            _ if bare.starts_with("2001:") && before == "to" => "2001:db8:ffff::9",
            _ if bare.starts_with("192.") && before == "to" => "203.0.113.9",
            _ if matches!(before, "dport" | "sport") && bare != "{" => "7",
            _ if before == "|" => return Some((at, format!("{:#x}", hex(bare) << 1))),
            _ => return None,
        };
        Some((at, word.replacen(bare, other, 1)))
    };
    words.iter().enumerate().filter_map(change).collect()
}

fn hex(text: &str) -> u32 {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_default()
}
