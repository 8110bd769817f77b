//! `ftr-route explain` tells beforehand what then happens: random flows from the LAN and of the router are explained,
//! opened, and looked up in connection tracking, under both firewalls and in both families.
//!
//! `FTR_TOLD_ROUNDS` and `FTR_TOLD_FLOWS` make it longer, `FTR_TOLD_SEED` repeats one.

use fastrand::Rng;
use ftr_lab::error::{Context, LabError, Result, malformed};
use ftr_lab::firewall::Firewall;
use ftr_lab::lab::Lab;
use ftr_lab::plan::{self, Wish};
use ftr_lab::router::Router;
use ftr_lab::{config, deadline, ipv6, suite};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

/// Hosts that do not answer.
const MUTE: &str = "\
table inet mute {
    chain input {
        type filter hook input priority 0
        meta l4proto { tcp, udp } drop
    }
}
";

fn main() -> ExitCode {
    let trial = Trial::test("explain_tells_what_then_happens", || tells_what_then_happens().map_err(Failed::from));
    suite::run(vec![trial])
}

fn tells_what_then_happens() -> Result<()> {
    let number = |key: &str, usual: u64| std::env::var(key).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (rounds, flows) = (number("FTR_TOLD_ROUNDS", 4), number("FTR_TOLD_FLOWS", 40));
    let seed = number("FTR_TOLD_SEED", Rng::new().get_seed());
    println!("FTR_TOLD_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..rounds {
        let world = World::draw(&mut rng, round);
        let lied = world.compare(&mut rng, flows, &mut counted).map_err(|error| {
            LabError::Unexpected(format!("FTR_TOLD_SEED={seed}, round {round}, {world:?}: {error}"))
        })?;
        assert!(lied.is_empty(), "FTR_TOLD_SEED={seed}, round {round}, {world:?}:\n{}", lied.join("\n"));
    }
    println!("{counted:?}");
    // The world is a mixed one, or nothing would be shown.
    for kind in ["way told", "source told"] {
        assert!(counted.get(kind).copied().unwrap_or_default() >= flows, "FTR_TOLD_SEED={seed}: {counted:?}");
    }
    Ok(())
}

/// What one round has in common.
#[derive(Debug)]
struct World {
    firewall: Firewall,
    hash: Option<&'static str>,
    nat6: &'static str,
    policies: bool,
    mask: bool,
    weights: [u16; 3],
}

impl World {
    /// Firewall and IPv6 translation take turns, the rest is drawn.
    fn draw(rng: &mut Rng, round: u64) -> Self {
        let nat6 = match round / 2 % 3 {
            0 => "masquerade",
            1 => "npt",
            _ => "none",
        };
        Self {
            firewall: if round % 2 == 0 { Firewall::Iptables } else { Firewall::Nft },
            hash: *rng.choice(&[None, Some("l3"), Some("l4"), Some("source")]).unwrap_or(&None),
            nat6,
            policies: rng.bool(),
            mask: rng.bool(),
            weights: std::array::from_fn(|_| rng.u16(1..5)),
        }
    }

