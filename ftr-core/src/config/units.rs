//! Numbers that are allowed and look like those of another unit: milliseconds where seconds are expected, an MTU where the size of
//! a segment is.

use std::time::Duration;

use humantime::format_duration;

use super::path::NodePath;
use super::problem::Problem;
use super::routing::Routing;
use super::uplink::ClampMss;
use super::warnings::sections;
use super::whole::Config;

/// A dead uplink is found this late at most by whoever states what they mean.
const SELDOM: Duration = Duration::from_secs(300);
/// Hosts that are asked more often than this may take it for an attack.
const OFTEN: Duration = Duration::from_millis(100);
/// No answer takes longer.
const SLOW: Duration = Duration::from_secs(10);
/// No host in the internet answers sooner, or few do.
const QUICK: Duration = Duration::from_millis(5);
/// No mail waits longer on purpose, be it for others to go with it or for its server, and no program of a hook takes longer.
const QUARTER: Duration = Duration::from_secs(900);
/// Nobody lets an uplink that works wait for longer on purpose.
const HOUR: Duration = Duration::from_secs(3600);
/// What a number without a unit is.
const UNITS: &str = "a number without a unit is seconds, and 500ms are milliseconds";
/// A log that is turned over after some hundred lines.
const SMALL_LOG: u64 = 10_000;
/// Some hundred checks: no provider sells so little.
const SMALL_QUOTA: u64 = 1_000_000;
/// The MTU of an Ethernet, and that without the headers of IPv4 and TCP: a segment between them fits into no packet.
const MTU: u16 = 1500;
const HEADERS: u16 = 40;

/// Notes numbers that look like those of another unit.
pub(super) fn check(config: &Config, warnings: &mut Vec<Problem>) {
    tests(config, warnings);
    routing(config, warnings);
    waits(config, warnings);
    bytes(config, warnings);
}

/// How uplinks are tested.
fn tests(config: &Config, warnings: &mut Vec<Problem>) {
    let mut warn = |path: NodePath, what: String| warnings.push(Problem::new(path, what));
    for (path, tests) in sections(config, |tests| tests.interval) {
        let (interval, path) = (tests.interval, path.key("interval"));
        let every = format_duration(interval);
        if interval > SELDOM {
            warn(path, format!("a check every {every}, so a dead uplink is found that late; {UNITS}"));
        } else if interval < OFTEN {
            warn(path, format!("a check every {every}: hosts may take so many questions for an attack"));
        }
    }
    for (path, tests) in sections(config, |tests| (tests.interval, tests.fall)) {
        let found = tests.interval.saturating_mul(tests.fall);
        if tests.interval <= SELDOM && found > SELDOM {
            let (fall, found) = (tests.fall, format_duration(found));
            warn(path.key("fall"), format!("{fall} checks in a row take {found}, so a dead uplink is found that late"));
        }
    }
    for (path, tests) in sections(config, |tests| tests.max_interval) {
        if tests.max_interval > HOUR && tests.interval <= SELDOM {
            let every = format_duration(tests.max_interval);
            warn(path.key("max_interval"), format!("a metered uplink is checked every {every} only; {UNITS}"));
        }
    }
    for (path, tests) in sections(config, |tests| tests.timeout) {
        if tests.timeout > SLOW {
            let timeout = format_duration(tests.timeout);
            warn(path.key("timeout"), format!("{timeout} is long for an answer to a question; {UNITS}"));
        } else if tests.timeout < QUICK {
            let timeout = format_duration(tests.timeout);
            warn(path.key("timeout"), format!("few hosts in the internet answer within {timeout}"));
        }
    }
    for (path, tests) in sections(config, |tests| (tests.limits.rtt, tests.limits.jitter, tests.timeout)) {
        for (key, limit) in [("max_rtt", tests.limits.rtt), ("max_jitter", tests.limits.jitter)] {
            if let Some(limit) = limit.filter(|limit| limit.down >= tests.timeout) {
                let [limit, timeout] = [limit.down, tests.timeout].map(format_duration);
                let what = format!("{limit} is never reached: after the timeout ({timeout}) an answer is lost");
                warn(path.key(key), what);
            }
        }
    }
}

