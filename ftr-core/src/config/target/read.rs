//! Targets as people write them. Each error says what is allowed.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::{DNS_PORT, DnsTarget, HTTP_PORT, HttpTarget, NO_CONTENT, Target, in_uri, is_far_host, is_host};
use crate::config::scalar::Wrong;
use crate::sanitize::sanitize;

/// The longest target in bytes. Every check record names all targets, and a record has its bounds.
const LONGEST: usize = 1024;

const FORMS: &str = "allowed: ADDRESS, tcp://ADDRESS:PORT, dns://ADDRESS[:PORT][/NAME], \
                     http://[HOST@]ADDRESS[:PORT]/PATH[#STATUS[:BODY]]";
const HOST_NAME: &str = "allowed: the host's address instead of its name, because looking a name up takes an uplink \
                         that works, and all uplinks have to ask the same host";
const TEXT: &str = "allowed: up to 1024 bytes without control characters";
const ADDRESS: &str = "allowed as its address: that of one host in the internet, such as 192.0.2.1 or 2001:db8::1, \
                       and behind a scheme [2001:db8::1]";
const PORT: &str = "allowed as its port: 1 to 65535";
const NEEDS_PORT: &str = "allowed: tcp://ADDRESS:PORT";
const NAME: &str = "allowed as a name: up to 253 letters, digits, - and _, with a dot after 63 of them at the latest";
const PATH: &str = "allowed as its path: visible ASCII characters";
const STATUS: &str = "allowed as its status: 200 to 599";
const BODY: &str = "allowed as its body: a text, and a status other than 204 and 304, which come without a body";

type Result<T> = std::result::Result<T, &'static str>;

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {}", Wrong::what(self))]
pub struct BadTarget {
    text: String,
    allowed: &'static str,
}

impl Wrong for BadTarget {
    fn what(&self) -> String {
        format!("is no target, {}", self.allowed)
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> std::result::Result<Self, BadTarget> {
        target(text).map_err(|allowed| BadTarget { text: text.chars().take(60).collect(), allowed })
    }
}

/// Reads a target; an error says what is allowed.
fn target(text: &str) -> Result<Target> {
    if text.len() > LONGEST || sanitize(text) != text {
        return Err(TEXT);
    }
    match text.split_once("://") {
        None => far(text.parse().map_err(|_| if is_name_of_host(text) { HOST_NAME } else { FORMS })?).map(Target::Echo),
        Some(("tcp", rest)) => server(rest, None).map(Target::Tcp),
        Some(("dns", rest)) => dns(rest).map(Target::Dns),
        Some(("http", rest)) => http(rest).map(Target::Http),
        Some(_) => Err(FORMS),
    }
}

fn dns(text: &str) -> Result<DnsTarget> {
    let (authority, name) = text.split_once('/').unwrap_or((text, ""));
    Ok(DnsTarget { server: server(authority, Some(DNS_PORT))?, name: domain(name)? })
}

fn http(text: &str) -> Result<HttpTarget> {
    let (location, expected) = match text.split_once('#') {
        Some((location, expected)) => (location, Some(expected)),
        None => (text, None),
    };
    let (authority, path) = location.split_at(location.find('/').unwrap_or(location.len()));
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(PATH);
    }
    let (host, authority) = match authority.split_once('@') {
        Some((host, authority)) => (Some(domain(host)?), authority),
        None => (None, authority),
    };
    if host.as_ref().is_some_and(String::is_empty) {
        return Err(NAME);
    }
    let server = server(authority, Some(HTTP_PORT))?;
    let (status, body) = expected.map_or(Ok((NO_CONTENT, None)), answer)?;
    Ok(HttpTarget {
        server,
        host: host.unwrap_or_else(|| in_uri(server.ip())),
        path: if path.is_empty() { "/" } else { path }.to_owned(),
        status,
        body,
    })
}

/// `STATUS[:BODY]`
fn answer(text: &str) -> Result<(u16, Option<String>)> {
    let (status, body) = match text.split_once(':') {
        Some((status, body)) => (status, Some(body.to_owned())),
        None => (text, None),
    };
    let status = number(status).filter(|status| (200..600).contains(status)).ok_or(STATUS)?;
    match body {
        Some(body) if body.is_empty() || matches!(status, 204 | 304) => Err(BODY),
        body => Ok((status, body)),
    }
}

/// `ADDRESS[:PORT]`, where an IPv6 address is in brackets; without a `usual` port one has to be stated.
fn server(text: &str, usual: Option<u16>) -> Result<SocketAddr> {
    let (address, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(ADDRESS)?;
        (IpAddr::V6(address.parse().map_err(|_| ADDRESS)?), port)
    } else {
        let (address, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        let wrong = |_| if is_name_of_host(address) { HOST_NAME } else { ADDRESS };
        (IpAddr::V4(address.parse().map_err(wrong)?), port)
    };
    let port = match port.strip_prefix(':') {
        Some(port) => number(port).filter(|port| *port > 0).ok_or(PORT)?,
        None if port.is_empty() => usual.ok_or(NEEDS_PORT)?,
        None => return Err(PORT),
    };
    Ok(SocketAddr::new(far(address)?, port))
}

/// The address if one host beyond the link can have it.
fn far(address: IpAddr) -> Result<IpAddr> {
    let is_far = match address {
        IpAddr::V4(address) => is_host(address),
        IpAddr::V6(address) => is_far_host(address),
    };
    if is_far { Ok(address) } else { Err(ADDRESS) }
}

/// A domain name in lower case and without a dot at its end; the root is empty.
fn domain(text: &str) -> Result<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let is_name = name.is_empty() || name.len() <= 253 && name.split('.').all(is_label);
    if is_name { Ok(name.to_ascii_lowercase()) } else { Err(NAME) }
}

/// Whether somebody has written the name of a host where an address belongs.
fn is_name_of_host(text: &str) -> bool {
    domain(text).is_ok() && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Digits alone: `parse` would take a sign, too.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
