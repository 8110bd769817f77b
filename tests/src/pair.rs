//! Two routers that stand in for each other, as `dist/pair` sets them up: keepalived moves the addresses, conntrackd the
//! connections.
//!
//! ```text
//!             ┌ eth0 a eth1, eth2 ┐
//!  lan switch ┤      eth3         ├ a switch of each provider ── internet
//!             └ eth0 b eth1, eth2 ┘
//! ```

mod member;
mod side;

use self::member::{Member, Readiness, SHARED};
pub use self::side::{Loss, Side};
use crate::deadline::wait_for;
use crate::error::{Context, LabError, Result};
use crate::ipv6;
use crate::lab::Lab;
use crate::namespace::{Namespace, run};
use crate::plan;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

/// How soon both routers have to be ready for the next switch.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);

/// A lab with a pair of routers in place of its router.
#[derive(Debug)]
pub struct Pair {
    // Daemons end before the namespaces of the lab go.
    members: [Member; 2],
    /// The LAN, the providers and the internet. Its own router has no cables.
    pub lab: Lab,
}

impl Pair {
    /// Raises two providers, two routers with everything that they run, and waits until one of them has the addresses.
    ///
    /// # Errors
    /// When something cannot be made, or a program refuses what is shipped.
    pub fn start() -> Result<Self> {
        let lab = Lab::dual(&plan::alike(2))?;
        let mut indexes = 200..;
        let mut next = || indexes.next().unwrap_or_default();
        switch(&lab.lan, "eth0", "02:00:00:00:01:00", &lan_addresses())?;
        for uplink in &lab.uplinks {
            let addresses = format!("addr add {}/24 dev access\n", uplink.gateway());
            let own = format!("02:00:00:00:00:{:02x}", uplink.number);
            let provider = &lab.provider(&uplink.device())?.space;
            switch(provider, "access", &own, &addresses)?;
            ipv6::raise::serve(provider, uplink)?;
        }
        let member = |side: Side| -> Result<Member> {
            let name = lab.router.name().replace("router", side.name());
            let directory = lab.directory().join(side.name());
            fs::create_dir_all(directory.join("run")).context(|| format!("make {}", directory.display()))?;
            let space = Namespace::create(&name)?;
            ipv6::raise::prepare(&space)?;
            Ok(Member { side, space, directory, daemons: Vec::new() })
        };
        let mut members = [member(Side::A)?, member(Side::B)?];
        for member in &members {
            member.plug(&lab.lan, "eth0", (next(), next()))?;
            for uplink in &lab.uplinks {
                member.plug(&lab.provider(&uplink.device())?.space, &uplink.device(), (next(), next()))?;
            }
        }
        let [a, b] = &members;
        a.space.ip(&format!(
            "link add eth3 index {} type veth peer name eth3 index {} netns {}",
            next(),
            next(),
            b.space.name()
        ))?;
        for (member, last) in members.iter_mut().zip(1..) {
            member.space.ip(&format!("addr add 169.254.7.{last}/30 dev eth3\nlink set eth3 up"))?;
            member.configure()?;
        }
        let mut pair = Self { members, lab };
        for member in &mut pair.members {
            member.launch()?;
        }
        pair.settle()?;
        let gateway = || pair.lab.lan.sh("ip -6 route show default");
        wait_for("hosts to hear of their gateway", SETTLES_WITHIN, gateway, |seen| seen.contains("fe80::1"))?;
        Ok(pair)
    }

    /// The router that has all of the shared addresses; none where nobody has, or both have some.
    ///
    /// # Errors
    /// When `ip` cannot be asked.
    pub fn holder(&self) -> Result<Option<Side>> {
        let mut holder = None;
        for member in &self.members {
            match member.shared()?.len() {
                0 => {}
                all if all == SHARED.len() && holder.is_none() => holder = Some(member.side),
                _ => return Ok(None),
            }
        }
        Ok(holder)
    }

    /// Whether this router has all of the shared addresses, and the other one has none.
    ///
    /// # Errors
    /// When `ip` cannot be asked.
    pub fn holds(&self, side: Side) -> Result<bool> {
        Ok(self.holder()? == Some(side))
    }

