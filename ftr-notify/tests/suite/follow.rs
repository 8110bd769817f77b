//! Events from a pipe.

use std::error::Error;
use std::net::TcpListener;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lines::Lines;
use crate::scratch::{Scratch, feed};
use crate::server::Server;

type Tested = Result<(), Box<dyn Error>>;

const SEND: &[&str] = &["send: true", "recipients: [one@example.com]", "digest: 300ms"];

fn event(seq: u64, to: &str) -> String {
    let from = if to == "down" { "up" } else { "down" };
    let reason = if to == "down" { r#""no-answer""# } else { "null" };
    format!(
        r#"{{"type":"event","seq":{seq},"kind":"state","time":"2026-11-01T10:00:00.000Z","mono":{seq}000,"uplink":"eth2","family":4,"description":"Provider 2","from":"{from}","to":"{to}","reason":{reason},"answered":1,"required":4,"asked":6,"active":["eth1"]}}"#
    ) + "\n"
}

/// Takes a standard stream of the child and follows it.
fn lines<S: std::io::Read + Send + 'static>(stream: Option<S>) -> Result<Lines, Box<dyn Error>> {
    Ok(Lines::of(stream.ok_or("the stream is taken")?))
}

fn end(mut child: Child) -> std::io::Result<ExitStatus> {
    drop(child.stdin.take());
    child.wait()
}

fn acknowledgement(seq: u64) -> String {
    format!(r#"{{"type":"spooled","seq":{seq}}}"#)
}

#[test]
fn events_of_one_moment_make_one_mail_and_are_acknowledged() -> Tested {
    let server = Server::start(&[])?;
    let scratch = Scratch::new("digest")?;
    scratch.configure(SEND, &[&server.port()])?;
    let mut child = scratch.notify(&["-"]).spawn()?;
    let output = lines(child.stdout.take())?;
    feed(&mut child, &(event(7, "down") + &event(9, "up")))?;
    let text = server.message()?["text"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains(": eth2 down (no-answer) and up again; eth1 carries traffic\r\n"), "{text}");
    assert!(text.contains("Auto-Submitted: auto-generated\r\n"), "{text}");
    assert_eq!([output.next()?, output.next()?], [acknowledgement(7), acknowledgement(9)]);
    feed(&mut child, &event(10, "down"))?;
    assert_eq!(output.next()?, acknowledgement(10));
    assert_eq!(end(child)?.code(), Some(0));
    assert!(output.rest().is_empty());
    Ok(())
}

#[test]
fn what_is_no_event_is_skipped_and_counted() -> Tested {
    let server = Server::start(&[])?;
    let scratch = Scratch::new("malformed")?;
    scratch.configure(SEND, &[&server.port()])?;
    let long = "x".repeat(70 * 1024) + "\n";
    let unknown = "{\"type\":\"weather\"}\n{\"type\":\"spooled\",\"seq\":1}\n";
    let input = format!("garbage\n{long}{unknown}{}{}", event(1, "down"), event(2, "up").trim_end());
    let output = scratch.run(&["-"], &input)?;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout)?, acknowledgement(1) + "\n", "the last line had no newline");
    let told = String::from_utf8(output.stderr)?;
    assert!(told.contains("2 malformed lines"), "{told}");
    Ok(())
}

#[test]
fn a_mute_server_blocks_neither_input_nor_the_end() -> Tested {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let scratch = Scratch::new("mute")?;
    scratch.configure(
        &["send: true", "recipients: a@example.com", "digest: 1ms"],
        &[&format!("port: {}", listener.local_addr()?.port())],
    )?;
    let mut child = scratch.notify(&["-"]).spawn()?;
    let (acknowledged, told) = (lines(child.stdout.take())?, lines(child.stderr.take())?);
    feed(&mut child, &event(1, "down"))?;
    let (_connection, _) = listener.accept()?;
    // Far more than a pipe holds: the writer would stop here if the input were not read.
    for seq in 2..2000 {
        feed(&mut child, &event(seq, "down"))?;
    }
    assert_eq!(acknowledged.next()?, acknowledgement(2), "the oldest that waits makes room");
    let asked = Instant::now();
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
    let status = child.wait()?;
    // The server would be waited for half a minute.
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(status.code(), Some(75));
    assert!(told.next()?.contains(": not delivered: "));
    Ok(())
}

