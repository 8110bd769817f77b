//! What the source says of the structs that are written as JSON: each field with its type, when it is left out, and the
//! sentence above it. So a page that is made from it knows every field, and no field comes without a sentence.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, Fields, GenericArgument, Ident, Item, ItemEnum, Lit, LitStr, Meta, PathArguments, Token, Type,
};

/// Structs and enums by their names.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) structs: BTreeMap<String, Shape>,
    /// The words that a field may have, with a sentence for each.
    pub(crate) words: BTreeMap<String, Vec<(String, String)>>,
    /// The variants of enums of structs: the name in JSON, and that of the struct.
    pub(crate) unions: BTreeMap<String, Vec<(String, String)>>,
}

/// A struct.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) about: String,
    pub(crate) fields: Vec<Field>,
}

/// A field of a struct.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) about: String,
    /// When it is left out.
    pub(crate) absent: Option<&'static str>,
    /// The fields of the struct that it holds stand in its place.
    pub(crate) flat: bool,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Named(String),
    List(Box<Kind>),
    Maybe(Box<Kind>),
}

impl Kind {
    /// What is in it, without lists around it.
    pub(crate) fn innermost(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::List(of) | Self::Maybe(of) => of.innermost(),
        }
    }
}

impl Source {
    /// Whether a struct is a record of its own.
    pub(crate) fn is_record(&self, name: &str) -> bool {
        self.unions.get("Record").is_some_and(|records| records.iter().any(|(_, shape)| shape == name))
    }

    /// Reads files, and all files of directories.
    pub(crate) fn read(paths: &[PathBuf]) -> io::Result<Self> {
        let mut source = Self::default();
        for path in paths {
            if path.is_dir() {
                let mut below: Vec<PathBuf> =
                    std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
                below.sort();
                for path in below.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
                    source.take(path)?;
                }
            } else {
                source.take(path)?;
            }
        }
        Ok(source)
    }

    fn take(&mut self, path: &Path) -> io::Result<()> {
        let text = std::fs::read_to_string(path)?;
        self.items(&text).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
    }

    fn items(&mut self, text: &str) -> syn::Result<()> {
        for item in syn::parse_file(text)?.items {
            match item {
                Item::Struct(item) if is_written(&item.attrs) => {
                    let shape = Shape { about: sentence(&item.attrs), fields: fields(item.fields)? };
                    self.structs.insert(item.ident.to_string(), shape);
                }
                Item::Enum(item) if is_written(&item.attrs) => {
                    self.words.extend(worded(&item));
                    self.structs.extend(tagged(&item)?.map(|shape| (item.ident.to_string(), shape)));
                    let variants = item.variants.into_iter().filter_map(|variant| {
                        let Fields::Unnamed(fields) = variant.fields else { return None };
                        let Kind::Named(of) = kind(&fields.unnamed.first()?.ty)? else { return None };
                        Some((variant.ident.to_string().to_lowercase(), of))
                    });
                    self.unions.insert(item.ident.to_string(), variants.collect());
                }
                Item::Macro(item) if item.mac.path.is_ident("words") => {
                    let Words { name, words } = item.mac.parse_body()?;
                    self.words.insert(name, words);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The names of the structs of a file that are written as JSON.
#[cfg(test)]
pub(crate) fn written(text: &str) -> syn::Result<Vec<String>> {
    let structs = syn::parse_file(text)?.items.into_iter().filter_map(|item| match item {
        Item::Struct(item) if is_written(&item.attrs) => Some(item.ident.to_string()),
        _ => None,
    });
    Ok(structs.collect())
}

/// Whether it is written as JSON.
fn is_written(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        let derived = attribute.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated);
        derived.is_ok_and(|derived| derived.iter().any(|path| path.is_ident("Serialize")))
    })
}

/// The text that a name is given.
fn text(pair: &Meta) -> Option<String> {
    let Meta::NameValue(pair) = pair else { return None };
    let Expr::Lit(value) = &pair.value else { return None };
    let Lit::Str(text) = &value.lit else { return None };
    Some(text.value())
}

/// The comment above something, on one line, without the links of rustdoc.
fn sentence(attributes: &[Attribute]) -> String {
    let comments = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let lines: Vec<String> = comments.filter_map(|one| text(&one.meta)).map(|line| line.trim().to_owned()).collect();
    lines.join(" ").replace("[`", "`").replace("`]", "`").trim().to_owned()
}

/// The words of an enum that is written in kebab case.
fn worded(item: &ItemEnum) -> Option<(String, Vec<(String, String)>)> {
    (stated(&item.attrs, "rename_all").as_deref() == Some("kebab-case")).then(|| {
        let words = item.variants.iter().map(|variant| (kebab(&variant.ident), sentence(&variant.attrs)));
        (word_of(item), words.collect())
    })
}

/// The name of an enum's words, which is not that of the object that they may stand in.
fn word_of(item: &ItemEnum) -> String {
    let suffix = if stated(&item.attrs, "tag").is_some() { " word" } else { "" };
    item.ident.to_string() + suffix
}

/// An enum whose word is in one field, and what belongs to some words in another.
fn tagged(item: &ItemEnum) -> syn::Result<Option<Shape>> {
    let (Some(tag), Some(content)) = (stated(&item.attrs, "tag"), stated(&item.attrs, "content")) else {
        return Ok(None);
    };
    let holding = item.variants.iter().find(|variant| !variant.fields.is_empty());
    let of = holding.and_then(|variant| variant.fields.iter().next()).and_then(|field| kind(&field.ty));
    let of = of.ok_or_else(|| syn::Error::new_spanned(item, "an enum whose content the page has no words for"))?;
    let word = holding.map(|variant| kebab(&variant.ident)).unwrap_or_default();
    let named = Kind::Named(word_of(item));
    let tag = Field { name: tag, kind: named, about: sentence(&item.attrs), absent: None, flat: false };
    let about = format!("Its name, where the field before is `{word}`.");
    let content = Field { name: content, kind: of, about, absent: Some("may be absent"), flat: false };
    Ok(Some(Shape { about: sentence(&item.attrs), fields: vec![tag, content] }))
}

/// What `serde` is told of a name, as text.
fn stated(attributes: &[Attribute], name: &str) -> Option<String> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let pairs = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
        found = pairs.iter().find(|pair| pair.path().is_ident(name)).and_then(text).or(found);
    }
    found
}

