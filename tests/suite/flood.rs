//! Whatever a program of the monitor's, or whoever asks it, sends without end: a failover takes as long as ever, the log
//! grows by some lines a second, and a signal ends the monitor at once.
//!
//! The programs beside the monitor are made up here: they do nothing, and the test speaks through their pipes.

mod puppets;

use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::suite;
use libtest_mimic::{Failed, Trial};
use puppets::{Answerer, Monitor, NOTIFY, PROBE, ROUTE};
use serde_json::Value;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How much longer a failover may take.
const LATER: Duration = Duration::from_millis(50);
/// How many failovers are measured, without the flood and with it.
const FAILOVERS: u32 = 15;
/// Lines of the log that may be written in a second, decisions aside.
const LINES: u64 = 120;
/// A failover is this many lines: the active set, the event, two roles, and the same at its end.
const LINES_OF_ONE: u64 = 8;

/// Sends something until it is told to stop; how much it was is counted.
type Flood = fn(&Monitor, &AtomicBool, &AtomicU64) -> Result<()>;

fn main() -> ExitCode {
    let floods: [(&str, Flood); 9] = [
        ("malformed_records_of_the_probe", |monitor, stop, count| rubbish(monitor, PROBE, stop, count)),
        ("malformed_records_of_the_notifier", |monitor, stop, count| rubbish(monitor, NOTIFY, stop, count)),
        ("complaints", |monitor, stop, count| {
            pour(monitor.pipe(ROUTE, 2), stop, count, |n| format!("warning {n}: something is not as it was\n"))
        }),
        ("lines_without_end", |monitor, stop, count| pour(monitor.pipe(NOTIFY, 1), stop, count, |_| "x".repeat(4096))),
        ("acknowledgements", |monitor, stop, count| {
            pour(monitor.pipe(NOTIFY, 1), stop, count, |n| format!("{{\"type\":\"spooled\",\"seq\":{}}}\n", 90_000 + n))
        }),
        ("checks_of_nobody", |monitor, stop, count| {
            pour(monitor.pipe(PROBE, 1), stop, count, |n| puppets::check(&format!("x{}", n % 9999), true))
        }),
        ("verdicts_that_change_each_time", |monitor, stop, count| {
            pour(monitor.pipe(PROBE, 1), stop, count, |n| puppets::check("eth3", n % 3 == 0))
        }),
        ("what_the_kernel_has", |monitor, stop, count| {
            pour(monitor.pipe(ROUTE, 1), stop, count, |n| puppets::applied(Some(n % 3 == 0)))
        }),
        ("status_queries", status_queries),
    ];
    let flood = |(name, flood): (&str, Flood)| {
        let title = format!("a_failover_takes_as_long_beside_{name}");
        let own = format!("fl{}", name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte)) % 9973);
        Trial::test(title, move || beside(&own, flood).map_err(Failed::from))
    };
    let mut trials: Vec<Trial> = floods.map(flood).into();
    trials.push(Trial::test("a_burst_of_acknowledgements_is_a_few_writes", || acknowledged().map_err(Failed::from)));
    trials.push(Trial::test("an_order_to_flush_survives_a_kill", || killed().map_err(Failed::from)));
    suite::run(trials)
}

/// Writes lines for as long as it may. Many at once, as a program that floods does.
fn pour(pipe: Result<File>, stop: &AtomicBool, count: &AtomicU64, line: impl Fn(u64) -> String) -> Result<()> {
    let mut pipe = pipe?;
    while !stop.load(Ordering::Relaxed) {
        let mut lines = String::new();
        // A pipe takes so many bytes whole, so that lines of others are not cut.
        while lines.len() < 3000 {
            lines.push_str(&line(count.fetch_add(1, Ordering::Relaxed)));
        }
        if pipe.write_all(lines.get(..4096).unwrap_or(&lines).as_bytes()).is_err() {
            // The monitor has ended.
            return Ok(());
        }
    }
    Ok(())
}

fn rubbish(monitor: &Monitor, program: &str, stop: &AtomicBool, count: &AtomicU64) -> Result<()> {
    let line = |n| format!("{{\"type\":\"check\",\"number\":{n},\"and\":[no record\n");
    pour(monitor.pipe(program, 1), stop, count, line)
}

/// Fifty ask without a pause, and ten of them never read what they are told. Those who do are not kept waiting.
fn status_queries(monitor: &Monitor, stop: &AtomicBool, count: &AtomicU64) -> Result<()> {
    let socket = monitor.socket()?;
    let slowest = AtomicU64::new(0);
    let ask = |reads: bool| {
        let mut unread = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            let asked = match Monitor::ask(&socket, reads) {
                Ok(asked) => asked,
                // It has ended: to go on would take the processor from those who measure that.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return,
                Err(_) => continue,
            };
            count.fetch_add(1, Ordering::Relaxed);
            if reads {
                slowest.fetch_max(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
            unread.push(asked);
            if reads || unread.len() > 15 {
                unread.clear();
            }
        }
    };
    let ask = &ask;
    thread::scope(|scope| {
        for number in 0..50 {
            scope.spawn(move || ask(number % 5 != 0));
        }
    });
    let slowest = slowest.into_inner();
    println!("an answer took {slowest} ms at most");
    // As long as `ftr-monitor status` waits.
    if slowest == 0 || slowest > 2000 {
        return Err(LabError::Unexpected(format!("an answer took {slowest} ms (0: there was none)")));
    }
    Ok(())
}

/// Failovers one after the other; how long each took, the shortest first.
fn failovers(answerer: &Answerer<'_>) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    for _ in 0..FAILOVERS {
        took.push(answerer.decided("eth2", false)?);
        thread::sleep(Duration::from_millis(120));
        answerer.decided("eth2", true)?;
        thread::sleep(Duration::from_millis(120));
    }
    took.sort_unstable();
    Ok(took)
}

