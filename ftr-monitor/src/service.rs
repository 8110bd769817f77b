//! What the service can do with the files that the configuration names: it is another user, and confined by its unit.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ftr_core::Config;
use ftr_core::config::{FileFaults, Hook};
use ftr_core::shell::quoted;
use ftr_tool::open::readable;
use ftr_tool::programs;
use nix::errno::Errno;
use nix::unistd::{AccessFlags, Uid, User, access, geteuid, getuid};

use crate::user::Identity;

/// The user that the unit names, and its directories where the service may write (`LogsDirectory=`, `RuntimeDirectory=`).
const USER: &str = "ftr";
const LOGS: &str = "/var/log/ftr";
const WRITABLE: [&str; 3] = [LOGS, "/run/ftr", "/dev"];
/// Where the unit is, if it is installed: systemd.unit(5).
const UNITS: [&str; 3] = [
    "/etc/systemd/system/ftr-monitor.service",
    "/usr/lib/systemd/system/ftr-monitor.service",
    "/usr/local/lib/systemd/system/ftr-monitor.service",
];
/// Where configurations are that services read.
const CONFIGURATIONS: &str = "/etc";
/// What the unit hides from the service: homes (`ProtectHome=`), and the temporary files of others (`PrivateTmp=`), which
/// the one of privileged hooks sees.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];
/// Where it sees files.
const INSTEAD: &str = "/etc/ftr";
/// Whoever may run a file: its owner, its group, others.
const EXECUTABLE: u32 = 0o111;
/// The longest password that is read from a file, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

/// As whom the files are looked at.
struct Service {
    /// None where nobody may become that user, or there is none.
    identity: Option<Identity>,
    user: Option<Uid>,
    is_confined: bool,
}

/// What is wrong with the files of a configuration, for the service where there is one.
pub(crate) fn faults(config: &Config) -> FileFaults {
    let service = Service {
        // Whoever calls a program that can do more than they can is told nothing of what it could find out.
        identity: getuid().is_root().then(|| Identity::of(USER).ok().flatten()).flatten(),
        user: User::from_name(USER).ok().flatten().map(|user| user.uid),
        is_confined: UNITS.iter().any(|unit| Path::new(unit).exists()),
    };
    let hooks = config.hooks.iter().enumerate();
    FileFaults {
        configuration: service.configuration(&config.file),
        log: config.log.file.as_deref().and_then(|file| service.log(file)),
        password: config.email.smtp.password_file.as_deref().and_then(|file| service.password(file)),
        hooks: hooks.filter_map(|(index, hook)| Some((index, service.hook(hook)?))).collect(),
    }
}

impl Service {
    fn reads(&self, file: &Path) -> bool {
        self.identity.is_none_or(|identity| identity.may_read(file))
    }

    /// A configuration elsewhere is one that somebody tries.
    fn configuration(&self, file: &Path) -> Option<String> {
        let unreadable = file.starts_with(CONFIGURATIONS) && !self.reads(file);
        unreadable.then(|| format!("the service cannot read it, for it is user {USER}: {}", handed_over(file)))
    }

    fn log(&self, file: &Path) -> Option<String> {
        if file.is_relative() {
            return Some(relative());
        }
        if self.is_confined && !WRITABLE.iter().any(|directory| file.starts_with(directory)) {
            let name = file.file_name().map(PathBuf::from).unwrap_or_default();
            let instead = Path::new(LOGS).join(name);
            return Some(format!(
                "the service may write below {LOGS} alone, so its lines go to the journal: say {}, or leave it out",
                instead.display()
            ));
        }
        if file == Path::new(LOGS) || file.is_dir() || file.as_os_str().as_bytes().ends_with(b"/") {
            return Some(format!("a directory, and lines go to a file: say {}", file.join("ftr.log").display()));
        }
        let directory = file.parent().filter(|directory| is_seen(directory) == Err(Errno::ENOENT));
        match directory {
            // The unit makes that one.
            Some(directory) if self.is_confined && directory == Path::new(LOGS) => None,
            Some(directory) => {
                let name = quoted(&directory.display().to_string()).into_owned();
                Some(format!("there is no directory {name}: mkdir -p {name}"))
            }
            None => {
                let refused = self.identity.is_some_and(|identity| !identity.may_write(file));
                refused.then(|| format!("user {USER} cannot write it, so the service's lines go to the journal"))
            }
        }
    }