    /// Waits until a router has all of the shared addresses, whoever else believes to have them.
    ///
    /// # Errors
    /// [`LabError::Late`].
    pub fn takes_over(&self, side: Side, within: Duration) -> Result<()> {
        let member = self.member(side);
        wait_for(
            &format!("router {} to have the addresses", side.name()),
            within,
            || member.shared(),
            |shared| shared.len() == SHARED.len(),
        )
        .map(drop)
        .map_err(|error| LabError::Unexpected(format!("{error}\n{}", self.told())))
    }

    /// Lets something become of a router.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn lose(&mut self, side: Side, loss: Loss) -> Result<()> {
        match loss {
            Loss::OneUplink => self.at_first(side, "down"),
            Loss::Uplinks => self.at_providers(&format!("ip link set {} down", side.port())),
            Loss::SilentUplinks => self.at_providers(&deaf(side, "drop")),
            Loss::SilentIpv6 => self.at_providers(&deaf(side, "meta protocol ip6 drop")),
            Loss::Router => {
                self.at_lan(side, "down")?;
                self.at_providers(&format!("ip link set {} down", side.port()))?;
                let member = self.member_mut(side);
                member.space.ip("link set eth3 down")?;
                member.kill()
            }
            Loss::Lan => self.at_lan(side, "down"),
        }
    }

    /// Makes the router whole again.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn mend(&mut self, side: Side, loss: Loss) -> Result<()> {
        match loss {
            Loss::OneUplink => self.at_first(side, "up"),
            Loss::Uplinks => self.at_providers(&format!("ip link set {} up", side.port())),
            Loss::SilentUplinks | Loss::SilentIpv6 => self.at_providers("nft delete table netdev deaf"),
            Loss::Router => {
                // A router that was gone has neither addresses nor connections.
                let member = self.member_mut(side);
                member.space.sh("conntrack -F 2>&1")?;
                for address in member.shared()? {
                    let line = "{print \"ip addr del\", $4, \"dev\", $2}";
                    member.space.sh(&format!("ip -o addr show to {address} | awk '{line}' | sh"))?;
                }
                member.space.ip("link set eth3 up")?;
                self.at_lan(side, "up")?;
                self.at_providers(&format!("ip link set {} up", side.port()))?;
                self.member_mut(side).launch()
            }
            Loss::Lan => self.at_lan(side, "up"),
        }
    }

    /// Waits until both are ready for the next switch: one has the addresses, both have uplinks that work, and whichever
    /// connection of the LAN one knows, the other knows by the same mark.
    ///
    /// # Errors
    /// [`LabError::Late`].
    pub fn settle(&self) -> Result<Side> {
        let seen = || Ok((self.holder()?, self.members[0].readiness()?, self.members[1].readiness()?));
        let ready = |(holder, a, b): &(Option<Side>, Readiness, Readiness)| {
            let (holding, other) = match holder {
                Some(Side::A) => (a, b),
                Some(Side::B) => (b, a),
                None => return false,
            };
            [a, b].iter().all(|one| one.works) && holding.held.is_subset(&other.held)
        };
        wait_for("both routers to be ready", SETTLES_WITHIN, seen, ready)
            .and_then(|(holder, ..)| holder.ok_or_else(|| LabError::Unexpected("nobody holds".to_owned())))
            .map_err(|error| LabError::Unexpected(format!("{error}\n{}", self.told())))
    }

    /// Waits until both know that none of their uplinks works, and one has the addresses.
    ///
    /// # Errors
    /// [`LabError::Late`].
    pub fn despairs(&self) -> Result<()> {
        let [a, b] = &self.members;
        let seen = || Ok((self.holder()?, a.readiness()?, b.readiness()?));
        let so = |(holder, a, b): &(Option<Side>, Readiness, Readiness)| holder.is_some() && !a.works && !b.works;
        wait_for("both routers to have no uplink", SETTLES_WITHIN, seen, so)
            .map(drop)
            .map_err(|error| LabError::Unexpected(format!("{error}\n{}", self.told())))
    }

    /// The established connections of the LAN that a router knows, with their marks.
    ///
    /// # Errors
    /// When conntrack cannot be asked.
    pub fn connections(&self, side: Side) -> Result<BTreeSet<String>> {
        self.member(side).connections()
    }

    /// What the programs of both have printed, for people who look for a mistake.
    #[must_use]
    pub fn told(&self) -> String {
        let mut text = String::new();
        for member in &self.members {
            for line in
                ["ip -br addr", "for f in ipv4 ipv6; do conntrack -L -f $f 2>&1 | grep -v 'src=127' | tail -30; done"]
            {
                let _ = writeln!(text, "{}: {line}\n{}", member.side.name(), member.space.sh(line).unwrap_or_default());
            }
            for name in ["ftr-monitor.out", "ftr.log", "keepalived.out", "conntrackd.out", "radvd.out"] {
                let path = member.directory.join(name);
                let _ =
                    writeln!(text, "{}: {name}\n{}", member.side.name(), fs::read_to_string(path).unwrap_or_default());
            }
        }
        text
    }

    /// The marks of the uplinks that a router gives, in the words of its firewall.
    ///
    /// # Errors
    /// When the rules cannot be printed.
    pub fn marks(&self, side: Side) -> Result<Vec<String>> {
        let rules = self.member(side).rules()?;
        let marks = rules.lines().filter(|line| line.starts_with("# mark "));
        Ok(marks.map(|line| line.split(',').next().unwrap_or(line).to_owned()).collect())
    }

    /// Writes a router's configuration anew, with a piece of text replaced by another, and has its monitor take it.
    ///
    /// # Errors
    /// When the monitor refuses it.
    pub fn reload(&self, side: Side, from: &str, to: &str) -> Result<()> {
        let member = self.member(side);
        let path = member.directory.join("ftr.yaml");
        let text = fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
        fs::write(&path, text.replace(from, to)).context(|| format!("write {}", path.display()))?;
        run(member.program("ftr-monitor")?.arg("reload")).map(drop)
    }

    fn member(&self, side: Side) -> &Member {
        let [a, b] = &self.members;
        if side == Side::A { a } else { b }
    }

    fn member_mut(&mut self, side: Side) -> &mut Member {
        let [a, b] = &mut self.members;
        if side == Side::A { a } else { b }
    }

    fn at_lan(&self, side: Side, state: &str) -> Result<()> {
        self.lab.lan.ip(&format!("link set {} {state}", side.port())).map(drop)
    }

    fn at_first(&self, side: Side, state: &str) -> Result<()> {
        self.lab.provider("eth1")?.space.ip(&format!("link set {} {state}", side.port())).map(drop)
    }

    fn at_providers(&self, line: &str) -> Result<()> {
        let mut uplinks = self.lab.uplinks.iter();
        uplinks.try_for_each(|uplink| self.lab.provider(&uplink.device())?.space.sh(line).map(drop))
    }
}

/// What lets the switches of the providers drop some of what a router sends.
fn deaf(side: Side, rule: &str) -> String {
    let port = side.port();
    format!(
        "nft 'table netdev deaf {{ chain ingress {{ type filter hook ingress device {port} priority 0; {rule}; }}; }}'"
    )
}

/// Puts a switch in place of a device, with a link-layer address that stays.
fn switch(space: &Namespace, name: &str, own: &str, addresses: &str) -> Result<()> {
    space.ip(&format!(
        "link del {name}\nlink add {name} address {own} type bridge forward_delay 0\n{addresses}link set {name} up"
    ))?;
    if name == "eth0" {
        space.ip("route add default via 192.168.1.1")?;
    }
    Ok(())
}

fn lan_addresses() -> String {
    let clients = plan::clients(100).into_iter().map(|client| format!("{client}/24"));
    let clients = clients.chain(ipv6::clients(None, 100).into_iter().map(|client| format!("{client}/64")));
    clients.fold("addr add 192.168.1.2/24 dev eth0\n".to_owned(), |mut batch, client| {
        // Writing to a String cannot fail.
        let _ = writeln!(batch, "addr add {client} dev eth0");
        batch
    })
}
