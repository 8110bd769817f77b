//! What the kernel lacks. Found out by reading alone.
//!
//! Rules with our tag and `suppress_prefixlength` need no look: the netlink sockets that everything here is read by are
//! refused by every kernel that is old enough to lack them (before Linux 4.20).

use ftr_core::Family;
use ftr_netlink::Error;
use nix::errno::Errno;

use super::hazard::{Hazard, Kind};

/// What the kernel can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) multipath: bool,
    pub(super) ipv6: bool,
    /// To look at tracked connections, which is what it takes to forget those of a dead uplink; none where that is
    /// not asked for.
    pub(super) conntrack: Option<Result<(), Error>>,
    /// To end the router's own sockets; asked for likewise.
    pub(super) sockets: Option<Result<(), Error>>,
}

/// The kernel's policy rules could not be read because it has none: what to do about it.
pub(super) fn without_rules(family: Family, error: &Error) -> Option<Hazard> {
    let error = error.netlink_error()?;
    if !matches!(error.errno, Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP) {
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
pub(super) fn evaluate(families: &[Family], features: &Features) -> Vec<Hazard> {
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
    use super::{Features, evaluate, without_rules};
    use ftr_core::Family;
    use ftr_netlink::{Error, NetlinkError};
    use nix::errno::Errno;

    const BOTH: [Family; 2] = [Family::V4, Family::V6];

    #[test]
    fn a_kernel_with_all_of_it() {
        let features = Features { multipath: true, ipv6: true, conntrack: Some(Ok(())), sockets: Some(Ok(())) };
        assert_eq!(evaluate(&BOTH, &features), []);
    }

    #[test]
    fn what_is_missing_matters_only_for_what_is_used() {
        let features = Features { multipath: false, ipv6: false, conntrack: None, sockets: None };
        assert_eq!(evaluate(&BOTH, &features).len(), 2);
        assert!(evaluate(&[Family::V4], &features)[0].to_string().contains("CONFIG_IP_ROUTE_MULTIPATH"));
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
            evaluate(&BOTH, &features)[0].to_string()
        };
        assert!(with(Errno::EPERM).contains("could not be looked at"));
        assert!(with(Errno::EPROTONOSUPPORT).contains("nf_conntrack_netlink"));
    }

    #[test]
    fn a_kernel_that_ends_no_sockets_is_named() {
        let error = NetlinkError { errno: Errno::EOPNOTSUPP, message: None };
        let sockets = Some(Err(Error::Rejected { operation: "destroy socket", error }));
        let features = Features { multipath: true, ipv6: true, conntrack: Some(Ok(())), sockets };
        let told = evaluate(&BOTH, &features)[0].to_string();
        assert!(told.contains("(destroy socket: ") && told.ends_with("CONFIG_INET_DIAG_DESTROY=y"), "{told}");
    }

    #[test]
    fn a_kernel_without_policy_rules_is_named() {
        let refused = |errno| Error::Rejected { operation: "list rules", error: NetlinkError { errno, message: None } };
        let hazard = without_rules(Family::V6, &refused(Errno::EAFNOSUPPORT)).unwrap();
        assert!(hazard.to_string().ends_with("use a kernel with CONFIG_IPV6_MULTIPLE_TABLES=y"), "{hazard}");
        assert_eq!(without_rules(Family::V4, &refused(Errno::ENOBUFS)), None);
    }
}
