//! What runs while a scenario is played, and what its steps do with it.

use crate::client::Client;
use crate::datagrams::Answerer;
use crate::deadline::{Stretch, wait_for};
use crate::dhcp::Lease;
use crate::error::{LabError, Result, malformed};
use crate::expect::{Mark, Marks};
use crate::family::Family;
use crate::fault::Fault;
use crate::firewall::Firewall;
use crate::hostile::{self, poison, slander};
use crate::ipv6;
use crate::ipv6::advertiser::Advertiser;
use crate::kernel;
use crate::lab::Lab;
use crate::mail::{Line, Mailbox, MuteServer};
use crate::noise::Noise;
use crate::plan;
use crate::program::{self, Daemon};
use crate::report::Report;
use crate::router::Router;
use crate::scenario::{MailServer, Scenario, Traffic};
use crate::server::Server;
use crate::service::{self, Services};
use crate::span::Span;
use crate::upload::Upload;
use crate::watch::{Judgement, Seen, Watch};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::{Duration, Instant};

/// How many of the last check records are shown when a scenario fails.
const SHOWN: usize = 40;

/// What runs while a scenario is played. Fields drop in this order: traffic first, the lab last.
pub(crate) struct Stage {
    pub(crate) traffic: Traffic,
    pub(crate) client: Option<Client>,
    /// The router's own connections.
    pub(crate) own: Option<Client>,
    pub(crate) watch: Option<Watch>,
    uploads: BTreeMap<String, Upload>,
    noise: Vec<Noise>,
    services: Option<Services>,
    portals: BTreeMap<String, Daemon>,
    pub(crate) servers: Vec<Server>,
    _answerer: Option<Answerer>,
    pub(crate) router: Router,
    mailbox: Option<Mailbox>,
    _mute: Option<MuteServer>,
    pub(crate) lab: Lab,
    pub(crate) marks: Marks,
    pub(crate) breaks: Vec<Mark>,
    /// When something last happened to an uplink, or the watching began.
    since: Instant,
    /// What has passed since then.
    stretch: Stretch,
    /// When the step that is under way began to do something to an uplink.
    begun: Option<Instant>,
    signalled: BTreeMap<String, u32>,
    log_read: usize,
    pub(crate) report: Report,
}

/// Answers flows at every server's address.
fn answerer(lab: &Lab) -> Result<Answerer> {
    let four = plan::servers().into_iter().map(IpAddr::V4);
    let six = if lab.ipv6 { ipv6::servers() } else { Vec::new() };
    Answerer::start(&lab.internet, four.chain(six).collect())
}

impl Stage {
    pub(crate) fn set(scenario: &Scenario, firewall: Firewall) -> Result<Self> {
        let mut lab = if scenario.ipv6 { Lab::dual(&scenario.uplinks)? } else { Lab::build(&scenario.uplinks)? };
        if scenario.dmz {
            lab.add_dmz()?;
        }
        let line = match scenario.mail {
            MailServer::Real => Some(Line::Plain),
            MailServer::StartTls => Some(Line::StartTls),
            MailServer::Tls => Some(Line::Tls),
            MailServer::None | MailServer::Mute => None,
        };
        let mailbox = line.map(|line| Mailbox::open(&lab.router, lab.directory(), line)).transpose()?;
        let mute = match scenario.mail {
            MailServer::Mute => Some(MuteServer::open(&lab.router)?),
            _ => None,
        };
        Ok(Self {
            traffic: scenario.client.clone(),
            client: None,
            own: None,
            watch: None,
            uploads: BTreeMap::new(),
            noise: Vec::new(),
            services: scenario.servers.then(|| Services::start(&lab.internet, lab.directory())).transpose()?,
            portals: BTreeMap::new(),
            servers: vec![Server::start(&lab.internet)?],
            _answerer: (scenario.client.datagrams > 0).then(|| answerer(&lab)).transpose()?,
            router: Router::guarded(&lab, &scenario.config, firewall)?,
            mailbox,
            _mute: mute,
            lab,
            marks: Marks::new(),
            breaks: Vec::new(),
            since: Instant::now(),
            stretch: Stretch::begin(),
            begun: None,
            signalled: BTreeMap::new(),
            log_read: 0,
            report: Report::default(),
        })
    }

