//! Where messages say that problems are.

use super::{MODERN, parse, problems};

#[test]
fn every_problem_is_reported_in_one_run_with_its_location() {
    let text = MODERN
        .replacen("ip: 192.0.2.2", "ip: 192.0.2.300", 1)
        .replacen("weight: 2", "weight: 257", 1)
        .replacen("type: ppp", "type: pptp", 1)
        .replacen("interval: 5,", "intervall: 5,", 1)
        .replacen("base_table: 100", "base_table: 253", 1);
    let lines = problems(&text);
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(
        lines[0].starts_with("f:3:7: uplinks[0].ip: \"192.0.2.300\" is not the address of a host, allowed: "),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("f:6:11: uplinks[0].weight: 257 is out of range, allowed: 1 to 256"), "{}", lines[1]);
    assert!(
        lines[2].starts_with("f:8:9: uplinks[1].type: \"pptp\" is not known, allowed: static, ppp"),
        "{}",
        lines[2]
    );
    assert!(lines[3].starts_with("f:11:44: tests.intervall: unknown key, did you mean interval?"), "{}", lines[3]);
    assert!(lines[4].starts_with("f:12:13: base_table: "), "{}", lines[4]);
}

#[test]
fn of_very_many_problems_the_first_are_told_and_the_others_counted() {
    use std::fmt::Write as _;

    let mut text = String::new();
    for number in 0..7000 {
        writeln!(text, "k{number}:").unwrap();
    }
    let lines = parse(&text).unwrap_err().lines();
    assert_eq!(lines.len(), 101, "{lines:?}");
    assert!(lines[100].ends_with("more") && !lines[100].contains("unknown key"), "{}", lines[100]);
    assert!(lines[..100].iter().all(|line| line.starts_with("f:")), "{lines:?}");
}

#[test]
fn keys_that_nobody_knows_are_found_themselves() {
    let text = MODERN.replace("base_table: 100", "# one\nbasetable:  # two\n  # three\n  4\nbase_table: 100");
    let lines = problems(&text);
    assert!(lines[0].starts_with("f:13:1: basetable: unknown key, did you mean base_table?"), "{lines:?}");
}

#[test]
fn a_key_that_is_stated_twice_hides_no_other_problem() {
    let text = MODERN.replacen("  weight: 2\n", "  weight: 2\n  ip: 192.0.2.3\n  ip: 192.0.2.4\n", 1).replacen(
        "base_table: 100\n",
        "base_table: 100\nbase_table: 1\n:base_priority: 20001\n",
        1,
    );
    let lines = problems(&text);
    assert_eq!(
        lines[..4],
        [
            "f:7:3: uplinks[0].ip: stated twice, a duplicate of line 3",
            "f:8:3: uplinks[0].ip: stated twice, a duplicate of line 3",
            "f:15:1: base_table: stated twice, a duplicate of line 14",
            "f:17:1: base_priority: stated twice, a duplicate of line 16",
        ],
        "{lines:#?}"
    );
    let lines = problems(&text.replacen("weight: 2", "weight: 0", 1));
    assert!(lines[0].starts_with("f:6:11: uplinks[0].weight: 0 is out of range"), "{lines:#?}");
}

#[test]
fn a_mark_of_the_byte_order_is_skipped() {
    let text = format!("\u{feff}{}", MODERN.replace("weight: 2", "weight: 257"));
    assert!(problems(&text)[0].starts_with("f:6:11: "));
    assert!(parse(&format!("\u{feff}{MODERN}")).is_ok());
    assert!(problems("\u{feff}x: 1\n").iter().any(|line| line.starts_with("f:1:1: x: unknown key")));
}

#[test]
fn a_terminal_shows_the_line_of_each_problem() {
    let text = format!("{}email: {{smtp_parameters: {{port: SECRET}}}}\n", MODERN.replace("weight: 2", "weight: 257"));
    let drawn = parse(&text).unwrap_err().drawn(false);
    assert!(drawn.starts_with("f:6:11: uplinks[0].weight: 257 is out of range, allowed: 1 to 256\n"), "{drawn}");
    assert!(drawn.contains("\n6 |   weight: 257\n  |           ^^^\n"), "{drawn}");
    assert!(drawn.contains("\n16 | email: {smtp_parameters: {port: …}}\n"), "{drawn}");
    assert!(parse(&text).unwrap_err().drawn(true).contains("\u{1b}[1;31m^^^\u{1b}[0m\n"));
}

#[test]
fn a_second_document_is_told_of_where_it_begins() {
    let lines = problems(&format!("---\n{MODERN}---\n{MODERN}"));
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("f:17:1: not valid YAML: ") && lines[0].contains("more than one document"),
        "{lines:#?}"
    );
}
