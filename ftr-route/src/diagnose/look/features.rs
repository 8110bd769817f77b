//! Asks what the kernel can do.

use ftr_core::Family;
use ftr_netlink::{Ctnetlink, SockDiag, SocketProtocol};

use crate::diagnose::features::Features;
use crate::kernel::sysctl;
use crate::plan::sysctl::{Net, POLICY};

/// Asks the kernel.
pub(super) fn look(flushes: bool) -> Features {
    // There only where the kernel can split an IPv4 route (`CONFIG_IP_ROUTE_MULTIPATH`), and where it has IPv6 and that
    // was not switched off at boot.
    let [multipath, ipv6] = [Net(Family::V4).path(POLICY), Net(Family::V6).forward()];
    let values = sysctl::read([multipath.clone(), ipv6.clone()]);
    let conntrack = flushes.then(|| Ctnetlink::open().and_then(|mut socket| socket.try_out()));
    let sockets = flushes.then(|| {
        let mut diagnosis = SockDiag::open()?;
        [SocketProtocol::Tcp, SocketProtocol::Udp].into_iter().try_for_each(|protocol| diagnosis.try_out(protocol))
    });
    Features { multipath: values.contains_key(&multipath), ipv6: values.contains_key(&ipv6), conntrack, sockets }
}
