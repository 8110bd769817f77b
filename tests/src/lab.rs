//! The lab: a LAN host, the router, its providers and the internet, each a network namespace.
//!
//! ```text
//!  lan ──── eth0 router eth1 ──── access provider 1 wan ──┐
//!                       eth2 ──── access provider 2 wan ──┼── internet
//!                       …                              ─┘
//! ```

use crate::dhcp::Lease;
use crate::dmz;
use crate::error::{Context, LabError, Result};
use crate::fault::Fault;
use crate::ipv6;
use crate::ipv6::advertiser::{self, Advertiser};
use crate::namespace::Namespace;
use crate::plan::{self, Kind, Kind6, Uplink, Wish};
use crate::ppp::Line;
use crate::provider::Provider;
use crate::segment::{self, Segment};
use crate::teardown;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static LABS: AtomicU32 = AtomicU32::new(0);

/// A running lab. Dropping it removes everything that it made.
#[derive(Debug)]
pub struct Lab {
    /// The uplinks in order.
    pub uplinks: Vec<Uplink>,
    /// The host behind the router.
    pub lan: Namespace,
    /// The router under test.
    pub router: Namespace,
    /// Where the test addresses and the servers are.
    pub internet: Namespace,
    /// Whether its uplinks have IPv6 too.
    pub ipv6: bool,
    dmz: Option<Namespace>,
    name: String,
    providers: Vec<Provider>,
    segment: Option<Segment>,
    pub(crate) advertisers: BTreeMap<String, Advertiser>,
    pub(crate) leases: BTreeMap<String, Lease>,
    pub(crate) lines: BTreeMap<String, Line>,
    pub(crate) faults: BTreeMap<String, Vec<Fault>>,
    directory: PathBuf,
    last_index: u32,
}

impl Lab {
    /// Builds a lab with the uplinks wished for. The router forwards but has no uplink routes and no firewall.
    ///
    /// # Errors
    /// When a namespace, device or address cannot be made.
    pub fn build(wishes: &[Wish]) -> Result<Self> {
        Self::raise(wishes, false)
    }

    /// The same with IPv6 beside IPv4. What routers advertise has arrived.
    ///
    /// # Errors
    /// As [`Lab::build`].
    pub fn dual(wishes: &[Wish]) -> Result<Self> {
        Self::raise(wishes, true)
    }