#[test]
fn a_server_that_comes_back_gets_the_mail() -> Tested {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let scratch = Scratch::new("back")?;
    scratch.configure(SEND, &[&format!("port: {port}")])?;
    let mut child = scratch.notify(&["-"]).spawn()?;
    let (acknowledged, told) = (lines(child.stdout.take())?, lines(child.stderr.take())?);
    feed(&mut child, &event(1, "down"))?;
    let line = told.next()?;
    assert!(line.contains("Connection refused") && line.contains("next attempt in 1s, waiting: 1 event"), "{line}");
    feed(&mut child, &event(2, "up"))?;
    let server = Server::start(&["--port", &port])?;
    let text = server.message()?["text"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains("eth2 down (no-answer) and up again"), "{text}");
    assert_eq!([acknowledged.next()?, acknowledged.next()?], [acknowledgement(1), acknowledgement(2)]);
    assert_eq!(end(child)?.code(), Some(0));
    Ok(())
}

#[test]
fn at_the_end_of_input_what_waits_is_mailed_at_once() -> Tested {
    let server = Server::start(&[])?;
    let scratch = Scratch::new("rest")?;
    scratch.configure(&["send: true", "recipients: a@example.com", "digest: 10m"], &[&server.port()])?;
    // Long before the ten minutes are over; the output has a line for each event once it is mailed.
    let output = scratch.run(&["-"], &(event(1, "down") + &event(2, "up")))?;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout)?, format!("{}\n{}\n", acknowledgement(1), acknowledgement(2)));
    assert!(server.message()?["text"].as_str().unwrap_or_default().contains("eth2 down (no-answer) and up again"));
    Ok(())
}

#[test]
fn a_signal_after_the_end_of_input_ends_the_last_attempt() -> Tested {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let scratch = Scratch::new("last")?;
    let port = format!("port: {}", listener.local_addr()?.port());
    scratch.configure(&["send: true", "recipients: a@example.com", "digest: 10m"], &[&port])?;
    let mut child = scratch.notify(&["-"]).spawn()?;
    let told = lines(child.stderr.take())?;
    feed(&mut child, &event(1, "down"))?;
    drop(child.stdin.take());
    let (_connection, _) = listener.accept()?;
    let asked = Instant::now();
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
    let status = child.wait()?;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(status.code(), Some(75));
    assert!(told.next()?.contains(": not delivered: 1 event"));
    Ok(())
}

#[test]
fn at_the_end_of_input_delivery_is_tried_for_a_few_seconds() -> Tested {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let scratch = Scratch::new("end")?;
    scratch.configure(SEND, &[&format!("port: {port}")])?;
    let begun = Instant::now();
    let output = scratch.run(&["-"], &(event(1, "down") + &event(2, "up")))?;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(75), 0));
    assert!((4..8).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let told = String::from_utf8(output.stderr)?;
    assert!(told.contains("next attempt in 1s") && told.contains("next attempt in 2s"), "{told}");
    assert!(told.ends_with(": not delivered: 2 events\n"), "{told}");
    Ok(())
}

#[test]
fn a_final_refusal_is_acknowledged_as_given_up() -> Tested {
    let server = Server::start(&[])?;
    let scratch = Scratch::new("final")?;
    scratch.configure(SEND, &[&server.port()])?;
    let output = scratch.run(&["-", "-t", "unknown@example.com"], &event(1, "down"))?;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stdout)?, acknowledgement(1) + "\n");
    assert!(String::from_utf8(output.stderr)?.contains("given up: 1 event\n"));
    Ok(())
}

#[test]
fn nobody_need_read_the_acknowledgements() -> Tested {
    let server = Server::start(&[])?;
    let scratch = Scratch::new("unread")?;
    scratch.configure(SEND, &[&server.port()])?;
    let mut child = scratch.notify(&["-"]).stderr(Stdio::inherit()).spawn()?;
    drop(child.stdout.take());
    for seq in 1..3 {
        feed(&mut child, &event(seq, "down"))?;
        server.message()?;
    }
    assert_eq!(end(child)?.code(), Some(0));
    Ok(())
}

#[test]
fn switched_off_events_are_acknowledged_and_dropped() -> Tested {
    let scratch = Scratch::new("discard")?;
    scratch.configure(&["send: false"], &["port: 1"])?;
    let output = scratch.run(&["-", "-v"], &(event(1, "down") + &event(2, "up")))?;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout)?, format!("{}\n{}\n", acknowledgement(1), acknowledgement(2)));
    assert_eq!(String::from_utf8(output.stderr)?.matches("email.send").count(), 1);
    Ok(())
}
