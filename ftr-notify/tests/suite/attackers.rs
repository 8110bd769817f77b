//! What hostile mail servers, and whoever stands between, are known to do.

use std::error::Error;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ftr_notify::smtp::deliver;
use nix::sys::resource::{UsageWho, getrusage};

use crate::attacker::{Attacker, Peer, envelope, smtp, tls};
use crate::scratch::Scratch;

type Tested = Result<(), Box<dyn Error>>;

/// What the mailer may need, in KiB.
const MEMORY: i64 = 32 * 1024;

/// Far more than anybody may send.
const FLOOD: usize = 64 * 1024 * 1024;

/// Says this until nobody takes it any more.
fn flood(peer: &mut Peer, piece: &str) -> usize {
    let block = piece.repeat(16 * 1024 / piece.len());
    let mut said = 0;
    while said < FLOOD && peer.say(&block).is_ok() {
        said += block.len();
    }
    said
}

/// Runs the program against a server, and says how it ended and how much memory it took at its highest.
fn run(scratch: &Scratch, port: u16, smtp: &[&str]) -> Result<(Option<i32>, String), Box<dyn Error>> {
    let port = format!("port: {port}");
    scratch.configure(&["send: true", "recipients: a@example.com"], &[&[port.as_str()], smtp].concat())?;
    let output = scratch.run(&[], "text")?;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn what_has_no_end_is_not_read_to_its_end() -> Tested {
    let scratch = Scratch::new("endless")?;
    for (piece, expected) in [
        ("x", "the answer is too long"),
        ("250-still more\r\n", "the answer is too long"),
        ("\0", "the answer is too long"),
        ("\r\n", "the answer is not SMTP"),
    ] {
        for after in 0..2 {
            let attacker = Attacker::start(vec![move |mut peer: Peer| {
                for _ in 0..after {
                    peer.say("220 hi\r\n")?;
                    peer.hear()?;
                }
                Ok(flood(&mut peer, piece))
            }])?;
            let (code, told) = run(&scratch, attacker.port(), &[])?;
            assert!(code == Some(75) && told.contains(expected), "{piece:?}: {told}");
            for said in attacker.ended() {
                assert!(said? < FLOOD / 8, "{piece:?}");
            }
        }
    }
    let most = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    assert!(most <= MEMORY, "{most} KiB");
    Ok(())
}

#[test]
fn whoever_speaks_without_end_over_tls_is_cut_off_too() -> Tested {
    let scratch = Scratch::new("endless-tls")?;
    let tls = tls(&scratch.certificate()?)?;
    for piece in ["250-x", "250-x\r\n", "x\r\n"] {
        let tls = tls.clone();
        let attacker = Attacker::start(vec![move |peer: Peer| Ok(flood(&mut peer.upgrade(&tls)?, piece))])?;
        let (code, told) = run(&scratch, attacker.port(), &["tls: true"])?;
        assert!(code == Some(75) && told.contains(": connect: the answer is "), "{piece:?}: {told}");
        assert!(attacker.ended().into_iter().all(|said| said.is_ok_and(|said| said < FLOOD / 8)));
    }
    let most = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    assert!(most <= MEMORY, "{most} KiB");
    Ok(())
}

#[test]
fn a_byte_now_and_then_does_not_hold_a_delivery() -> Tested {
    let drop_by_drop = |mut peer: Peer, before: &[&str]| {
        for answer in before {
            peer.say(answer)?;
            peer.hear()?;
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(15) && peer.say("2").is_ok() {
            // The attacker's own pace.
            sleep(Duration::from_millis(20));
        }
        Ok(())
    };
    for before in [&[][..], &["220 hi\r\n"], &["220 hi\r\n", "250 x\r\n"], &["220 hi\r\n", "250 x\r\n", "250 ok\r\n"]] {
        let attacker = Attacker::start(vec![move |peer: Peer| drop_by_drop(peer, before)])?;
        // A second and a half lies between the one limit and the other: a machine that stands still makes no other error of it.
        let smtp = smtp(attacker.port(), "open_timeout: 500ms, read_timeout: 500ms")?;
        let begun = Instant::now();
        let error = deliver(&smtp, &envelope()?).unwrap_err();
        assert!(begun.elapsed() <= smtp.longest(), "{:?}", begun.elapsed());
        assert!(!error.is_permanent() && error.to_string().ends_with(": the server does not answer"), "{error}");
        attacker.ended();
    }
    Ok(())
}

#[test]
fn a_server_that_is_slow_everywhere_ends_at_the_deadline() -> Tested {
    let attacker = Attacker::start(vec![|mut peer: Peer| {
        peer.say("220 hi\r\n")?;
        loop {
            let refused = peer.hear()?.starts_with("RCPT");
            sleep(Duration::from_millis(150));
            peer.say(if refused { "550 no\r\n" } else { "250 ok\r\n" })?;
        }
        #[expect(unreachable_code, reason = "names the type of what never comes")]
        Ok(())
    }])?;
    // An answer is slow, and still far from being too late where the machine stands still for a while.
    let smtp = smtp(attacker.port(), "open_timeout: 1s, read_timeout: 1s")?;
    let mut envelope = envelope()?;
    envelope.to = std::iter::repeat_n(envelope.to[0].clone(), 100).collect();
    let begun = Instant::now();
    let error = deliver(&smtp, &envelope).unwrap_err();
    let took = begun.elapsed();
    assert_eq!(error.to_string(), "RCPT TO: the delivery is not over after 4s");
    // All of them would take fifteen seconds.
    assert!(took >= smtp.longest() && took < smtp.longest() * 2, "{took:?}");
    attacker.ended();
    Ok(())
}

/// What a proxy puts in before the handshake, and what it does with the message: it throws it away.
const INJECTED: &str = "250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n";

#[test]
fn what_was_injected_before_tls_is_no_answer_after_it() -> Tested {
    let scratch = Scratch::new("injected")?;
    let tls = tls(&scratch.certificate()?)?;
    for mode in ["enable_starttls: true", "enable_starttls_auto: true"] {
        let tls = tls.clone();
        let attacker = Attacker::start(vec![move |mut peer: Peer| {
            peer.say("220 hi\r\n")?;
            peer.answer("250-x\r\n250 STARTTLS\r\n")?;
            peer.answer(format!("220 go\r\n{INJECTED}"))?;
            // The real server, which hears everything, answers nothing, and keeps nothing.
            io::copy(&mut peer.upgrade(&tls)?, &mut io::sink())
        }])?;
        let (code, told) = run(&scratch, attacker.port(), &[mode, "read_timeout: 1s"])?;
        assert_eq!(code, Some(75), "{told}");
        assert!(told.contains("STARTTLS: the server speaks out of turn (250 x"), "{told}");
        attacker.ended();
    }
    Ok(())
}

#[test]
fn the_answer_to_ehlo_may_have_blank_lines() -> Tested {
    for answer in ["250-x\r\n250- \r\n250 OK\r\n", "250-\t\r\n250 \r\n", "250\r\n"] {
        let attacker = Attacker::start(vec![move |mut peer: Peer| {
            peer.say("220 hi\r\n")?;
            peer.answer(answer)?;
            peer.answer("250 ok\r\n")?;
            peer.answer("250 ok\r\n")?;
            peer.answer("354 go\r\n")?;
            let content = peer.hear_content()?;
            peer.say("250 taken\r\n")?;
            Ok(content)
        }])?;
        let delivery = deliver(&smtp(attacker.port(), "")?, &envelope()?)?;
        assert_eq!((delivery.accepted.len(), delivery.encrypted), (1, false));
        let content = attacker.ended().remove(0)?;
        assert!(content.ends_with(&["text".to_owned(), "..".to_owned(), "more".to_owned()]), "{content:?}");
    }
    Ok(())
}

#[test]
fn a_server_may_break_off_anywhere_and_nothing_is_delivered() -> Tested {
    let says = ["220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 taken\r\n"];
    let whole: usize = says.iter().map(|piece| piece.len()).sum();
    let script = |cut: usize| {
        move |mut peer: Peer| {
            let mut left = cut;
            for (turn, piece) in says.iter().enumerate() {
                match turn {
                    0 => {}
                    5 => drop(peer.hear_content()?),
                    _ => drop(peer.hear()?),
                }
                peer.say(&piece[..left.min(piece.len())])?;
                left = left.saturating_sub(piece.len());
                if left == 0 {
                    return Ok(());
                }
            }
            Ok(())
        }
    };
    let attacker = Attacker::start((0..=whole).map(script).collect())?;
    let smtp = smtp(attacker.port(), "")?;
    for cut in 0..=whole {
        let outcome = deliver(&smtp, &envelope()?);
        assert_eq!(outcome.is_ok(), cut == whole, "{cut}: {outcome:?}");
        assert!(outcome.map_or_else(|error| !error.is_permanent(), |_| true), "{cut}");
    }
    attacker.ended();
    Ok(())
}

#[test]
fn garbage_instead_of_a_handshake_is_no_server() -> Tested {
    let scratch = Scratch::new("garbage")?;
    scratch.certificate()?;
    for garbage in ["HTTP/1.1 400 Bad Request\r\n\r\n", "\x16\x03\x03\x7f\x7f\0\0\0\0", "220 hi\r\n", ""] {
        let attacker = Attacker::start(vec![move |mut peer: Peer| peer.say(garbage)])?;
        let (code, told) = run(&scratch, attacker.port(), &["tls: true"])?;
        assert!(code == Some(75) && told.contains(": connect: "), "{garbage:?}: {code:?} {told}");
        attacker.ended();
    }
    Ok(())
}
