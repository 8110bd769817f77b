//! A configuration written out with everything that was left to its usual value.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::email::{Authentication, Email, Encryption};
use super::matching::SELF;
use super::{
    ClampMss, Config, ConnectionsOnDown, Failback, Firewall, Forward, Hash, Ipv6Kind, Match, Nat, Nat6, Otherwise,
    Policy, Ports, Protocol, Tests, Uplink, UplinkKind, WhenAllDown,
};
use crate::InterfaceName;

impl Config {
    /// The effective configuration under the names of the file; a password is told only as `***`.
    #[must_use]
    pub fn effective(&self) -> Value {
        let mut whole = json!({
            "uplinks": self.uplinks.iter().map(uplink).collect::<Vec<_>>(),
            "downlinks": {
                "lan": self.downlinks.lan,
                "isolated": self.downlinks.isolated,
                "dmz": self.downlinks.dmz,
                "prefix6": self.downlinks.prefix6,
            },
            "tests": tests(&self.tests),
            "log": {
                "file": self.log.file,
                "max_size": self.log.max_size,
                "old_files": self.log.old_files,
                "syslog": self.log.syslog,
            },
            "email": email(&self.email),
            "routing": {
                "when_all_down": match self.routing.when_all_down {
                    WhenAllDown::All => "all",
                    WhenAllDown::Keep => "keep",
                },
                "connections_on_down": match self.routing.connections_on_down {
                    ConnectionsOnDown::Flush => "flush",
                    ConnectionsOnDown::Keep => "keep",
                },
                "failback": match self.routing.failback {
                    Failback::Soft => "soft",
                    Failback::Hard => "hard",
                },
                "hash": self.routing.hash.map(|hash| match hash {
                    Hash::L3 => "l3",
                    Hash::L4 => "l4",
                    Hash::Source => "source",
                }),
            },
            "policies": self.policies.iter().map(|policy| self.policy(policy)).collect::<Vec<_>>(),
            "forwards": self.forwards.iter().map(|forward| self.forward(forward)).collect::<Vec<_>>(),
            "firewall": self.firewall.map(|firewall| match firewall {
                Firewall::Safe => "safe",
                Firewall::None => "none",
            }),
            "base_table": self.base_table,
            "base_priority": self.base_priority,
            "base_fwmark": self.base_fwmark,
            "fwmark_mask": self.fwmark_mask,
        });
        drop_blank(&mut whole);
        whole
    }

    fn policy(&self, policy: &Policy) -> Value {
        let name = |place: &usize| self.uplinks.get(*place).map(|uplink| &uplink.name);
        json!({
            "name": policy.name,
            "match": policy.matching.as_ref().map(matching),
            "uplinks": policy.uplinks.iter().map(name).collect::<Vec<_>>(),
            "otherwise": match policy.otherwise {
                Otherwise::Any => "any",
                Otherwise::None => "none",
            },
        })
    }

    fn forward(&self, forward: &Forward) -> Value {
        let name = |place: &usize| self.uplinks.get(*place).map(|uplink| &uplink.name);
        json!({
            "uplink": forward.uplinks.iter().map(name).collect::<Vec<_>>(),
            "protocol": forward.protocols.iter().map(|protocol| protocol.as_str()).collect::<Vec<_>>(),
            "port": forward.ports.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "to": forward.to_port.map_or_else(
                || forward.to.to_string(),
                |port| SocketAddr::new(forward.to, port).to_string(),
            ),
        })
    }

    /// The effective configuration as YAML.
    #[must_use]
    pub fn effective_yaml(&self) -> String {
        // What came out of YAML goes into YAML: there is nothing in it that could fail.
        serde_yaml::to_string(&self.effective()).unwrap_or_default()
    }
}

/// How a gateway that is not needed is written.
fn or_none<A: ToString>(gateway: Option<A>) -> String {
    gateway.map_or_else(|| "none".to_owned(), |gateway| gateway.to_string())
}

