use super::{Assignment, Fits, Names};
use proptest::prelude::*;

/// Names, by their first letters: small ones are uplinks, capitals policies.
fn next(before: Option<&Assignment>, names: &str, marks: u32) -> Assignment {
    let uplinks: Vec<&str> =
        names.split("").filter(|name| name.bytes().all(|b| b.is_ascii_lowercase()) && !name.is_empty()).collect();
    let policies: Vec<&str> =
        names.split("").filter(|name| name.bytes().all(|b| b.is_ascii_uppercase()) && !name.is_empty()).collect();
    let fits = Fits { table: &|table| !(252..=254).contains(&table), mark: &|mark| mark < marks };
    Assignment::next(before, Names { uplinks: &uplinks, policies: &policies }, fits)
}

/// `a1/1`: the uplink `a` has table 1 and mark 1.
fn text(assignment: &Assignment, names: &str) -> String {
    let one = |name: char| {
        let name = name.to_string();
        let numbers = assignment.uplink(&name).or_else(|| assignment.policy(&name)).unwrap();
        format!("{name}{}/{}", numbers.table, numbers.mark)
    };
    let all: Vec<String> = names.chars().map(one).collect();
    format!("{} balanced {}", all.join(" "), assignment.balanced())
}

#[test]
fn the_first_have_theirs_by_position() {
    assert_eq!(text(&next(None, "abcVW", 99), "abcVW"), "a0/0 b1/1 c2/2 V4/3 W5/4 balanced 3");
}

#[test]
fn whoever_is_known_keeps_its_own_and_whoever_is_new_has_the_lowest_that_was_nobodys() {
    let first = next(None, "abcV", 99);
    let turned = next(Some(&first), "cbaV", 99);
    assert_eq!(turned, first, "in whatever order they stand");
    let more = next(Some(&first), "dabcVW", 99);
    assert_eq!(text(&more, "abcdVW"), "a0/0 b1/1 c2/2 d5/4 V4/3 W6/5 balanced 3");
    let fewer = next(Some(&more), "dbV", 99);
    assert_eq!(text(&fewer, "bdV"), "b1/1 d5/4 V4/3 balanced 3");
    assert_eq!((fewer.uplink("a"), fewer.policy("W")), (None, None));
    let another = next(Some(&fewer), "dbeV", 99);
    assert_eq!(text(&another, "bde"), "b1/1 d5/4 e7/6 balanced 3", "not those of a, which is gone");
    assert_eq!(text(&next(Some(&another), "abde", 99), "a"), "a0/0 balanced 3", "it is back");
}

#[test]
fn where_no_number_is_free_those_of_the_one_gone_for_longest_are_given() {
    let first = next(None, "abc", 3);
    let without = next(Some(&next(Some(&first), "ac", 3)), "c", 3);
    let again = next(Some(&without), "cx", 3);
    assert_eq!(text(&again, "cx"), "c2/2 x1/1 balanced 3", "b left first");
    assert_eq!(text(&next(Some(&again), "cxy", 3), "cxy"), "c2/2 x1/1 y0/0 balanced 3");
}

#[test]
fn what_contradicts_itself_is_not_believed() {
    let twice = r#"{"uplinks":{"a":{"table":0,"mark":0},"b":{"table":0,"mark":1}},"policies":{},"balanced":5}"#;
    let beyond = r#"{"uplinks":{"a":{"table":0,"mark":7}},"policies":{},"balanced":1}"#;
    let kernels = r#"{"uplinks":{"a":{"table":253,"mark":1}},"policies":{},"balanced":1}"#;
    for wrong in [twice, beyond, kernels] {
        let wrong: Assignment = serde_json::from_str(wrong).unwrap();
        assert_eq!(next(Some(&wrong), "ba", 5), next(None, "ba", 5));
    }
}

proptest! {
    /// Through any sequence of configurations: whoever stays keeps its numbers, and no two have the same.
    #[test]
    fn nobody_ever_changes_its_numbers(steps in prop::collection::vec("[a-f]{0,6}[T-W]{0,3}", 1..20)) {
        let mut before: Option<Assignment> = None;
        for step in steps {
            let mut names: Vec<char> = Vec::new();
            step.chars().for_each(|name| if !names.contains(&name) { names.push(name); });
            let step: String = names.iter().collect();
            let after = next(before.as_ref(), &step, 10);
            let of = |assignment: &Assignment, name: &char| {
                let name = name.to_string();
                assignment.uplink(&name).or_else(|| assignment.policy(&name)).map(|numbers| (numbers.table, numbers.mark))
            };
            let given: Vec<_> = names.iter().map(|name| of(&after, name)).collect();
            prop_assert!(given.iter().all(Option::is_some));
            for (i, numbers) in given.iter().flatten().enumerate() {
                let others = given.iter().flatten().skip(i + 1);
                prop_assert!(others.clone().all(|other| other.0 != numbers.0 && other.1 != numbers.1));
                prop_assert!(numbers.0 != after.balanced() && numbers.1 < 10);
            }
            if let Some(before) = &before {
                prop_assert_eq!(before.balanced(), after.balanced());
                for name in &names {
                    prop_assert!(of(before, name).is_none_or(|had| of(&after, name) == Some(had)));
                }
            }
            let read: Assignment = serde_json::from_str(&serde_json::to_string(&after).unwrap()).unwrap();
            prop_assert_eq!(&read, &after);
            before = Some(after);
        }
    }
}
