//! The modules of a crate as its files declare them, and where a name leads.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Ident, Item, ItemMod, Meta, UseTree};

/// A path as somebody wrote it, without `::`.
pub(crate) type Names = Vec<String>;

/// More steps than anybody's `use` of a `use` takes; a `use` of itself takes more.
const MOST_STEPS: usize = 32;

/// One module: a file, or a part of one.
struct Module {
    file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// What it calls things of other modules, and the path that it gave for each.
    uses: BTreeMap<String, Names>,
    items: BTreeSet<String>,
}

struct File {
    path: PathBuf,
    module: usize,
    content: syn::File,
}

/// The modules of one crate.
pub(crate) struct Tree {
    files: Vec<File>,
    modules: Vec<Module>,
}

impl Tree {
    /// Reads a crate, from the file where it begins.
    pub(crate) fn read(start: &Path) -> Result<Self, Box<dyn Error>> {
        let mut tree = Self { files: Vec::new(), modules: Vec::new() };
        let directory = start.parent().unwrap_or(start).to_owned();
        tree.read_file(start, &directory, None)?;
        Ok(tree)
    }

    /// How many files there are; each has a number below that.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn path(&self, file: usize) -> &Path {
        self.files.get(file).map_or(Path::new(""), |file| &file.path)
    }

    /// Each file: its number, its module and what is in it.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (usize, usize, &syn::File)> {
        self.files.iter().enumerate().map(|(number, file)| (number, file.module, &file.content))
    }

    /// The module of that name within another.
    pub(crate) fn child(&self, module: usize, name: &Ident) -> Option<usize> {
        self.modules.get(module)?.children.get(&name.to_string()).copied()
    }

    /// The file that defines what a module calls by these names; none where that is of another crate, or a module itself.
    pub(crate) fn definer(&self, module: usize, names: &[String]) -> Option<usize> {
        self.follow(module, names.to_vec(), MOST_STEPS)
    }

    fn follow(&self, module: usize, names: Names, steps: usize) -> Option<usize> {
        let steps = steps.checked_sub(1)?;
        let mut at = module;
        let mut names = names.into_iter().peekable();
        let mut rooted = false;
        while let Some(name) = names.next_if(|name| matches!(name.as_str(), "crate" | "self" | "super")) {
            at = match name.as_str() {
                "crate" => 0,
                "super" => self.modules.get(at)?.parent?,
                _ => at,
            };
            rooted = true;
        }
        while let Some(name) = names.next() {
            let here = self.modules.get(at)?;
            let last = names.peek().is_none();
            // A module and a function may have the same name; nobody uses a module as the last one of a path.
            match (here.uses.get(&name), here.children.get(&name)) {
                _ if last && here.items.contains(&name) => return Some(here.file),
                (Some(path), child) if last || child.is_none() => {
                    return self.follow(at, path.iter().cloned().chain(names).collect(), steps);
                }
                (_, Some(child)) => at = *child,
                _ if rooted || here.items.contains(&name) => return Some(here.file),
                _ => return None,
            }
            rooted = true;
        }
        None
    }

    fn read_file(&mut self, path: &Path, directory: &Path, parent: Option<usize>) -> Result<usize, Box<dyn Error>> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let content = syn::parse_file(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let file = self.files.len();
        // The module will have the next number.
        self.files.push(File { path: path.to_owned(), module: self.modules.len(), content: content.clone() });
        self.add(&content.items, file, directory, parent)
    }

    /// Adds a module with these items, of this file, whose own modules are files of this directory.
    fn add(
        &mut self,
        items: &[Item],
        file: usize,
        directory: &Path,
        parent: Option<usize>,
    ) -> Result<usize, Box<dyn Error>> {
        let number = self.modules.len();
        let mut module =
            Module { file, parent, children: BTreeMap::new(), uses: BTreeMap::new(), items: BTreeSet::new() };
        let mut declared = Vec::new();
        for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
            match item {
                Item::Mod(child) => declared.push(child),
                Item::Use(item) => {
                    module.uses.extend(leaves(&item.tree).into_iter().map(|leaf| (leaf.name, leaf.path)));
                }
                _ => module.items.extend(name(item).map(ToString::to_string)),
            }
        }
        self.modules.push(module);
        for child in declared {
            let within = directory.join(child.ident.to_string());
            let added = match &child.content {
                Some((_, items)) => self.add(items, file, &within, Some(number))?,
                None => self.read_file(&self.place(child, file, directory), &within, Some(number))?,
            };
            if let Some(module) = self.modules.get_mut(number) {
                module.children.insert(child.ident.to_string(), added);
            }
        }
        Ok(number)
    }

    /// The file of a module that is declared there.
    fn place(&self, child: &ItemMod, file: usize, directory: &Path) -> PathBuf {
        let told = child.attrs.iter().filter(|attribute| attribute.path().is_ident("path")).find_map(|attribute| {
            let Meta::NameValue(pair) = &attribute.meta else { return None };
            let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) = &pair.value else { return None };
            Some(self.path(file).parent()?.join(path.value()))
        });
        let beside = directory.join(format!("{}.rs", child.ident));
        told.unwrap_or_else(|| {
            if beside.exists() { beside } else { directory.join(child.ident.to_string()).join("mod.rs") }
        })
    }
}

/// One name that a `use` brings in.
pub(crate) struct Leaf {
    /// What it is called from now on.
    pub(crate) name: String,
    pub(crate) path: Names,
    pub(crate) line: usize,
}

/// The names that a `use` brings in; `*` is the name of everything.
pub(crate) fn leaves(tree: &UseTree) -> Vec<Leaf> {
    let leaf = |name: &Ident, end: &Ident| {
        vec![Leaf { name: name.to_string(), path: vec![end.to_string()], line: end.span().start().line }]
    };
    match tree {
        UseTree::Path(path) => {
            let mut below = leaves(&path.tree);
            for leaf in &mut below {
                if leaf.path == ["self"] {
                    leaf.path.clear();
                    leaf.name = path.ident.to_string();
                }
                leaf.path.insert(0, path.ident.to_string());
            }
            below
        }
        UseTree::Name(name) => leaf(&name.ident, &name.ident),
        UseTree::Rename(name) => leaf(&name.rename, &name.ident),
        UseTree::Glob(glob) => {
            let line = glob.star_token.spans.first().map_or(0, |span| span.start().line);
            vec![Leaf { name: "*".to_owned(), path: vec!["*".to_owned()], line }]
        }
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

/// Whether the compiler takes this for tests alone (or for fuzzers, who see what tests see).
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return false };
        let condition = list.tokens.to_string();
        let mut words = condition.split(|letter: char| !letter.is_alphanumeric());
        words.clone().any(|word| word == "test") && !words.any(|word| word == "not")
    })
}

/// What is written above an item.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        _ => None,
    }
}
