//! Tests of what a web server's words are taken for.

use super::{BODY, HEAD, MOST, Wanted, evaluate};
use crate::method::Progress;
use proptest::prelude::*;

const CLOSED: Progress = Progress::Failed("closed");

fn status(status: u16) -> Wanted {
    Wanted { status, body: None }
}

fn body(text: &str) -> Wanted {
    Wanted { status: 200, body: Some(text.to_owned()) }
}

#[test]
fn the_status_decides_where_no_body_is_asked_for() {
    for (said, wanted) in [
        ("HTTP/1.1 204 No Content\r\nDate: today\r\n\r\n", Progress::Answered),
        ("HTTP/1.0 204\r\n\r\n", Progress::Answered),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", Progress::Answered),
        ("HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n", Progress::Captive),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", Progress::Captive),
        ("HTTP/1.1 511 Network Authentication Required\r\n\r\n", Progress::Captive),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Progress::Captive),
        ("HTTP/1.1 204 No Content\r\nodd field\r\n\r\n", Progress::Answered),
    ] {
        assert_eq!(evaluate(said.as_bytes(), false, &status(204)), Some(wanted), "{said}");
    }
}

#[test]
fn what_is_not_http_comes_from_somebody_else() {
    for said in ["<html>log in</html>", "SSH-2.0-OpenSSH_9.2\r\n", "\x15\x03\x01\0\x02\x02"] {
        assert_eq!(evaluate(said.as_bytes(), false, &status(204)), Some(Progress::Captive), "{said:?}");
    }
}

#[test]
fn half_an_answer_is_waited_for_and_none_when_the_connection_ends() {
    for said in ["", "HT", "HTTP/1.1 204", "HTTP/1.1 204 No Content\r\nDate: to", "HTTP/1.1 100 Continue\r\n\r\n"] {
        assert_eq!(evaluate(said.as_bytes(), false, &status(204)), None, "{said}");
        assert_eq!(evaluate(said.as_bytes(), true, &status(204)), Some(CLOSED), "{said}");
    }
}

#[test]
fn a_body_is_searched_as_it_comes() {
    let head = "HTTP/1.1 200 OK\r\n";
    for (said, now, at_end) in [
        ("\r\nthis is a success", Some(Progress::Answered), Progress::Answered),
        ("\r\nthis is a succ", None, Progress::Captive),
        ("Content-Length: 9\r\n\r\nsuccess!!", Some(Progress::Answered), Progress::Answered),
        ("Content-Length: 9\r\n\r\nsuc", None, CLOSED),
        ("Content-Length: 6\r\n\r\nlog in", Some(Progress::Captive), Progress::Captive),
        ("Content-Length: 3\r\n\r\nsuccess", Some(Progress::Captive), Progress::Captive),
        ("Content-Length: many\r\n\r\nlog in", None, Progress::Captive),
        ("Content-Length: 0\r\n\r\n", Some(Progress::Captive), Progress::Captive),
    ] {
        let said = format!("{head}{said}");
        assert_eq!(evaluate(said.as_bytes(), false, &body("success")), now, "{said}");
        assert_eq!(evaluate(said.as_bytes(), true, &body("success")), Some(at_end), "{said}");
    }
}

#[test]
fn chunks_are_put_together() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n";
    for (said, now, at_end) in [
        ("4\r\nsucc\r\n3;x=y\r\ness\r\n0\r\n\r\n", Some(Progress::Answered), Progress::Answered),
        ("4\r\nsucc\r\n3\r\nes", None, CLOSED),
        ("4\r\nsucc\r", None, CLOSED),
        ("4\r\nsucc\r\n3", None, CLOSED),
        ("4\r\nsucc\r\n0\r\n\r\n", Some(Progress::Captive), Progress::Captive),
        ("4\r\nsucc\r\nz\r\n", Some(Progress::Captive), Progress::Captive),
        ("ffffffffffffffff\r\nsuccess", Some(Progress::Answered), Progress::Answered),
    ] {
        let said = format!("{head}{said}");
        assert_eq!(evaluate(said.as_bytes(), false, &body("success")), now, "{said}");
        assert_eq!(evaluate(said.as_bytes(), true, &body("success")), Some(at_end), "{said}");
    }
}

#[test]
fn no_server_is_listened_to_for_ever() {
    let endless = |start: &str, length: usize| [start.as_bytes(), &vec![b'a'; length]].concat();
    let head = endless("HTTP/1.1 200 OK\r\nField: ", HEAD);
    assert_eq!(evaluate(&head, false, &status(200)), Some(Progress::Failed("too-long")));
    let long = endless("HTTP/1.1 200 OK\r\n\r\n", BODY);
    assert_eq!(evaluate(&long, false, &body("success")), Some(Progress::Captive));
    let extension = endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", MOST);
    assert_eq!(evaluate(&extension, false, &body("success")), Some(Progress::Captive));
}

#[test]
fn what_lies_far_back_in_a_body_does_not_count() {
    let mut said = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    said.resize(said.len() + BODY - 6, b' ');
    said.extend_from_slice(b"success");
    assert_eq!(evaluate(&said, true, &body("success")), Some(Progress::Captive));
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    let known = vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "Content-Length: 12\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n",
        "5\r\nsucce\r\n",
        "2\r\nss\r\n",
        "0\r\n\r\n",
        "success",
    ];
    let part = prop_oneof![9 => prop::sample::select(known).prop_map(str::to_owned), 1 => "\\PC{0,8}"];
    prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_panic(said in prop::collection::vec(any::<u8>(), 0..300), ended: bool) {
        let verdict = evaluate(&said, ended, &body("x"));
        prop_assert!(!ended || verdict.is_some());
    }

    #[test]
    fn it_does_not_matter_how_an_answer_is_cut(said in words(), any_status: bool) {
        let wanted = if any_status { status(200) } else { body("success") };
        let whole = evaluate(&said, true, &wanted);
        prop_assert!(whole.is_some());
        for cut in 0..=said.len() {
            if let Some(early) = evaluate(&said[..cut], false, &wanted) {
                prop_assert_eq!(Some(early), whole, "cut at {}", cut);
            }
        }
    }
}