fn beside(name: &str, flood: Flood) -> Result<()> {
    let monitor = Monitor::start(name)?;
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let (quiet, loud, lines, took) = thread::scope(|scope| -> Result<_> {
        let answerer = Answerer::start(&monitor)?;
        let quiet = failovers(&answerer)?;
        let flooding = scope.spawn(|| flood(&monitor, &stop, &count));
        let measured = (|| {
            thread::sleep(Duration::from_millis(500));
            let (before, began) = (monitor.log().lines().count() as u64, Instant::now());
            let loud = failovers(&answerer)?;
            let lines = monitor.log().lines().count() as u64 - before;
            Ok::<_, LabError>((loud, (lines, began.elapsed().as_secs() + 1)))
        })();
        // While the flood goes on.
        let took = monitor.terminate();
        stop.store(true, Ordering::Relaxed);
        flooding.join().map_err(|_| LabError::Unexpected("the flood panicked".to_owned()))??;
        let (loud, lines) = measured?;
        Ok((quiet, loud, lines, took?))
    })?;
    let sent = count.load(Ordering::Relaxed);
    println!(
        "{sent} sent; median {:?} and {:?} beside them, at most {:?} and {:?}; {} lines in {} s; ended in {took:?}",
        median(&quiet),
        median(&loud),
        quiet.last(),
        loud.last(),
        lines.0,
        lines.1
    );
    assert!(sent > 500, "{sent} are no flood");
    assert!(median(&loud) <= median(&quiet) + LATER, "without {quiet:?}, beside {loud:?}");
    // What changes the active set is told, at the rate at which decisions are made.
    let decisions = u64::from(FAILOVERS) * LINES_OF_ONE;
    assert!(lines.0 <= decisions + LINES * lines.1, "{} lines in {} s:\n{}", lines.0, lines.1, monitor.log());
    Ok(())
}

/// A thousand events that wait are acknowledged at once: the memory is written a few times, and has none of them then.
fn acknowledged() -> Result<()> {
    let monitor = Monitor::start("flacks")?;
    Answerer::start(&monitor)?.decided("eth2", false)?;
    monitor.terminate()?;
    // As if nobody had taken them for a long time.
    let event = monitor.memory()?.pointer("/events/0").cloned().unwrap_or_default();
    let numbered = |seq: u32| {
        let mut event = event.clone();
        if let Some(number) = event.get_mut("seq") {
            *number = seq.into();
        }
        event
    };
    let events: Vec<_> = (1..=1024).map(numbered).collect();
    let monitor = monitor.again(&serde_json::json!(events))?;
    let answerer = Answerer::start(&monitor)?;
    let quiet = failovers(&answerer)?;
    let before = monitor.written()?;
    let mut pipe = monitor.pipe(NOTIFY, 1)?;
    let lines: Vec<String> = (1..=1024).map(|seq| format!("{{\"type\":\"spooled\",\"seq\":{seq}}}\n")).collect();
    let began = Instant::now();
    let writer = thread::spawn(move || pipe.write_all(lines.concat().as_bytes()));
    let took = answerer.decided("eth1", false)?;
    assert!(took <= median(&quiet) + LATER, "{took:?} beside the burst, {quiet:?} without");
    let acknowledged = writer.join().map_err(|_| LabError::Unexpected("the writer panicked".to_owned()))?;
    acknowledged.context(|| "acknowledge".to_owned())?;
    monitor.until("the acknowledged are forgotten", || {
        let memory = monitor.memory()?;
        Ok(memory.pointer("/events").and_then(Value::as_array).is_some_and(|events| events.len() < 100))
    })?;
    println!("{took:?} beside the burst; all remembered after {:?}", began.elapsed());
    let written = monitor.written()? - before;
    monitor.terminate()?;
    println!("{written} bytes written");
    // All of them are 400 kB, and were written anew for each.
    assert!(written <= 4_000_000, "{written} bytes");
    Ok(())
}

/// Killed without a word, a monitor has remembered an order to flush that was not carried out, and one that was.
fn killed() -> Result<()> {
    let mut monitor = Monitor::start("flkill")?;
    for (uplink, number, confirmed) in [("eth2", 1, false), ("eth3", 2, true)] {
        let answerer = Answerer::start(&monitor)?;
        answerer.obeys(confirmed);
        answerer.decided(uplink, false)?;
        monitor.until("the order is remembered", || {
            let memory = monitor.memory()?;
            let owed = memory.pointer("/memory/owed/4").and_then(Value::as_array);
            let given_up = memory.pointer(&format!("/memory/judged/4/{number}/given_up"));
            Ok(given_up == Some(&Value::Bool(true)) && owed.is_some_and(|owed| !owed.is_empty()) != confirmed)
        })?;
        monitor.kill()?;
        monitor = monitor.again(&Value::Array(Vec::new()))?;
        let answerer = Answerer::start_quietly(&monitor)?;
        for one in ["eth1", "eth2", "eth3"] {
            answerer.say(one, one != uplink)?;
        }
        let again: &[&str] = if confirmed { &[] } else { &[uplink] };
        assert_eq!(answerer.next_flush()?, again);
        monitor.kill()?;
        monitor = monitor.again(&Value::Array(Vec::new()))?;
    }
    monitor.terminate().map(drop)
}

fn median(took: &[Duration]) -> Duration {
    took.get(took.len() / 2).copied().unwrap_or_default()
}
