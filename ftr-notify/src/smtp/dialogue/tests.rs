use super::{Act, Credentials, Dialogue, Plan};
use crate::envelope::Envelope;
use crate::smtp::{Delivery, SmtpError};
use ftr_core::config::{Authentication, Encryption};

fn envelope() -> Envelope {
    let to = ["a@example.com", "b@example.com"].map(|address| address.parse().unwrap());
    Envelope { from: "r@example.com".parse().unwrap(), to: to.to_vec(), bytes: b"Subject: x\r\n\r\n.\r\n".to_vec() }
}

/// Plays a delivery. The server says the next piece whenever it is asked; `[TLS]` among the commands is the upgrade.
fn play(plan: Plan<'_>, says: &[&str]) -> (Vec<String>, Result<Delivery, SmtpError>) {
    let mut dialogue = Dialogue::new(plan);
    let (mut sent, mut says) = (Vec::new(), says.iter());
    loop {
        match dialogue.act() {
            Act::End => return (sent, dialogue.outcome()),
            Act::Upgrade => {
                sent.push("[TLS]".to_owned());
                dialogue.upgraded();
            }
            Act::Send(bytes) => sent.push(String::from_utf8(bytes).unwrap().trim_end().to_owned()),
            Act::Receive => match says.next() {
                Some(piece) => dialogue.receive(piece.as_bytes()),
                None => dialogue.closed(),
            },
        }
    }
}

fn plan(encryption: Encryption, envelope: &Envelope) -> Plan<'_> {
    Plan { hello: "me".to_owned(), encryption, credentials: None, clear: false, envelope }
}

fn with_password(encryption: Encryption, mechanism: Option<Authentication>, envelope: &Envelope) -> Plan<'_> {
    let credentials = Credentials { user: "user".to_owned(), password: "secret".to_owned(), mechanism };
    Plan { credentials: Some(credentials), ..plan(encryption, envelope) }
}

