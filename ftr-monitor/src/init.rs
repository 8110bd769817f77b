//! `ftr-monitor init`: a configuration to begin with, an example or one for this host.

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ftr_core::shell::quoted;
use ftr_core::{Config, Exit};
use ftr_tool::cli::{Common, Failure, answer, say};

use crate::tool;
use crate::{detect, example, host};

/// Where programs look for the configuration first.
const USUAL: &str = "/etc/ftr/ftr.yaml";

/// Prints the configuration, or writes it to a file that is not there yet; as JSON, which is YAML as well, without the
/// comments.
pub(crate) fn run(common: &Common, detected: bool, file: Option<&Path>) -> Result<Exit, Failure> {
    let mut text = if detected { detected_text()? } else { example::text() };
    if common.json {
        text = format!("{}\n", Config::parse(Path::new("example"), &text)?.effective());
    }
    match file {
        Some(file) => write(file, &text)?,
        None if common.quiet => {}
        None => answer(&text)?,
    }
    if common.quiet {
        return Ok(Exit::Yes);
    }
    if detected {
        say(tool::NAME, "next, when it says what this router has:");
        for command in next(file, Services::here()) {
            say(tool::NAME, &format!("  {command}"));
        }
    } else if let Some(file) = file.filter(|_| common.verbose) {
        let file = file.display();
        say(tool::NAME, &format!("{file}: written; when it says what this router has: ftr-monitor check -c {file}"));
    }
    Ok(Exit::Yes)
}

/// A configuration for this host.
fn detected_text() -> Result<String, Failure> {
    let host = host::find().map_err(|why| Failure::new(Exit::Unavailable, why))?;
    let roles = detect::roles(&host);
    if roles.uplinks.is_empty() {
        let seen: Vec<String> = roles.others.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        let seen = if seen.is_empty() { String::new() } else { format!(" ({})", seen.join("; ")) };
        let what = format!(
            "this host: no default route leads to the internet, so no uplink can be told{seen}; configure addresses and \
             gateways first, or begin with the example: ftr-monitor init"
        );
        return Err(Failure::new(Exit::Unavailable, what));
    }
    let text = detect::text::text(&roles);
    match Config::parse(Path::new("detected"), &text) {
        Ok(_) => Ok(text),
        Err(problems) => Err(Failure::new(Exit::Bug, format!("what was detected is no configuration: {problems}"))),
    }
}

/// What starts services on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Services {
    Systemd,
    OpenRc,
    Procd,
    /// Whoever wants the daemon starts it.
    None,
}

impl Services {
    /// What runs here, as `scripts/install` finds it out.
    fn here() -> Self {
        let known = [
            ("/run/systemd/system", Self::Systemd),
            ("/etc/rc.common", Self::Procd),
            ("/sbin/openrc-run", Self::OpenRc),
            ("/usr/sbin/openrc-run", Self::OpenRc),
        ];
        known.into_iter().find(|(path, _)| Path::new(path).exists()).map_or(Self::None, |(_, services)| services)
    }

    /// Loads the firewall rules and starts the daemon, now and at every boot.
    const fn start(self) -> [&'static str; 2] {
        match self {
            Self::Systemd => ["sudo systemctl enable --now ftr-rules", "sudo systemctl enable --now ftr-monitor"],
            Self::OpenRc => [
                "sudo rc-update add ftr-rules boot; sudo rc-service ftr-rules start",
                "sudo rc-update add ftr-monitor; sudo rc-service ftr-monitor start",
            ],
            Self::Procd => [
                "/etc/init.d/ftr-rules enable; /etc/init.d/ftr-rules start",
                "/etc/init.d/ftr-monitor enable; /etc/init.d/ftr-monitor start",
            ],
            Self::None => ["sudo ftr-rules --backend nft | sudo nft -f -", "sudo ftr-monitor run"],
        }
    }
}

/// The commands that lead from the new file to a router that is online. Services look for it at the usual place.
fn next(file: Option<&Path>, services: Services) -> Vec<String> {
    let usual = Path::new(USUAL);
    let place = match file {
        Some(file) if file == usual => None,
        Some(file) => Some(format!("sudo install -m 640 -g ftr {} {USUAL}", quoted(&file.display().to_string()))),
        None => Some(format!("sudo ftr-monitor init --detect {USUAL}")),
    };
    place.into_iter().chain(["sudo ftr-monitor check".to_owned()]).chain(services.start().map(str::to_owned)).collect()
}

/// Writes it to a file that is not there yet.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode(file))
        .open(file)
        // Whatever the umask leaves of it.
        .and_then(|new| new.set_permissions(Permissions::from_mode(mode(file))).map(|()| new))
        .and_then(|mut new| new.write_all(text.as_bytes()));
    let file = file.display();
    written.map_err(|error| Failure::new(Exit::Io, format!("{file}: cannot be written: {error}")))
}

/// The mode of the new file. It may come to hold a password, so nobody else may read it; but where the directory hands its
/// group on (setgid, as the package makes `/etc/ftr`), that is the group of the service.
fn mode(file: &Path) -> u32 {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let hands_on = directory.metadata().is_ok_and(|found| found.mode() & 0o2000 != 0);
    if hands_on { 0o640 } else { 0o600 }
}

#[cfg(test)]
mod tests {
    use super::{Services, mode, next};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    #[test]
    fn the_next_commands_are_three_where_the_file_is_where_services_look() {
        let usual = next(Some(Path::new("/etc/ftr/ftr.yaml")), Services::Systemd);
        assert_eq!(
            usual,
            [
                "sudo ftr-monitor check",
                "sudo systemctl enable --now ftr-rules",
                "sudo systemctl enable --now ftr-monitor"
            ]
        );
        let elsewhere = next(Some(Path::new("/root/my file")), Services::Systemd);
        assert_eq!(elsewhere[0], "sudo install -m 640 -g ftr '/root/my file' /etc/ftr/ftr.yaml");
        assert_eq!(next(None, Services::Systemd)[0], "sudo ftr-monitor init --detect /etc/ftr/ftr.yaml");
    }

    #[test]
    fn without_systemd_they_are_those_of_the_other_system() {
        for services in [Services::OpenRc, Services::Procd, Services::None] {
            let commands = next(Some(Path::new("/etc/ftr/ftr.yaml")), services);
            assert_eq!((commands.len(), commands[0].as_str()), (3, "sudo ftr-monitor check"), "{services:?}");
            assert!(!commands.concat().contains("systemctl"), "{commands:?}");
            assert!(commands[1].contains("ftr-rules") && commands[2].contains("ftr-monitor"), "{commands:?}");
        }
    }

    #[test]
    fn the_group_reads_it_where_the_directory_says_so() {
        let directory = std::env::temp_dir().join(format!("ftr-init-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let modes = [0o755, 0o2750].map(|permissions| {
            fs::set_permissions(&directory, Permissions::from_mode(permissions)).unwrap();
            mode(&directory.join("ftr.yaml"))
        });
        fs::remove_dir(&directory).unwrap();
        assert_eq!(modes, [0o600, 0o640]);
        assert_eq!(mode(&directory.join("ftr.yaml")), 0o600, "it is not there");
    }
}
