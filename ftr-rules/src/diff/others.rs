//! Programs that put rules of their own into the kernel's chains, beside ours: they know what they do there, and put them
//! back when they are gone.

use std::collections::BTreeSet;

use ftr_firewall::iptables::words;

use super::Table;

/// How the names of their chains begin.
const CHAINS: [&str; 16] = [
    "DOCKER",
    "LIBVIRT_",
    "KUBE-",
    "CNI-",
    "NETAVARK",
    "FLANNEL-",
    "cali-",
    "CILIUM_",
    "ts-",
    "f2b-",
    "sshguard",
    "crowdsec",
    "MINIUPNPD",
    "ufw-",
    "ufw6-",
    "nm-sh-",
];

/// How the names of devices begin that they have made for networks inside.
const DEVICES: [&str; 9] = ["docker", "virbr", "lxcbr", "lxdbr", "incusbr", "podman", "cni", "flannel", "tailscale"];

/// Marks the rules that such a program has made. One for a device that is `named` in the configuration is none.
pub(crate) fn mark(tables: &mut [Table], named: &BTreeSet<&str>) {
    for table in tables {
        for chain in table.chains.iter_mut().filter(|chain| chain.shared) {
            for rule in &mut chain.rules {
                rule.others = made(&table.name, &chain.name, &rule.text, named);
            }
        }
    }
}

/// Whether such a program has made a rule: it leads to a chain of it, or is as they write them for a device of theirs.
fn made(table: &str, chain: &str, rule: &str, named: &BTreeSet<&str>) -> bool {
    let words = words(rule);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let action = words.iter().rposition(|word| matches!(*word, "-j" | "-g")).unwrap_or(words.len());
    let target = words.get(action + 1).copied().unwrap_or_default();
    if CHAINS.iter().any(|beginning| target.starts_with(beginning)) {
        return true;
    }
    let theirs = |device: &str| is_device(device) && !named.contains(device);
    match (table, chain, target) {
        // Into their networks, out of them and within them.
        ("filter", "INPUT" | "FORWARD" | "OUTPUT", "ACCEPT" | "DROP" | "REJECT")
        | ("mangle", "POSTROUTING", "CHECKSUM") => is_for(&words, theirs),
        ("nat", "POSTROUTING", "MASQUERADE" | "SNAT") => match words.as_slice() {
            // What leaves their networks; and what one of their hosts sends to itself, by a port of this one.
            ["-s", _, "!", "-o", device, "-j", ..] => theirs(device),
            ["-s", from, "-d", to, ..] => from == to && (from.ends_with("/32") || from.ends_with("/128")),
            _ => is_for(&words, theirs),
        },
        _ => false,
    }
}

/// Whether a rule is for devices of theirs, and for no other.
fn is_for(words: &[&str], theirs: impl Fn(&str) -> bool) -> bool {
    let mut some = false;
    for at in (0..words.len()).filter(|at| matches!(words.get(*at), Some(&("-i" | "-o")))) {
        let all_others = at.checked_sub(1).and_then(|at| words.get(at)) == Some(&"!");
        if !words.get(at + 1).is_some_and(|device| theirs(device)) {
            return false;
        }
        some |= !all_others;
    }
    some
}

/// Docker names the bridge of a network by the first twelve digits of its number.
fn is_device(name: &str) -> bool {
    let numbered = |digits: &str| digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    DEVICES.iter().any(|beginning| name.starts_with(beginning)) || name.strip_prefix("br-").is_some_and(numbered)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::made;

    /// As `iptables-save` shows them. Docker 26 and 28, libvirt, LXC and Podman have written them.
    const THEIRS: &str = "\
nat PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
nat OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
nat POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
nat POSTROUTING -s 172.17.0.0/16 ! -o br-0123456789ab -j SNAT --to-source 192.0.2.7
nat POSTROUTING -s fd00:d::/64 ! -o docker0 -j MASQUERADE
nat POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
nat POSTROUTING -o docker0 -m addrtype --src-type LOCAL -j MASQUERADE
filter FORWARD -j DOCKER-USER
filter FORWARD -j DOCKER-ISOLATION-STAGE-1
filter FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
filter FORWARD -o docker0 -j DOCKER
filter FORWARD -i docker0 ! -o docker0 -j ACCEPT
filter FORWARD -i br-0123456789ab -o br-0123456789ab -j DROP
filter FORWARD -i docker_gwbridge -o docker_gwbridge -j DROP
filter INPUT -j LIBVIRT_INP
nat POSTROUTING -j LIBVIRT_PRT
filter INPUT -i virbr0 -p udp -m udp --dport 53 -j ACCEPT
filter FORWARD -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
filter FORWARD -o virbr0 -j REJECT --reject-with icmp-port-unreachable
filter OUTPUT -o virbr0 -p udp -m udp --dport 68 -j ACCEPT
mangle POSTROUTING -o virbr0 -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill
filter FORWARD -i lxcbr0 -j ACCEPT
nat POSTROUTING -j NETAVARK-HOSTPORT-MASQ
filter FORWARD -m comment --comment \"netavark firewall rules\" -j NETAVARK_FORWARD
filter INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
filter FORWARD -j ts-forward
";

    /// Somebody else's, or for devices that are ours to serve.
    const NOT_THEIRS: &str = "\
filter FORWARD -j ACCEPT
filter FORWARD -i eth1 -j DROP
filter FORWARD -i br-guest -j ACCEPT
filter FORWARD -j MINE
filter FORWARD -m comment --comment DOCKER
filter FORWARD -m comment --comment \"for -i docker0 -j DOCKER\" -j ACCEPT
filter FORWARD -j
filter FORWARD ! -i docker0 -j DROP
filter FORWARD -i docker1 -j ACCEPT
filter FORWARD -i docker0 -o docker1 -j ACCEPT
filter FORWARD -i docker0 -o eth1 -j DROP
filter FORWARD -i docker0 -j RETURN
mangle PREROUTING -i docker0 -j MARK --set-xmark 0x1/0xffffffff
mangle PREROUTING -i docker0 -j ACCEPT
mangle POSTROUTING -o docker0 -j CONNMARK --set-xmark 0x1/0xffffffff
nat PREROUTING -i docker0 -j ACCEPT
nat PREROUTING -i docker0 -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 5353
nat POSTROUTING -o docker0 -j ACCEPT
nat POSTROUTING ! -o docker0 -j MASQUERADE
nat POSTROUTING -s 172.17.0.0/16 ! -o docker1 -j MASQUERADE
nat POSTROUTING -s 172.17.0.0/16 -o eth1 -j MASQUERADE
nat POSTROUTING -s 192.168.0.0/24 -d 192.168.0.0/24 -j MASQUERADE
";

    #[test]
    fn known_programs_are_known_and_people_are_not() {
        let named = BTreeSet::from(["docker1", "eth1"]);
        for (text, expected) in [(THEIRS, true), (NOT_THEIRS, false)] {
            for line in text.lines() {
                let mut words = line.splitn(3, ' ');
                let [table, chain, rule] = std::array::from_fn(|_| words.next().unwrap());
                assert_eq!(made(table, chain, rule, &named), expected, "{line}");
            }
        }
    }
}
