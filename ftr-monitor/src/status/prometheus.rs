//! The status as metrics, for Prometheus: lines of its text format (version 0.0.4, "Exposition formats" of its
//! documentation), for `node_exporter`'s textfile collector or whatever serves a file.

use std::fmt::Write;

use ftr_core::sanitize::sanitize;

use super::{Status, UplinkStatus};

/// One metric: its name without the common beginning, its kind and its meaning.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

type Value = fn(&UplinkStatus) -> Option<f64>;

/// What there is to say of each uplink; where a value is not known there is no line.
const OF_UPLINKS: [(Metric, Value); 12] = [
    (gauge("uplink_up", "Whether it works; absent until the first verdict"), |uplink| uplink.up.map(truth)),
    (gauge("uplink_routing", "Whether it carries new connections"), |uplink| Some(truth(uplink.routing))),
    (gauge("uplink_state_seconds", "For how long it has been up or down"), |uplink| Some(seconds(uplink.for_ms))),
    (gauge("uplink_checked_seconds", "Time since the last check"), |uplink| Some(seconds(uplink.checked_ms))),
    (gauge("uplink_stale", "Whether that is longer ago than it may be"), |uplink| Some(truth(uplink.stale))),
    (gauge("uplink_rtt_seconds", "Median round trip of the last check"), |uplink| uplink.rtt_ms.map(|ms| ms / 1000.0)),
    (gauge("uplink_weight", "Its weight in the configuration"), |uplink| Some(f64::from(uplink.weight))),
    (gauge("uplink_held_down", "Whether it works and is held down"), |uplink| Some(truth(uplink.held.is_some()))),
    (gauge("uplink_drained", "Whether it is drained"), |uplink| Some(truth(uplink.drained))),
    (gauge("uplink_reserve", "Whether it is not its time, or its quota is used up"), |uplink| {
        Some(truth(uplink.reserve))
    }),
    (gauge("uplink_used_bytes", "What was used of its quota in this period"), |uplink| uplink.used_bytes.map(count)),
    (gauge("uplink_quota_bytes", "Its quota"), |uplink| uplink.quota_bytes.map(count)),
];

/// Of a monitor that does not run, what can be said.
pub(super) const NOT_RUNNING: &str = "# HELP ftr_monitor_up Whether ftr-monitor runs.\n\
                                      # TYPE ftr_monitor_up gauge\n\
                                      ftr_monitor_up 0\n";

/// All of them.
pub(super) fn metrics(status: &Status) -> String {
    let mut text = String::new();
    let single = |text: &mut String, metric: &Metric, value| {
        metric.head(text);
        metric.sample(text, &[], value);
    };
    single(&mut text, &gauge("monitor_up", "Whether ftr-monitor runs"), 1.0);
    single(&mut text, &gauge("well", "Whether `ftr-monitor status` exits with 0"), truth(status.is_well()));
    for (metric, value) in &OF_UPLINKS {
        metric.head(&mut text);
        for uplink in &status.uplinks {
            let labels = [("uplink", uplink.uplink.to_string()), ("family", uplink.family.to_string())];
            if let Some(value) = value(uplink) {
                metric.sample(&mut text, &labels, value);
            }
        }
    }
    let running = gauge("program_running", "Whether a program that the monitor keeps running does run");
    running.head(&mut text);
    for child in &status.children {
        running.sample(&mut text, &[("program", child.program.clone())], truth(child.pid.is_some()));
    }
    let hazard = gauge("hazard", "What works against several uplinks: 1 while it lasts");
    hazard.head(&mut text);
    for known in &status.hazards {
        hazard.sample(&mut text, &[("hazard", known.kind.clone()), ("object", known.object.clone())], 1.0);
    }
    let waiting = count(u64::try_from(status.events_waiting).unwrap_or(u64::MAX));
    single(&mut text, &gauge("events_waiting", "Events that the mailer has not acknowledged"), waiting);
    let dropped = Metric { kind: "counter", ..gauge("events_dropped_total", "Events given up since the start") };
    single(&mut text, &dropped, count(status.events_dropped));
    if let Some(differs) = status.file_differs {
        single(&mut text, &gauge("file_differs", "Whether the configuration file is not what runs"), truth(differs));
    }
    text
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: "gauge", help }
}

impl Metric {
    fn head(&self, text: &mut String) {
        let Self { name, kind, help } = self;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP ftr_{name} {help}.\n# TYPE ftr_{name} {kind}");
    }

    fn sample(&self, text: &mut String, labels: &[(&str, String)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(text, "ftr_{}{labels} {value}", self.name);
    }
}

/// A label's value, in which a backslash, a quotation mark and a line feed have to be written otherwise.
fn escaped(value: &str) -> String {
    sanitize(value).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn truth(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// Prometheus knows floating point numbers only: above 2^53 they are not exact.
#[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
const fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::{escaped, metrics};
    use crate::status::Status;

    #[test]
    fn every_metric_has_a_head_and_each_uplink_a_line() {
        let status: Status = serde_json::from_str(
            r#"{"time":"","mono":1,"pid":7,"uplinks":[
            {"uplink":"eth1","family":4,"description":"One","weight":2,"up":true,"for_ms":1500,"routing":true,"rtt_ms":12.5,
             "address":null,"gateway":null,"reason":null,"checked_ms":250,"stale":false},
            {"uplink":"eth2","family":6,"description":"Two","weight":1,"up":null,"for_ms":0,"routing":false,"rtt_ms":null,
             "address":null,"gateway":null,"reason":null,"checked_ms":0,"used_bytes":7,"quota_bytes":9}],
            "children":[{"program":"ftr-probe","pid":8},{"program":"ftr-notify","pid":null}],
            "hazards":[],"events_waiting":3,"events_dropped":1}"#,
        )
        .unwrap();
        let text = metrics(&status);
        for line in [
            "# TYPE ftr_uplink_up gauge",
            "ftr_monitor_up 1",
            "ftr_well 0",
            "ftr_uplink_up{uplink=\"eth1\",family=\"4\"} 1",
            "ftr_uplink_state_seconds{uplink=\"eth1\",family=\"4\"} 1.5",
            "ftr_uplink_rtt_seconds{uplink=\"eth1\",family=\"4\"} 0.0125",
            "ftr_uplink_quota_bytes{uplink=\"eth2\",family=\"6\"} 9",
            "ftr_program_running{program=\"ftr-notify\"} 0",
            "# TYPE ftr_events_dropped_total counter",
            "ftr_events_dropped_total 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        // Nothing is known of it, so nothing is said.
        assert!(!text.contains("ftr_uplink_up{uplink=\"eth2\"") && !text.contains("ftr_file_differs"), "{text}");
        let named = |line: &str| line.split(['{', ' ']).next().map(str::to_owned);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        for name in samples.filter_map(named) {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name} has no type");
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn a_label_ends_where_it_should() {
        assert_eq!(escaped("a \"b\" \\c"), "a \\\"b\\\" \\\\c");
        assert!(!escaped("two\nlines").contains('\n'));
    }
}
