//! What a web server says, evaluated.

use std::borrow::Cow;

use httparse::{EMPTY_HEADER, Header, ParserConfig, Response, Status, parse_chunk_size};

use crate::method::progress::Progress;

/// The longest head of an answer that is read, in bytes.
const HEAD: usize = 16 * 1024;
/// How much of a body is looked at, in bytes.
const BODY: usize = 16 * 1024;
/// How much is read at all, in bytes: chunks need room of their own.
const MOST: usize = 4 * BODY;
/// How many header fields an answer may have.
const FIELDS: usize = 128;

/// What a good answer has.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) status: u16,
    pub(super) body: Option<String>,
}

/// Judges what was received so far, with nothing to come if it has `ended`. None if that is not enough to tell, which
/// it always is when [`MOST`] is reached.
pub(super) fn evaluate(received: &[u8], ended: bool, wanted: &Wanted) -> Option<Progress> {
    let mut rest = received;
    loop {
        let mut fields = [EMPTY_HEADER; FIELDS];
        let mut response = Response::new(&mut fields);
        let parsed = ParserConfig::default()
            .ignore_invalid_headers_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .parse_response(&mut response, rest);
        let head = match parsed {
            Ok(Status::Complete(head)) => head,
            Ok(Status::Partial) if ended => return Some(Progress::Failed("closed")),
            Ok(Status::Partial) if received.len() >= HEAD => return Some(Progress::Failed("too-long")),
            Ok(Status::Partial) => return None,
            Err(_) => return Some(Progress::Captive),
        };
        rest = rest.get(head..).unwrap_or_default();
        match (response.code, &wanted.body) {
            // A remark before the answer (RFC 9110 section 15.2).
            (Some(100 | 102..=199), _) => {}
            (status, _) if status != Some(wanted.status) => return Some(Progress::Captive),
            (_, None) => return Some(Progress::Answered),
            (_, Some(text)) => {
                let body = Body::read(response.headers, rest);
                return judge_body(&body, ended, text).or((received.len() >= MOST).then_some(Progress::Captive));
            }
        }
    }
}

fn judge_body(body: &Body<'_>, ended: bool, text: &str) -> Option<Progress> {
    let start = body.start.get(..BODY).unwrap_or(&body.start);
    let complete = match body.complete {
        Some(complete) => complete,
        // It goes on to the end of the connection.
        None => ended,
    };
    if start.windows(text.len().max(1)).any(|part| part == text.as_bytes()) {
        Some(Progress::Answered)
    } else if complete || body.start.len() >= BODY {
        Some(Progress::Captive)
    } else {
        ended.then_some(Progress::Failed("closed"))
    }
}

/// What is known of a body.
struct Body<'a> {
    /// What was received of it.
    start: Cow<'a, [u8]>,
    /// Whether that is all, where the answer says how to tell.
    complete: Option<bool>,
}

impl<'a> Body<'a> {
    /// The body of an answer with these header fields, from what was received behind them (RFC 9112 section 6).
    fn read(fields: &[Header<'_>], received: &'a [u8]) -> Self {
        let field = |name: &str| {
            let field = fields.iter().rev().find(|field| field.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(field.value).ok()
        };
        if field("Transfer-Encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked")) {
            return Self::from_chunks(received);
        }
        match field("Content-Length").and_then(|length| length.trim().parse::<usize>().ok()) {
            Some(length) => Self {
                start: received.get(..length).unwrap_or(received).into(),
                complete: Some(received.len() >= length),
            },
            None => Self { start: received.into(), complete: None },
        }
    }

    /// Puts chunks together (RFC 9112 section 7.1).
    fn from_chunks(mut received: &[u8]) -> Self {
        let mut start = Vec::new();
        let complete = loop {
            let (at, size) = match parse_chunk_size(received) {
                Ok(Status::Complete((at, size))) if size > 0 => (at, usize::try_from(size).unwrap_or(usize::MAX)),
                Ok(Status::Partial) => break false,
                // The last one, or something out of which no chunk will come.
                Ok(Status::Complete(_)) | Err(_) => break true,
            };
            let data = received.get(at..).unwrap_or_default();
            let Some((chunk, behind)) = data.split_at_checked(size) else {
                start.extend_from_slice(data);
                break false;
            };
            start.extend_from_slice(chunk);
            let Some(next) = behind.get(b"\r\n".len()..) else { break false };
            received = next;
        };
        Self { start: start.into(), complete: Some(complete) }
    }
}

#[cfg(test)]
mod tests;
