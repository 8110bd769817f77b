//! Why an uplink is down, in words that tell where to look and whom to call.

use ftr_core::record::{Event, Reason};

/// The reason of an event with what it means; none where none is stated.
pub(super) fn explained(event: &Event) -> Option<String> {
    let reason = event.reason?;
    let remedy = reason.remedy().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    Some(format!("{reason}: {}{remedy}", meaning(reason, event)))
}

fn meaning(reason: Reason, event: &Event) -> String {
    let text = match reason {
        Reason::NoInterface => "the device does not exist (modem unplugged, session ended, driver missing)",
        Reason::AdminDown => "the device is switched off on this router",
        Reason::NoCarrier => "no link: look at the cable and at what it leads to",
        Reason::Dormant => "there is a link, but the device waits to be let in (802.1X), or its modem to be registered",
        Reason::NoAddress => "the device has no address, or not the configured one",
        Reason::NoGateway => "the provider has assigned no gateway: the session is not established",
        Reason::NoRoute => "the kernel has no gateway for this device: ftr-route check tells what is missing",
        Reason::GatewaySilent => "the provider's router does not answer, not even on the local link",
        Reason::NoAnswer => return unanswered(event),
        Reason::Loss => "too many answers from the internet are lost",
        Reason::Latency => "answers from the internet take too long",
        Reason::Captive => "the provider's router answers in place of the internet (an unpaid bill, a login page)",
        // Of a later version. The word is shown beside it.
        Reason::Unknown(_) => "this is all that ftr-probe says",
    };
    text.to_owned()
}

fn unanswered(event: &Event) -> String {
    let count = event.count_text();
    let count = count.unwrap_or_else(|| "too few hosts in the internet answered".to_owned());
    format!("the gateway is there, but {count}")
}