fn matching(matching: &Match) -> Value {
    let ports = |ports: &[Ports]| ports.iter().map(ToString::to_string).collect::<Vec<_>>();
    let devices = matching.interfaces.iter().map(InterfaceName::as_str);
    let interfaces: Vec<&str> = devices.chain(matching.own.then_some(SELF)).collect();
    json!({
        "source": matching.sources,
        "destination": matching.destinations,
        "protocol": matching.protocol.map(Protocol::as_str),
        "sports": ports(&matching.sports),
        "dports": ports(&matching.dports),
        "interface": interfaces,
        "set": matching.set,
    })
}

fn uplink(uplink: &Uplink) -> Value {
    let (kind, ip, gateway) = match uplink.kind {
        UplinkKind::Static { ip, gateway } => ("static", Some(ip), Some(or_none(gateway))),
        UplinkKind::Ppp => ("ppp", None, None),
        UplinkKind::Dhcp => ("dhcp", None, None),
    };
    let (ip6, gateway6) = match uplink.ipv6 {
        Some(Ipv6Kind::Static { ip, gateway }) => (Some(ip), Some(or_none(gateway))),
        Some(Ipv6Kind::Advertised) | None => (None, None),
    };
    json!({
        "interface": uplink.name,
        "type": kind,
        "ip": ip,
        "gateway": gateway,
        "ip6": ip6,
        "gateway6": gateway6,
        "type6": matches!(uplink.ipv6, Some(Ipv6Kind::Advertised)).then_some("ra"),
        "nat": match uplink.nat {
            Nat::Masquerade => None,
            Nat::None => Some("none"),
        },
        "prefix6": uplink.prefixes6,
        "nat6": match uplink.nat6 {
            Nat6::None => None,
            Nat6::Masquerade => Some("masquerade"),
            Nat6::Prefix => Some("npt"),
        },
        "clamp_mss": uplink.clamp_mss.map(|clamp| match clamp {
            ClampMss::Route => json!(true),
            ClampMss::Bytes(bytes) => json!(bytes),
        }),
        "description": uplink.description,
        "weight": uplink.weight,
        "priority_group": uplink.priority_group,
        "default_route": uplink.default_route,
        "metered": uplink.metered,
        "tests": tests(&uplink.tests),
    })
}

fn tests(tests: &Tests) -> Value {
    json!({
        "ips": tests.targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "required_successful": tests.required,
        "ping_retries": tests.tries,
        "interval": time(tests.interval),
        "timeout": time(tests.timeout),
        "fall": tests.fall,
        "rise": tests.rise,
        "watch_traffic": tests.watch_traffic,
        "detect_captive": tests.detect_captive,
        "max_interval": time(tests.max_interval),
        "max_loss": tests.limits.loss.map(|limit| percent(limit.down)),
        "recovery_loss": tests.limits.loss.map(|limit| percent(limit.up)),
        "max_rtt": tests.limits.rtt.map(|limit| time(limit.down)),
        "recovery_rtt": tests.limits.rtt.map(|limit| time(limit.up)),
        "max_jitter": tests.limits.jitter.map(|limit| time(limit.down)),
        "quality_window": tests.window,
        "recovery_jitter": tests.limits.jitter.map(|limit| time(limit.up)),
    })
}

fn percent(thousandths: u16) -> String {
    format!("{}%", f64::from(thousandths) / 10.0)
}

fn time(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

fn email(email: &Email) -> Value {
    let smtp = &email.smtp;
    json!({
        "send": email.send,
        "sender": Some(&email.sender).filter(|sender| !sender.is_empty()),
        "recipients": email.recipients,
        "digest": time(email.digest),
        "smtp_parameters": {
            "address": smtp.address,
            "port": smtp.port,
            "domain": smtp.domain,
            "authentication": smtp.authentication.map(|mechanism| match mechanism {
                Authentication::Plain => "plain",
                Authentication::Login => "login",
            }),
            "enable_starttls": smtp.encryption == Encryption::Required,
            "enable_starttls_auto": smtp.encryption == Encryption::Opportunistic,
            "tls": smtp.encryption == Encryption::Implicit,
            "openssl_verify_mode": if smtp.verify { "peer" } else { "none" },
            "open_timeout": time(smtp.open_timeout),
            "read_timeout": time(smtp.read_timeout),
            "user_name": smtp.user_name,
            "password": smtp.password.as_ref().map(|_| "***"),
            "password_file": smtp.password_file,
        },
    })
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
