//! The public API as text: `public-api.txt` changes only where a reviewer sees it.
//!
//! Read from the source, so that it needs no other compiler than the tests: public items by the
//! path that users write, without bodies, docs and private fields, sorted, so that a move between
//! files changes nothing. What macros expand to is not in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::{
    Attribute, Block, Field, Fields, ImplItem, Item, ItemImpl, ItemMod, ItemUse, Token, Type,
    UseTree, Visibility, braced, parse::ParseStream, parse_quote, punctuated::Punctuated,
    token::Comma,
};

use crate::directions::{Module, read_modules};

type Modules = BTreeMap<Module, Vec<Item>>;

/// Attributes that users notice.
const NOTICED: [&str; 6] = [
    "cfg",
    "derive",
    "deprecated",
    "must_use",
    "non_exhaustive",
    "repr",
];

#[test]
fn the_public_api_is_as_it_was_reviewed() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = crate_dir.join("public-api.txt");
    let now = listing(&crate_dir.join("src"));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, now).unwrap();
        return;
    }
    let reviewed = fs::read_to_string(&file).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, after) = (lines(&reviewed), lines(&now));
    assert!(
        reviewed == now,
        "the public API is not what public-api.txt says.\ngone: {:#?}\nnew: {:#?}\n\
         If it is meant, run UPDATE=1 cargo test -p webhooks-core --all-features --test it public_api, \
         and look at the file's change before you commit it",
        before.difference(&after).collect::<Vec<_>>(),
        after.difference(&before).collect::<Vec<_>>(),
    );
}

#[test]
fn what_users_can_write_is_listed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "lib.rs",
        "mod a; pub mod b; pub use a::{Given as Shown, f};
         cfg_if::cfg_if! { if #[cfg(unix)] { pub use b::Kind; } }",
    );
    write(
        "a.rs",
        "pub struct Given { pub seen: u8, hidden: u8 }
         pub struct Unseen;
         pub(crate) trait Own {}
         impl Own for Given {}
         impl Clone for Given { fn clone(&self) -> Self { todo!() } }
         impl Given { pub fn read(&self) -> u8 { 1 } fn secret(&self) {} }
         #[doc = \"a promise\"] pub const fn f() {}",
    );
    write(
        "b.rs",
        "pub enum Kind { One(u8) } const N: u8 = 1; pub use crate::a::Given;",
    );
    let expected = "\
#[cfg(unix)]
pub enum Kind {
    One(u8),
}
pub const fn f() {}
pub mod b {
    pub enum Kind {
        One(u8),
    }
    pub struct Given {
        pub seen: u8,
        _private: _,
    }
    impl Clone for Given {}
    impl Given {
        pub fn read(&self) -> u8 {}
    }
}
pub struct Given {
    pub seen: u8,
    _private: _,
}
impl Clone for Given {}
impl Given {
    pub fn read(&self) -> u8 {}
}
pub use a::Given as Shown;
";
    assert_eq!(listing(folder.path()), expected);
}

fn listing(source: &Path) -> String {
    let mut texts = BTreeMap::new();
    read_modules(source, &Module::new(), &mut texts);
    let mut modules = Modules::new();
    texts.retain(|module, _| module.last().is_none_or(|name| name != "tests"));
    for (module, text) in texts {
        let items = syn::parse_file(&text).unwrap().items;
        let items = items.into_iter().flat_map(unfold).collect();
        add_inline(&module, items, &mut modules);
    }
    let items = exposed(&Module::new(), &modules);
    text(&items)
}

