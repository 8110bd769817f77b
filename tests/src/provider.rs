//! An internet provider: forwards for its own customers' addresses and for nobody else's.

use crate::error::{Result, malformed};
use crate::namespace::Namespace;
use crate::plan::Uplink;

/// A provider's namespace; its devices are `access` towards the router and `wan` towards the internet.
#[derive(Debug)]
pub struct Provider {
    /// Where it lives.
    pub space: Namespace,
}

impl Provider {
    /// Makes the namespace a provider's and joins it to the internet, which routes the uplink's network back through it.
    ///
    /// # Errors
    /// When a device or address cannot be made.
    pub fn raise(space: Namespace, uplink: &Uplink, internet: &Namespace, index: (u32, u32)) -> Result<Self> {
        let exchange_device = format!("p{}", uplink.number);
        space.ip(&format!(
            "link add wan index {} type veth peer name {exchange_device} index {} netns {}\n\
             addr add {}/30 dev wan\nlink set wan up",
            index.0,
            index.1,
            internet.name(),
            uplink.transit()
        ))?;
        internet.ip(&format!(
            "addr add {}/30 dev {exchange_device}\nlink set {exchange_device} up\nroute add {} via {}",
            uplink.exchange(),
            uplink.seen_network(),
            uplink.transit()
        ))?;
        space.ip(&format!("route add default via {}", uplink.exchange()))?;
        space.sysctl("net/ipv4/ip_forward", "1")?;
        // A FIN of a connection that was given up belongs to none, so nothing translates its source.
        space.nft(&format!(
            "table inet guard {{\n counter foreign {{ }}\n chain forward {{\n type filter hook forward priority -10;\n\
             iifname \"access\" ip saddr 192.168.1.0/24 drop\n\
             iifname \"access\" ip saddr != {} counter name foreign drop\n }}\n}}\n",
            uplink.network()
        ))?;
        if uplink.wish.translated {
            space.nft(&format!(
                "table ip modem {{\n chain leaving {{\n type nat hook postrouting priority srcnat;\n\
                 oifname \"wan\" snat to {}.0.0.2\n }}\n}}\n",
                uplink.number
            ))?;
        }
        Ok(Self { space })
    }

    /// Lays the cable of an Ethernet uplink; the router's end has no address yet.
    ///
    /// # Errors
    /// When a device or address cannot be made.
    pub fn join(&self, router: &Namespace, uplink: &Uplink, ours: u32, theirs: u32) -> Result<()> {
        let device = uplink.device();
        router.ip(&format!(
            "link add {device} index {ours} type veth peer name access index {theirs} netns {}",
            self.space.name()
        ))?;
        self.serve(uplink)?;
        router.ip(&format!("link set {device} up")).map(drop)
    }

    /// Switches address resolution off at both ends: each sends to its own link-layer address, which is the other's too.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn resolve_nothing(&self, router: &Namespace, uplink: &Uplink) -> Result<()> {
        let set = |device: &str| format!("link set {device} address 02:00:00:00:00:{:02x} arp off", uplink.number);
        self.space.ip(&set("access"))?;
        router.ip(&set(&uplink.device())).map(drop)
    }

    /// Gives the provider's end its address.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn serve(&self, uplink: &Uplink) -> Result<()> {
        let gateway = uplink.gateway();
        self.space.ip(&format!("addr add {gateway}/24 dev access\nlink set access up"))?;
        if uplink.is_usual(gateway) && uplink.is_usual(uplink.address()) {
            return Ok(());
        }
        self.space.ip(&format!("route replace {} dev access", uplink.network())).map(drop)
    }

    /// Answers ARP requests for every address in the world, as some modems do, or no longer.
    ///
    /// # Errors
    /// When the kernel refuses the setting.
    pub fn answer_arp_for_all(&self, answer: bool) -> Result<()> {
        // Else the kernel waits up to 0.8 s before it answers for somebody else (arp(7)).
        self.space.sysctl("net/ipv4/neigh/access/proxy_delay", "0")?;
        self.space.sysctl("net/ipv4/conf/access/proxy_arp", if answer { "1" } else { "0" })
    }

    /// How many packets with a source address of somebody else the router sent here.
    ///
    /// # Errors
    /// When the counter cannot be read.
    pub fn foreign_packets(&self) -> Result<u64> {
        let text = self.space.sh("nft list counter inet guard foreign")?;
        let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
        words.nth(1).and_then(|count| count.parse().ok()).ok_or_else(|| malformed("counter of foreign packets", &text))
    }
}
