//! Circles in a graph.

use std::collections::{BTreeMap, BTreeSet};

/// The sets of nodes, of those numbered below `count`, that all reach each other by way of the edges: the largest such
/// sets, and no set of one.
pub(crate) fn find(count: usize, edges: impl Iterator<Item = (usize, usize)>) -> Vec<BTreeSet<usize>> {
    let mut next: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reached: Vec<BTreeSet<usize>> = (0..count).map(|node| reach(&next, node)).collect();
    let joined = |from: usize, to: usize| reached.get(from).is_some_and(|nodes| nodes.contains(&to));
    let circles: BTreeSet<BTreeSet<usize>> = (0..count)
        .map(|node| (0..count).filter(|other| joined(node, *other) && joined(*other, node)).collect())
        .filter(|circle: &BTreeSet<usize>| circle.len() > 1)
        .collect();
    circles.into_iter().collect()
}

/// What can be reached from a node, by one edge or more.
fn reach(next: &BTreeMap<usize, Vec<usize>>, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut left = vec![from];
    while let Some(node) = left.pop() {
        left.extend(next.get(&node).into_iter().flatten().filter(|to| reached.insert(**to)));
    }
    reached
}