const PLAIN: [&str; 7] =
    ["220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "251 ok\r\n", "354 go\r\n", "250 taken\r\n"];

/// The usual dialogue with one piece replaced.
fn told(index: usize, piece: &str) -> Result<Delivery, SmtpError> {
    let mut says = PLAIN;
    says[index] = piece;
    play(plan(Encryption::Opportunistic, &envelope()), &says).1
}

fn reason(outcome: Result<Delivery, SmtpError>) -> String {
    outcome.unwrap_err().to_string()
}

#[test]
fn a_letter_goes_to_all() {
    let (sent, outcome) = play(plan(Encryption::Opportunistic, &envelope()), &PLAIN);
    let expected = [
        "EHLO me",
        "MAIL FROM:<r@example.com>",
        "RCPT TO:<a@example.com>",
        "RCPT TO:<b@example.com>",
        "DATA",
        "Subject: x\r\n\r\n..",
        ".",
    ];
    assert_eq!(sent, expected);
    let delivery = outcome.unwrap();
    assert_eq!((delivery.accepted.len(), delivery.encrypted), (2, false));
}

#[test]
fn what_was_said_before_tls_is_forgotten() {
    let offers =
        ["220 hi\r\n", "250-x\r\n250-AUTH LOGIN\r\n250 STARTTLS\r\n", "220 go\r\n", "250-x\r\n250 AUTH PLAIN\r\n"];
    let mut says = offers.to_vec();
    says.push("235 ok\r\n");
    says.extend(&PLAIN[2..]);
    let envelope = envelope();
    let (sent, outcome) = play(with_password(Encryption::Opportunistic, None, &envelope), &says);
    assert_eq!(sent[..5], ["EHLO me", "STARTTLS", "[TLS]", "EHLO me", "AUTH PLAIN AHVzZXIAc2VjcmV0"]);
    assert!(outcome.unwrap().encrypted);
    let mut injected = says.clone();
    injected[2] = "220 go\r\n250 injected\r\n250 AUTH PLAIN\r\n";
    let (sent, outcome) = play(with_password(Encryption::Required, None, &envelope), &injected);
    assert_eq!(sent, ["EHLO me", "STARTTLS"]);
    assert_eq!(reason(outcome), "STARTTLS: the server speaks out of turn (250 injected??250 AUTH PLAIN)");
}

#[test]
fn no_password_without_tls() {
    let envelope = envelope();
    let says = ["220 hi\r\n", "250-x\r\n250 AUTH PLAIN LOGIN\r\n", "235 ok\r\n"];
    for encryption in [Encryption::None, Encryption::Opportunistic] {
        let (sent, outcome) = play(with_password(encryption, None, &envelope), &says);
        assert_eq!(sent, ["EHLO me"]);
        let error = outcome.unwrap_err();
        assert!(!error.is_permanent(), "mail waits for the server that has TLS");
        assert!(error.to_string().contains("offers no STARTTLS; TLS is needed"), "{error}");
        assert!(error.to_string().contains("email.smtp_parameters.allow_plaintext: true"), "{error}");
        let allowed = Plan { clear: true, ..with_password(encryption, None, &envelope) };
        assert_eq!(play(allowed, &says).0[1], "AUTH PLAIN AHVzZXIAc2VjcmV0");
    }
    let (sent, outcome) =
        play(with_password(Encryption::None, None, &envelope), &["220 hi\r\n", "250-x\r\n250 STARTTLS\r\n"]);
    assert_eq!(sent, ["EHLO me"]);
    assert!(reason(outcome).contains("the configuration has TLS switched off"));
    let (_, outcome) = play(plan(Encryption::Required, &envelope), &says);
    let error = outcome.unwrap_err();
    assert!(error.is_permanent() && !error.is_refusal(), "whoever stands between may have taken the offer away");
}

#[test]
fn only_what_is_said_once_the_connection_is_in_order_gives_mail_up() {
    for (index, reply, refusal) in [(0, "554 not here\r\n", false), (6, "554 no\r\n", true), (6, "452 full\r\n", false)]
    {
        let error = told(index, reply).unwrap_err();
        assert_eq!(error.is_refusal(), refusal, "{error}");
    }
}

#[test]
fn login_asks_twice() {
    let envelope = envelope();
    let mut says = vec!["220 hi\r\n", "250-x\r\n250 AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n"];
    says.extend(["235 ok\r\n", "421 later\r\n"]);
    let login = || with_password(Encryption::Implicit, Some(Authentication::Login), &envelope);
    let (sent, outcome) = play(login(), &says);
    assert_eq!(sent[1..4], ["AUTH LOGIN", "dXNlcg==", "c2VjcmV0"]);
    assert_eq!(reason(outcome), "MAIL FROM: the server says 421 later");
    // Who asks a third time is not told a third time.
    says[4] = "334 again\r\n";
    assert_eq!(reason(play(login(), &says).1), "AUTH: the server says 334 again");
    says[1] = "250-x\r\n250 AUTH CRAM-MD5\r\n";
    assert!(reason(play(login(), &says).1).starts_with("AUTH: the server offers no mechanism"));
}

#[test]
fn a_wrong_kind_of_answer_is_no_delivery() {
    // Each was a success to a client that looks at no more than `2` or `3` anywhere.
    for (index, piece, expected) in [
        (0, "354 hi\r\n", "connect: the server says 354 hi"),
        (1, "334 x\r\n", "connect: the server says 334 x"),
        (5, "250 ok\r\n", "DATA: the server says 250 ok"),
        (6, "354 go on\r\n", "DATA: the server says 354 go on"),
        (6, "250-taken\r\n550 not\r\n", "DATA: the answer is not SMTP (550 not)"),
        (6, "250-taken\r\n", "DATA: the server closed the connection"),
        (6, "250 taken", "DATA: the server closed the connection"),
    ] {
        let error = told(index, piece).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!error.is_permanent(), "{error}");
    }
    assert!(told(6, "554 no\r\n").unwrap_err().is_permanent());
    assert!(!told(6, "452 full\r\n").unwrap_err().is_permanent());
}

