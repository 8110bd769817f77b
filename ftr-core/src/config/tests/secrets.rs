//! What messages about a configuration do not say, and what becomes of its password.

use super::{MODERN, parse, problems};

#[test]
fn what_could_be_a_secret_is_not_repeated() {
    let email = |lines: &str| format!("{MODERN}email:\n  smtp_parameters:\n    address: mail.example.com\n{lines}");
    let mut texts: Vec<String> = [
        "    password:SECRET\n",
        "    password:SECRET\n    port: 25\n",
        "    port: 25\n    password:SECRET\n",
        "    port: SECRET\n",
        "    domain: SECRET/\n",
        "    SECRET: 1\n",
        "    SECRET: 1\n    SECRET: 2\n",
        "    user_name: {SECRET: 1}\n",
        "    password: [SECRET]\n",
        "    password: !!int SECRET\n",
        "    password: &SECRET a\n    user_name: *SECRETS\n",
        "    open_timeout: SECRET\n    read_timeout: SECRET\n    ssl: SECRET\n",
        "    authentication: SECRET\n    openssl_verify_mode: SECRET\n",
        "    password_file: \"SECRET\\n\"\n",
        "    password: \"SECRET\\q\"\n",
        "    password: \"SECRET\n",
        "    password: SECRET: x\n",
        "  sender: SECRET\n",
        "  recipients: [SECRET, 'a SECRET@']\n",
        "  digest: SECRET\n",
        "  send: SECRET\n",
    ]
    .into_iter()
    .map(email)
    .collect();
    for flow in [
        "{password:SECRET}",
        "{smtp_parameters: {password:SECRET}}",
        "{smtp_parameters: {port: 25, password=SECRET: }}",
        "SECRET",
        "[SECRET]",
    ] {
        texts.push(format!("{MODERN}email: {flow}\n"));
    }
    for run in [
        "{on: up, run: Bearer-SECRET}",
        "{on: up, run: [SECRET]}",
        "{on: SECRET, run: /bin/hook}",
        "{on: up, run: /bin/hook, timeout: SECRET}",
        "{on: up, run: /bin/hook, SECRET: 1}",
        "SECRET",
    ] {
        texts.push(format!("{MODERN}hooks: [{run}]\n"));
    }
    for target in ["http://admin:SECRET@192.0.2.1/", "'tcp://SECRET@192.0.2.1:80'", "ftp://a:SECRET@h"] {
        texts.push(MODERN.replacen("198.51.100.1,", &format!("{target},"), 1));
    }
    for file in [
        "root:SECRET:19000:0:99999:7:::\n",
        "password=SECRET\n",
        "a: 1\npassword=SECRET\n",
        "- SECRET\n",
        "password:SECRET: 1\n",
        "{password:SECRET}",
        "!SECRET x",
        "x: !<SECRET> {}",
        "token-SECRET: 1\n",
    ] {
        texts.push(file.to_owned());
    }
    for text in texts {
        let lines = problems(&text);
        assert!(!lines.iter().any(|line| line.contains("SECRET")), "{text}{lines:#?}");
        let drawn = parse(&text).unwrap_err().drawn(false);
        assert!(!drawn.contains("SECRET"), "{text}{drawn}");
    }
}

#[test]
fn a_slip_is_told_by_its_place_and_what_was_meant() {
    let lines = problems(&format!("{MODERN}email: {{smtp_parameters: {{adress: x, port: 99999, password:SECRET}}}}\n"));
    assert!(
        lines[0].starts_with("f:16:27: email.smtp_parameters.(a key): unknown key, did you mean address?"),
        "{lines:#?}"
    );
    assert!(
        lines[1].ends_with(": email.smtp_parameters.port: a number is out of range, allowed: 1 to 65535"),
        "{lines:#?}"
    );
    assert!(lines[2].contains("email.smtp_parameters.(a key): unknown key, allowed: "), "{lines:#?}");
    assert!(problems(&format!("{MODERN}lgo: 1\n"))[0].contains(": lgo: unknown key, did you mean log?"));
    assert!(problems(&format!("{MODERN}a b: 1\n"))[0].contains(": (a key of 3 characters): unknown key"));
}

#[test]
fn a_password_that_may_go_in_clear_is_told() {
    let warned = |lines: &str| {
        let smtp = format!("{{address: mail.example.com, user_name: u, password: p{lines}}}");
        let config = parse(&format!("{MODERN}email: {{smtp_parameters: {smtp}}}\n")).unwrap();
        assert_eq!(
            parse(&config.effective_yaml()).unwrap().email.smtp.allow_plaintext,
            config.email.smtp.allow_plaintext
        );
        config.warning_lines()
    };
    for (lines, what) in
        [("", "the password goes over TLS only"), (", enable_starttls_auto: false", "so no mail is sent")]
    {
        let told = warned(lines);
        assert!(told[0].contains("email.smtp_parameters.user_name: warning: ") && told[0].contains(what), "{told:?}");
        assert!(told[0].contains("allow_plaintext: true"), "{told:?}");
    }
    for lines in [", tls: true", ", enable_starttls: true", ", allow_plaintext: true"] {
        assert_eq!(warned(lines), [""; 0], "{lines}");
    }
    for here in ["127.0.0.1", "localhost", "'::1'", "'[::1]'"] {
        let smtp = format!("{{address: {here}, user_name: u, password: p}}");
        assert_eq!(parse(&format!("{MODERN}email: {{smtp_parameters: {smtp}}}\n")).unwrap().warnings, []);
    }
}
