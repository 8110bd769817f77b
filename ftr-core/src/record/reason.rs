//! Why an uplink is down.

use super::word::words;

words! {
    /// Why an uplink is down: where the path to the internet broke. One that this version does not know is a reason like
    /// any other.
    pub enum Reason {
        /// There is no such device.
        NoInterface = "no-interface",
        /// The device is switched off (`ip link set DEV down`).
        AdminDown = "admin-down",
        /// No cable, no link partner, no modem.
        NoCarrier = "no-carrier",
        /// There is carrier, but the device waits to be let in (802.1X) or to be registered (RFC 2863).
        Dormant = "dormant",
        /// The device has no address of the family, or not the configured one.
        NoAddress = "no-address",
        /// A dynamic uplink has learned no gateway.
        NoGateway = "no-gateway",
        /// The kernel has no gateway for this device: its table or rules are not in place.
        NoRoute = "no-route",
        /// The gateway does not answer the neighbour query.
        GatewaySilent = "gateway-silent",
        /// Too few targets answered.
        NoAnswer = "no-answer",
        /// Too many answers were lost.
        Loss = "loss",
        /// The answers took too long.
        Latency = "latency",
        /// The gateway answers in place of the internet.
        Captive = "captive",
    }
}

impl Reason {
    /// Whether the uplink still carries something, only badly: connections over it are better left alone.
    #[must_use]
    pub const fn is_quality(self) -> bool {
        matches!(self, Self::Loss | Self::Latency)
    }

    /// What to do where the verdict is wrong, if there is something.
    #[must_use]
    pub const fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Captive => Some(
                "if the internet can be reached all the same, ask tcp:// or http:// targets, or set tests.detect_captive: \
                 false",
            ),
            _ => None,
        }
    }
}