/// A field that is not written.
fn is_skipped(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde")).any(|attribute| {
        let said = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
        said.is_ok_and(|said| said.iter().any(|meta| meta.path().is_ident("skip")))
    })
}

/// `NoAddress` as `no-address`.
fn kebab(name: &Ident) -> String {
    let mut text = String::new();
    for letter in name.to_string().chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

fn fields(fields: Fields) -> syn::Result<Vec<Field>> {
    let one = |field: syn::Field| {
        let unlike = |what| syn::Error::new_spanned(&field.ty, what);
        if is_skipped(&field.attrs) {
            return Ok(None);
        }
        let name = field.ident.as_ref().ok_or_else(|| unlike("a field without a name"))?.to_string();
        let held = kind(&field.ty).ok_or_else(|| unlike("a type that the page has no words for"))?;
        let mut one = Field { name, kind: held, about: sentence(&field.attrs), absent: None, flat: false };
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    one.name = meta.value()?.parse::<LitStr>()?.value();
                } else if meta.path.is_ident("flatten") {
                    one.flat = true;
                } else if meta.path.is_ident("skip_serializing_if") {
                    one.absent = Some(match meta.value()?.parse::<LitStr>()?.value().as_str() {
                        "is_zero" => "absent where 0",
                        "Option::is_none" => "may be absent",
                        "Vec::is_empty" => "absent where empty",
                        other => return Err(meta.error(format!("{other}: the page has no words for that"))),
                    });
                } else if !meta.path.is_ident("default") {
                    return Err(meta.error("the page does not know what that means"));
                } else if meta.input.peek(Token![=]) {
                    meta.value()?.parse::<LitStr>()?;
                }
                Ok(())
            })?;
        }
        if one.about.is_empty() && !one.flat {
            return Err(syn::Error::new_spanned(&field, "a field that nothing is said of"));
        }
        Ok(Some(one))
    };
    fields.into_iter().filter_map(|field| one(field).transpose()).collect()
}

fn kind(of: &Type) -> Option<Kind> {
    let path = match of {
        Type::Path(path) => path,
        Type::Reference(reference) => return kind(&reference.elem),
        _ => return None,
    };
    let last = path.path.segments.last()?;
    let inner = || match &last.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
            GenericArgument::Type(of) => kind(of).map(Box::new),
            _ => None,
        },
        _ => None,
    };
    match last.ident.to_string().as_str() {
        "Vec" => inner().map(Kind::List),
        "Option" => inner().map(Kind::Maybe),
        name => Some(Kind::Named(name.to_owned())),
    }
}

/// The body of the macro `words!` of `ftr_core::record`.
struct Words {
    name: String,
    words: Vec<(String, String)>,
}

impl Parse for Words {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Attribute::parse_outer)?;
        input.parse::<Token![pub]>()?;
        input.parse::<Token![enum]>()?;
        let name = input.parse::<Ident>()?.to_string();
        let body;
        syn::braced!(body in input);
        let mut words = Vec::new();
        while !body.is_empty() {
            let about = sentence(&body.call(Attribute::parse_outer)?);
            body.parse::<Ident>()?;
            body.parse::<Token![=]>()?;
            words.push((body.parse::<LitStr>()?.value(), about));
            body.parse::<Option<Token![,]>>()?;
        }
        Ok(Self { name, words })
    }
}
