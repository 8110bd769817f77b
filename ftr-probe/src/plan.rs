//! What to check: the configuration and the command line, brought together.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ftr_core::cli::Failure;
use ftr_core::config::{Config, Target, Tests, UplinkKind};
use ftr_core::{Exit, InterfaceName};

use crate::cli::Command;
use crate::schedule::Timing;

/// How one uplink is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) uplink: InterfaceName,
    /// The address that it has to have; none where any will do.
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) targets: Vec<IpAddr>,
    pub(crate) timing: Timing,
    pub(crate) interval: Duration,
}

/// The plans of a command, one for each uplink named, or for each that is configured where none is named.
///
/// Without a configuration the command has to name uplinks and targets.
pub(crate) fn plans(command: &Command, config: Option<&Config>) -> Result<Vec<Plan>, Failure> {
    if command.ipv6 {
        return Err(usage("--ipv6: this version asks over IPv4 only"));
    }
    let Some(config) = config else {
        let tests = Tests { required: command.targets.len(), ..Tests::default() };
        return unique(&command.uplinks).map(|name| plan(command, name, None, &tests)).collect();
    };
    let configured = |name: &InterfaceName| {
        let position = config.position(name.as_str());
        position.and_then(|position| config.uplinks.get(position)).ok_or_else(|| {
            let known: Vec<_> = config.uplinks.iter().map(|uplink| uplink.name.as_str()).collect();
            usage(format!("{name}: no uplink of {}, which has {}", config.file.display(), known.join(", ")))
        })
    };
    let chosen: Vec<_> = if command.uplinks.is_empty() {
        config.uplinks.iter().collect()
    } else {
        unique(&command.uplinks).map(configured).collect::<Result<_, _>>()?
    };
    let planned = chosen.into_iter().map(|uplink| {
        let ip = match uplink.kind {
            UplinkKind::Static { ip, .. } => Some(ip),
            UplinkKind::Ppp => None,
        };
        plan(command, &uplink.name, ip, &uplink.tests)
    });
    planned.collect()
}

fn plan(command: &Command, uplink: &InterfaceName, ip: Option<Ipv4Addr>, tests: &Tests) -> Result<Plan, Failure> {
    let targets = if command.targets.is_empty() { &tests.targets } else { &command.targets };
    let targets: Vec<_> = unique(targets).copied().map(Target::address).collect();
    if let Some(other) = targets.iter().find(|target| !target.is_ipv4()) {
        return Err(usage(format!("{other}: this version asks over IPv4 only")));
    }
    let count = targets.len();
    // As many as configured have to answer, but of fewer targets on the command line no more than all.
    let required = command.required.unwrap_or(tests.required.min(count));
    if !(1..=count).contains(&required) {
        let what =
            format!("--required {required}: out of range, allowed: 1 to {count}, the number of targets of {uplink}");
        return Err(usage(what));
    }
    let tries = command.tries.unwrap_or(tests.tries);
    Ok(Plan {
        uplink: uplink.clone(),
        ip,
        targets,
        timing: Timing { required, tries, timeout: command.timeout.unwrap_or(tests.timeout) },
        interval: command.interval.unwrap_or(tests.interval),
    })
}

/// Each once, in the order of their first mention.
fn unique<T: PartialEq>(items: &[T]) -> impl Iterator<Item = &T> {
    items
        .iter()
        .enumerate()
        .filter(|(at, item)| !items.iter().take(*at).any(|earlier| earlier == *item))
        .map(|(_, item)| item)
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::{Plan, plans};
    use crate::cli::Command;
    use clap::Parser;
    use ftr_core::Exit;
    use ftr_core::config::Config;
    use std::path::Path;
    use std::time::Duration;

    const FILE: &str = "
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1}
- {interface: ppp0, type: ppp, tests: {interval: 5, required_successful: 1}}
downlinks: {lan: eth0}
tests: {ips: [198.51.100.1, 198.51.100.2, 198.51.100.3], required_successful: 3, ping_retries: 2, interval: 60, timeout: 1}
";

    fn planned(line: &str, file: Option<&str>) -> Result<Vec<Plan>, Exit> {
        let command = Command::try_parse_from(format!("ftr-probe {line}").split_whitespace()).unwrap();
        let config = file.map(|text| Config::parse(Path::new("ftr.yaml"), text).unwrap());
        plans(&command, config.as_ref()).map_err(|failure| failure.exit())
    }

    #[test]
    fn the_configuration_alone() {
        let plans = planned("", Some(FILE)).unwrap();
        let [eth1, ppp0] = &plans[..] else { panic!("{plans:?}") };
        assert_eq!((eth1.ip, ppp0.ip), (Some([192, 0, 2, 2].into()), None));
        assert_eq!((eth1.timing.required, eth1.timing.tries, eth1.targets.len()), (3, 2, 3));
        assert_eq!((ppp0.timing.required, ppp0.interval), (1, Duration::from_secs(5)));
    }

    #[test]
    fn the_command_line_overrides() {
        let line = "eth1 eth1 -t 203.0.113.1 -t 203.0.113.1 -t 203.0.113.2 --retries 1 -W 450ms -w -i 200ms";
        let plans = planned(line, Some(FILE)).unwrap();
        let [eth1] = &plans[..] else { panic!("{plans:?}") };
        assert_eq!((eth1.targets.len(), eth1.timing.required, eth1.timing.tries), (2, 2, 1));
        assert_eq!((eth1.timing.timeout.as_millis(), eth1.interval.as_millis()), (450, 200));
    }

    #[test]
    fn without_a_configuration_an_uplink_is_an_interface_and_all_targets_are_required() {
        let plans = planned("wan7 -t 203.0.113.1 -t 203.0.113.2", None).unwrap();
        assert_eq!((plans[0].uplink.as_str(), plans[0].ip, plans[0].timing.required), ("wan7", None, 2));
    }

    #[test]
    fn wrong_usage() {
        for line in ["eth9", "-r 4", "-r 0", "-t 203.0.113.1 -r 2", "-6"] {
            assert_eq!(planned(line, Some(FILE)), Err(Exit::Usage), "{line}");
        }
    }
}
