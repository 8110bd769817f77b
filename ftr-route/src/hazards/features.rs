//! What the kernel lacks. Found out by reading alone.
//!
//! Rules with our tag and `suppress_prefixlength` need no look: the netlink sockets that everything here is read by are
//! refused by every kernel that is old enough to lack them (before Linux 4.20).

use ftr_core::Family;
use ftr_netlink::{Ctnetlink, Error, SockDiag, SocketProtocol};
use nix::errno::Errno;

use super::{Hazard, Kind};
use crate::sysctl;

/// There only where the kernel can split an IPv4 route (`CONFIG_IP_ROUTE_MULTIPATH`).
const MULTIPATH: &str = "net/ipv4/fib_multipath_hash_policy";
/// There only where the kernel has IPv6 and it was not switched off at boot.
const IPV6: &str = "net/ipv6/conf/all/forwarding";

/// What the kernel can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Features {
    multipath: bool,
    ipv6: bool,
    /// To look at tracked connections, which is what it takes to forget those of a dead uplink; none where that is
    /// not asked for.
    conntrack: Option<Result<(), Error>>,
    /// To end the router's own sockets; asked for likewise.
    sockets: Option<Result<(), Error>>,
}

impl Features {
    /// Asks the kernel.
    pub(super) fn look(flushes: bool) -> Self {
        let values = sysctl::read([MULTIPATH, IPV6].map(str::to_owned));
        let conntrack = flushes.then(|| Ctnetlink::open().and_then(|mut socket| socket.try_out()));
        let sockets = flushes.then(|| {
            let mut diagnosis = SockDiag::open()?;
            [SocketProtocol::Tcp, SocketProtocol::Udp].into_iter().try_for_each(|protocol| diagnosis.try_out(protocol))
        });
        Self { multipath: values.contains_key(MULTIPATH), ipv6: values.contains_key(IPV6), conntrack, sockets }
    }
}

/// The kernel's policy rules could not be read because it has none: what to do about it.
pub(super) fn without_rules(family: Family, error: &Error) -> Option<Hazard> {
    let refusal = error.refusal()?;
    if !matches!(refusal.errno, Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP) {
        return None;
    }
    let option = match family {
        Family::V4 => "CONFIG_IP_MULTIPLE_TABLES",
        Family::V6 => "CONFIG_IPV6_MULTIPLE_TABLES",
    };
    let what = format!("it has no policy rules for {family} ({error}), without which nothing here works");
    Some(Hazard::new(Kind::KernelFeature, "kernel", what, format!("use a kernel with {option}=y")))
}

/// What is missing for these families.
pub(super) fn judge(families: &[Family], features: &Features) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let mut lacks = |what: &str, advice: &str| hazards.push(Hazard::new(Kind::KernelFeature, "kernel", what, advice));
    if families.contains(&Family::V4) && !features.multipath {
        lacks(
            "it cannot split a route over several uplinks, so new connections all take one",
            "use a kernel with CONFIG_IP_ROUTE_MULTIPATH=y",
        );
    }
    if families.contains(&Family::V6) && !features.ipv6 {
        lacks("it has no IPv6", "boot without ipv6.disable=1, or use a kernel with CONFIG_IPV6");
    }
    match &features.conntrack {
        Some(Err(error)) if error.is_permission() => hazards.push(Hazard::new(
            Kind::Unseen,
            "kernel",
            format!("whether tracked connections can be deleted could not be looked at ({error})"),
            "run ftr-route check as root",
        )),
        Some(Err(error)) => lacks(
            &format!("it does not let tracked connections be deleted ({error}), so those of a dead uplink hang"),
            "modprobe nf_conntrack_netlink, or use a kernel with CONFIG_NF_CT_NETLINK",
        ),
        Some(Ok(())) | None => {}
    }
    if let Some(Err(error)) = &features.sockets {
        hazards.push(Hazard::new(
            Kind::KernelFeature,
            "kernel",
            format!(
                "it does not let sockets be ended ({error}), so the router's own connections by a dead uplink hang"
            ),
            "modprobe -a tcp_diag udp_diag, or use a kernel with CONFIG_INET_UDP_DIAG and CONFIG_INET_DIAG_DESTROY=y",
        ));
    }
    hazards
}

#[cfg(test)]
mod tests {
    use super::{Features, judge, without_rules};
    use ftr_core::Family;
    use ftr_netlink::{Error, Refusal};
    use nix::errno::Errno;

    const BOTH: [Family; 2] = [Family::V4, Family::V6];

    #[test]
    fn a_kernel_with_all_of_it() {
        let features = Features { multipath: true, ipv6: true, conntrack: Some(Ok(())), sockets: Some(Ok(())) };
        assert_eq!(judge(&BOTH, &features), []);
    }

    #[test]
    fn what_is_missing_matters_only_for_what_is_used() {
        let features = Features { multipath: false, ipv6: false, conntrack: None, sockets: None };
        assert_eq!(judge(&BOTH, &features).len(), 2);
        assert!(judge(&[Family::V4], &features)[0].to_string().contains("CONFIG_IP_ROUTE_MULTIPATH"));
    }

    #[test]
    fn not_to_be_let_look_is_told_from_lacking() {
        let with = |errno| {
            let features = Features {
                multipath: true,
                ipv6: true,
                conntrack: Some(Err(Error::Open(errno))),
                sockets: Some(Ok(())),
            };
            judge(&BOTH, &features)[0].to_string()
        };
        assert!(with(Errno::EPERM).contains("could not be looked at"));
        assert!(with(Errno::EPROTONOSUPPORT).contains("nf_conntrack_netlink"));
    }

    #[test]
    fn a_kernel_that_ends_no_sockets_is_named() {
        let refusal = Refusal { errno: Errno::EOPNOTSUPP, message: None };
        let sockets = Some(Err(Error::Refused { operation: "destroy socket", refusal }));
        let features = Features { multipath: true, ipv6: true, conntrack: Some(Ok(())), sockets };
        let told = judge(&BOTH, &features)[0].to_string();
        assert!(told.contains("(destroy socket: ") && told.ends_with("CONFIG_INET_DIAG_DESTROY=y"), "{told}");
    }

    #[test]
    fn a_kernel_without_policy_rules_is_named() {
        let refused = |errno| Error::Refused { operation: "list rules", refusal: Refusal { errno, message: None } };
        let hazard = without_rules(Family::V6, &refused(Errno::EAFNOSUPPORT)).unwrap();
        assert!(hazard.to_string().ends_with("use a kernel with CONFIG_IPV6_MULTIPLE_TABLES=y"), "{hazard}");
        assert_eq!(without_rules(Family::V4, &refused(Errno::ENOBUFS)), None);
    }
}