    fn overrides(&self, lab: &Lab) -> String {
        let uplink = |uplink: &plan::Uplink, weight: u16| {
            let n = uplink.number;
            format!(
                "- {{interface: eth{n}, ip: {n}.0.0.2, gateway: {n}.0.0.1, ip6: '2001:db8:{n}::2', gateway6: \
                 '2001:db8:{n}::1', prefix6: '2001:db8:{n}:100::/56', nat6: {}, weight: {weight}}}\n",
                self.nat6
            )
        };
        let uplinks: String = lab.uplinks.iter().zip(self.weights).map(|(one, weight)| uplink(one, weight)).collect();
        let mut text =
            format!("uplinks:\n{uplinks}downlinks: {{lan: eth0, prefix6: 'fd00::/64'}}\nbase_priority: 20000\n");
        if let Some(hash) = self.hash {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "routing: {{hash: {hash}}}");
        }
        if self.mask {
            text.push_str("base_fwmark: 0x100\nfwmark_mask: 0xff00\n");
        }
        if self.policies {
            text.push_str(
                "policies:\n\
                 - {name: phones, match: {protocol: udp, dports: 5060-5070}, uplinks: [eth3, eth1]}\n\
                 - {name: some, match: {source: [192.168.1.100/30, 'fd00::100/126']}, uplinks: [eth2]}\n\
                 - {name: web, match: {protocol: tcp, dports: [80, 443], destination: [192.0.2.0/29, '2001:db8:f:1::/125']}, uplinks: [eth1]}\n",
            );
        }
        text
    }

    /// The flows of which something else was told than happened.
    fn compare(&self, rng: &mut Rng, flows: u64, counted: &mut BTreeMap<String, u64>) -> Result<Vec<String>> {
        let wish = || Wish { delegated: true, ..Wish::default() };
        let lab = Lab::dual(&[wish(), wish(), wish()])?;
        // Without answers every connection stays in connection tracking as it began; a reset would take it away.
        lab.internet.nft(MUTE)?;
        let router = Router::guarded(&lab, &config::parse(&self.overrides(&lab))?, self.firewall)?;
        let output = router.shell(&lab.router, "ftr-route apply", None)?;
        if !output.status.success() {
            return Err(LabError::Unexpected(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let flows: Vec<Flow> = (0..flows).map(|_| Flow::draw(rng)).collect();
        let told: Vec<Value> = flows.iter().map(|flow| explain(&lab, &router, flow)).collect::<Result<_>>()?;
        let (lan, routers): (Vec<Flow>, Vec<Flow>) = flows.iter().partition(|flow| flow.from.is_some());
        lab.lan.enter(|| lan.iter().try_for_each(Flow::open))?;
        lab.router.enter(|| routers.iter().try_for_each(Flow::open))?;
        let seen = deadline::wait_for(
            "connection tracking to have every flow",
            Duration::from_secs(3),
            || tracked(&lab),
            |seen| flows.iter().all(|flow| seen.contains_key(&flow.key())),
        )?;

        let mut lied = Vec::new();
        for (flow, told) in flows.iter().zip(&told) {
            let Some(seen) = seen.get(&flow.key()) else {
                return Err(LabError::Unexpected(format!("{flow}: not tracked")));
            };
            if let Some(how) = self.judge(told, seen, counted) {
                lied.push(format!("{flow}: {how}; it is {seen:?}; told {told}"));
            }
        }
        Ok(lied)
    }

    /// What was told wrongly of a flow.
    fn judge(&self, told: &Value, seen: &Seen, counted: &mut BTreeMap<String, u64>) -> Option<String> {
        let step = if self.mask { 0x100 } else { 1 };
        let carrier = format!("eth{}", seen.mark / step);
        let mut count = |what: &str| *counted.entry(what.to_owned()).or_default() += 1;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        match text(told.pointer("/way/device")) {
            Some(device) if device == carrier => count("way told"),
            Some(device) => return Some(format!("its way was told as {device}")),
            None => {
                let shares = told.get("shares").and_then(Value::as_array).cloned().unwrap_or_default();
                let among = shares.iter().any(|share| text(share.get("device")).as_deref() == Some(&carrier));
                if !among || text(told.get("missing")).is_none() {
                    return Some("neither its way nor its shares were told".to_owned());
                }
                count("way not known");
            }
        }
        match text(told.get("source")) {
            Some(source) if source.parse() == Ok(seen.leaves_as) => count("source told"),
            Some(source) => return Some(format!("its source was told as {source}")),
            None => count("source not known"),
        }
        None
    }
}

/// A flow from the LAN, or of the router itself.
#[derive(Clone, Copy, Debug)]
struct Flow {
    proto: &'static str,
    /// None for one of the router, for which the kernel chooses.
    from: Option<IpAddr>,
    to: IpAddr,
    /// The source port, or the identifier of an echo request.
    sport: u16,
    dport: u16,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.from.map_or_else(|| "the router".to_owned(), |from| from.to_string());
        write!(f, "{} {from} {} to {} {}", self.proto, self.sport, self.to, self.dport)
    }
}

impl Flow {
    fn draw(rng: &mut Rng) -> Self {
        let proto = *rng.choice(&["tcp", "udp", "icmp"]).unwrap_or(&"tcp");
        let (clients, servers): (Vec<IpAddr>, Vec<IpAddr>) = if rng.bool() {
            (
                plan::clients(64).into_iter().map(IpAddr::V4).collect(),
                plan::servers().into_iter().map(IpAddr::V4).collect(),
            )
        } else {
            let delegated = *rng.choice(&[None, None, Some(1), Some(2), Some(3)]).unwrap_or(&None);
            (ipv6::clients(delegated, 64), ipv6::servers())
        };
        let one = |rng: &mut Rng, of: &[IpAddr]| rng.choice(of).copied().unwrap_or(IpAddr::from([0; 4]));
        let from = one(rng, &clients);
        // What an echo request of the router itself would have for an identifier the kernel does not say.
        let routers = proto != "icmp" && rng.u8(..5) == 0;
        Self {
            proto,
            from: (!routers).then_some(from),
            to: one(rng, &servers),
            // Below what the kernel gives out by itself.
            sport: rng.u16(2000..32_000),
            dport: *rng.choice(&[80, 443, 8000, 5060, 9000, 53]).unwrap_or(&80),
        }
    }

    fn key(&self) -> Key {
        let dport = if self.proto == "icmp" { 0 } else { self.dport };
        (self.proto.to_owned(), self.to, self.sport, dport)
    }

    /// Sends its first packet.
    fn open(&self) -> Result<()> {
        let failed = || format!("open {self}");
        let to = SockAddr::from(SocketAddr::new(self.to, if self.proto == "icmp" { 0 } else { self.dport }));
        let (kind, protocol) = match (self.proto, self.to) {
            ("tcp", _) => (Type::STREAM, Protocol::TCP),
            ("udp", _) => (Type::DGRAM, Protocol::UDP),
            (_, IpAddr::V4(_)) => (Type::RAW, Protocol::ICMPV4),
            (_, IpAddr::V6(_)) => (Type::RAW, Protocol::ICMPV6),
        };
        let any = if self.to.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        let from = SocketAddr::new(self.from.unwrap_or(any), if self.proto == "icmp" { 0 } else { self.sport });
        let socket = Socket::new(Domain::for_address(from), kind, Some(protocol)).context(failed)?;
        socket.set_reuse_address(true).context(failed)?;
        socket.bind(&from.into()).context(failed)?;
        socket.set_nonblocking(true).context(failed)?;
        match self.proto {
            // It is under way: nobody waits for an answer.
            "tcp" => match socket.connect(&to) {
                Err(error) if error.raw_os_error() == Some(nix::libc::EINPROGRESS) => Ok(()),
                other => other.context(failed),
            },
            "udp" => socket.send_to(b"x", &to).map(drop).context(failed),
            _ => socket.send_to(&self.echo(), &to).map(drop).context(failed),
        }
    }

    /// An echo request (RFC 792, RFC 4443). The kernel makes the checksum of IPv6.
    fn echo(&self) -> Vec<u8> {
        let ([high, low], sequence) = (self.sport.to_be_bytes(), 1);
        if self.to.is_ipv6() {
            return vec![128, 0, 0, 0, high, low, 0, sequence];
        }
        let sum = 0x800 + u32::from(self.sport) + u32::from(sequence);
        let [check, sum] = (!u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(u16::MAX)).to_be_bytes();
        vec![8, 0, check, sum, high, low, 0, sequence]
    }
}

fn explain(lab: &Lab, router: &Router, flow: &Flow) -> Result<Value> {
    let mut command = router.command(lab, "ftr-route")?;
    command.args(["-j", "explain", "--proto", flow.proto]);
    command.args(["--to", &flow.to.to_string()]);
    if let Some(from) = flow.from {
        command.args(["--from", &from.to_string()]);
    }
    if flow.proto != "icmp" {
        command.args(["--sport", &flow.sport.to_string(), "--dport", &flow.dport.to_string()]);
    }
    let output = command.output().context(|| "start ftr-route".to_owned())?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        LabError::Unexpected(format!("{flow}: {}: {said}", malformed("answer of explain", &error)))
    })
}

