//! Targets: who is asked whether an uplink works, and how.

pub(super) mod read;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Family;

/// The port of a DNS server where none is stated.
const DNS_PORT: u16 = 53;
/// The port of a web server where none is stated.
const HTTP_PORT: u16 = 80;
/// The status of a web server where none is stated: what the usual pages for connectivity checks answer.
const NO_CONTENT: u16 = 204;

/// A host that is asked, and how.
///
/// As text: `ADDRESS`, `tcp://ADDRESS:PORT`, `dns://ADDRESS[:PORT][/NAME]` or
/// `http://[HOST@]ADDRESS[:PORT]/PATH[#STATUS[:BODY]]`. An IPv6 address is in brackets behind a scheme, and bare alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// ICMP echo.
    Echo(IpAddr),
    /// A TCP connection, opened and dropped.
    Tcp(SocketAddr),
    /// A DNS query over UDP.
    Dns(DnsTarget),
    /// A page of a web server.
    Http(HttpTarget),
}

/// A DNS server, and the name that it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsTarget {
    /// The server.
    pub server: SocketAddr,
    /// In lower case and without the dot at its end, within the lengths of RFC 1035 section 2.3.4. Empty for the root,
    /// whose name servers every resolver knows.
    pub name: String,
}

/// A page of a web server, and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpTarget {
    /// The server.
    pub server: SocketAddr,
    /// The site that is asked for, without a port: a name in lower case, or the server's address as URIs have it.
    pub host: String,
    /// What is asked for: visible ASCII that begins with a slash.
    pub path: String,
    /// The status of a good answer: 200 to 599.
    pub status: u16,
    /// What the body of a good answer contains; never empty.
    pub body: Option<String>,
}

impl Target {
    /// The address that the question goes to.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        match self {
            Self::Echo(address) => *address,
            Self::Tcp(server) | Self::Dns(DnsTarget { server, .. }) | Self::Http(HttpTarget { server, .. }) => {
                server.ip()
            }
        }
    }

    /// The family of that address.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.address())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo(address) => address.fmt(f),
            Self::Tcp(server) => write!(f, "tcp://{server}"),
            Self::Dns(DnsTarget { server, name }) => {
                write!(f, "dns://{}", Authority { server, usual: DNS_PORT })?;
                if name.is_empty() { Ok(()) } else { write!(f, "/{name}") }
            }
            Self::Http(HttpTarget { server, host, path, status, body }) => {
                f.write_str("http://")?;
                if *host != in_uri(server.ip()) {
                    write!(f, "{host}@")?;
                }
                write!(f, "{}{path}", Authority { server, usual: HTTP_PORT })?;
                match body {
                    Some(body) => write!(f, "#{status}:{body}"),
                    None if *status == NO_CONTENT => Ok(()),
                    None => write!(f, "#{status}"),
                }
            }
        }
    }
}

/// A server as URIs write it (RFC 3986 section 3.2): the usual port of a scheme goes without saying.
struct Authority<'a> {
    server: &'a SocketAddr,
    usual: u16,
}

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.server.port() == self.usual { f.write_str(&in_uri(self.server.ip())) } else { self.server.fmt(f) }
    }
}

/// An address as URIs write it.
fn in_uri(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Whether an address can belong to one host on a network.
pub(super) const fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_broadcast())
        && address.octets()[0] != 0
        && address.octets()[0] < 240
}

/// Whether an IPv6 address can belong to one host beyond the link. One that stands for an IPv4 address cannot: what is
/// sent to it leaves as IPv4.
const fn is_far_host(address: Ipv6Addr) -> bool {
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address.to_ipv4_mapped().is_some())
}

#[cfg(test)]
mod tests;
