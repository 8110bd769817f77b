//! What an event is to those who wait for one.

use ftr_core::Config;
use ftr_core::config::Occasion;
use ftr_core::record::{Event, EventKind};

/// What hooks are run for when this event comes.
pub(super) fn of(event: &Event, config: &Config) -> Vec<Occasion> {
    match event.kind {
        EventKind::State if event.to.as_deref() == Some("down") => {
            std::iter::once(Occasion::Down).chain(is_last(event, config).then_some(Occasion::AllDown)).collect()
        }
        EventKind::State => vec![Occasion::Up],
        EventKind::Role => vec![Occasion::Active],
        EventKind::Address => vec![Occasion::Address],
        EventKind::Gateway => vec![Occasion::Gateway],
        EventKind::Prefix => vec![Occasion::Prefix],
        EventKind::Hazard => vec![Occasion::Hazard],
        EventKind::Config => vec![Occasion::Config],
        EventKind::Quota => vec![Occasion::Quota],
        // What people do themselves they know.
        EventKind::Drain | EventKind::Unknown(_) => Vec::new(),
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
}