    pub(crate) fn mark(&mut self, name: String) {
        let done = Instant::now();
        let begun = self.begun.take().unwrap_or(done);
        self.marks.insert(name, Mark { begun, done, stretch: Stretch::begin() });
    }

    /// Marks a step that may have lost packets of connections under way.
    fn mark_break(&mut self, uplink: &str) {
        let name = format!("break {uplink}");
        self.mark(name.clone());
        self.breaks.extend(self.marks.get(&name));
    }

    /// From now on records may tell what happens to an uplink, even before the deed is done and has its mark.
    fn begin(&mut self) {
        self.since = Instant::now();
        self.stretch = Stretch::begin();
        self.begun = Some(self.since);
    }

    pub(crate) fn fail(&mut self, uplink: &str, fault: Fault) -> Result<()> {
        if fault == Fault::Captive && self.services.is_some() && !self.portals.contains_key(uplink) {
            let portal = service::portal(&self.lab.provider(uplink)?.space, self.lab.directory())?;
            self.portals.insert(uplink.to_owned(), portal);
        }
        self.begin();
        self.lab.fail(uplink, fault)?;
        self.lab.noticed(uplink, fault)?;
        self.mark_break(uplink);
        Ok(())
    }

    pub(crate) fn mend(&mut self, uplink: &str) -> Result<()> {
        self.begin();
        self.lab.mend(uplink)?;
        self.uploads.remove(uplink).map_or(Ok(()), |upload| upload.end(&self.lab))?;
        self.mark(format!("mend {uplink}"));
        Ok(())
    }

    pub(crate) fn lease(&mut self, uplink: &str, address: Option<Ipv4Addr>, gateway: Option<Ipv4Addr>) -> Result<()> {
        self.begin();
        self.lab.lease(uplink, address, gateway)?;
        self.mark(format!("lease {uplink}"));
        Ok(())
    }

    pub(crate) fn expire(&mut self, uplink: &str) -> Result<()> {
        self.begin();
        self.lab.expire(uplink)?;
        self.mark(format!("expire {uplink}"));
        Ok(())
    }

    pub(crate) fn advertise(
        &mut self,
        uplink: &str,
        lifetime: Option<u32>,
        subnet: Option<u16>,
        router: Option<Ipv6Addr>,
    ) -> Result<()> {
        self.begin();
        self.lab.advertise(uplink, |terms| {
            terms.lifetime = lifetime.unwrap_or(terms.lifetime);
            terms.subnet = subnet.unwrap_or(terms.subnet);
            terms.router = router.unwrap_or(terms.router);
        })?;
        self.mark(format!("advertise {uplink}"));
        Ok(())
    }

    pub(crate) fn saturate(&mut self, uplink: &str, rate: &str) -> Result<()> {
        self.begin();
        let upload = Upload::start(&self.lab, uplink, rate)?;
        self.uploads.insert(uplink.to_owned(), upload);
        self.mark(format!("saturate {uplink}"));
        Ok(())
    }

    pub(crate) fn make_noise(&mut self, uplink: &str, rate: u32) -> Result<()> {
        self.noise.push(Noise::start(&self.lab.provider(uplink)?.space, self.lab.uplink(uplink)?, rate)?);
        Ok(())
    }

    pub(crate) fn attack(&mut self, uplink: &str, count: u64, during: Span) -> Result<()> {
        self.begin();
        self.mark(format!("hostile {uplink}"));
        let seed = fastrand::u64(..);
        let space = &self.lab.provider(uplink)?.space;
        let tally = hostile::attack(space, self.lab.uplink(uplink)?, count, during.0, seed)?;
        // Printed by the test runner when the scenario fails.
        eprintln!("hostile, seed {seed}: {tally}");
        Ok(())
    }

    pub(crate) fn slander(&mut self, uplink: &str, target: Ipv4Addr, (count, during): (u64, Span)) -> Result<()> {
        self.begin();
        self.mark(format!("slander {uplink}"));
        let seed = fastrand::u64(..);
        let space = &self.lab.provider(uplink)?.space;
        let questions = slander::slander(space, self.lab.uplink(uplink)?, target, (count, during.0), seed)?;
        // Printed by the test runner when the scenario fails.
        eprintln!("slander, seed {seed}: {count} packets, {questions} questions to {target} seen");
        Ok(())
    }

