//! `smtp_parameters` of `email`: a mail server, and how to speak to it, as Ruby's mail library names it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Json;
use serde_yaml::Value;

use super::form::{FILE, FLAG, Maybe, Scalar, Several, TEXT, TIME, Together, Within, Word};
use super::key::keys;
use super::scalar;
use super::section::Section;
use super::words::words;

keys! {
    /// A mail server, and how to speak to it: `smtp_parameters` as Ruby's mail library names them.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Smtp {
        /// The server: a host name or an address.
        "address" => pub address: String = "127.0.0.1".to_owned(), SERVER;
        /// Its TCP port.
        "port" => pub port: u16 = 25, Within(1, u16::MAX, "");
        /// The name that we greet it with; without it, the host's own.
        "domain" => pub domain: Option<String> = None, Maybe(SERVER);
        /// How we prove who we are; without it, and with `user_name`, PLAIN, then LOGIN.
        "authentication" => pub authentication: Option<Authentication> = None, Maybe(Word);
        /// How the connection is protected.
        "" => pub encryption: Encryption = Encryption::Opportunistic, Several;
        /// Whether the server's certificate is verified; peer means yes.
        "openssl_verify_mode" => pub verify: bool = true, VERIFY;
        /// How long it may take from the look-up of the server's name to its answer to our greeting.
        "open_timeout" => pub open_timeout: Duration = Duration::from_secs(30), TIME;
        /// How long each answer may take. A whole delivery ends after `open_timeout` and three times this.
        "read_timeout" => pub read_timeout: Duration = Duration::from_secs(60), TIME;
        /// The user name; without one, we do not authenticate.
        "user_name" => pub user_name: Option<String> = None, Maybe(TEXT);
        /// The password of `user_name`. Others must not be able to read the file then.
        "password" => pub password: Option<String> = None, Maybe(PASSWORD);
        /// A file with the password on its first line, instead of `password`.
        "password_file" => pub password_file: Option<PathBuf> = None, Maybe(FILE);
        /// Whether the password may go without TLS to another host. Where it may not, mail waits.
        "allow_plaintext" => pub allow_plaintext: bool = false, FLAG;
    }
    check check;
}

/// How many answers of a server may take the whole time for an answer.
const SLOW_ANSWERS: u32 = 3;

impl Smtp {
    /// How long a delivery may take, from the look-up of the name to the last answer: `open_timeout` and three times
    /// `read_timeout`.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.open_timeout.saturating_add(self.read_timeout.saturating_mul(SLOW_ANSWERS))
    }
}

impl std::fmt::Debug for Smtp {
    /// Everything but the password, which must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp")
            .field("address", &self.address)
            .field("port", &self.port)
            .field("encryption", &self.encryption)
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

words! {
    /// A SASL mechanism.
    pub enum Authentication {
        /// PLAIN (RFC 4616).
        "plain" => Plain,
        /// LOGIN, which many old servers offer alone.
        "login" => Login,
    }
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    None,
    /// STARTTLS when the server offers it (RFC 3207).
    Opportunistic,
    /// STARTTLS, or no mail.
    Required,
    /// TLS from the first byte (RFC 8314).
    Implicit,
}

keys! {
    /// The protection as it is stated.
    pub(super) struct Stated {
        /// Whether STARTTLS is used, or no mail is sent; `always` and `auto` are understood as Ruby's mail library does.
        "enable_starttls" => starttls: Option<Encryption> = None, STARTTLS;
        /// Whether STARTTLS is used when the server offers it.
        "enable_starttls_auto" => auto: bool = true, FLAG;
        /// Whether the connection begins with TLS, as on port 465.
        "tls" => tls: bool = false, FLAG;
        /// The same as `tls`.
        "ssl" => ssl: Option<bool> = None, Maybe(FLAG);
    }
}

const STARTTLS: Scalar<Option<Encryption>> = Scalar {
    allowed: "true or false, always or auto",
    read: |value| starttls(value).map(Some),
    write: |stated| stated.map_or(Json::Null, |stated| (stated == Encryption::Required).into()),
};

impl Together for Encryption {
    type Stated = Stated;

