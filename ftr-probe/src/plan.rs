//! What to check: the configuration and the command line, brought together.

use std::time::Duration;

use ftr_core::config::{Config, Limits, Target, Tests, Uplink};
use ftr_core::{Exit, Family, InterfaceName};
use ftr_netlink::egress::Terms;
use ftr_tool::cli::Failure;

use crate::before::{Before, State};
use crate::cli::Command;
use crate::schedule::Timing;

/// How one uplink is checked over one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) uplink: InterfaceName,
    pub(crate) family: Family,
    pub(crate) targets: Vec<Target>,
    pub(crate) timing: Timing,
    pub(crate) interval: Duration,
    /// The interval while it carries nothing or its traffic shows that it works, where what it carries costs money.
    pub(crate) metered: Option<Duration>,
    /// It has a quota: what goes through it is counted.
    pub(crate) counted: bool,
    /// How it was down before this program looked; none where that is not known, or it was up.
    pub(crate) before: Option<State>,
    /// How many checks in a row have to fail before it counts as down.
    pub(crate) fall: u32,
    /// How many have to succeed before it counts as up.
    pub(crate) rise: u32,
    pub(crate) limits: Limits,
    /// The probes over which limits are evaluated.
    pub(crate) window: usize,
    pub(crate) watch_traffic: bool,
    /// Whether echoes are doubted that the gateway may have made up.
    pub(crate) detect_captive: bool,
}

impl Plan {
    /// What the configuration says of the uplink, where there is one.
    pub(crate) fn terms<'a>(&'a self, config: Option<&'a Config>) -> Terms<'a> {
        let name = self.uplink.as_str();
        let configured = config.and_then(|config| Some((config, config.uplinks.get(config.position(name)?)?)));
        match configured {
            Some((config, uplink)) => Terms::of(config, uplink, self.family),
            None => Terms::unconfigured(name, self.family),
        }
    }
}

/// The plans of a command: for each uplink named, or for each that is configured where none is named, one for each
/// family that is asked for.
///
/// Without a configuration the command has to name uplinks and targets. Without `-4` and `-6` IPv4 is tested wherever
/// there are IPv4 targets, and IPv6 where there are IPv6 targets and the uplink is configured to have IPv6, or the
/// command names the targets.
pub(crate) fn plans(command: &Command, config: Option<&Config>) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::new();
    let Some(config) = config else {
        let tests = Tests { required: command.targets.len(), ..Tests::default() };
        for name in unique(&command.uplinks) {
            plans.extend(plans_of(command, name, None, &tests)?);
        }
        return Ok(plans);
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
    for uplink in chosen {
        plans.extend(plans_of(command, &uplink.name, Some(uplink), &uplink.tests)?);
    }
    if plans.is_empty() {
        return Err(usage("nothing to test: no uplink has targets of this family"));
    }
    Ok(plans)
}

/// The plans of one uplink.
fn plans_of(
    command: &Command,
    name: &InterfaceName,
    uplink: Option<&Uplink>,
    tests: &Tests,
) -> Result<Vec<Plan>, Failure> {
    let stated = !command.targets.is_empty();
    let targets = if stated { &command.targets } else { &tests.targets };
    let mut plans = Vec::new();
    for family in [Family::V4, Family::V6] {
        let of_family: Vec<Target> = unique(targets).filter(|target| target.family() == family).cloned().collect();
        let (asked, other) = match family {
            Family::V4 => (command.ipv4, command.ipv6),
            Family::V6 => (command.ipv6, command.ipv4),
        };
        let has = family == Family::V4 || stated || uplink.is_none_or(|uplink| uplink.ipv6.is_some());
        if of_family.is_empty() && asked {
            return Err(usage(format!("{name}: no {family} target to ask, allowed: --target or tests.ips with one")));
        }
        if !of_family.is_empty() && !other && (has || asked) {
            plans.push(plan(command, (name, family), uplink, tests, of_family)?);
        }
    }
    Ok(plans)
}

fn plan(
    command: &Command,
    (name, family): (&InterfaceName, Family),
    uplink: Option<&Uplink>,
    tests: &Tests,
    targets: Vec<Target>,
) -> Result<Plan, Failure> {
    let count = targets.len();
    // As many as configured have to answer, but of fewer targets, of one family or on the command line, all.
    let required = command.required.unwrap_or(tests.required).min(count);
    let all = if command.targets.is_empty() { &tests.targets } else { &command.targets };
    let most = unique(all).count();
    if let Some(required) = command.required.filter(|required| !(1..=most).contains(required)) {
        let what =
            format!("--required {required}: out of range, allowed: 1 to {most}, the number of targets of {name}");
        return Err(usage(what));
    }
    let interval = command.interval.unwrap_or(tests.interval);
    Ok(Plan {
        uplink: name.clone(),
        family,
        targets,
        timing: Timing {
            required,
            tries: command.tries.unwrap_or(tests.tries),
            timeout: command.timeout.unwrap_or(tests.timeout),
        },
        interval,
        counted: uplink.is_some_and(|uplink| uplink.quota.is_some()),
        metered: uplink.filter(|uplink| uplink.metered).map(|_| tests.max_interval.max(interval)),
        before: Before::of(&command.before, name, family, !command.watch),
        fall: tests.fall,
        rise: tests.rise,
        limits: tests.limits,
        window: tests.window,
        watch_traffic: tests.watch_traffic,
        detect_captive: tests.detect_captive,
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
- {interface: ppp0, type: ppp, metered: true, tests: {interval: 5, required_successful: 1}}
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
        assert_eq!((eth1.metered, ppp0.metered), (None, Some(Duration::from_secs(120))));
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
        assert_eq!((plans[0].uplink.as_str(), plans[0].timing.required), ("wan7", 2));
    }

    #[test]
    fn each_family_that_an_uplink_has_is_tested() {
        let six = "type: static, type6: ra, ip: 192.0.2.2";
        let file = FILE.replace("ip: 192.0.2.2", six).replace("ips: [", "ips: ['2001:db8::1', '2001:db8::2', ");
        let families = |line: &str| {
            let plans = planned(line, Some(&file)).unwrap();
            plans.iter().map(|plan| (plan.uplink.to_string(), plan.family.number(), plan.timing.required)).collect()
        };
        let plan = |name: &str, family, required| (name.to_owned(), family, required);
        let all: Vec<_> = families("");
        assert_eq!(all, [plan("eth1", 4, 3), plan("eth1", 6, 2), plan("ppp0", 4, 1)]);
        let four: Vec<_> = families("-4");
        assert_eq!(four, [plan("eth1", 4, 3), plan("ppp0", 4, 1)]);
        let six: Vec<_> = families("-6");
        assert_eq!(six, [plan("eth1", 6, 2), plan("ppp0", 6, 1)]);
        let stated: Vec<_> = families("-t 2001:db8::9 ppp0");
        assert_eq!(stated, [plan("ppp0", 6, 1)]);
    }

    #[test]
    fn wrong_usage() {
        for line in ["eth9", "-r 4", "-r 0", "-t 203.0.113.1 -r 2", "-6", "-4 -t 2001:db8::1"] {
            assert_eq!(planned(line, Some(FILE)), Err(Exit::Usage), "{line}");
        }
    }
}