    pub(crate) fn poison(&mut self, uplink: &str, family: Family, (times, every): (u32, Span)) -> Result<()> {
        poison::poison(&self.lab, uplink, family, (times, every.0))?;
        self.begin();
        self.mark(format!("poison {uplink}"));
        Ok(())
    }

    pub(crate) fn watch(&mut self, arguments: &str) -> Result<()> {
        self.begin();
        self.mark("watch".to_owned());
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        self.watch = Some(Watch::start(&self.router, &self.lab, &arguments)?);
        Ok(())
    }

    pub(crate) fn judged(&mut self, judgement: &Judgement, within: Span) -> Result<()> {
        let (since, stretch) = (self.since, self.stretch);
        let watch = self.watch.as_mut().ok_or_else(|| LabError::Unexpected("nothing watches yet".to_owned()))?;
        let in_time = |seen: &Seen| seen.at <= since + within.0 + stretch.lost();
        let so = |seen: &Seen| in_time(seen) && judgement.is(&seen.check);
        // Whether a record said so, and the last one, for the reader of a failure.
        let observe = || {
            watch.runs()?;
            let all = watch.so_far().into_iter().filter(|seen| seen.at >= since && judgement.concerns(&seen.check));
            Ok(all.fold((false, None), |(said, _), seen| (said || so(&seen), Some(seen.check))))
        };
        let left = within.0.saturating_sub(stretch.elapsed());
        wait_for(&format!("{judgement:?}"), left, observe, |(said, _)| *said).map(drop)
    }

    pub(crate) fn keeps(&self, uplinks: &[String], family: Family, during: Span) -> Result<()> {
        let wanted: BTreeSet<&String> = uplinks.iter().collect();
        let until = Instant::now() + during.0;
        while Instant::now() < until {
            let seen = kernel::balanced(&self.lab, family)?;
            if !seen.keys().eq(wanted.iter().copied()) {
                return Err(LabError::Unexpected(format!("new connections are carried by {seen:?}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(crate) fn signal(&mut self, program: &str, signal: &str) -> Result<()> {
        let signal: Signal =
            format!("SIG{signal}").parse().map_err(|error| malformed(format!("signal {signal}"), &error))?;
        let pid = self.router.pid_of(program)?;
        program::send(pid, signal)?;
        self.signalled.insert(program.to_owned(), pid);
        self.mark(format!("signal {program}"));
        Ok(())
    }

    pub(crate) fn respawned(&self, program: &str, within: Span) -> Result<()> {
        let old = self.signalled.get(program);
        let root = self.router.monitor()?.pid();
        let other = |pid: &Option<u32>| pid.as_ref().is_some_and(|pid| Some(pid) != old);
        wait_for(&format!("another {program}"), within.0, || crate::process::descendant(root, program), other).map(drop)
    }

    pub(crate) fn mailbox(&self) -> Result<&Mailbox> {
        self.mailbox.as_ref().ok_or_else(|| LabError::Unexpected("the scenario has no `mail: real`".to_owned()))
    }

    pub(crate) fn logs(&mut self, says: &str, within: Span) -> Result<()> {
        let from = self.log_read;
        let unread = || Ok(self.router.log().get(from..).unwrap_or_default().to_owned());
        let text = wait_for(&format!("the log to say {says:?}"), within.0, unread, |text| text.contains(says))?;
        self.log_read += text.find(says).map_or(0, |at| at + says.len());
        Ok(())
    }

    pub(crate) fn picture(&self) -> String {
        let mut text = format!("--- log\n{}{}", self.router.log(), kernel::picture(&self.lab));
        if let Some(watch) = &self.watch {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "--- ftr-probe --watch\n{}", watch.complaints());
            for Seen { at, check } in watch.so_far().iter().rev().take(SHOWN).rev() {
                let _ = writeln!(text, "{:?} ago: {check:?}", at.elapsed());
            }
        }
        text.extend(self.lab.leases.values().map(Lease::story));
        text.extend(self.lab.advertisers.values().map(Advertiser::story));
        if let Some(mailbox) = &self.mailbox {
            for message in mailbox.messages().unwrap_or_default() {
                // Writing to a String cannot fail.
                let _ = write!(text, "--- mail\n{message}");
            }
        }
        text
    }
}
