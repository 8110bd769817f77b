//! Tests of targets and of their text.

use super::{DnsTarget, HttpTarget, Target};
use crate::Family;
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

fn read(text: &str) -> Target {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_form_as_people_write_it() {
    assert_eq!(read("8.8.8.8"), Target::Echo([8, 8, 8, 8].into()));
    assert_eq!(read("2001:db8::1"), Target::Echo("2001:db8::1".parse().unwrap()));
    assert_eq!(read("tcp://192.0.2.1:443"), Target::Tcp("192.0.2.1:443".parse().unwrap()));
    assert_eq!(read("tcp://[2001:db8::1]:443"), Target::Tcp("[2001:db8::1]:443".parse().unwrap()));
    let dns = |server: &str, name: &str| Target::Dns(DnsTarget { server: server.parse().unwrap(), name: name.into() });
    assert_eq!(read("dns://9.9.9.9"), dns("9.9.9.9:53", ""));
    assert_eq!(read("dns://9.9.9.9/."), dns("9.9.9.9:53", ""));
    assert_eq!(read("dns://[2001:db8::1]:5353/Example.ORG."), dns("[2001:db8::1]:5353", "example.org"));
}

#[test]
fn a_page_and_what_is_expected_of_it() {
    let page = |host: &str, path: &str, status, body: Option<&str>| HttpTarget {
        server: "192.0.2.1:80".parse().unwrap(),
        host: host.into(),
        path: path.into(),
        status,
        body: body.map(Into::into),
    };
    let own = "192.0.2.1";
    for (text, wanted) in [
        ("http://192.0.2.1", page(own, "/", 204, None)),
        ("http://192.0.2.1/generate_204", page(own, "/generate_204", 204, None)),
        ("http://192.0.2.1#200", page(own, "/", 200, None)),
        ("http://192.0.2.1/a?b=c@d#302", page(own, "/a?b=c@d", 302, None)),
        ("http://192.0.2.1/a#200:is: so #1", page(own, "/a", 200, Some("is: so #1"))),
        ("http://Check.example.org@192.0.2.1:80/a", page("check.example.org", "/a", 204, None)),
    ] {
        assert_eq!(read(text), Target::Http(wanted), "{text}");
    }
    let Target::Http(far) = read("http://[2001:db8::1]:8080/") else { panic!("not HTTP") };
    assert_eq!((far.host.as_str(), far.server.port()), ("[2001:db8::1]", 8080));
}

#[test]
fn what_goes_without_saying_is_not_written() {
    for (text, short) in [
        ("dns://9.9.9.9:53/.", "dns://9.9.9.9"),
        ("http://192.0.2.1@192.0.2.1:80/#204", "http://192.0.2.1/"),
        ("http://[2001:DB8::1]:80", "http://[2001:db8::1]/"),
        ("http://a.example@192.0.2.1:8080/x#200:y", "http://a.example@192.0.2.1:8080/x#200:y"),
    ] {
        assert_eq!(read(text).to_string(), short);
    }
}

#[test]
fn a_name_instead_of_an_address_is_told_apart() {
    for text in ["www.example.org", "tcp://www.example.org:443", "dns://resolver", "http://example.org/"] {
        let error = text.parse::<Target>().unwrap_err().to_string();
        assert!(error.contains("the host's address instead of its name"), "{text}: {error}");
    }
}

#[test]
fn an_error_says_what_is_allowed() {
    let long_label = format!("dns://9.9.9.9/{}", "a".repeat(64));
    let long_name = format!("dns://9.9.9.9/{}a", "a.".repeat(127));
    let long = format!("http://192.0.2.1/{}", "a".repeat(1024));
    for (text, says) in [
        ("", "ADDRESS, tcp://"),
        ("8.8.8", "ADDRESS, tcp://"),
        ("010.1.1.1", "ADDRESS, tcp://"),
        ("example.org", "instead of its name"),
        ("[2001:db8::1]", "ADDRESS, tcp://"),
        ("https://192.0.2.1/", "ADDRESS, tcp://"),
        ("tcp://192.0.2.1", "tcp://ADDRESS:PORT"),
        ("tcp://192.0.2.1:0", "1 to 65535"),
        ("tcp://192.0.2.1:+80", "1 to 65535"),
        ("tcp://192.0.2.1:80/", "1 to 65535"),
        ("tcp://[2001:db8::1]80", "1 to 65535"),
        ("tcp://2001:db8::1", "[2001:db8::1]"),
        ("tcp://[192.0.2.1]:80", "[2001:db8::1]"),
        ("tcp://[2001:db8::1:80", "[2001:db8::1]"),
        ("dns://resolver.example", "instead of its name"),
        ("dns://9.9.9.9/a..b", "letters, digits"),
        ("dns://9.9.9.9/a b", "letters, digits"),
        (&long_label, "letters, digits"),
        (&long_name, "letters, digits"),
        ("http://@192.0.2.1/", "letters, digits"),
        ("http://a\u{e9}@192.0.2.1/", "letters, digits"),
        ("http://192.0.2.1/a b", "visible ASCII"),
        ("http://192.0.2.1/#", "200 to 599"),
        ("http://192.0.2.1/#199", "200 to 599"),
        ("http://192.0.2.1/#:text", "200 to 599"),
        ("http://192.0.2.1/#200:", "a text"),
        ("http://192.0.2.1/#204:text", "other than 204"),
        ("http://192.0.2.1/\r\nX: y", "control characters"),
        ("http://192.0.2.1/#200:\u{202e}", "control characters"),
        (&long, "1024 bytes"),
    ] {
        let error = text.parse::<Target>().unwrap_err().to_string();
        assert!(error.contains(says), "{text:?}: {error}");
    }
}

#[test]
fn hosts_only() {
    for address in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "0.1.2.3"] {
        assert!(address.parse::<Target>().is_err(), "{address}");
        assert!(format!("tcp://{address}:80").parse::<Target>().is_err(), "{address}");
    }
    for address in ["::", "::1", "ff02::1", "fe80::1", "fe80::1%2", "::ffff:8.8.8.8"] {
        assert!(address.parse::<Target>().is_err(), "{address}");
        assert!(format!("http://[{address}]/").parse::<Target>().is_err(), "{address}");
    }
}

