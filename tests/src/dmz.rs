//! A network for servers beside the LAN: one host behind the router's device `dmz0`.

use crate::error::Result;
use crate::ipv6;
use crate::namespace::Namespace;

/// Joins the host, 192.168.2.2 and `fd00:0:0:2::2`, to the router, which is 1 in both networks.
///
/// # Errors
/// When a device or address cannot be made.
pub(crate) fn raise(router: &Namespace, dmz: &Namespace, index: (u32, u32), with_ipv6: bool) -> Result<()> {
    if with_ipv6 {
        ipv6::raise::prepare(dmz)?;
    }
    router.ip(&format!(
        "link add dmz0 index {} type veth peer name eth0 index {} netns {}\n\
         addr add 192.168.2.1/24 dev dmz0\nlink set dmz0 up",
        index.0,
        index.1,
        dmz.name()
    ))?;
    dmz.ip("addr add 192.168.2.2/24 dev eth0\nlink set eth0 up\nroute add default via 192.168.2.1")?;
    if with_ipv6 {
        router.ip("addr add fd00:0:0:2::1/64 dev dmz0")?;
        dmz.ip("addr add fd00:0:0:2::2/64 dev eth0\nroute add default via fd00:0:0:2::1")?;
    }
    Ok(())
}
