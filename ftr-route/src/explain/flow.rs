//! The flow that is asked about.

use std::net::IpAddr;

use ftr_core::config::Protocol;
use ftr_core::{Exit, Family};
use ftr_netlink::{Flow as Tuple, Transport};
use ftr_tool::cli::Failure;

use crate::cli::Explain;

/// The flow that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    /// None for a new connection of this host whose source the kernel chooses.
    pub(crate) from: Option<IpAddr>,
    pub(crate) to: IpAddr,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) sport: Option<u16>,
    pub(crate) dport: Option<u16>,
}

impl Flow {
    /// What the command line asks about.
    ///
    /// # Errors
    /// Its parts do not fit together.
    pub(super) fn of(asked: &Explain) -> Result<Self, Failure> {
        let Explain { from, to, proto: protocol, sport, dport, .. } = *asked;
        let usage = |message: String| Err(Failure::new(Exit::Usage, message));
        if let Some(from) = from.filter(|from| Family::of(*from) != Family::of(to)) {
            return usage(format!("{from} is {}, and {to} is {}", Family::of(from), Family::of(to)));
        }
        if let (Some(port), true) = (sport.or(dport), matches!(protocol, None | Some(Protocol::Icmp))) {
            return usage(format!("port {port}: only tcp and udp have ports, see --proto"));
        }
        Ok(Self { from, to, protocol, sport, dport })
    }

    pub(crate) const fn family(&self) -> Family {
        Family::of(self.to)
    }

    /// The number of the protocol, where it is known.
    pub(super) const fn number(&self) -> Option<u8> {
        match (self.protocol, self.family()) {
            (None, _) => None,
            (Some(Protocol::Tcp), _) => Some(6),
            (Some(Protocol::Udp), _) => Some(17),
            (Some(Protocol::Icmp), Family::V4) => Some(1),
            (Some(Protocol::Icmp), Family::V6) => Some(58),
        }
    }

    /// The number that the kernel takes for a look-up that names none: UDP over IPv4, none over IPv6.
    pub(super) const fn number_looked_up(&self) -> u8 {
        match (self.number(), self.family()) {
            (Some(number), _) => number,
            (None, Family::V4) => 17,
            (None, Family::V6) => 0,
        }
    }

    /// What connection tracking would know it by, where that is told.
    pub(super) fn tuple(&self) -> Option<Tuple> {
        let transport = Transport::Ports { protocol: self.number()?, source: self.sport?, destination: self.dport? };
        Some(Tuple { source: self.from?, destination: self.to, transport })
    }
}

#[cfg(test)]
mod tests {
    use super::Flow;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn flow(words: &str) -> Result<Flow, String> {
        let words = ["ftr-route", "explain"].into_iter().chain(words.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.kind().to_string())?;
        let Command::Explain(asked) = cli.command else { panic!("not explain") };
        Flow::of(&asked).map_err(|failure| failure.lines().concat())
    }

    #[test]
    fn a_whole_tuple_has_addresses_protocol_and_ports() {
        let tcp = flow("--from 10.0.0.5 --to 8.8.8.8 --proto tcp --sport 4000 --dport 443").unwrap();
        assert_eq!(tcp.tuple().unwrap().transport.protocol(tcp.family()), 6);
        for part in ["--to 8.8.8.8 --proto tcp --sport 1 --dport 2", "--from 10.0.0.5 --to 8.8.8.8 --proto icmp"] {
            assert_eq!(flow(part).unwrap().tuple(), None, "{part}");
        }
        assert_eq!(flow("--to 2001:db8::1 --proto icmp").unwrap().number(), Some(58));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert_eq!(flow("--from ::1 --to 8.8.8.8").unwrap_err(), "::1 is IPv6, and 8.8.8.8 is IPv4");
        for words in ["--to 8.8.8.8 --dport 53", "--to 8.8.8.8 --proto icmp --sport 53"] {
            assert_eq!(flow(words).unwrap_err(), "port 53: only tcp and udp have ports, see --proto");
        }
        assert!(flow("--from 10.0.0.5").is_err());
    }
}