#[test]
fn address_and_family() {
    let target = read("dns://[2001:db8::1]");
    assert_eq!((target.address(), target.family()), ("2001:db8::1".parse().unwrap(), Family::V6));
    let target = read("http://192.0.2.1/");
    assert_eq!((target.address(), target.family()), ([192, 0, 2, 1].into(), Family::V4));
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (1u8..127, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| [a, b, c, d].into()),
        any::<[u16; 7]>().prop_map(|[a, b, c, d, e, f, g]| [0x2001, a, b, c, d, e, f, g].into()),
    ]
}

fn server() -> impl Strategy<Value = SocketAddr> {
    (address(), prop_oneof![Just(53), Just(80), 1..=u16::MAX]).prop_map(SocketAddr::from)
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-z0-9_-]{1,63}", 1..4).prop_map(|labels| labels.join("."))
}

fn page() -> impl Strategy<Value = HttpTarget> {
    let host = prop::option::of(name());
    let expected = prop_oneof![
        (200u16..600).prop_map(|status| (status, None)),
        ("[ -~äß]{1,40}").prop_map(|body| (200, Some(body))),
    ];
    (server(), host, "/[!-\"$-~]{0,40}", expected).prop_map(|(server, host, path, (status, body))| {
        let host = host.unwrap_or_else(|| super::in_uri(server.ip()));
        HttpTarget { server, host, path, status, body }
    })
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        address().prop_map(Target::Echo),
        server().prop_map(Target::Tcp),
        (server(), prop_oneof![Just(String::new()), name()])
            .prop_map(|(server, name)| Target::Dns(DnsTarget { server, name })),
        page().prop_map(Target::Http),
    ]
}

proptest! {
    #[test]
    fn every_target_is_read_as_it_was_written(target in target()) {
        prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
    }

    #[test]
    fn any_text_is_read_without_panic(text in "((tcp|dns|http)://)?[0-9a-f.:\\[\\]@/#\\PC]{0,40}") {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
        }
    }
}
