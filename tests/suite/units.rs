//! What is said of the shipped systemd units by systemd itself, which need not run here.

use std::path::PathBuf;
use std::process::Command;

/// The highest exposure that each unit may have, in tenths of what `systemd-analyze security` shows.
const MOST_EXPOSED: [(&str, u32); 3] =
    [("ftr-monitor.service", 18), ("ftr-once.service", 18), ("ftr-rules.service", 30)];

fn unit(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/systemd")).join(name)
}

#[test]
fn services_are_confined_as_far_as_their_work_allows() {
    for (name, most) in MOST_EXPOSED {
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(unit(name))
            .output()
            .expect("systemd-analyze runs (package systemd)");
        let text = String::from_utf8_lossy(&output.stdout);
        let overall = text.lines().find_map(|line| line.split_once(&format!("exposure level for {name}: ")));
        let figure = overall.and_then(|(_, figure)| figure.split_whitespace().next()).expect("a figure at the end");
        let (whole, tenth) = figure.split_once('.').expect("a figure with one decimal");
        let tenths = whole.parse::<u32>().expect("a number") * 10 + tenth.parse::<u32>().expect("a number");
        assert!(tenths <= most, "{name}: {figure}\n{text}");
    }
}

/// Whoever runs cycles keeps one memory with those who run the daemon, and reaches no further.
#[test]
fn daemon_and_cycle_have_the_same_confinement() {
    let settings = |name: &str| -> Vec<String> {
        let text = std::fs::read_to_string(unit(name)).expect("the unit is shipped");
        let service = text.lines().skip_while(|line| *line != "User=ftr");
        service.take_while(|line| !line.starts_with('[') && !line.is_empty()).map(str::to_owned).collect()
    };
    let daemon = settings("ftr-monitor.service");
    assert!(daemon.len() > 20, "{daemon:?}");
    assert_eq!(daemon, settings("ftr-once.service"));
}
