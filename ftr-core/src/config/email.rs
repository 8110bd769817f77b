//! `email`: who is told by mail what changed.

use std::time::Duration;

use serde_json::Value as Json;
use serde_yaml::Value;

use super::form::{Below, FLAG, List, Scalar, TIME};
use super::key::keys;
use super::path::NodePath;
use super::problem::Problem;
use super::scalar;
use super::section::Section;
use super::smtp::Smtp;

keys! {
    /// Who is told what changed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Email {
        /// Whether mail is sent at all.
        "send" => pub send: bool = false, FLAG;
        /// The address that mail comes from; needed where mail is sent.
        "sender" => pub sender: String = String::new(), MAILBOX;
        /// The addresses that mail goes to; needed where mail is sent.
        "recipients" => pub recipients: Vec<String> = Vec::new(), List(MAILBOX);
        /// For how long changes are gathered into one mail. After a mail about an uplink further news of it are gathered until
        /// none came for a while, for a quarter of an hour at most. Of an uplink that does not work when the daemon starts
        /// there is a mail after half a minute, and none if it works by then.
        "digest" => pub digest: Duration = Duration::from_secs(10), TIME;
        /// The mail server, and how it is spoken to; needed where mail is sent.
        "smtp_parameters" => pub smtp: Smtp = Smtp::usual(), Below;
    }
    check check;
}

const MAILBOX: Scalar<String> = Scalar {
    allowed: "a mail address such as user@example.com or Router <router@example.com>",
    read: mailbox,
    write: |mailbox| if mailbox.is_empty() { Json::Null } else { mailbox.as_str().into() },
};

/// What is needed to send mail.
fn check(email: &Email, section: &mut Section<'_>) {
    if email.send {
        section.require("sender", "the address that mail comes from");
        section.require("recipients", "a list of addresses");
        if section.is_empty_list("recipients") {
            section.wrong(
                "recipients",
                "nobody, so that mail reaches nobody, allowed: one or more addresses, or send: false",
            );
        }
        section.require("smtp_parameters", "the mail server (address, port)");
    }
}

/// Mail that nobody sends: who it goes to is stated, and whether it is sent is not.
pub(super) fn unsent(tree: &Value) -> Option<Problem> {
    let stated = |key: &str| tree.get("email")?.get(key).filter(|value| !value.is_null());
    let what = "no mail is sent, for send is not stated: send: true, or send: false";
    (stated("recipients").is_some() && stated("send").is_none())
        .then(|| Problem::new(NodePath::default().key("email").key("recipients"), what))
}

/// The password that a server which offers no TLS, or whoever stands in between, does not get.
pub(super) fn warn(email: &Email, warnings: &mut Vec<Problem>) {
    let path = NodePath::default().key("email").key("smtp_parameters").key("user_name");
    warnings.extend(email.smtp.exposure().map(|what| Problem::new(path, what)));
}

/// An address as mail servers take it; a display name (`Router <router@example.com>`) is allowed before it.
fn mailbox(value: &Value) -> Result<String, String> {
    let text = scalar::text(value)?;
    let address = text.rsplit_once('<').map_or(text.as_str(), |(_, rest)| rest.trim_end_matches('>'));
    let fits = address.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && !address.contains(char::is_whitespace);
    if fits { Ok(text) } else { Err("is no mail address, allowed: user@example.com".to_owned()) }
}