    fn password(&self, file: &Path) -> Option<String> {
        if file.is_relative() {
            return Some(relative());
        }
        if let Some(hidden) = self.hidden(file, true) {
            return Some(format!("{hidden}, so mail waits: put it into {INSTEAD}"));
        }
        match is_seen(file) {
            Ok(()) => {}
            Err(Errno::EACCES) => return None,
            Err(errno) => return Some(format!("{}, so mail waits", errno.desc())),
        }
        let found = fs::metadata(file).ok();
        // Nothing is advised about what may be a directory of the system.
        match &found {
            Some(found) if found.is_dir() => return Some("is a directory, so mail waits: state a file".to_owned()),
            Some(found) if !found.is_file() => return Some("is no plain file, so mail waits".to_owned()),
            _ => {}
        }
        let mode = found.map_or(0, |found| found.permissions().mode());
        if mode & 0o004 != 0 {
            return Some(format!("everybody can read it (mode {:04o}): {}", mode & 0o7777, handed_over(file)));
        }
        if !self.reads(file) {
            return Some(format!("the service cannot read it, for it is user {USER}: {}", handed_over(file)));
        }
        let mut line = String::new();
        let read = readable(file).and_then(|open| BufReader::new(open.take(LONGEST_PASSWORD)).read_line(&mut line));
        match read {
            // Who may not read it is not the one that the service is.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && self.user.is_some() => None,
            Err(error) => Some(format!("{error}, so mail waits")),
            Ok(_) if line.trim_end().is_empty() => {
                Some("its first line is empty, and has to be the password".to_owned())
            }
            Ok(_) => None,
        }
    }
}

impl Service {
    /// That the service does not see a file, because its unit hides where that is.
    fn hidden(&self, file: &Path, has_own_temporary: bool) -> Option<String> {
        let temporary: &[&str] = if has_own_temporary { &TEMPORARY } else { &[] };
        let mut hidden = HOMES.iter().chain(temporary).filter(|_| self.is_confined);
        hidden
            .find(|directory| file.starts_with(directory))
            .map(|directory| format!("the service does not see it, for its unit hides {directory}"))
    }

    /// Why the program of a hook is not run.
    fn hook(&self, hook: &Hook) -> Option<String> {
        let file = Path::new(hook.run.first()?);
        if let Some(hidden) = self.hidden(file, !hook.privileged) {
            return Some(format!("{hidden}, so it is not run: put it into {INSTEAD}"));
        }
        match is_seen(file) {
            Ok(()) => {}
            Err(Errno::EACCES) => return None,
            Err(errno) => return Some(format!("{}, so it is not run", errno.desc())),
        }
        let user = if hook.privileged { Uid::from_raw(0) } else { self.user.unwrap_or_else(geteuid) };
        match programs::is_trusted(file, user.as_raw()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Some("is no plain file, so it is not run".to_owned());
            }
            // Who may not look at it is not the one that the service is.
            Err(error) if error.raw_os_error().is_some() => return None,
            Err(error) => return Some(error.to_string()),
        }
        let mode = fs::metadata(file).ok()?.permissions().mode();
        (mode & EXECUTABLE == 0).then(|| {
            let name = quoted(&file.display().to_string()).into_owned();
            format!("nobody may run it (mode {:04o}): chmod +x {name}", mode & 0o7777)
        })
    }
}

/// Whether a file is there for the calling user, access(2).
fn is_seen(file: &Path) -> Result<(), Errno> {
    access(file, AccessFlags::F_OK)
}

fn relative() -> String {
    "a relative path, and services are started in /: state the whole path".to_owned()
}

/// What gives a file to the service, and to nobody else.
fn handed_over(file: &Path) -> String {
    let name = file.display().to_string();
    format!("chgrp {USER} {0}; chmod 640 {0}", quoted(&name))
}

#[cfg(test)]
mod tests {
    use super::Service;
    use ftr_core::config::Hook;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    const SERVICE: Service = Service { identity: None, user: None, is_confined: true };