    fn understood(self, stated: Stated, _: &mut Section<'_>) -> Self {
        match stated.starttls {
            _ if stated.tls || stated.ssl == Some(true) => Self::Implicit,
            Some(Self::None) | None if stated.auto => Self::Opportunistic,
            Some(starttls) => starttls,
            None => Self::None,
        }
    }

    fn stated(&self) -> Stated {
        Stated { starttls: Some(*self), auto: *self == Self::Opportunistic, tls: *self == Self::Implicit, ssl: None }
    }
}

/// Ruby's mail library takes a boolean here, or one of two words.
fn starttls(value: &Value) -> Result<Encryption, String> {
    match scalar::text(value)?.to_ascii_lowercase().as_str() {
        "always" => Ok(Encryption::Required),
        "auto" => Ok(Encryption::Opportunistic),
        _ => scalar::boolean(value).map(|on| if on { Encryption::Required } else { Encryption::None }),
    }
}

impl Smtp {
    /// What is odd about the password's way to the server: none where it is sure not to leave this host in clear, or may.
    pub(super) fn exposure(&self) -> Option<&'static str> {
        let host = self.address.trim_start_matches('[').trim_end_matches(']');
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        match self.encryption {
            _ if self.user_name.is_none() || self.allow_plaintext || here => None,
            Encryption::Required | Encryption::Implicit => None,
            Encryption::Opportunistic => Some(
                "the password goes over TLS only: mail waits for as long as the server offers no STARTTLS. Say \
                 enable_starttls: true if it always does, or allow_plaintext: true if the password may go in clear",
            ),
            Encryption::None => Some(
                "the password would go in clear, so no mail is sent. Say enable_starttls: true or tls: true, or \
                 allow_plaintext: true if the password may go in clear",
            ),
        }
    }
}

/// What one key of the section demands of another.
fn check(smtp: &Smtp, section: &mut Section<'_>) {
    if smtp.password.is_some() && smtp.password_file.is_some() {
        section.wrong("password_file", "stated beside password, allowed: one of the two");
    }
    if smtp.user_name.is_some() && smtp.password.is_none() && smtp.password_file.is_none() {
        section.missing("password", "the password of user_name, or password_file");
    }
    if smtp.authentication.is_some() && smtp.user_name.is_none() {
        section.missing("user_name", "the user that authentication is for");
    }
}

const SERVER: Scalar<String> =
    Scalar { allowed: "a host name or an address", read: server, write: |name| name.as_str().into() };

const VERIFY: Scalar<bool> =
    Scalar { allowed: "peer or none", read: verify, write: |verify| if *verify { "peer" } else { "none" }.into() };

const PASSWORD: Scalar<String> =
    Scalar { allowed: "a text of one line, in quotes", read: password, write: |_| "***".into() };

fn verify(value: &Value) -> Result<bool, String> {
    let text = scalar::text(value)?.to_ascii_lowercase();
    match text.rsplit(':').next().unwrap_or_default() {
        "none" | "verify_none" | "0" => Ok(false),
        "peer" | "verify_peer" | "1" | "client_once" | "fail_if_no_peer_cert" => Ok(true),
        _ => Err("is not known, allowed: none, peer".to_owned()),
    }
}

fn server(value: &Value) -> Result<String, String> {
    let text = scalar::text(value)?;
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b));
    if fits { Ok(text) } else { Err("is no host, allowed: a host name or an address".to_owned()) }
}

fn password(value: &Value) -> Result<String, String> {
    // Not by way of `text`: a password may well begin with a colon, and its wrong value must not be repeated.
    match value {
        Value::String(text) if !text.chars().any(char::is_control) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("is not usable as a password, allowed: a text of one line, in quotes".to_owned()),
    }
}
