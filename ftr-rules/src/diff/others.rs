//! Programs that put rules of their own into the kernel's chains, beside ours: they know what they do there, and put them
//! back when they are gone.

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

/// Marks the rules that such a program has made.
pub(crate) fn mark(tables: &mut [Table]) {
    let chains = tables.iter_mut().flat_map(|table| &mut table.chains).filter(|chain| chain.shared);
    for rule in chains.flat_map(|chain| &mut chain.rules) {
        rule.others = made(&rule.text);
    }
}

/// Whether such a program has made a rule: it leads to a chain of it, or is for what comes or goes by a device of it.
fn made(rule: &str) -> bool {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let mut pairs = words.iter().zip(words.iter().skip(1));
    pairs.any(|(option, value)| match *option {
        "-j" | "-g" => CHAINS.iter().any(|beginning| value.starts_with(beginning)),
        "-i" | "-o" => is_device(value),
        _ => false,
    })
}

/// Docker names the bridge of a network by the first twelve digits of its number.
fn is_device(name: &str) -> bool {
    let numbered = |digits: &str| digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    DEVICES.iter().any(|beginning| name.starts_with(beginning)) || name.strip_prefix("br-").is_some_and(numbered)
}

#[cfg(test)]
mod tests {
    use super::made;

    #[test]
    fn known_programs_are_known_and_people_are_not() {
        for rule in [
            "-j DOCKER-USER",
            "-m addrtype --dst-type LOCAL -j DOCKER",
            "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
            "-o br-0123456789ab -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-j LIBVIRT_PRT",
            "-p tcp -m multiport --dports 22 -j f2b-sshd",
            "-j ts-forward",
        ] {
            assert!(made(rule), "{rule}");
        }
        for rule in [
            "-j ACCEPT",
            "-i eth1 -j DROP",
            "-i br-guest -j ACCEPT",
            "-j MINE",
            "-m comment --comment DOCKER",
            "-j",
            "",
        ] {
            assert!(!made(rule), "{rule}");
        }
    }
}
