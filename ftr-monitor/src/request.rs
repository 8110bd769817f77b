//! What the running monitor can be asked, and what it answers: one line of JSON each way.

use ftr_core::sanitize::sanitize;
use ftr_core::{Config, Exit, Family};
use serde::{Deserialize, Serialize};

/// The longest request, in bytes.
pub(crate) const LONGEST: usize = 4096;

/// One request. A field that is not known is refused: whoever states it relies on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How things are. The answer is the object that `status -j` prints.
    Status {},
    /// What happens from now on: each event as its record, on a line of its own, until either side ends.
    Follow {},
    /// The configuration is read anew. The answer comes when it is in the kernel.
    Reload {
        /// Nothing is changed; the answer says what would.
        #[serde(default)]
        dry_run: bool,
        /// The configuration before comes back after so many milliseconds, unless somebody confirms.
        #[serde(default)]
        confirm_ms: Option<u64>,
    },
    /// The configuration that the last reload has brought stays.
    Confirm {},
    /// Every uplink is checked at once.
    CheckNow {},
    /// An uplink takes no new connections, in one family or both, for so many milliseconds or until people say otherwise.
    Drain {
        uplink: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        family: Option<Family>,
    },
    /// It takes new connections again.
    Undrain {
        uplink: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        family: Option<Family>,
    },
    /// How often it went down of late is forgotten, so that it is not held down any more.
    Trust {
        uplink: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        family: Option<Family>,
    },
}

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn read(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line)
            .map_err(|error| format!("request: {}", sanitize(&ftr_tool::brief(&error.to_string()))))
    }

    /// The line to send.
    pub(crate) fn line(&self) -> String {
        // Its types always have a JSON form.
        format!("{}\n", serde_json::to_string(self).unwrap_or_default())
    }

    /// Whether it is for those alone who may change what the monitor does. Others are answered whoever asks. A dry run of a
    /// reload tells what stands in a file that strangers may not read.
    pub(crate) const fn is_change(&self) -> bool {
        !matches!(self, Self::Status {} | Self::Follow {})
    }
}

/// What the monitor answers to all requests but that for the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The exit code of the command that has asked.
    exit: u8,
    /// What there is to say to people.
    lines: Vec<String>,
}

impl Answer {
    /// With these words.
    pub(crate) fn new(exit: Exit, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { exit: exit as u8, lines: lines.into_iter().map(Into::into).collect() }
    }

    /// The place of the uplink that is meant, and of no other family than it has; else what is answered.
    pub(crate) fn place(config: &Config, name: &str, family: Option<Family>) -> Result<usize, Self> {
        let known = config.uplinks.iter().enumerate().find(|(_, uplink)| uplink.name.as_str() == name);
        let wrong = match known {
            Some((_, uplink)) if family == Some(Family::V6) && uplink.ipv6.is_none() => format!("{name} has no IPv6"),
            Some((index, _)) => return Ok(index),
            None => {
                let all: Vec<&str> = config.uplinks.iter().map(|uplink| uplink.name.as_str()).collect();
                format!("{name}: no uplink, there are {}", all.join(", "))
            }
        };
        Err(Self::new(Exit::Usage, [wrong]))
    }

    /// That what these words tell of was taken, and not all of it is in place yet.
    pub(crate) fn unfinished(mut self) -> Self {
        self.exit = Exit::Again as u8;
        self.lines
            .push("not all of it is in place yet, `ftr-monitor status` and the log say why; it follows".to_owned());
        self
    }

    /// The exit code. One that no program of ours has is a bug of the other side.
    pub(crate) fn exit(&self) -> Exit {
        Exit::of_code(self.exit).unwrap_or(Exit::Bug)
    }

    /// What there is to say, without control characters.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.lines.iter().map(|line| sanitize(line).into_owned())
    }

    /// The line to send.
    pub(crate) fn line(&self) -> String {
        format!("{}\n", serde_json::to_string(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Request};
    use ftr_core::{Exit, Family};

    #[test]
    fn an_uplink_is_meant_in_a_family_that_it_has() {
        let ipv6 = ", ip6: '2001:db8::2', gateway6: '2001:db8::1'";
        let config = crate::decide::fixture::config([ipv6, "", ""], "");
        let place = |name, family| Answer::place(&config, name, family).map_err(|answer| answer.exit());
        assert_eq!(place("eth1", Some(Family::V6)), Ok(0));
        assert_eq!(place("eth2", None), Ok(1));
        assert_eq!(place("eth2", Some(Family::V6)), Err(Exit::Usage));
        assert_eq!(place("eth9", None), Err(Exit::Usage));
    }

    #[test]
    fn a_request_is_an_object_with_what_to_do() {
        assert_eq!(Request::read(b"{\"do\":\"status\"}\n"), Ok(Request::Status {}));
        assert_eq!(Request::read(Request::CheckNow {}.line().as_bytes()), Ok(Request::CheckNow {}));
        let drain = br#"{"do":"drain","uplink":"eth1","for_ms":60000,"family":6}"#;
        let (uplink, for_ms, family) = ("eth1".to_owned(), Some(60_000), Some(Family::V6));
        let request = Request::Drain { uplink, for_ms, family };
        assert_eq!(
            (Request::read(drain), Request::read(request.line().as_bytes())),
            (Ok(request.clone()), Ok(request))
        );
        for wrong in
            ["{\"do\":\"trust\"}", "", "{}", "status", "{\"do\":\"fly\"}", "{\"do\":\"check-now\",\"in_ms\":5}", "[1"]
        {
            let said = Request::read(wrong.as_bytes()).expect_err("no request");
            assert!(said.starts_with("request: ") && said.len() < 300, "{said}");
        }
    }

    #[test]
    fn only_questions_are_everybodys() {
        assert!(!Request::Status {}.is_change() && !Request::Follow {}.is_change() && Request::CheckNow {}.is_change());
        assert!(Request::Reload { dry_run: true, confirm_ms: None }.is_change(), "it tells what stands in the file");
    }

    #[test]
    fn an_answer_is_read_as_it_was_meant() {
        let answer = Answer::new(Exit::Config, ["ftr.yaml:1:1: a\u{1b}[31m"]);
        let read: Answer = serde_json::from_str(&answer.line()).unwrap();
        assert_eq!(
            (read.exit(), read.lines().next().is_some_and(|line| !line.contains('\u{1b}'))),
            (Exit::Config, true)
        );
        assert_eq!(serde_json::from_str::<Answer>("{\"exit\":3,\"lines\":[]}").unwrap().exit(), Exit::Bug);
        assert!(serde_json::from_str::<Answer>("{\"pid\":3}").is_err(), "a status is no answer");
    }
}
