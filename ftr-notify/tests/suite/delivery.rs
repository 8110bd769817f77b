//! One mail at once.

use std::error::Error;
use std::net::TcpListener;
use std::process::Output;

use crate::scratch::Scratch;
use crate::server::Server;

type Tested = Result<(), Box<dyn Error>>;

const SEND: &[&str] = &["send: true", "recipients: [one@example.com, two@example.com]"];

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_text_by_a_plain_server() -> Tested {
    let server = Server::start(&[])?;
    let scratch = Scratch::new("plain")?;
    scratch.configure(SEND, &[&server.port(), "domain: router.example.com"])?;
    let output = scratch.run(&["-s", "disk\nfull"], "first\n.\nlast\n")?;
    assert_eq!((code(&output), stderr(&output)), (Some(0), String::new()));
    assert!(output.stdout.is_empty());
    let message = server.message()?;
    assert_eq!(message["to"], serde_json::json!(["one@example.com", "two@example.com"]));
    assert_eq!((&message["from"], &message["tls"]), (&"router@example.com".into(), &false.into()));
    assert_eq!(message["hello"], "router.example.com");
    let text = message["text"].as_str().unwrap_or_default();
    assert!(text.contains("Subject: disk?full\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\nfirst\r\n.\r\nlast\r\n"), "{text}");
    Ok(())
}

#[test]
fn starttls_and_plain_with_a_password_file() -> Tested {
    let scratch = Scratch::new("starttls")?;
    let certificate = scratch.certificate()?;
    let server = Server::start(&["--auth", "PLAIN", "--certificate", &certificate.to_string_lossy()])?;
    let file = scratch.path("password");
    std::fs::write(&file, "secret\r\nsecond line\n")?;
    let file = format!("password_file: {}", file.display());
    scratch.configure(SEND, &[&server.port(), "enable_starttls: true", "user_name: user", &file])?;
    let output = scratch.run(&["--test", "--json"], "")?;
    let remarks = stderr(&output);
    assert_eq!(code(&output), Some(0), "{remarks}");
    assert!(
        remarks.lines().all(|line| line.ends_with("warning: an address of the example, which reaches nobody")),
        "{remarks}"
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&report["encrypted"], &report["delivered"][1]), (&true.into(), &"two@example.com".into()));
    assert_eq!(server.message()?["tls"], true);
    Ok(())
}

#[test]
fn tls_from_the_first_byte_and_login() -> Tested {
    let scratch = Scratch::new("implicit")?;
    let certificate = scratch.certificate()?;
    let server = Server::start(&["--implicit", "--auth", "LOGIN", "--certificate", &certificate.to_string_lossy()])?;
    scratch.configure(SEND, &[&server.port(), "tls: true", "user_name: user", "password: secret"])?;
    let output = scratch.run(&["-t", "three@example.com"], "text")?;
    assert_eq!((code(&output), server.message()?["to"][0].as_str()), (Some(0), Some("three@example.com")));
    Ok(())
}

#[test]
fn a_long_text_arrives_whole() -> Tested {
    let scratch = Scratch::new("long")?;
    let certificate = scratch.certificate()?;
    let text = ".\nline of text, and then another\n..\n".repeat(20_000);
    for (tls, args) in [("tls: false", &[][..]), ("tls: true", &["--implicit", "--certificate"])] {
        let certificate = certificate.to_string_lossy();
        let args: Vec<&str> =
            args.iter().copied().chain((tls == "tls: true").then_some(certificate.as_ref())).collect();
        let server = Server::start(&args)?;
        scratch.configure(SEND, &[&server.port(), tls])?;
        let output = scratch.run(&[], &text)?;
        assert_eq!((code(&output), stderr(&output)), (Some(0), String::new()));
        let message = server.message()?;
        let (_, body) = message["text"].as_str().and_then(|text| text.split_once("\r\n\r\n")).unwrap_or_default();
        assert!(body == text.replace('\n', "\r\n"), "{tls}: {} bytes instead of {}", body.len(), text.len());
    }
    Ok(())
}

#[test]
fn a_strange_certificate_is_final_unless_it_does_not_matter() -> Tested {
    let scratch = Scratch::new("untrusted")?;
    let certificate = scratch.certificate()?;
    let server = Server::start(&["--certificate", &certificate.to_string_lossy()])?;
    // Trust another one instead.
    scratch.certificate()?;
    scratch.configure(SEND, &[&server.port(), "enable_starttls: true"])?;
    let output = scratch.run(&[], "text")?;
    assert_eq!(code(&output), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("STARTTLS: invalid peer certificate"), "{}", stderr(&output));
    let verify = "openssl_verify_mode: none";
    scratch.configure(SEND, &[&server.port(), "enable_starttls: true", verify])?;
    assert_eq!(code(&scratch.run(&[], "text")?), Some(0));
    assert_eq!(server.message()?["tls"], true);
    scratch.configure(SEND, &[&server.port()])?;
    assert_eq!(code(&scratch.run(&[], "text")?), Some(0), "STARTTLS is optional, and the server this host");
    assert_eq!(server.message()?["tls"], true);
    Ok(())
}

