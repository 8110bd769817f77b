//! Tracked connections, looked for one by one.

use ftr_netlink::{Connection, Ctnetlink, Error, Flow};

/// The tracked connection with packets like these, in either direction; none where there is none.
pub(crate) fn find(flow: &Flow) -> Result<Option<Connection>, Error> {
    Ctnetlink::open()?.find(flow)
}