/// How uplinks come back, and what becomes of connections.
fn routing(config: &Config, warnings: &mut Vec<Problem>) {
    let top = NodePath::default();
    let path = top.key("routing");
    let Routing { failback, failback_delay, min_down, hold_down, flush_delay, .. } = config.routing;
    let policies = config.policies.iter().enumerate();
    let of_policies = policies.filter_map(|(index, policy)| {
        Some((top.key("policies").index(index).key("failback_delay"), policy.failback_delay?))
    });
    let of_all = [("failback_delay", failback_delay), ("min_down", min_down), ("hold_down", hold_down)];
    let back = of_all.map(|(key, time)| (path.key(key), time)).into_iter().chain(of_policies);
    let too_long = back.filter(|(_, time)| *time > HOUR);
    warnings.extend(too_long.map(|(path, time)| {
        let time = format_duration(time);
        Problem::new(path, format!("an uplink that works again may be left out for {time}; {UNITS}"))
    }));
    if failback.canary.is_some() && failback.canary_for > HOUR {
        let time = format_duration(failback.canary_for);
        let what = format!("an uplink that works again gets only its part for {time}; {UNITS}");
        warnings.push(Problem::new(path.key("failback").key("for"), what));
    }
    if flush_delay > SELDOM {
        let time = format_duration(flush_delay);
        let what = format!("the connections of an uplink that is down hang for {time}; {UNITS}");
        warnings.push(Problem::new(path.key("flush_delay"), what));
    }
}

/// What waits for others.
fn waits(config: &Config, warnings: &mut Vec<Problem>) {
    let top = NodePath::default();
    let email = top.key("email");
    let smtp = email.key("smtp_parameters");
    let mail = [
        (email.key("digest"), config.email.digest),
        (smtp.key("open_timeout"), config.email.smtp.open_timeout),
        (smtp.key("read_timeout"), config.email.smtp.read_timeout),
    ];
    let mail = mail.map(|(path, time)| (path, time, "mail waits"));
    let hooks = config.hooks.iter().enumerate().map(|(index, hook)| {
        (top.key("hooks").index(index).key("timeout"), hook.timeout, "a program that hangs stays")
    });
    let hang = |(path, time, what): (NodePath, Duration, &str)| {
        let time = (time > QUARTER).then(|| format_duration(time))?;
        Some(Problem::new(path, format!("{what} for {time}; {UNITS}")))
    };
    warnings.extend(mail.into_iter().chain(hooks).filter_map(hang));
}

/// Sizes.
fn bytes(config: &Config, warnings: &mut Vec<Problem>) {
    let top = NodePath::default();
    let size = config.log.max_size;
    if config.log.file.is_some() && size < SMALL_LOG {
        let what = format!("{size} bytes are full after few lines: the number is bytes, such as 1000000");
        warnings.push(Problem::new(top.key("log").key("max_size"), what));
    }
    for (index, uplink) in config.uplinks.iter().enumerate() {
        let path = top.key("uplinks").index(index);
        if let Some(quota) = uplink.quota.filter(|quota| quota.bytes < SMALL_QUOTA) {
            let what = format!("{} bytes are used up at once: state a unit, such as 50GB", quota.bytes);
            warnings.push(Problem::new(path.key("quota").key("bytes"), what));
        }
        match uplink.clamp_mss {
            Some(ClampMss::Bytes(mtu)) if (MTU - HEADERS + 1..=MTU).contains(&mtu) => {
                let what = format!("{mtu} is an MTU, and segments have {HEADERS} bytes less: {}", mtu - HEADERS);
                warnings.push(Problem::new(path.key("clamp_mss"), what));
            }
            _ => {}
        }
    }
}
