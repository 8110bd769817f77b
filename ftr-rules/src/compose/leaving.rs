//! What leaves by an uplink, and the address that it gets there.

use ftr_core::config::Ipv6Kind;
use ftr_core::{Family, InterfaceName};

use super::scope::Scope;
use crate::model::{Action, When};

/// What leaves by a device; policies of `IPsec` select by the addresses that hosts have inside.
pub(super) fn leaves(device: &InterfaceName, family: Family, scope: &Scope) -> When {
    When { family: Some(family), outputs: vec![device.clone()], unencrypted: !scope.original, ..When::default() }
}

/// Translation to the address of an uplink.
pub(super) fn to_address(kind: Ipv6Kind) -> Action {
    match kind {
        Ipv6Kind::Static { ip, .. } => Action::Snat(ip.into()),
        Ipv6Kind::Advertised => Action::Masquerade,
    }
}
