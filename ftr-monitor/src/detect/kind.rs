//! What kind of device it is, by what the kernel says of it and by the names that programs give theirs.

use ftr_core::host::Device;

/// A kind of device, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A network card, a bridge, a VLAN: whatever may lead to the internet or to a local network.
    Any,
    Ppp,
    /// It leads through another device.
    Tunnel,
    /// Containers and virtual machines.
    Guests,
}

/// The kinds of tunnels, as `ip -d link` names them.
const TUNNELS: [&str; 16] = [
    "wireguard",
    "tun",
    "gre",
    "gretap",
    "ip6gre",
    "ip6gretap",
    "ipip",
    "ip6tnl",
    "sit",
    "vti",
    "vti6",
    "xfrm",
    "vxlan",
    "geneve",
    "l2tp",
    "ovpn",
];
/// How VPN programs name their devices.
const VPNS: [&str; 10] = ["wg", "tun", "tap", "tailscale", "zt", "nordlynx", "wt", "ipsec", "utun", "proton"];
/// How programs for containers and virtual machines name theirs.
const GUESTS: [&str; 17] = [
    "docker", "veth", "virbr", "vnet", "lxcbr", "lxdbr", "incusbr", "podman", "cni", "cali", "flannel", "cilium",
    "kube", "fwbr", "fwpr", "ve-", "vb-",
];
/// Docker names the bridge of a network by the first digits of its number.
const DOCKER_BRIDGE: (&str, usize) = ("br-", 12);

impl Kind {
    pub(super) fn of(device: &Device) -> Self {
        let name = device.name.as_str();
        let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| name.starts_with(beginning));
        let kind = device.kind.as_deref().unwrap_or_default();
        if kind == "ppp" || (device.point_to_point && name.starts_with("ppp")) {
            Self::Ppp
        } else if begins(&GUESTS) || is_docker_bridge(name) {
            Self::Guests
        } else if TUNNELS.contains(&kind) || (begins(&VPNS) && (device.point_to_point || kind.is_empty())) {
            Self::Tunnel
        } else {
            Self::Any
        }
    }
}

fn is_docker_bridge(name: &str) -> bool {
    let (beginning, digits) = DOCKER_BRIDGE;
    name.strip_prefix(beginning)
        .is_some_and(|number| number.len() == digits && number.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use ftr_core::host::Device;

    #[test]
    fn kinds_are_told_by_what_the_kernel_says_and_by_names() {
        for (name, kind, point_to_point, wanted) in [
            ("eth1", None, false, Kind::Any),
            ("eth1", Some("veth"), false, Kind::Any),
            ("br-lan", Some("bridge"), false, Kind::Any),
            ("wan.7", Some("vlan"), false, Kind::Any),
            ("wwan0", None, false, Kind::Any),
            ("ppp0", Some("ppp"), true, Kind::Ppp),
            ("dsl", Some("ppp"), true, Kind::Ppp),
            ("ppp1", Some("tun"), true, Kind::Ppp),
            ("wg0", Some("wireguard"), false, Kind::Tunnel),
            ("office", Some("wireguard"), false, Kind::Tunnel),
            ("tun0", Some("tun"), true, Kind::Tunnel),
            ("tailscale0", Some("tun"), true, Kind::Tunnel),
            ("he-ipv6", Some("sit"), true, Kind::Tunnel),
            ("docker0", Some("bridge"), false, Kind::Guests),
            ("br-0123456789ab", Some("bridge"), false, Kind::Guests),
            ("virbr0", Some("bridge"), false, Kind::Guests),
            ("veth12ab", Some("veth"), false, Kind::Guests),
        ] {
            let device =
                Device { name: name.to_owned(), kind: kind.map(str::to_owned), point_to_point, ..Device::default() };
            assert_eq!(Kind::of(&device), wanted, "{name} {kind:?}");
        }
    }
}
