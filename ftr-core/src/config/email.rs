//! `email`: who is told what changed, and by which server.

use std::path::PathBuf;
use std::time::Duration;

use serde_yaml::Value;

use super::scalar;
use super::section::Section;

/// Who is told what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// Whether mail is sent at all.
    pub send: bool,
    /// The sender's address.
    pub sender: String,
    /// The recipients' addresses.
    pub recipients: Vec<String>,
    /// For how long events are gathered into one mail.
    pub digest: Duration,
    /// The server that takes the mail.
    pub smtp: Smtp,
}

/// A mail server, and how to speak to it: `smtp_parameters` as Ruby's mail library names them.
#[derive(Clone, PartialEq, Eq)]
pub struct Smtp {
    /// Host name or address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// The name that we greet with; none means the host's own.
    pub domain: Option<String>,
    /// How we prove who we are; none with a user name means PLAIN, then LOGIN.
    pub authentication: Option<Authentication>,
    /// How the connection is protected.
    pub encryption: Encryption,
    /// Whether the server's certificate is verified.
    pub verify: bool,
    /// How long connecting may take.
    pub open_timeout: Duration,
    /// How long an answer may take.
    pub read_timeout: Duration,
    /// The user name; none means no authentication.
    pub user_name: Option<String>,
    /// The password, where it stands in the configuration.
    pub password: Option<String>,
    /// A file with the password on its first line.
    pub password_file: Option<PathBuf>,
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

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN, which many old servers offer alone.
    Login,
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

/// Reads the section; an absent one means that no mail is sent.
pub(super) fn read(root: &mut Section<'_>) -> Email {
    let Some(mut section) = root.section("email") else { return unsent() };
    let send = section.optional("send", scalar::boolean).unwrap_or(false);
    let sender = section.optional("sender", mailbox);
    let recipients = section.list("recipients", mailbox);
    let digest = section.optional("digest", scalar::duration);
    if send && !section.has("sender") {
        section.missing("sender", "the address that mail comes from");
    }
    if send && !section.has("recipients") {
        section.missing("recipients", "a list of addresses");
    }
    let smtp = section.section("smtp_parameters").map(|mut parameters| {
        let smtp = smtp(&mut parameters);
        parameters.finish();
        smtp
    });
    if send && smtp.is_none() {
        section.missing("smtp_parameters", "the mail server (address, port)");
    }
    section.finish();
    let usual = unsent();
    Email {
        send,
        sender: sender.unwrap_or_default(),
        recipients,
        digest: digest.unwrap_or(usual.digest),
        smtp: smtp.unwrap_or(usual.smtp),
    }
}

fn unsent() -> Email {
    Email {
        send: false,
        sender: String::new(),
        recipients: Vec::new(),
        digest: Duration::from_secs(10),
        smtp: Smtp {
            address: "127.0.0.1".to_owned(),
            port: 25,
            domain: None,
            authentication: None,
            encryption: Encryption::Opportunistic,
            verify: true,
            open_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(60),
            user_name: None,
            password: None,
            password_file: None,
        },
    }
}

fn smtp(section: &mut Section<'_>) -> Smtp {
    let usual = unsent().smtp;
    let mechanisms = &[("plain", Authentication::Plain), ("login", Authentication::Login)];
    let smtp = Smtp {
        address: section.optional("address", server).unwrap_or(usual.address),
        port: section.optional("port", scalar::within(1, u16::MAX)).unwrap_or(usual.port),
        domain: section.optional("domain", server),
        authentication: section.optional("authentication", scalar::one_of(mechanisms)),
        encryption: encryption(section),
        verify: section.optional("openssl_verify_mode", verify).unwrap_or(true),
        open_timeout: section.optional("open_timeout", scalar::duration).unwrap_or(usual.open_timeout),
        read_timeout: section.optional("read_timeout", scalar::duration).unwrap_or(usual.read_timeout),
        user_name: section.optional("user_name", scalar::text),
        password: section.optional("password", password),
        password_file: section.optional("password_file", scalar::path),
    };
    if smtp.password.is_some() && smtp.password_file.is_some() {
        section.wrong("password_file", "stated beside password, allowed: one of the two");
    }
    if smtp.user_name.is_some() && smtp.password.is_none() && smtp.password_file.is_none() {
        section.missing("password", "the password of user_name, or password_file");
    }
    if smtp.authentication.is_some() && smtp.user_name.is_none() {
        section.missing("user_name", "the user that authentication is for");
    }
    smtp
}

fn encryption(section: &mut Section<'_>) -> Encryption {
    let implicit = ["ssl", "tls"].map(|key| section.optional(key, scalar::boolean).unwrap_or(false)).contains(&true);
    let auto = section.optional("enable_starttls_auto", scalar::boolean).unwrap_or(true);
    // Ruby's mail library takes a boolean here, or one of two words.
    let starttls =
        section.optional("enable_starttls", |value| match scalar::text(value)?.to_ascii_lowercase().as_str() {
            "always" => Ok(Encryption::Required),
            "auto" => Ok(Encryption::Opportunistic),
            _ => scalar::boolean(value).map(|on| if on { Encryption::Required } else { Encryption::None }),
        });
    match (implicit, starttls) {
        (true, _) => Encryption::Implicit,
        (false, Some(Encryption::None) | None) if auto => Encryption::Opportunistic,
        (false, Some(stated)) => stated,
        (false, None) => Encryption::None,
    }
}

fn verify(value: &Value) -> Result<bool, String> {
    let text = scalar::text(value)?.to_ascii_lowercase();
    match text.rsplit(':').next().unwrap_or_default() {
        "none" | "verify_none" | "0" => Ok(false),
        "peer" | "verify_peer" | "1" | "client_once" | "fail_if_no_peer_cert" => Ok(true),
        _ => Err(format!("{text:?} is not known, allowed: none, peer")),
    }
}

/// An address as mail servers take it; a display name (`Router <router@example.com>`) is allowed before it.
fn mailbox(value: &Value) -> Result<String, String> {
    let text = scalar::text(value)?;
    let address = text.rsplit_once('<').map_or(text.as_str(), |(_, rest)| rest.trim_end_matches('>'));
    let fits = address.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && !address.contains(char::is_whitespace);
    if fits { Ok(text) } else { Err(format!("{text:?} is no mail address, allowed: user@example.com")) }
}

fn server(value: &Value) -> Result<String, String> {
    let text = scalar::text(value)?;
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b));
    if fits { Ok(text) } else { Err(format!("{text:?} is no host, allowed: a host name or an address")) }
}

fn password(value: &Value) -> Result<String, String> {
    // Not by way of `text`: a password may well begin with a colon, and its wrong value must not be repeated.
    match value {
        Value::String(text) if !text.chars().any(char::is_control) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("not usable as a password, allowed: a text of one line, in quotes".to_owned()),
    }
}
