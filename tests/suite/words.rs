//! One word for each thing: what people read has none of the words that were given up. docs/terms.md has the others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The words that were given up, and what is said instead.
const RETIRED: [(&str, &str); 11] = [
    ("carriers", "active set"),
    ("who carries", "active set"),
    ("way out", "egress"),
    ("heeded", "masked"),
    ("next hop", "nexthop"),
    ("next hops", "nexthops"),
    ("survey", "snapshot"),
    ("mended", "repaired"),
    ("in the internet's stead", "in place of the internet"),
    ("layout of tables", "numbering"),
    ("judged", "evaluated"),
];

/// Those of them that code has none of either: in no name, message or comment.
const GONE: [&str; 6] = ["way out", "heeded", "next hop", "next hops", "survey", "mended"];

/// The documents, the pages of the manual (which have every help text), and the shipped examples.
fn documents() -> io::Result<Vec<PathBuf>> {
    let root = Path::new(ROOT);
    let mut documents = Vec::new();
    for (folder, extensions) in
        [("", &["md"][..]), ("docs", &["md"]), ("docs/guides", &["md"]), ("dist/man", &["5", "7", "8"])]
    {
        for entry in fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|one| extensions.iter().any(|wanted| one == *wanted)) {
                documents.push(path);
            }
        }
    }
    Ok(documents)
}

/// The sources of the libraries and programs.
fn sources() -> io::Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = fs::read_dir(ROOT)?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("ftr-"))
        .map(|entry| entry.path().join("src"))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(path);
            }
        }
    }
    Ok(sources)
}

/// Where these words stand. A line's end is a space, and so is what indents the next or makes it a comment.
fn find(files: &[PathBuf], retired: &[(&str, &str)]) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(file)?.to_lowercase();
        let marks = ["//", "///", "//!"];
        let text = text.split_whitespace().filter(|word| !marks.contains(word)).collect::<Vec<_>>().join(" ");
        for (words, instead) in retired.iter().filter(|(words, _)| has(&text, words)) {
            found.push(format!("{}: {words}; say {instead}", file.display()));
        }
    }
    Ok(found)
}

/// Whether the words stand in the text, not as part of others.
fn has(text: &str, words: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(words).any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + words.len()..]);
        !letter(before.chars().next_back()) && !letter(behind.chars().next())
    })
}

#[test]
fn retired_words_are_gone_from_documents_and_help() -> io::Result<()> {
    let documents = documents()?;
    assert!(documents.len() > 20, "{documents:?}");
    let found = find(&documents, &RETIRED)?;
    assert!(found.is_empty(), "{found:#?}");
    Ok(())
}

#[test]
fn and_most_of_them_from_code() -> io::Result<()> {
    let sources = sources()?;
    assert!(sources.len() > 300, "{sources:?}");
    let gone: Vec<_> = RETIRED.into_iter().filter(|(words, _)| GONE.contains(words)).collect();
    assert_eq!(gone.len(), GONE.len());
    let found = find(&sources, &gone)?;
    assert!(found.is_empty(), "{found:#?}");
    Ok(())
}

#[test]
fn words_are_found_whole_and_across_lines() {
    assert!(has("of the next hop.", "next hop") && has("who carries", "who carries"));
    assert!(!has("nexthop, next hopping", "next hop"));
}