#[test]
fn what_the_server_lacks_or_refuses_is_final() -> Tested {
    let scratch = Scratch::new("refused")?;
    let server = Server::start(&[])?;
    scratch.configure(SEND, &[&server.port(), "enable_starttls: true"])?;
    let output = scratch.run(&[], "text")?;
    assert_eq!(code(&output), Some(1));
    assert!(stderr(&output).contains("not offered by the server"), "{}", stderr(&output));
    let server = Server::start(&["--auth", "PLAIN"])?;
    scratch.configure(SEND, &[&server.port(), "user_name: user", "password: wrong"])?;
    let output = scratch.run(&[], "text")?;
    assert_eq!(code(&output), Some(1));
    assert!(stderr(&output).contains("AUTH: the server says 535 5.7.8 wrong? password"), "{}", stderr(&output));
    Ok(())
}

#[test]
fn one_refused_recipient_does_not_stop_the_others() -> Tested {
    let server = Server::start(&[])?;
    let scratch = Scratch::new("recipients")?;
    scratch.configure(SEND, &[&server.port()])?;
    let output = scratch.run(&["-t", "unknown@example.com", "-t", "one@example.com"], "text")?;
    assert_eq!(code(&output), Some(0));
    assert!(stderr(&output).contains("unknown@example.com: the server says 550 5.1.1 no such user?[2J here"));
    assert_eq!(server.message()?["to"], serde_json::json!(["one@example.com"]));
    assert_eq!(code(&scratch.run(&["-t", "unknown@example.com"], "text")?), Some(1));
    assert_eq!(code(&scratch.run(&["-t", "unknown@example.com", "-t", "later@example.com"], "text")?), Some(75));
    Ok(())
}

#[test]
fn a_server_that_is_not_there_or_mute_may_be_back_later() -> Tested {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = format!("port: {}", listener.local_addr()?.port());
    let scratch = Scratch::new("silent")?;
    scratch.configure(SEND, &[&port, "open_timeout: 300ms"])?;
    let output = scratch.run(&[], "text")?;
    assert_eq!(code(&output), Some(75));
    assert!(stderr(&output).contains(": connect: the server does not answer"), "{}", stderr(&output));
    drop(listener);
    let output = scratch.run(&[], "text")?;
    assert_eq!(code(&output), Some(75));
    assert!(stderr(&output).contains("Connection refused"), "{}", stderr(&output));
    Ok(())
}

#[test]
fn switched_off_only_tests_are_sent() -> Tested {
    let server = Server::start(&[])?;
    let scratch = Scratch::new("off")?;
    scratch.configure(&["send: false", "recipients: one@example.com"], &[&server.port()])?;
    let output = scratch.run(&["-s", "x"], "text")?;
    assert_eq!(code(&output), Some(1));
    assert!(stderr(&output).contains("email.send"), "{}", stderr(&output));
    let output = scratch.run(&["--test"], "")?;
    assert_eq!(code(&output), Some(0));
    let told = String::from_utf8(output.stdout)?;
    assert!(told.starts_with("delivered to one@example.com by 127.0.0.1:") && told.ends_with(", not encrypted\n"));
    Ok(())
}

#[test]
fn addresses_that_are_none_are_refused_before_anything_is_sent() -> Tested {
    let scratch = Scratch::new("addresses")?;
    scratch.configure(SEND, &["port: 1"])?;
    assert_eq!(code(&scratch.run(&["-t", "no address"], "text")?), Some(64));
    scratch.configure(&["send: false"], &["port: 1"])?;
    assert_eq!(code(&scratch.run(&["--test"], "")?), Some(78));
    Ok(())
}

#[test]
fn without_a_section_email_its_lack_is_told() -> Tested {
    let scratch = Scratch::new("section")?;
    scratch.configure_without_email()?;
    for args in [&["--test"][..], &["-s", "x"]] {
        let output = scratch.run(args, "text")?;
        assert_eq!(code(&output), Some(78));
        assert!(stderr(&output).contains("email: no sender and no recipients"), "{}", stderr(&output));
    }
    let output = scratch.run(&["-t", "one@example.com"], "text")?;
    assert_eq!(code(&output), Some(78));
    assert!(stderr(&output).contains("email.sender: none"), "{}", stderr(&output));
    Ok(())
}
