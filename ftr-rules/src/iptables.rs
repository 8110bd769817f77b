//! Rules as iptables-restore(8) and ip6tables-restore(8) read them.

mod matches;

pub(crate) use matches::network;

use std::net::{IpAddr, SocketAddr};

use ftr_core::Family;

use crate::model::{Action, Chain, Hook, Policy, Rule, Rules, Ruleset};
use crate::script::Script;

/// Prints rules of one family, the first of the ruleset.
pub(crate) fn print(ruleset: &Ruleset, file: &str) -> String {
    let program = match family(ruleset) {
        Family::V4 => "iptables-restore",
        Family::V6 => "ip6tables-restore",
    };
    let mut script = Script::default();
    script.comment(&format!("Made by ftr-rules from {file}"));
    script.comment(&format!(
        "Loading a table with {program} replaces all that it held before.\n\
         Lines that begin with \"# [\" are examples: adapt them, and take the \"# \" away."
    ));
    for rules in &ruleset.tables {
        script.gap();
        table(rules, ruleset, &mut script);
    }
    script.into_text()
}

fn family(ruleset: &Ruleset) -> Family {
    ruleset.families.first().copied().unwrap_or(Family::V4)
}

fn table(rules: &Rules, ruleset: &Ruleset, script: &mut Script) {
    script.comment(&rules.about);
    script.line(&format!("*{}", rules.table.as_str()));
    for (hook, policy) in &rules.hooks {
        let policy = match policy {
            Policy::Accept => "ACCEPT",
            Policy::Drop => "DROP",
        };
        script.line(&format!(":{} {policy} [0:0]", hook_name(*hook)));
    }
    for chain in &rules.own {
        script.line(&format!(":{chain} - [0:0]"));
    }
    for block in &rules.blocks {
        script.comment(&block.why);
        for rule in &block.rules {
            for line in lines(rule, ruleset) {
                if rule.example {
                    script.comment(&line);
                } else {
                    script.line(&line);
                }
            }
        }
    }
    script.line("COMMIT");
}

const fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "PREROUTING",
        Hook::Input => "INPUT",
        Hook::Forward => "FORWARD",
        Hook::Output => "OUTPUT",
        Hook::Postrouting => "POSTROUTING",
    }
}

/// As many lines as a rule needs, with both counters at zero.
fn lines(rule: &Rule, ruleset: &Ruleset) -> Vec<String> {
    let chain = match rule.chain {
        Chain::At(hook) => hook_name(hook),
        Chain::Own(name) => name,
    };
    let target = target(rule.action, ruleset.mask);
    let matches = matches::each(&rule.when, family(ruleset), ruleset.mask);
    matches.into_iter().map(|matches| format!("[0:0] -A {chain}{matches} -j {target}")).collect()
}

/// The target and its options (iptables-extensions(8)).
fn target(action: Action, mask: Option<u32>) -> String {
    let stated = |value: u32| match mask {
        None => format!("--set-mark {value}"),
        Some(mask) => format!("--set-xmark {value:#x}/{mask:#x}"),
    };
    match action {
        Action::RestoreMark => {
            let bits = mask.map(|mask| format!(" --nfmask {mask:#x} --ctmask {mask:#x}")).unwrap_or_default();
            format!("CONNMARK --restore-mark{bits}")
        }
        Action::MarkConnection(value) => format!("CONNMARK {}", stated(value)),
        Action::MarkPacket(value) => format!("MARK {}", stated(value)),
        Action::Accept => "ACCEPT".to_owned(),
        Action::Drop => "DROP".to_owned(),
        Action::Reject => "REJECT".to_owned(),
        Action::RejectSource => "REJECT --reject-with icmp6-policy-fail".to_owned(),
        Action::Reset => "REJECT --reject-with tcp-reset".to_owned(),
        Action::Return => "RETURN".to_owned(),
        Action::Jump(chain) => chain.to_owned(),
        Action::Snat(to) => format!("SNAT --to-source {to}"),
        Action::Masquerade => "MASQUERADE".to_owned(),
        Action::Dnat(to, port) => format!("DNAT --to-destination {}", endpoint(to, port)),
        Action::SourcePrefix(to) | Action::DestinationPrefix(to) => format!("NETMAP --to {to}"),
        Action::ClampMss(None) => "TCPMSS --clamp-mss-to-pmtu".to_owned(),
        Action::ClampMss(Some(bytes)) => format!("TCPMSS --set-mss {bytes}"),
    }
}

/// A host, with a port where there is one: `192.0.2.1:80`, `[2001:db8::1]:80`.
pub(crate) fn endpoint(host: IpAddr, port: Option<u16>) -> String {
    port.map_or_else(|| host.to_string(), |port| SocketAddr::new(host, port).to_string())
}