#[test]
fn more_answers_than_questions_are_no_delivery() {
    for (index, piece) in [
        (0, "220 hi\r\n250 x\r\n"),
        (1, "250 x\r\n250"),
        (3, "550 no\r\n250 ok\r\n"),
        (5, "354 go\r\n250 taken\r\n"),
        (6, "250 taken\r\n550 not\r\n"),
        (6, "250 taken\r\n2"),
    ] {
        let error = reason(told(index, piece));
        assert!(error.contains("the server speaks out of turn ("), "{piece:?}: {error}");
    }
    // It has taken the message, and closes.
    assert!(told(6, "250 taken\r\n421 too many mails\r\n").is_ok());
}

#[test]
fn a_refusal_that_comes_early_is_heard_and_an_acceptance_is_not() {
    for (early, expected) in [
        ("552 too large\r\n", "DATA: the server says 552 too large"),
        ("421 closing\r\n", "DATA: the server says 421 closing"),
        ("250 taken\r\n", "DATA: the server speaks out of turn (250 taken)"),
        ("55", "DATA: the server speaks out of turn (55)"),
    ] {
        let envelope = envelope();
        let mut dialogue = Dialogue::new(plan(Encryption::None, &envelope));
        let mut says = PLAIN.iter();
        loop {
            match dialogue.act() {
                Act::Send(bytes) if bytes.starts_with(b"Subject") => dialogue.receive(early.as_bytes()),
                Act::Send(bytes) => assert_ne!(bytes, b".\r\n", "{early}"),
                Act::Receive => dialogue.receive(says.next().unwrap().as_bytes()),
                Act::Upgrade => panic!("TLS is off"),
                Act::End => break,
            }
        }
        assert_eq!(reason(dialogue.outcome()), expected);
    }
}

#[test]
fn refused_recipients_are_left_out() {
    let delivery = told(3, "550 who?\r\n").unwrap();
    assert_eq!((delivery.accepted.as_slice(), delivery.refused.len()), (&["b@example.com".to_owned()][..], 1));
    assert_eq!(delivery.refused[0].reply, "the server says 550 who?");
    let says = ["220 hi\r\n", "250 x\r\n", "250 ok\r\n", "550 no\r\n", "450 later\r\n"];
    let error = play(plan(Encryption::None, &envelope()), &says).1.unwrap_err();
    assert!(matches!(&error, SmtpError::AllRefused { refused, again: true } if refused.len() == 2), "{error}");
    assert_eq!(reason(told(3, "421 bye\r\n")), "RCPT TO: the server says 421 bye");
}

#[test]
fn blanks_in_the_answer_to_ehlo_harm_nothing() {
    for answer in ["250-x\r\n250- \r\n250 OK\r\n", "250-\r\n250-\t\r\n250\r\n", "250-\u{2028}\r\n250 \u{a0}\r\n"] {
        assert!(told(1, answer).is_ok(), "{answer:?}");
    }
}

proptest::proptest! {
    #[test]
    fn whatever_comes_it_ends_or_waits(pieces in proptest::collection::vec("(220|235|250|334|354|421|550|2)?[- \r\nA-Z]{0,3}(\r\n)?", 0..30)) {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let envelope = envelope();
        for encryption in [Encryption::None, Encryption::Opportunistic, Encryption::Required, Encryption::Implicit] {
            let (sent, outcome) = play(with_password(encryption, None, &envelope), &pieces);
            assert!(outcome.is_err() || sent.last().is_some_and(|last| last == "."));
            let clear = sent.iter().take_while(|line| *line != "[TLS]").any(|line| line.starts_with("AUTH"));
            assert!(encryption == Encryption::Implicit || !clear, "{sent:?}");
        }
    }
}
