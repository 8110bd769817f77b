//! What a process of `ftr-probe` that begins anew is told: which uplinks failed when one looked last. They have to show as much
//! before they are believed as they would have had to there.

use crate::decide::Decider;

/// The arguments that say it.
pub(crate) fn arguments(decider: &Decider) -> Vec<String> {
    let failing = decider.health().filter_map(|(family, uplink, health)| Some((family, uplink, health.fails()?)));
    let words = failing.flat_map(|(family, uplink, lossy)| {
        let option = if lossy { "--lossy" } else { "--down" };
        [option.to_owned(), format!("{}/{family}", uplink.name)]
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::arguments;
    use crate::decide::Decider;
    use crate::decide::fixture::{check, config};
    use ftr_core::record::{Check, Record};

    #[test]
    fn those_that_fail_are_named_with_what_came_back() {
        let mut decider = Decider::new(&config([""; 3], ""), None);
        for check in [check("eth1", false, 0), check("eth2", true, 0), Check { replies: 2, ..check("eth3", false, 0) }]
        {
            decider.handle(&Record::Check(check));
        }
        assert_eq!(arguments(&decider).join(" "), "--down eth1/4 --lossy eth3/4");
    }
}