/// Protocol, destination, source port or identifier, destination port.
type Key = (String, IpAddr, u16, u16);

/// What became of a flow.
#[derive(Debug)]
struct Seen {
    mark: u32,
    leaves_as: IpAddr,
}

/// The router's connections.
fn tracked(lab: &Lab) -> Result<BTreeMap<Key, Seen>> {
    let text = lab.router.sh("conntrack -L -f ipv4 2>/dev/null; conntrack -L -f ipv6 2>/dev/null")?;
    Ok(text.lines().filter_map(entry).collect())
}

/// A line such as `udp 17 29 src=… dst=… sport=… dport=… [UNREPLIED] src=… dst=… sport=… dport=… mark=1 use=1`.
fn entry(line: &str) -> Option<(Key, Seen)> {
    let values = |key: &str| -> Vec<&str> {
        let pairs = line.split_whitespace().filter_map(|word| word.split_once('='));
        pairs.filter(|(name, _)| *name == key).map(|(_, value)| value).collect()
    };
    let proto = line.split_whitespace().next()?.trim_end_matches("v6").to_owned();
    let number = |key: &str| values(key).first().and_then(|value| value.parse().ok());
    let destinations = values("dst");
    let key = (
        proto,
        destinations.first()?.parse().ok()?,
        number("sport").or_else(|| number("id"))?,
        number("dport").unwrap_or(0),
    );
    let mark = values("mark").first().and_then(|mark| mark.parse().ok()).unwrap_or(0);
    Some((key, Seen { mark, leaves_as: destinations.get(1)?.parse().ok()? }))
}
