//! Runs a command under the confinement that a systemd unit states, on a host whose first process is not systemd: user,
//! capabilities, no new privileges, umask, and a seccomp filter of system calls, address families and executable memory.

use crate::error::{Context, LabError, Result, malformed};
use crate::unit::Unit;
use nix::sys::stat::{Mode, umask};
use nix::unistd::User;
use seccompiler::{BpfProgram, TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt::Display;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Who runs where the unit's user does not exist: a user that owns nothing.
const NOBODY: u32 = 65534;
/// `mmap(2)`: memory that is written and executed; `mprotect(2)` and its like: what becomes executable.
const WRITE_AND_EXECUTE: u64 = 6;
const EXECUTE: u64 = 4;
/// The numbers of address families, `socket(2)`.
const FAMILIES: [(&str, u64); 5] =
    [("AF_UNIX", 1), ("AF_INET", 2), ("AF_INET6", 10), ("AF_NETLINK", 16), ("AF_PACKET", 17)];

/// Becomes the command, as the unit's user with the unit's capabilities, by way of [`filtered`].
///
/// # Errors
/// When the unit does not state enough, or `setpriv` cannot be started.
pub(crate) fn confined(unit: &Path, command: &[OsString]) -> Result<Infallible> {
    let stated = Unit::read(unit)?;
    let user = User::from_name(stated.value("User")?).ok().flatten();
    let (uid, gid) = user.map_or((NOBODY, NOBODY), |user| (user.uid.as_raw(), user.gid.as_raw()));
    let capabilities = |setting| -> Result<String> {
        let names = stated.words(setting)?;
        Ok(names.iter().fold("-all".to_owned(), |all, name| {
            format!("{all},+{}", name.trim_start_matches("CAP_").to_ascii_lowercase())
        }))
    };
    let ambient = capabilities("AmbientCapabilities")?;
    let bounding = capabilities("CapabilityBoundingSet")?;
    let own = std::env::current_exe().context(|| "find the running program".to_owned())?;
    let mut setpriv = Command::new("setpriv");
    setpriv.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
    setpriv.args([format!("--inh-caps={ambient}"), format!("--ambient-caps={ambient}")]);
    setpriv.arg(format!("--bounding-set={bounding}"));
    if stated.value("NoNewPrivileges")? == "yes" {
        setpriv.arg("--no-new-privs");
    }
    Err(become_it(setpriv.arg(own).arg("filtered").arg(unit).args(command)))
}

/// Becomes the command, with the unit's umask and under its filter of system calls.
///
/// # Errors
/// When the unit states something that cannot be imitated, or the kernel refuses the filter.
pub(crate) fn filtered(unit: &Path, command: &[OsString]) -> Result<Infallible> {
    let stated = Unit::read(unit)?;
    let mask = u32::from_str_radix(stated.value("UMask")?, 8).map_err(|error| malformed("UMask", &error))?;
    umask(Mode::from_bits_truncate(mask));
    let filter = filter(&stated)?;
    let (program, arguments) =
        command.split_first().ok_or_else(|| LabError::Unexpected("no command to confine".to_owned()))?;
    apply_filter(&filter).map_err(|error| refused(&error))?;
    Err(become_it(Command::new(program).args(arguments)))
}

fn become_it(command: &mut Command) -> LabError {
    let source = command.exec();
    LabError::Io { what: format!("start {}", command.get_program().to_string_lossy()), source }
}

fn filter(unit: &Unit) -> Result<BpfProgram> {
    let number = match unit.value("SystemCallErrorNumber")? {
        "EPERM" => 1,
        other => return Err(LabError::Unexpected(format!("SystemCallErrorNumber={other}: not imitated"))),
    };
    let mut rules = Vec::new();
    for call in unit.system_calls()? {
        match call.as_str() {
            "socket" => {
                for name in unit.words("RestrictAddressFamilies")? {
                    let family = FAMILIES.iter().find(|(known, _)| *known == name).map(|(_, number)| number);
                    let family = family.ok_or_else(|| LabError::Unexpected(format!("{name}: not known here")))?;
                    rules.push(rule(&call, 0, &json!("eq"), *family));
                }
            }
            // Readable or writable or both, or executable and not writable.
            "mmap" => [0, 2, 4].iter().for_each(|allowed| {
                rules.push(rule(&call, 2, &json!({"masked_eq": WRITE_AND_EXECUTE}), *allowed));
            }),
            "mprotect" | "pkey_mprotect" => rules.push(rule(&call, 2, &json!({"masked_eq": EXECUTE}), 0)),
            // Of another architecture, or newer than the list of numbers.
            _ if compile(&json!([{"syscall": call}]), number).is_ok() => rules.push(json!({"syscall": call})),
            _ => {}
        }
    }
    if unit.value("MemoryDenyWriteExecute")? != "yes" {
        return Err(LabError::Unexpected("MemoryDenyWriteExecute: not stated, and imitated".to_owned()));
    }
    compile(&Value::Array(rules), number)
}

fn rule(call: &str, argument: u8, comparison: &Value, value: u64) -> Value {
    json!({"syscall": call, "args": [{"index": argument, "type": "dword", "op": comparison, "val": value}]})
}

/// A filter that lets through what a rule names, and answers everything else with an error number.
fn compile(rules: &Value, number: u32) -> Result<BpfProgram> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| refused(&error))?;
    let filter = json!({"all": {"mismatch_action": {"errno": number}, "match_action": "allow", "filter": rules}});
    let mut filters =
        compile_from_json(filter.to_string().as_bytes(), architecture).map_err(|error| refused(&error))?;
    filters.remove("all").ok_or_else(|| LabError::Unexpected("seccomp: no filter came out".to_owned()))
}

fn refused(error: &impl Display) -> LabError {
    malformed("seccomp filter", error)
}
