//! What `/proc` tells of a process and its descendants: processor time, memory, capabilities.

use crate::error::{Context, Result, malformed};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

/// The unit of `/proc/PID/stat` times, `USER_HZ`, the same on every architecture that Debian supports.
const TICK: Duration = Duration::from_millis(10);

/// One line of `/proc/PID/stat`, as far as it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stat {
    name: String,
    parent: u32,
    /// User and system time of children that have ended and were waited for.
    reaped: Duration,
    own: Duration,
}

/// The processes of a tree: the root and all its descendants that live now.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn tree(root: u32) -> Result<BTreeSet<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, stat) in all()? {
        children.entry(stat.parent).or_default().push(pid);
    }
    let mut found = BTreeSet::new();
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        if found.insert(pid) {
            waiting.extend(children.get(&pid).into_iter().flatten());
        }
    }
    Ok(found)
}

/// The descendant of that program name, as the kernel keeps it (15 characters at most).
///
/// # Errors
/// When `/proc` cannot be read.
pub fn descendant(root: u32, program: &str) -> Result<Option<u32>> {
    let short = program.get(..15).unwrap_or(program);
    Ok(tree(root)?.into_iter().find(|pid| stat(*pid).is_ok_and(|stat| stat.name == short)))
}

/// Processor time of a tree so far: of its living processes and of the children that these have waited for.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn processor_time(root: u32) -> Result<Duration> {
    // A process that ends between the listing and the reading is counted by its parent next time.
    Ok(tree(root)?.into_iter().filter_map(|pid| Some(own_time(pid)? + stat(pid).ok()?.reaped)).sum())
}

/// Memory of a tree in KiB: the proportional set size, which counts shared pages once.
///
/// # Errors
/// When `/proc` cannot be read or a process hides its memory.
pub fn memory(root: u32) -> Result<u64> {
    let mut sum = 0;
    for pid in tree(root)? {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).context(|| format!("read {path}"))?;
        sum += field(&text, "Pss:").ok_or_else(|| malformed(path, "no line Pss:"))?;
    }
    Ok(sum)
}

/// The effective capabilities of a process as a bit set.
///
/// # Errors
/// When there is no such process.
pub fn effective_capabilities(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).context(|| format!("read {path}"))?;
    let digits = text.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|error| malformed(path, &error))
}

fn own_time(pid: u32) -> Option<Duration> {
    // schedstat counts nanoseconds, but a thread at a time and not in every kernel.
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let exact: Option<Duration> = tasks
        .map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
        })
        .sum();
    exact.or_else(|| stat(pid).ok().map(|stat| stat.own))
}

fn all() -> Result<Vec<(u32, Stat)>> {
    let entries = fs::read_dir("/proc").context(|| "list /proc".to_owned())?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter_map(|pid| Some((pid, stat(pid).ok()?))).collect())
}

fn stat(pid: u32) -> Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).context(|| format!("read {path}"))?;
    parse_stat(&text).ok_or_else(|| malformed(path, &text))
}

/// Reads a stat line (proc(5)): the name stands in parentheses and may hold any character.
fn parse_stat(text: &str) -> Option<Stat> {
    let (before, after) = text.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |number: usize| -> Option<Duration> { Some(TICK * fields.get(number)?.parse().ok()?) };
    Some(Stat {
        name: name.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        reaped: ticks(13)? + ticks(14)?,
    })
}

fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) b (c) S 3 7 7 0 -1 4194560 1 2 3 4 11 12 13 14 20 0 1 0 5";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.name.as_str(), stat.parent), ("a) b (c", 3));
        assert_eq!((stat.own, stat.reaped), (TICK * 23, TICK * 27));
    }

    #[test]
    fn this_process_is_measured() {
        let own = std::process::id();
        assert!(tree(own).unwrap().contains(&own));
        assert!(memory(own).unwrap() > 100);
        assert!(processor_time(own).unwrap() > Duration::ZERO);
    }
}