    fn raise(wishes: &[Wish], ipv6: bool) -> Result<Self> {
        teardown::sweep();
        let name = format!("ftr{}x{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(&name);
        fs::create_dir(&directory).context(|| format!("make {}", directory.display()))?;
        teardown::remember_directory(&directory);
        let prefix = name.clone();
        let create = |place: &str| {
            let space = Namespace::create(&format!("{prefix}-{place}"))?;
            if ipv6 { ipv6::raise::prepare(&space).map(|()| space) } else { Ok(space) }
        };
        let mut lab = Self {
            uplinks: plan::uplinks(wishes),
            lan: create("lan")?,
            router: create("router")?,
            internet: create("net")?,
            ipv6,
            dmz: None,
            name,
            providers: Vec::new(),
            segment: None,
            advertisers: BTreeMap::new(),
            leases: BTreeMap::new(),
            lines: BTreeMap::new(),
            faults: BTreeMap::new(),
            directory,
            last_index: 100,
        };
        lab.raise_lan()?;
        lab.raise_internet()?;
        if lab.uplinks.iter().any(|uplink| uplink.wish.kind == Kind::Macvlan) {
            let indexes = lab.next_indexes();
            lab.segment = Some(Segment::raise(create("segment")?, &lab.router, indexes)?);
        }
        for uplink in lab.uplinks.clone() {
            let indexes = lab.next_indexes();
            let space = create(&format!("p{}", uplink.number))?;
            let provider = Provider::raise(space, &uplink, &lab.internet, indexes)?;
            if ipv6 {
                ipv6::raise::provider(&provider.space, &lab.internet, &uplink)?;
            }
            if let (Kind::Macvlan, Some(segment)) = (uplink.wish.kind, &lab.segment) {
                segment.connect(&provider, &uplink)?;
            }
            lab.providers.push(provider);
            lab.attach(&uplink)?;
        }
        if ipv6 {
            advertiser::heard(&lab.router, &lab.uplinks)?;
        }
        Ok(lab)
    }

    /// Puts a host into a network of its own beside the LAN.
    ///
    /// # Errors
    /// When a namespace, device or address cannot be made.
    pub fn add_dmz(&mut self) -> Result<()> {
        let indexes = self.next_indexes();
        let space = Namespace::create(&format!("{}-dmz", self.name))?;
        dmz::raise(&self.router, &space, indexes, self.ipv6)?;
        self.dmz = Some(space);
        Ok(())
    }

    /// That host.
    ///
    /// # Errors
    /// When the lab has none.
    pub fn dmz(&self) -> Result<&Namespace> {
        self.dmz.as_ref().ok_or_else(|| LabError::Unexpected("the lab has no DMZ".to_owned()))
    }

    /// A directory of this lab for files of the test; removed with it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The uplink of that device name.
    ///
    /// # Errors
    /// When the lab has none of that name.
    pub fn uplink(&self, device: &str) -> Result<&Uplink> {
        self.uplinks
            .iter()
            .find(|uplink| uplink.device() == device)
            .ok_or_else(|| LabError::Unexpected(format!("{device}: the lab has no such uplink")))
    }

    /// The provider behind the uplink of that device name.
    ///
    /// # Errors
    /// When the lab has none of that name.
    pub fn provider(&self, device: &str) -> Result<&Provider> {
        let number = usize::from(self.uplink(device)?.number);
        self.providers
            .get(number - 1)
            .ok_or_else(|| LabError::Unexpected(format!("{device}: its provider is not there yet")))
    }

    pub(crate) fn attach(&mut self, uplink: &Uplink) -> Result<()> {
        let device = uplink.device();
        let (ours, theirs) = self.next_indexes();
        let provider = self.provider(&device)?;
        match uplink.wish.kind {
            Kind::Static => {
                provider.join(&self.router, uplink, ours, theirs)?;
                self.address(uplink)?;
            }
            Kind::Modem => {
                provider.join(&self.router, uplink, ours, theirs)?;
                provider.resolve_nothing(&self.router, uplink)?;
                self.address(uplink)?;
            }
            Kind::Macvlan => {
                segment::branch(&self.router, uplink)?;
                self.address(uplink)?;
            }
            Kind::Ppp | Kind::Tunnel => {
                let line = Line::dial(&self.router, &provider.space, uplink)?;
                self.lines.insert(device, line);
            }
            Kind::Dhcp => {
                provider.join(&self.router, uplink, ours, theirs)?;
                let lease = Lease::begin(&self.router, &provider.space, uplink, &self.directory)?;
                self.leases.insert(device, lease);
            }
        }
        self.join_ipv6(uplink)
    }

    /// Gives the router its fixed address on an uplink.
    fn address(&self, uplink: &Uplink) -> Result<()> {
        let line = format!("addr add {}/{} dev {}", uplink.address(), uplink.prefix(), uplink.device());
        self.router.ip(&line).map(drop)
    }

    /// Puts an uplink's IPv6 in place, where the lab has any.
    pub(crate) fn join_ipv6(&mut self, uplink: &Uplink) -> Result<()> {
        if !self.ipv6 || uplink.wish.type6 == Kind6::None {
            return Ok(());
        }
        if uplink.wish.type6 == Kind6::Ra {
            let device = uplink.device();
            let running = self.advertisers.remove(&device);
            let space = &self.provider(&device)?.space;
            let advertiser = Advertiser::raise(running, space, uplink, &self.directory)?;
            self.advertisers.insert(device, advertiser);
        }
        ipv6::raise::join(&self.router, &self.provider(&uplink.device())?.space, uplink)
    }

    fn raise_lan(&mut self) -> Result<()> {
        let (ours, theirs) = self.next_indexes();
        self.router.ip(&format!(
            "link add eth0 index {ours} type veth peer name eth0 index {theirs} netns {}\n\
             addr add 192.168.1.1/24 dev eth0\nlink set eth0 up",
            self.lan.name()
        ))?;
        let mut batch = String::from("addr add 192.168.1.2/24 dev eth0\n");
        for client in plan::clients(100) {
            // Writing to a String cannot fail.
            let _ = writeln!(batch, "addr add {client}/24 dev eth0");
        }
        self.lan.ip(&format!("{batch}link set eth0 up\nroute add default via 192.168.1.1"))?;
        if self.ipv6 {
            ipv6::raise::lan(&self.router, &self.lan, &self.uplinks)?;
        }
        self.router.sysctl("net/ipv4/ip_forward", "1")
    }

    fn raise_internet(&self) -> Result<()> {
        let batch = plan::TARGETS.into_iter().chain(plan::servers()).fold(String::new(), |mut batch, address| {
            // Writing to a String cannot fail.
            let _ = writeln!(batch, "addr add {address}/32 dev lo");
            batch
        });
        self.internet.ip(&batch)?;
        self.internet.sysctl("net/ipv4/ip_forward", "1")?;
        if self.ipv6 { ipv6::raise::internet(&self.internet) } else { Ok(()) }
    }

    /// Two device numbers never used before and never equal: with equal ones at both ends of a veth the kernel
    /// reports carrier late.
    fn next_indexes(&mut self) -> (u32, u32) {
        self.last_index += 2;
        (self.last_index - 1, self.last_index)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Whoever still runs in the router may write into the directory.
        teardown::remove(self.router.name());
        teardown::remove_directory(&self.directory);
    }
}
