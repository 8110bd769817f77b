//! What a hook finds in its environment. Everything is there in the record on its standard input as well.

use ftr_core::InterfaceName;
use ftr_core::config::Occasion;
use ftr_core::record::Event;
use ftr_core::sanitize::sanitize;

/// The variables: what is not known is an empty text, so that a script may say `set -u`.
pub(super) fn of(event: &Event, occasion: Occasion) -> [(&'static str, String); 12] {
    let text = |text: Option<&str>| sanitize(text.unwrap_or_default()).into_owned();
    let names = |names: &[InterfaceName]| names.iter().map(InterfaceName::as_str).collect::<Vec<_>>().join(" ");
    [
        ("FTR_EVENT", occasion.as_str().to_owned()),
        ("FTR_UPLINK", event.uplink.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("FTR_FAMILY", event.family.map(|family| family.number().to_string()).unwrap_or_default()),
        ("FTR_DESCRIPTION", text(Some(&event.description))),
        ("FTR_FROM", text(event.from.as_deref())),
        ("FTR_TO", text(event.to.as_deref())),
        ("FTR_REASON", event.reason.map(|reason| reason.to_string()).unwrap_or_default()),
        ("FTR_ACTIVE", names(&event.active)),
        ("FTR_FAILED", names(&event.failed)),
        ("FTR_HAZARD", text(event.hazard.as_deref())),
        ("FTR_SEQ", event.seq.to_string()),
        ("FTR_TIME", text(Some(&event.at.time))),
    ]
}

#[cfg(test)]
mod tests {
    use super::of;
    use ftr_core::config::Occasion;
    use ftr_core::record::Record;

    #[test]
    fn what_happened_can_be_read_by_a_script_and_does_no_harm_there() {
        let line = br#"{"type":"event","seq":7,"kind":"state","time":"t","mono":1,"uplink":"eth1","family":6,"description":"a\u001b[2J b","from":"up","to":"down","reason":"no-answer","active":["eth2","eth3"],"failed":["eth1"]}"#;
        let Record::Event(event) = Record::parse(line).unwrap() else { panic!("no event") };
        let lines: Vec<String> =
            of(&event, Occasion::Down).iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = "FTR_EVENT=down FTR_UPLINK=eth1 FTR_FAMILY=6 FTR_DESCRIPTION=a?[2J b FTR_FROM=up FTR_TO=down \
            FTR_REASON=no-answer FTR_ACTIVE=eth2 eth3 FTR_FAILED=eth1 FTR_HAZARD= FTR_SEQ=7 FTR_TIME=t";
        assert_eq!(lines.join(" "), expected);
    }
}