fn text(items: &[Item]) -> String {
    prettyplease::unparse(&parse_quote!(#(#items)*))
}

/// What stands within `cfg_if!`, each item with a condition: its own, which is narrower, or that of all.
fn unfold(mut item: Item) -> Vec<Item> {
    let Item::Macro(given) = &mut item else {
        return vec![item];
    };
    let macro_name = given.mac.path.segments.last();
    if macro_name.is_none_or(|name| name.ident != "cfg_if") {
        return vec![item];
    }
    let read = |input: ParseStream<'_>| {
        input.parse::<Token![if]>()?;
        let condition = input.call(Attribute::parse_outer)?;
        let within;
        braced!(within in input);
        let mut items = Vec::new();
        while !within.is_empty() {
            let mut item = within.parse()?;
            if let Some(attrs) = attributes(&mut item)
                && !attrs.iter().any(|attr| attr.path().is_ident("cfg"))
            {
                attrs.splice(0..0, condition.iter().cloned());
            }
            items.push(item);
        }
        Ok(items)
    };
    given.mac.parse_body_with(read).unwrap()
}

/// Modules that are written within another are modules as all are.
fn add_inline(module: &Module, items: Vec<Item>, modules: &mut Modules) {
    let mut own = Vec::new();
    for item in items {
        match item {
            Item::Mod(mut inline) if inline.content.is_some() => {
                let (_, items) = inline.content.take().unwrap();
                add_inline(&child(module, &inline.ident.to_string()), items, modules);
                own.push(Item::Mod(inline));
            }
            item => own.push(item),
        }
    }
    modules.insert(module.clone(), own);
}

fn child(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// What users reach through `module`, sorted.
fn exposed(module: &Module, modules: &Modules) -> Vec<Item> {
    let mut found = Vec::new();
    for item in &modules[module] {
        match item {
            Item::Mod(below) if is_public(&below.vis) => {
                let items = exposed(&child(module, &below.ident.to_string()), modules);
                let attrs = noticed(&below.attrs);
                let content = Some((Default::default(), items));
                found.push(vec![Item::Mod(ItemMod {
                    attrs,
                    content,
                    semi: None,
                    ..below.clone()
                })]);
            }
            Item::Use(shown) if is_public(&shown.vis) => {
                found.extend(reexported(module, shown, modules));
            }
            item if name(item).is_some_and(|(vis, _)| is_public(vis)) => {
                found.push(with_impls(item, module, modules));
            }
            _ => {}
        }
    }
    found.sort_by_cached_key(|items| text(items));
    found.into_iter().flatten().collect()
}

/// The items that a `pub use` shows; what is another crate's stays a `pub use`.
fn reexported(module: &Module, shown: &ItemUse, modules: &Modules) -> Vec<Vec<Item>> {
    let mut leaves = Vec::new();
    flatten(&shown.tree, Vec::new(), &mut leaves);
    let found = leaves.into_iter().map(|(path, renamed)| {
        let Some((from, item)) = resolve(module, &path, modules) else {
            let path = path.join("::");
            let line = format!("pub use {path};");
            let mut line: ItemUse = syn::parse_str(&line).unwrap();
            line.attrs = noticed(&shown.attrs);
            return vec![Item::Use(line)];
        };
        let mut items = with_impls(item, &from, modules);
        if let Some(attrs) = attributes(&mut items[0]) {
            attrs.splice(0..0, noticed(&shown.attrs));
        }
        if let Some(renamed) = renamed {
            let line = format!("pub use {} as {renamed};", path.join("::"));
            items.push(Item::Use(syn::parse_str(&line).unwrap()));
        }
        items
    });
    found.collect()
}

type Leaf = (Vec<String>, Option<String>);

fn flatten(tree: &UseTree, mut before: Vec<String>, leaves: &mut Vec<Leaf>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, leaves);
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, before.clone(), leaves);
            }
        }
        UseTree::Name(name) => {
            before.push(name.ident.to_string());
            leaves.push((before, None));
        }
        UseTree::Rename(name) => {
            before.push(name.ident.to_string());
            leaves.push((before, Some(name.rename.to_string())));
        }
        tree => panic!("{tree:?} is not read here: name what is shown"),
    }
}

/// The item that `path` names, seen from `here`, and the module that defines it.
fn resolve<'a>(here: &Module, path: &[String], modules: &'a Modules) -> Option<(Module, &'a Item)> {
    let (last, parents) = path.split_last()?;
    let mut from = here.clone();
    for part in parents {
        match part.as_str() {
            "crate" => from.clear(),
            "super" => drop(from.pop()),
            "self" => {}
            part => from.push(part.to_owned()),
        }
    }
    let items = modules.get(&from)?;
    let defined = |item: &&Item| name(item).is_some_and(|(_, name)| name == *last);
    if let Some(item) = items.iter().find(defined) {
        return Some((from, item));
    }
    // The module shows what another one defines.
    items.iter().find_map(|item| {
        let Item::Use(shown) = item else { return None };
        let mut leaves = Vec::new();
        flatten(&shown.tree, Vec::new(), &mut leaves);
        let (next, _) = leaves
            .into_iter()
            .find(|(path, renamed)| renamed.as_ref().or(path.last()) == Some(last))?;
        // One that leads to itself names another crate.
        (from != *here || next != path).then(|| resolve(&from, &next, modules))?
    })
}

/// An item as users see it, and what is implemented for it.
fn with_impls(item: &Item, module: &Module, modules: &Modules) -> Vec<Item> {
    let mut item = item.clone();
    strip(&mut item);
    let mut found = vec![item.clone()];
    let of_type = matches!(item, Item::Struct(_) | Item::Enum(_) | Item::Union(_));
    let Some((_, of)) = name(&item).filter(|_| of_type) else {
        return found;
    };
    let mut impls = Vec::new();
    for (place, items) in modules {
        if place != module
            && items
                .iter()
                .any(|item| name(item).is_some_and(|(_, it)| it == of))
        {
            continue; // A type of the same name, which is another.
        }
        for item in items {
            if let Item::Impl(given) = item
                && type_name(&given.self_ty).as_deref() == Some(&of)
                && let Some(given) = seen(given, modules)
            {
                impls.push(Item::Impl(given));
            }
        }
    }
    impls.sort_by_cached_key(|item| text(std::slice::from_ref(item)));
    found.extend(impls);
    found
}

