//! What an event is to those who wait for one.

use std::net::IpAddr;

use ftr_core::config::Occasion;
use ftr_core::record::{Event, EventKind};
use ftr_core::{Config, Prefix};

/// What hooks are run for when this event comes; nothing where it says what no event of this version does.
pub(super) fn of(event: &Event, config: &Config) -> Vec<Occasion> {
    if !is_sound(event) {
        return Vec::new();
    }
    match event.kind {
        EventKind::State if event.to.as_deref() == Some("down") => {
            std::iter::once(Occasion::Down).chain(is_last(event, config).then_some(Occasion::AllDown)).collect()
        }
        EventKind::State if event.to.as_deref() == Some("up") => vec![Occasion::Up],
        EventKind::Role => vec![Occasion::Active],
        EventKind::Address => vec![Occasion::Address],
        EventKind::Gateway => vec![Occasion::Gateway],
        EventKind::Prefix => vec![Occasion::Prefix],
        EventKind::Hazard => vec![Occasion::Hazard],
        EventKind::Config => vec![Occasion::Config],
        EventKind::Quota => vec![Occasion::Quota],
        // What people do themselves they know.
        EventKind::State | EventKind::Drain | EventKind::Unknown(_) => Vec::new(),
    }
}

/// Whether the values are of the form that those of this kind have: programs of root are told them, and whoever sends the
/// event may do less.
fn is_sound(event: &Event) -> bool {
    let all = |fits: fn(&str) -> bool| [&event.from, &event.to].into_iter().flatten().all(|value| fits(value));
    match event.kind {
        EventKind::State => all(|word| ["up", "down"].contains(&word)),
        EventKind::Role => all(|word| ["routing", "standby"].contains(&word)),
        EventKind::Hazard => all(|word| ["present", "gone"].contains(&word)),
        EventKind::Address | EventKind::Gateway => all(|value| value.parse::<IpAddr>().is_ok()),
        EventKind::Prefix => all(|value| value.split(", ").all(|prefix| prefix.parse::<Prefix>().is_ok())),
        EventKind::Quota => all(|value| value.strip_suffix('%').unwrap_or(value).parse::<u16>().is_ok()),
        EventKind::Config | EventKind::Drain | EventKind::Unknown(_) => true,
    }
}

/// Whether no uplink of the event's family works any more.
fn is_last(event: &Event, config: &Config) -> bool {
    let Some(family) = event.family else { return false };
    let mut of_family = config.uplinks.iter().filter(|uplink| uplink.has(family));
    of_family.all(|uplink| event.failed.contains(&uplink.name))
}

#[cfg(test)]
mod tests {
    use super::of;
    use ftr_core::Config;
    use ftr_core::config::Occasion;
    use ftr_core::record::Record;
    use std::path::Path;

    fn occasions(kind: &str, to: &str, failed: &str) -> Vec<Occasion> {
        let text = "uplinks: [{interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1}, {interface: ppp0, type: ppp}]\ntests: {ips: [198.51.100.1], required_successful: 1}";
        let line = format!(
            r#"{{"type":"event","seq":1,"kind":"{kind}","time":"t","mono":1,"uplink":"eth1","family":4,"from":null,"to":"{to}","failed":[{failed}]}}"#
        );
        let Record::Event(event) = Record::parse(line.as_bytes()).unwrap() else { panic!("no event: {line}") };
        of(&event, &Config::parse(Path::new(""), text).unwrap())
    }

    #[test]
    fn the_last_that_goes_down_is_more_than_one_that_does() {
        assert_eq!(occasions("state", "down", r#""eth1""#), [Occasion::Down]);
        assert_eq!(occasions("state", "down", r#""eth1","ppp0""#), [Occasion::Down, Occasion::AllDown]);
        assert_eq!(occasions("state", "up", r#""ppp0""#), [Occasion::Up]);
    }

    #[test]
    fn each_kind_has_its_word_and_one_of_a_later_version_has_none() {
        assert_eq!(occasions("role", "standby", ""), [Occasion::Active]);
        assert_eq!(occasions("hazard", "present", ""), [Occasion::Hazard]);
        assert_eq!(occasions("prefix", "2001:db8:1::/56", ""), [Occasion::Prefix]);
        assert_eq!(occasions("quota", "75", ""), [Occasion::Quota]);
        assert_eq!(occasions("weather", "rain", ""), []);
    }

    #[test]
    fn what_no_event_of_the_kind_says_is_no_occasion() {
        let harm = "-o/etc/x; $(id)";
        for kind in ["state", "role", "hazard", "address", "gateway", "prefix", "quota"] {
            assert_eq!(occasions(kind, harm, ""), [], "{kind}");
        }
        assert_eq!(occasions("state", "melted", ""), []);
        for (kind, to, occasion) in [
            ("address", "192.0.2.7", Occasion::Address),
            ("gateway", "2001:db8::1", Occasion::Gateway),
            ("prefix", "2001:db8:1::/56, 2001:db8:2::/56", Occasion::Prefix),
            ("quota", "100%", Occasion::Quota),
        ] {
            assert_eq!(occasions(kind, to, ""), [occasion], "{kind}");
        }
    }
}
