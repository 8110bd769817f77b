//! Who is known to use which marks, tables, priorities and chains, so that people are told a name.

use ftr_netlink::{Action, Rule};

/// A program, and how to keep it from taking packets away from the uplinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) name: &'static str,
    /// What to do about a rule of its that takes packets before ours; none where no more than deleting it helps.
    pub(super) advice: Option<&'static str>,
}

const MWAN3: Owner = Owner { name: "mwan3", advice: Some("service mwan3 stop; service mwan3 disable") };
const PBR: Owner = Owner { name: "pbr", advice: Some("service pbr stop; service pbr disable") };
const TAILSCALE: Owner = Owner { name: "tailscale", advice: Some("tailscale set --exit-node=") };
const WG_QUICK: Owner = Owner {
    name: "wg-quick",
    advice: Some("write Table = off below [Interface] of its configuration, and start it again with wg-quick"),
};
const NETBIRD: Owner = Owner { name: "NetBird", advice: Some("netbird routes deselect all") };
const STRONGSWAN: Owner = Owner {
    name: "strongSwan",
    advice: Some("write install_routes = no into the charon section of strongswan.conf, and restart strongSwan"),
};
const MULLVAD: Owner = Owner { name: "Mullvad VPN", advice: Some("mullvad disconnect") };
const NORDVPN: Owner = Owner { name: "NordVPN", advice: Some("nordvpn disconnect") };
const KUBE: Owner = Owner { name: "kube-proxy", advice: None };
const CALICO: Owner = Owner { name: "Calico", advice: None };
const CILIUM: Owner = Owner { name: "Cilium", advice: None };
const DOCKER: Owner = Owner { name: "Docker", advice: None };
const LIBVIRT: Owner = Owner { name: "libvirt", advice: None };
const FIREWALLD: Owner = Owner { name: "firewalld", advice: None };
const KEEPALIVED: Owner = Owner { name: "keepalived", advice: None };
const FRR: Owner = Owner { name: "FRR", advice: None };
const BIRD: Owner = Owner { name: "BIRD", advice: None };

/// Who made a rule, as far as its numbers tell.
pub(super) fn of_rule(rule: &Rule) -> Option<Owner> {
    by_mark(rule.mark, rule.mask)
        .or_else(|| match rule.action {
            Action::Lookup(table) => by_table(table),
            _ => None,
        })
        .or_else(|| by_protocol(rule.protocol))
        .or_else(|| by_priority(rule.priority))
}

/// Who uses a mark.
fn by_mark(mark: u32, bits: u32) -> Option<Owner> {
    match (mark, bits) {
        (_, 0) => None,
        (_, 0x3f00) => Some(MWAN3),
        (0x40000 | 0x80000, 0xff_0000) => Some(TAILSCALE),
        (_, 0xff_0000) => Some(PBR),
        (_, 0x4000 | 0x8000 | 0xc000) => Some(KUBE),
        (_, 0xf00 | 0xfff) => Some(CILIUM),
        (_, 0xffff_0000) => Some(CALICO),
        (51820, _) => Some(WG_QUICK),
        (0x1bd00..=0x1bd0f, _) => Some(NETBIRD),
        (0x6d6f_6c65, _) => Some(MULLVAD),
        (0xe1f1, _) => Some(NORDVPN),
        _ => None,
    }
}

fn by_table(table: u32) -> Option<Owner> {
    match table {
        52 => Some(TAILSCALE),
        220 => Some(STRONGSWAN),
        7120 => Some(NETBIRD),
        51820 => Some(WG_QUICK),
        0x6d6f_6c65 => Some(MULLVAD),
        _ => None,
    }
}

/// As numbered in `rt_protos`.
fn by_protocol(protocol: u8) -> Option<Owner> {
    match protocol {
        11 | 186..=189 | 192 => Some(FRR),
        12 => Some(BIRD),
        18 => Some(KEEPALIVED),
        _ => None,
    }
}

fn by_priority(priority: u32) -> Option<Owner> {
    match priority {
        1001..=1254 | 2001..=2254 | 3001..=3254 => Some(MWAN3),
        5210..=5270 => Some(TAILSCALE),
        _ => None,
    }
}

/// Who made a chain of the firewall, by how it and its table are named.
pub(super) fn of_chain(table: &str, chain: &str) -> Option<Owner> {
    const CHAINS: [(&str, Owner); 13] = [
        ("KUBE-", KUBE),
        ("cali-", CALICO),
        ("CILIUM_", CILIUM),
        ("OLD_CILIUM_", CILIUM),
        ("mwan3_", MWAN3),
        ("pbr_", PBR),
        ("PBR_", PBR),
        ("ts-", TAILSCALE),
        ("NETBIRD-", NETBIRD),
        ("netbird-", NETBIRD),
        ("DOCKER", DOCKER),
        ("LIBVIRT_", LIBVIRT),
        ("nordvpn-", NORDVPN),
    ];
    const TABLES: [(&str, Owner); 6] = [
        ("kube-proxy", KUBE),
        ("firewalld", FIREWALLD),
        ("netbird", NETBIRD),
        ("mullvad", MULLVAD),
        ("wg-quick-", WG_QUICK),
        ("docker-", DOCKER),
    ];
    let known = |all: &[(&str, Owner)], name: &str| {
        all.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, owner)| *owner)
    };
    known(&CHAINS, chain).or_else(|| known(&TABLES, table))
}

#[cfg(test)]
mod tests {
    use super::{of_chain, of_rule};
    use ftr_core::Family;
    use ftr_netlink::Rule;

    fn name(rule: &Rule) -> Option<&'static str> {
        of_rule(rule).map(|owner| owner.name)
    }

    #[test]
    fn rules_are_known_by_their_numbers() {
        let rule = |priority, table| Rule::lookup(Family::V4, priority, table);
        let marked = |mark, mask| Rule { mark, mask, ..rule(7, 99) };
        assert_eq!(name(&rule(7, 99)), None);
        assert_eq!(name(&rule(5270, 52)), Some("tailscale"));
        assert_eq!(name(&marked(0x80000, 0xff_0000)), Some("tailscale"));
        assert_eq!(name(&marked(0x10000, 0xff_0000)), Some("pbr"));
        assert_eq!(name(&marked(0x100, 0x3f00)), Some("mwan3"));
        assert_eq!(name(&Rule { invert: true, ..marked(0xca6c, u32::MAX) }), Some("wg-quick"));
        assert_eq!(name(&rule(220, 220)), Some("strongSwan"));
        assert_eq!(name(&Rule { protocol: 18, ..rule(7, 99) }), Some("keepalived"));
    }

    #[test]
    fn chains_are_known_by_how_they_begin() {
        let name = |table, chain| of_chain(table, chain).map(|owner| owner.name);
        assert_eq!(name("nat", "KUBE-MARK-MASQ"), Some("kube-proxy"));
        assert_eq!(name("wg-quick-wg0", "premangle"), Some("wg-quick"));
        assert_eq!(name("mangle", "PREROUTING"), None);
    }
}
