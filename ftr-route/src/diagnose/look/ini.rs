//! Files of sections and keys, as systemd and `NetworkManager` have them.

/// The values of a key in a section, in the order in which they stand. Comments, and lines that are neither, are skipped.
pub(in crate::diagnose) fn values<'a>(text: &'a str, section: &str, key: &str) -> Vec<&'a str> {
    let mut here = false;
    let mut values = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            here = name == section;
        } else if let Some((_, value)) = line.split_once('=').filter(|(name, _)| here && name.trim_end() == key) {
            values.push(value.trim_start());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::values;

    #[test]
    fn keys_belong_to_their_section() {
        let text = "a=0\n[one]\n# a=1\n a = 2 \nb=3\n[two]\na=4\n[one]\na=\n;a=5\nnonsense\n";
        assert_eq!(values(text, "one", "a"), ["2", ""]);
        assert_eq!(values(text, "two", "a"), ["4"]);
        assert!(values(text, "two", "b").is_empty());
    }
}