/// What users see of an `impl`: none of a trait of our own that is not theirs.
fn seen(given: &ItemImpl, modules: &Modules) -> Option<ItemImpl> {
    let mut given = given.clone();
    if is_for_tests(&given.attrs) {
        return None;
    }
    given.attrs = noticed(&given.attrs);
    if let Some((path, _)) = &given.trait_ {
        let name = &path.segments.last()?.ident;
        let own = |item: &Item| match item {
            Item::Trait(own) => own.ident == *name && !is_public(&own.vis),
            _ => false,
        };
        if modules.values().flatten().any(own) {
            return None;
        }
        given.items.retain(|item| matches!(item, ImplItem::Type(_)));
        return Some(given);
    }
    given.items.retain_mut(|item| match item {
        ImplItem::Fn(function) => {
            function.block = empty();
            function.attrs = noticed(&function.attrs);
            is_public(&function.vis)
        }
        ImplItem::Const(constant) => {
            constant.attrs = noticed(&constant.attrs);
            is_public(&constant.vis)
        }
        _ => false,
    });
    given.items.sort_by_cached_key(|item| match item {
        ImplItem::Fn(function) => function.sig.ident.to_string(),
        _ => String::new(),
    });
    (!given.items.is_empty()).then_some(given)
}

/// Takes away bodies, docs and private fields.
fn strip(item: &mut Item) {
    if let Some(attrs) = attributes(item) {
        *attrs = noticed(attrs);
    }
    match item {
        Item::Fn(function) => *function.block = empty(),
        Item::Struct(given) => hide(&mut given.fields, true),
        Item::Enum(given) => {
            for variant in &mut given.variants {
                variant.attrs = noticed(&variant.attrs);
                hide(&mut variant.fields, false);
            }
        }
        Item::Trait(given) => {
            for item in &mut given.items {
                match item {
                    syn::TraitItem::Fn(function) => {
                        function.attrs = noticed(&function.attrs);
                        if let Some(body) = &mut function.default {
                            *body = empty();
                        }
                    }
                    syn::TraitItem::Type(given) => given.attrs = noticed(&given.attrs),
                    syn::TraitItem::Const(given) => given.attrs = noticed(&given.attrs),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Private fields become one `_private`, or a `_` where they have a place.
fn hide(fields: &mut Fields, can_be_private: bool) {
    let is_hidden = |field: &Field| can_be_private && !is_public(&field.vis);
    match fields {
        Fields::Named(named) => {
            let count = named.named.len();
            let kept = named.named.iter().filter(|field| !is_hidden(field));
            let mut kept: Punctuated<Field, Comma> = kept.cloned().collect();
            for field in &mut kept {
                field.attrs = noticed(&field.attrs);
            }
            if kept.len() < count {
                let private: syn::FieldsNamed = parse_quote!({ _private: _ });
                kept.extend(private.named);
            }
            named.named = kept;
        }
        Fields::Unnamed(unnamed) => {
            for field in &mut unnamed.unnamed {
                field.attrs = noticed(&field.attrs);
                if is_hidden(field) {
                    field.ty = parse_quote!(_);
                }
            }
        }
        _ => {}
    }
}

fn empty() -> Block {
    parse_quote!({})
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn noticed(attributes: &[Attribute]) -> Vec<Attribute> {
    let is_noticed = |attribute: &&Attribute| {
        let path = attribute.path();
        NOTICED.iter().any(|noticed| path.is_ident(noticed))
    };
    attributes.iter().filter(is_noticed).cloned().collect()
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| *attribute == parse_quote!(#[cfg(test)]))
}

fn attributes(item: &mut Item) -> Option<&mut Vec<Attribute>> {
    match item {
        Item::Const(it) => Some(&mut it.attrs),
        Item::Enum(it) => Some(&mut it.attrs),
        Item::Fn(it) => Some(&mut it.attrs),
        Item::Mod(it) => Some(&mut it.attrs),
        Item::Static(it) => Some(&mut it.attrs),
        Item::Struct(it) => Some(&mut it.attrs),
        Item::Trait(it) => Some(&mut it.attrs),
        Item::Type(it) => Some(&mut it.attrs),
        Item::Use(it) => Some(&mut it.attrs),
        _ => None,
    }
}

/// The visibility and name of an item that users could name.
fn name(item: &Item) -> Option<(&Visibility, String)> {
    let (vis, ident) = match item {
        Item::Const(it) => (&it.vis, &it.ident),
        Item::Enum(it) => (&it.vis, &it.ident),
        Item::Fn(it) => (&it.vis, &it.sig.ident),
        Item::Static(it) => (&it.vis, &it.ident),
        Item::Struct(it) => (&it.vis, &it.ident),
        Item::Trait(it) => (&it.vis, &it.ident),
        Item::Type(it) => (&it.vis, &it.ident),
        _ => return None,
    };
    Some((vis, ident.to_string()))
}

fn type_name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        Type::Reference(to) => type_name(&to.elem),
        _ => None,
    }
}
