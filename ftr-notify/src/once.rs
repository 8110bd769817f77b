//! One mail at once: a text from stdin, or the test.

use std::io::{self, Read};
use std::time::SystemTime;

use ftr_core::{Config, Exit};
use ftr_tool::cli::{Failure, answer, say};
use serde_json::json;

use crate::cli::Cli;
use crate::envelope::Addresses;
use crate::message::{self, Message};
use crate::smtp::{self, Delivery};
use crate::{host, tool};

/// The longest text that is mailed, in bytes; what comes after it is cut off, and the mail says so.
const LONGEST: u64 = 1024 * 1024;

/// Mails what stdin has.
pub(crate) fn send(config: &Config, addresses: &Addresses, cli: &Cli) -> Result<Exit, Failure> {
    if !config.email.send {
        return Err(Failure::new(Exit::No, "email.send: false in the configuration, so nothing is sent"));
    }
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(Exit::Io, format!("standard input: {error}")))?;
    let cut = bytes.len() as u64 > LONGEST;
    bytes.truncate(usize::try_from(LONGEST).unwrap_or(usize::MAX));
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if cut {
        text.push_str("\n[cut off here: the text was too long]\n");
    }
    let message = message::of_text(&host::name(), cli.subject.as_deref(), &text);
    let delivery = deliver(config, addresses, &message, cli)?;
    if cli.common.json || cli.common.verbose {
        report(config, &delivery, cli)?;
    }
    Ok(Exit::Yes)
}

/// Mails that mail works; also where mail is switched off, to see before it is switched on.
pub(crate) fn test(config: &Config, addresses: &Addresses, cli: &Cli) -> Result<Exit, Failure> {
    if !cli.common.quiet {
        config.warning_lines().iter().for_each(|line| say(tool::NAME, line));
        if !config.email.send {
            say(tool::NAME, "email.send: false in the configuration: only tests are sent");
        }
    }
    let message = message::of_test(&host::name(), cli.subject.as_deref(), &smtp::server(&config.email.smtp));
    let delivery = deliver(config, addresses, &message, cli)?;
    report(config, &delivery, cli)?;
    Ok(Exit::Yes)
}

fn deliver(config: &Config, addresses: &Addresses, message: &Message, cli: &Cli) -> Result<Delivery, Failure> {
    let envelope = addresses
        .envelope(message, SystemTime::now())
        .map_err(|error| Failure::new(Exit::Bug, format!("message: {error}")))?;
    let server = smtp::server(&config.email.smtp);
    if cli.common.verbose && !cli.common.quiet {
        let to: Vec<&str> = envelope.to.iter().map(AsRef::as_ref).collect();
        let (from, length) = (&envelope.from, envelope.bytes.len());
        say(tool::NAME, &format!("smtp {server}: {length} bytes from {from} to {}", to.join(", ")));
    }
    let delivery = smtp::deliver(&config.email.smtp, &envelope).map_err(|error| {
        let exit = if error.is_permanent() { Exit::No } else { Exit::Again };
        Failure::new(exit, format!("smtp {server}: {error}"))
    })?;
    for refusal in &delivery.refused {
        say(tool::NAME, &format!("smtp {server}: {}: {}", refusal.recipient, refusal.reply));
    }
    Ok(delivery)
}

fn report(config: &Config, delivery: &Delivery, cli: &Cli) -> Result<(), Failure> {
    if cli.common.quiet {
        return Ok(());
    }
    let server = smtp::server(&config.email.smtp);
    let line = if cli.common.json {
        let refused: Vec<_> = delivery
            .refused
            .iter()
            .map(|refusal| json!({"recipient": refusal.recipient, "reply": refusal.reply}))
            .collect();
        json!({"delivered": delivery.accepted, "refused": refused, "server": server, "encrypted": delivery.encrypted})
            .to_string()
    } else {
        let how = if delivery.encrypted { "encrypted" } else { "not encrypted" };
        format!("delivered to {} by {server}, {how}", delivery.accepted.join(", "))
    };
    answer(&format!("{line}\n"))
}
