//! A switch that several providers share, with one cable to the router: its uplinks are macvlan devices on that cable.

use crate::error::Result;
use crate::namespace::Namespace;
use crate::plan::Uplink;
use crate::provider::Provider;

/// The router's end of the cable, which has no address.
const TRUNK: &str = "wan0";

/// The switch, a bridge in a namespace of its own.
#[derive(Debug)]
pub(crate) struct Segment {
    space: Namespace,
}

impl Segment {
    /// Makes the namespace a switch and lays the cable to the router, with these device numbers.
    ///
    /// # Errors
    /// When a device cannot be made.
    pub(crate) fn raise(space: Namespace, router: &Namespace, index: (u32, u32)) -> Result<Self> {
        space.ip("link add switch type bridge\nlink set switch up")?;
        router.ip(&format!(
            "link add {TRUNK} index {} type veth peer name router index {} netns {}\nlink set {TRUNK} up",
            index.0,
            index.1,
            space.name()
        ))?;
        space.ip("link set router master switch up")?;
        Ok(Self { space })
    }

    /// Lays the cable from the switch to a provider.
    ///
    /// # Errors
    /// When a device or address cannot be made.
    pub(crate) fn connect(&self, provider: &Provider, uplink: &Uplink) -> Result<()> {
        let port = format!("p{}", uplink.number);
        self.space.ip(&format!(
            "link add {port} type veth peer name access netns {}\nlink set {port} master switch up",
            provider.space.name()
        ))?;
        provider.serve(uplink)
    }
}

/// Makes the device of an uplink on the router's cable.
///
/// # Errors
/// When the kernel refuses it.
pub(crate) fn branch(router: &Namespace, uplink: &Uplink) -> Result<()> {
    let device = uplink.device();
    router.ip(&format!("link add link {TRUNK} name {device} type macvlan mode bridge\nlink set {device} up")).map(drop)
}