    #[test]
    fn a_confined_service_logs_where_its_unit_lets_it() {
        let told = |file: &str| SERVICE.log(Path::new(file));
        assert_eq!((told("/var/log/ftr/ftr.log"), told("/dev/stderr")), (None, None));
        let legacy = told("/var/log/fault_tolerant_router.log").unwrap();
        assert!(legacy.contains("go to the journal: say /var/log/ftr/fault_tolerant_router.log"), "{legacy}");
        assert!(told("ftr.log").unwrap().contains("relative"));
        for directory in ["/var/log/ftr", "/var/log/ftr/", "/var/log/ftr/more/"] {
            assert!(told(directory).unwrap().contains("a directory, and lines go to a file: say /var/log/ftr/"));
        }
        let free = Service { is_confined: false, ..SERVICE };
        assert_eq!(free.log(Path::new("/tmp/ftr.log")), None);
        let missing = free.log(Path::new("/nonexistent/a b/ftr.log")).unwrap();
        assert_eq!(missing, "there is no directory '/nonexistent/a b': mkdir -p '/nonexistent/a b'");
    }

    #[test]
    fn a_password_has_to_be_there_for_the_service_and_for_nobody_else() {
        let file = std::env::temp_dir().join(format!("ftr-service-{}", std::process::id()));
        let told = |mode: u32, text: &str| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            Service { is_confined: false, ..SERVICE }.password(&file)
        };
        assert_eq!(told(0o640, "hunter2\n"), None);
        assert!(told(0o644, "hunter2\n").unwrap().contains("everybody can read it (mode 0644): chgrp ftr /"));
        assert!(told(0o640, "\nhunter2\n").unwrap().contains("first line is empty"));
        fs::remove_file(&file).unwrap();
        assert!(SERVICE.password(&file).unwrap().contains("mail waits"));
        assert!(SERVICE.password(Path::new("password")).unwrap().contains("relative"));
        // Advice to give one of these to the service would ruin the host.
        for (file, what) in
            [("/etc", "is a directory, so mail waits"), ("/dev/null", "is no plain file, so mail waits")]
        {
            let told = SERVICE.password(Path::new(file)).unwrap();
            assert!(told.starts_with(what) && !told.contains("ch"), "{told}");
        }
        for file in ["/home/me/password", "/root/password", "/run/user/0/password", "/tmp/x", "/var/tmp/x"] {
            assert!(SERVICE.password(Path::new(file)).unwrap().contains("put it into /etc/ftr"), "{file}");
        }
    }

    fn hook(program: &Path, privileged: bool) -> Hook {
        let run = vec![program.display().to_string()];
        Hook { on: Vec::new(), run, timeout: std::time::Duration::from_secs(30), privileged }
    }

    #[test]
    fn a_hook_has_to_be_a_program_that_the_service_sees_and_believes() {
        let told = |service: Service, file: &str, privileged| service.hook(&hook(Path::new(file), privileged));
        assert_eq!(told(SERVICE, "/bin/sh", true), None);
        assert!(told(SERVICE, "/etc/ftr-no-such-hook", true).unwrap().ends_with(", so it is not run"));
        assert_eq!(told(SERVICE, "/etc", true).unwrap(), "is no plain file, so it is not run");
        assert!(told(SERVICE, "/etc/passwd", true).is_some());
        assert!(told(SERVICE, "/home/me/hook", true).unwrap().contains("its unit hides /home, so it is not run"));
        assert!(told(SERVICE, "/tmp/hook", false).unwrap().contains("its unit hides /tmp"));
        let unseen = told(SERVICE, "/tmp/ftr-no-such-hook", true).unwrap();
        assert!(!unseen.contains("hides"), "{unseen}");
    }

    #[test]
    fn a_hook_that_others_can_write_is_told() {
        let file = std::env::temp_dir().join(format!("ftr-hook-{}", std::process::id()));
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o757)).unwrap();
        let told = Service { is_confined: false, ..SERVICE }.hook(&hook(&file, false));
        fs::remove_file(&file).unwrap();
        assert!(told.unwrap().ends_with(", so it is not run"));
    }
}
