//! Where the nodes of a text stand.
//!
//! A `serde_yaml` value does not know where it stood. So where there are problems, and only there, the text is parsed once
//! more by a parser that tells the marks of each node.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, Span};

use super::excerpt::Excerpt;
use super::path::{Location, NodePath, Step};
use super::problem::Problem;

/// How many problems are told of at most: what has more is no configuration.
const MOST: usize = 100;

/// The problems with their locations, in file order; of very many the first that were found.
pub(super) fn found(text: &str, mut problems: Vec<Problem>) -> Vec<Problem> {
    if problems.is_empty() {
        return problems;
    }
    let more = problems.len().saturating_sub(MOST);
    problems.truncate(MOST);
    let nodes = Nodes::of(text);
    for problem in &mut problems {
        if problem.location.is_none() {
            problem.location = nodes.find(&problem.path);
            if let Some(first) = nodes.first(&problem.path) {
                problem.what = format!("{}, a duplicate of line {first}", problem.what);
            }
        }
        problem.excerpt =
            problem.location.and_then(|location| Excerpt::of(text, &problem.path, location)).map(Box::new);
    }
    problems.sort_by_key(|problem| problem.location);
    problems.dedup();
    if more > 0 {
        problems.push(Problem::new(NodePath::default(), format!("and {more} more")));
    }
    problems
}

/// Where a second document begins, of which no configuration has one.
pub(super) fn second_document(text: &str) -> Option<Location> {
    let events = Parser::new_from_str(text).map_while(Result::ok);
    let mut begins = events.filter(|(event, _)| matches!(event, Event::DocumentStart(_)));
    begins.nth(1).map(|(_, span)| location(span))
}

/// The nodes of a text.
#[derive(Default)]
struct Nodes {
    all: Vec<Node>,
    /// What anchors name.
    anchors: BTreeMap<usize, usize>,
}

struct Node {
    location: Location,
    content: Content,
}

/// What a node is made of; other nodes are told by their number.
enum Content {
    Scalar(String),
    List(Vec<usize>),
    Section(Vec<(usize, usize)>),
    Alias(usize),
}

impl Nodes {
    /// What of a text can be parsed.
    fn of(text: &str) -> Self {
        let mut nodes = Self::default();
        // The lists and sections that are open, and of a section the key whose value is next.
        let mut open: Vec<(usize, Option<usize>)> = Vec::new();
        for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
            let (content, anchor, opens) = match event {
                Event::Scalar(text, _, anchor, _) => (Content::Scalar(text.into_owned()), anchor, false),
                Event::Alias(anchor) => (Content::Alias(anchor), 0, false),
                Event::SequenceStart(anchor, _) => (Content::List(Vec::new()), anchor, true),
                Event::MappingStart(anchor, _) => (Content::Section(Vec::new()), anchor, true),
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    continue;
                }
                _ => continue,
            };
            let number = nodes.all.len();
            nodes.all.push(Node { location: location(span), content });
            if anchor > 0 {
                nodes.anchors.insert(anchor, number);
            }
            if let Some((above, key)) = open.last_mut() {
                match (nodes.all.get_mut(*above).map(|node| &mut node.content), key.take()) {
                    (Some(Content::List(items)), _) => items.push(number),
                    (Some(Content::Section(entries)), Some(key)) => entries.push((key, number)),
                    (_, _) => *key = Some(number),
                }
            }
            if opens {
                open.push((number, None));
            }
        }
        nodes
    }

    /// Where a node stands, or the nearest one above it that stands in the text (what a merge key brings in does not). A
    /// key that nobody knows is found itself; of others it is the value.
    fn find(&self, path: &NodePath) -> Option<Location> {
        (0..=path.0.len()).rev().find_map(|depth| self.walk(path.0.get(..depth)?)).map(|(key, value)| {
            match path.0.last() {
                Some(Step::Strange(_) | Step::Again { .. }) => key.unwrap_or(value),
                _ => value,
            }
        })
    }

    /// The line in which a key was stated that is stated again.
    fn first(&self, path: &NodePath) -> Option<usize> {
        let (Step::Again { key, .. }, above) = path.0.split_last()? else { return None };
        let mut first = above.to_vec();
        first.push(Step::Strange(key.clone()));
        let (key, value) = self.walk(&first)?;
        Some(key.unwrap_or(value).line)
    }

    /// The locations of the last step's key and value.
    fn walk(&self, steps: &[Step]) -> Option<(Option<Location>, Location)> {
        let mut node = self.all.first()?;
        let mut key = None;
        for step in steps {
            let (name, nth) = match step {
                Step::Key(name) | Step::Strange(name) => (name, 1),
                Step::Again { key: name, nth } => (name, *nth),
                Step::Index(index) => {
                    let Content::List(items) = self.content(node)? else { return None };
                    (key, node) = (None, self.all.get(*items.get(*index)?)?);
                    continue;
                }
            };
            let Content::Section(entries) = self.content(node)? else { return None };
            let alike = entries.iter().filter(|(key, _)| self.is_named(*key, name));
            let (found, value) = alike.clone().nth(nth - 1)?;
            (key, node) = (self.all.get(*found).map(|key| key.location), self.all.get(*value)?);
        }
        Some((key, node.location))
    }

    /// What stands at a node, or where its alias leads.
    fn content<'n>(&'n self, node: &'n Node) -> Option<&'n Content> {
        match node.content {
            Content::Alias(anchor) => {
                self.anchors.get(&anchor).and_then(|number| self.all.get(*number)).map(|node| &node.content)
            }
            _ => Some(&node.content),
        }
    }

    /// Whether a key has a name; a Ruby symbol (`:port`) means its text.
    fn is_named(&self, key: usize, name: &str) -> bool {
        let text = match self.all.get(key).map(|node| &node.content) {
            Some(Content::Scalar(text)) => text.as_str(),
            _ => return false,
        };
        text == name || text.strip_prefix(':') == Some(name)
    }
}

fn location(span: Span) -> Location {
    let (start, end) = (span.start, span.end);
    let length = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 0 };
    Location { line: start.line(), column: start.col() + 1, length: length.max(1) }
}
