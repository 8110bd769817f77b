//! Which file names something of which other.

use std::collections::BTreeMap;

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ExprCall, ImplItem, Item, ItemUse, Macro, Meta, Path, Visibility};

use crate::tree::{Names, Tree, attributes, is_for_tests, leaves};

/// Where a file names something of another, the first time.
pub(crate) struct Import {
    pub(crate) line: usize,
    pub(crate) path: String,
}

/// The imports of a crate: from which file, of which.
pub(crate) struct Imports {
    pub(crate) edges: BTreeMap<(usize, usize), Import>,
}

impl Imports {
    /// Reads the files of a crate for them.
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut imports = Self { edges: BTreeMap::new() };
        for (file, module, content) in tree.contents() {
            Reader { tree, file, module, imports: &mut imports }.visit_file(content);
        }
        imports
    }
}

struct Reader<'tree> {
    tree: &'tree Tree,
    file: usize,
    module: usize,
    imports: &'tree mut Imports,
}

impl Reader<'_> {
    fn name(&mut self, names: &Names, line: usize) {
        if let Some(to) = self.tree.definer(self.module, names).filter(|to| *to != self.file) {
            let path = names.join("::");
            self.imports.edges.entry((self.file, to)).or_insert(Import { line, path });
        }
    }

    /// Something named by a path, or by one name alone: that may be a variable, unless it is a type or is called.
    fn path(&mut self, names: &Names, called: bool, line: usize) {
        let type_like = names.first().is_some_and(|name| name.starts_with(char::is_uppercase));
        if names.len() > 1 || type_like || called {
            self.name(names, line);
        }
    }

    /// Whatever looks like a path in what only a macro understands.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut names = Names::new();
        let mut line = 0;
        // How many of the two colons before the next name have been read; a name after a dot is a field or method.
        let mut colons = 0;
        let mut after_dot = false;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons < 2 {
                        self.path(&std::mem::take(&mut names), false, line);
                    }
                    if !after_dot {
                        line = ident.span().start().line;
                        names.push(ident.to_string());
                    }
                    (colons, after_dot) = (0, false);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    let called = matches!(other, TokenTree::Group(_));
                    self.path(&std::mem::take(&mut names), called, line);
                    (colons, after_dot) = (0, matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '.'));
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path(&names, false, line);
    }

    /// Texts of an attribute may be paths, as `serde(with = "…")` has them.
    fn texts(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.texts(group.stream()),
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) else { continue };
                    if let Ok(path) = text.parse::<Path>() {
                        self.path(&names(&path), false, line);
                    }
                }
                _ => {}
            }
        }
    }
}

fn names(path: &Path) -> Names {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

fn line(path: &Path) -> usize {
    path.segments.first().map_or(0, |segment| Ident::span(&segment.ident).start().line)
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        let Item::Mod(module) = item else { return visit::visit_item(self, item) };
        let outer = self.module;
        if let Some((_, items)) = &module.content {
            self.module = self.tree.child(outer, &module.ident).unwrap_or(outer);
            for item in items {
                self.visit_item(item);
            }
            self.module = outer;
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = if let ImplItem::Fn(function) = item { function.attrs.as_slice() } else { &[] };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if matches!(item.vis, Visibility::Inherited) {
            for leaf in leaves(&item.tree) {
                self.name(&leaf.path, leaf.line);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        self.path(&names(path), false, line(path));
        visit::visit_path(self, path);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let syn::Expr::Path(function) = &*call.func {
            self.path(&names(&function.path), true, line(&function.path));
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, invoked: &'ast Macro) {
        self.visit_path(&invoked.path);
        self.tokens(invoked.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            self.texts(list.tokens.clone());
        }
    }
}
