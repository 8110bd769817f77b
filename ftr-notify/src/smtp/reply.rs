//! Replies of a mail server (RFC 5321, section 4.2), put together from the bytes that come. Pure.

use ftr_core::sanitize::sanitize;

/// The longest line of a reply, in bytes. RFC 5321 allows 512 (section 4.5.3.1.5), some servers say more.
pub const LONGEST_LINE: usize = 2048;

/// The longest reply, in bytes.
pub const LONGEST_REPLY: usize = 32 * 1024;

/// How much of what a server says is repeated in a message, in characters.
const QUOTED: usize = 200;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its code: 200 to 599.
    pub code: u16,
    /// The text of each line, as it came.
    pub lines: Vec<String>,
}

impl Reply {
    /// The first digit of the code, which says what kind of answer it is.
    #[must_use]
    pub const fn class(&self) -> u16 {
        self.code / 100
    }

    /// The text in one line, cleaned and bounded.
    #[must_use]
    pub fn text(&self) -> String {
        quoted(&self.lines.join(" "))
    }
}

/// What cannot be a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// A line does not begin with a code, or with another than the line before it.
    #[error("the answer is not SMTP ({0})")]
    NotSmtp(String),
    /// It has no end, as far as we care to read.
    #[error("the answer is too long")]
    TooLong,
}

/// Text of a server for a message: cleaned of control characters, and cut where it is long.
#[must_use]
pub fn quoted(text: &str) -> String {
    let text = text.trim();
    let mut quoted: String = sanitize(text).chars().take(QUOTED).collect();
    if text.chars().nth(QUOTED).is_some() {
        quoted.push('…');
    }
    quoted
}

/// Puts replies together, and holds no more bytes than the longest of them and what came with its last ones.
#[derive(Debug, Default)]
pub struct Replies {
    buffer: Vec<u8>,
    /// Up to where no line ends: what came before is not searched again.
    searched: usize,
    reply: Option<Reply>,
    length: usize,
}

impl Replies {
    /// Takes bytes in. Some is a whole reply; what came after it is in [`Replies::surplus`].
    ///
    /// # Errors
    /// It is none, or too long. Nothing can be read after that.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<Reply>, BadReply> {
        self.buffer.extend_from_slice(bytes);
        while let Some(end) = self.line_end() {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            self.searched = 0;
            self.length += line.len();
            if line.len() > LONGEST_LINE || self.length > LONGEST_REPLY {
                return Err(BadReply::TooLong);
            }
            if self.line(&line)? {
                self.length = 0;
                return Ok(self.reply.take());
            }
        }
        if self.buffer.len() > LONGEST_LINE { Err(BadReply::TooLong) } else { Ok(None) }
    }

    /// What came after the end of a reply.
    #[must_use]
    pub fn surplus(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether nothing came since the last reply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.reply.is_none()
    }

    fn line_end(&mut self) -> Option<usize> {
        let end = self.buffer.iter().skip(self.searched).position(|&byte| byte == b'\n');
        let end = end.map(|end| end + self.searched);
        self.searched = self.buffer.len();
        end
    }

    /// Takes a line in; true if it is the last one of its reply.
    fn line(&mut self, line: &[u8]) -> Result<bool, BadReply> {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\r', '\n']);
        let strange = || BadReply::NotSmtp(quoted(text));
        let (code, rest) = text.split_at_checked(3).ok_or_else(strange)?;
        let code = Some(code).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        let code: u16 = code.and_then(|code| code.parse().ok()).ok_or_else(strange)?;
        let (last, words) = match rest.split_at_checked(1) {
            Some(("-", words)) => (false, words),
            Some((" ", words)) => (true, words),
            None => (true, ""),
            Some(_) => return Err(strange()),
        };
        let reply = self.reply.get_or_insert_with(|| Reply { code, lines: Vec::new() });
        if !(200..600).contains(&code) || reply.code != code {
            return Err(strange());
        }
        reply.lines.push(words.to_owned());
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::{BadReply, LONGEST_LINE, LONGEST_REPLY, Replies};

    #[test]
    fn a_reply_is_the_same_however_it_is_cut() {
        let text = b"250-mail.example.com\r\n250-SIZE 1000\r\n250\r\n";
        for cut in 0..text.len() {
            let mut replies = Replies::default();
            assert_eq!(replies.receive(&text[..cut]), Ok(None), "{cut}");
            let reply = replies.receive(&text[cut..]).unwrap().unwrap();
            assert_eq!((reply.code, reply.class(), reply.text().as_str()), (250, 2, "mail.example.com SIZE 1000"));
            assert_eq!(reply.lines, ["mail.example.com", "SIZE 1000", ""]);
            assert!(replies.is_empty());
        }
    }

    #[test]
    fn what_comes_after_a_reply_is_seen() {
        let mut replies = Replies::default();
        assert!(replies.receive(b"220 go on\r\n250 injected\r\n").unwrap().is_some());
        assert_eq!(replies.surplus(), b"250 injected\r\n");
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for text in
            ["hello\n", "25\n", "2x0 a\n", "+50 a\n", "199 a\n", "600 a\n", "250:a\n", "\n", "250-a\n251 b\n", "ä\n"]
        {
            let error = Replies::default().receive(text.as_bytes()).unwrap_err();
            assert!(matches!(error, BadReply::NotSmtp(_)), "{text:?}: {error}");
        }
        let error = Replies::default().receive(b"\x1b[2J\n").unwrap_err();
        assert_eq!(error.to_string(), "the answer is not SMTP (?[2J)");
    }

    #[test]
    fn neither_a_line_nor_a_reply_is_endless() {
        let mut replies = Replies::default();
        let held = (0..LONGEST_LINE).map(|_| replies.receive(b"2500")).take_while(Result::is_ok).count() * 4;
        assert_eq!(held, LONGEST_LINE);
        let mut replies = Replies::default();
        let held = (0..LONGEST_REPLY).map(|_| replies.receive(b"250-x\r\n")).take_while(Result::is_ok).count() * 7;
        assert!((LONGEST_REPLY - 7..=LONGEST_REPLY).contains(&held), "{held}");
        let long = ["250 ", &"x".repeat(LONGEST_LINE), "\n"].concat();
        assert_eq!(Replies::default().receive(long.as_bytes()), Err(BadReply::TooLong));
    }
}
