//! What a process of `ftr-probe` that begins anew is told: which uplinks were down when one looked last, and how. They have to show
//! as much before they are believed as they would have had to there.

use crate::decide::Decider;

/// The arguments that say it.
pub(crate) fn arguments(decider: &Decider) -> Vec<String> {
    // A single check has too few probes to tell how good a line is, so one that was merely bad could never recover by it.
    let is_single = decider.memory().is_of_cycles();
    let down = decider.health().filter(|(.., health)| !(is_single && health.is_bad()));
    let down = down.filter_map(|(family, uplink, health)| Some((family, uplink, health.fails()?)));
    down.flat_map(|(family, uplink, how)| ["--before".to_owned(), format!("{}/{family}={how}", uplink.name)]).collect()
}

#[cfg(test)]
mod tests {
    use super::arguments;
    use crate::decide::Decider;
    use crate::decide::fixture::{check, config};
    use ftr_core::record::{Check, Reason, Record};

    #[test]
    fn those_that_are_down_are_named_with_how() {
        let mut decider = Decider::new(&config([""; 3], ""), None);
        let mut told = |check| {
            decider.handle(&Record::Check(check));
            arguments(&decider).join(" ")
        };
        assert_eq!(told(check("eth1", false, 0)), "--before eth1/4=dead");
        assert_eq!(told(check("eth2", true, 0)), "--before eth1/4=dead");
        let lossy = Check { replies: 2, ..check("eth1", false, 1) };
        assert_eq!(told(lossy), "--before eth1/4=lossy");
        let latency = Check { reason: Some(Reason::Latency), ..check("eth2", false, 1) };
        assert_eq!(told(latency), "--before eth1/4=lossy --before eth2/4=latency");
        assert_eq!(arguments(&decider.in_cycles()).join(" "), "--before eth1/4=lossy");
    }
}
