//! Modules point one way: read as text, no two of a crate import each other in a circle, and of the
//! parts of this one each imports only what lies below it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

pub(crate) type Module = Vec<String>;
/// What each module imports.
type Arrows = BTreeMap<Module, BTreeSet<Module>>;

/// Every file below `folder`, by its module.
pub(crate) fn read_modules(folder: &Path, here: &Module, found: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let below: Module = here.iter().cloned().chain([stem.clone()]).collect();
        if path.is_dir() {
            read_modules(&path, &below, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_parent = ["mod", "lib", "main"].contains(&stem.as_str());
            let module = if is_parent { here.clone() } else { below };
            found.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}

/// Without comments and tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\n").next().unwrap_or_default();
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths of a `use`: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str, found: &mut Vec<String>) {
    let Some((prefix, rest)) = tree.split_once('{') else {
        found.push(
            tree.split(" as ")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        );
        return;
    };
    let (mut depth, mut from) = (0, 0);
    let body = &rest[..rest.rfind('}').unwrap_or(rest.len())];
    for (at, sign) in body.char_indices().chain([(body.len(), ',')]) {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !body[from..at].trim().is_empty() {
                    expand(
                        &format!("{}{}", prefix.trim(), body[from..at].trim()),
                        found,
                    );
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// Paths that begin in this crate, in uses and in the middle of code. What a module shows of those
/// below it (`pub use`) is no import.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        let at = statement.find("use ").filter(|at| {
            let before = statement[..*at].trim_end();
            before.is_empty() || before.ends_with([')', ']', '}', ';']) || before.ends_with("pub")
        });
        match at {
            Some(at) if statement.ends_with(';') => {
                let before = statement[..at].trim_end();
                if !before.ends_with("pub") && !before.ends_with("pub(crate)") {
                    expand(&statement[at + 4..statement.len() - 1], &mut found);
                }
                rest.push_str(&statement[..at]);
            }
            _ => rest.push_str(statement),
        }
    }
    let is_path = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == ':';
    let inline = rest
        .split(|sign| !is_path(sign))
        .filter(|path| path.contains("::"));
    found.extend(inline.map(str::to_owned));
    found
}

/// The module that a path leads to, seen from `here`.
fn target(path: &str, here: &Module, modules: &BTreeMap<Module, String>) -> Option<Module> {
    let mut names = path
        .split("::")
        .map(|name| name.trim().to_owned())
        .peekable();
    let mut full = match names.peek()?.as_str() {
        "crate" => Module::new(),
        "super" => here.clone(),
        "self" => here.clone(),
        name => {
            let child: Module = here.iter().cloned().chain([name.to_owned()]).collect();
            return modules.contains_key(&child).then(|| {
                let full: Module = here.iter().cloned().chain(names).collect();
                owner(full, modules)
            });
        }
    };
    for name in names {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => drop(full.pop()),
            _ => full.push(name),
        }
    }
    Some(owner(full, modules))
}

fn owner(mut path: Module, modules: &BTreeMap<Module, String>) -> Module {
    while !modules.contains_key(&path) {
        path.pop();
    }
    path
}

fn arrows(source: &Path) -> Arrows {
    let mut modules = BTreeMap::new();
    read_modules(source, &Module::new(), &mut modules);
    for text in modules.values_mut() {
        *text = code(text);
    }
    let of = |(module, code): (&Module, &String)| {
        let targets = paths(code).into_iter();
        let targets = targets.filter_map(|path| target(&path, module, &modules));
        // The root only says which modules there are, and what users see.
        let targets = targets.filter(|target| target != module && !target.is_empty());
        (module.clone(), targets.collect())
    };
    modules
        .iter()
        .filter(|(module, _)| !module.is_empty())
        .map(of)
        .collect()
}

/// What remains when modules that import nothing that remains are taken away, again and again, and
/// those that nobody imports.
fn circles(mut arrows: Arrows) -> Arrows {
    loop {
        let imported: BTreeSet<Module> = arrows.values().flatten().cloned().collect();
        let before = arrows.len();
        arrows.retain(|module, targets| !targets.is_empty() && imported.contains(module));
        let left: BTreeSet<Module> = arrows.keys().cloned().collect();
        for targets in arrows.values_mut() {
            targets.retain(|target| left.contains(target));
        }
        if arrows.len() == before {
            return arrows;
        }
    }
}

fn source(of: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    for of in [
        "src",
        "../bench/src",
        "../crash-test/src",
        "../deck/src",
        "../dev-phone/src",
        "../end-to-end/src",
        "../random-number-button/src",
        "../random-number-texter/src",
        "../polis/src",
        "../relay/src",
        "../scratch-postgres/src",
        "../serve/src",
    ] {
        let arrows = arrows(&source(of));
        let count: usize = arrows.values().map(BTreeSet::len).sum();
        assert!(count > 2, "{of} was read: {count}");
        let circles = circles(arrows);
        assert!(circles.is_empty(), "in {of}: {circles:#?}");
    }
}

#[test]
fn a_circle_is_found() {
    let module = |name: &str| vec![name.to_owned()];
    let of = |from: &str, to: &[&str]| (module(from), to.iter().map(|to| module(to)).collect());
    let arrows = [
        of("a", &["b"]),
        of("b", &["c"]),
        of("c", &["b"]),
        of("d", &[]),
    ];
    let found = circles(arrows.into_iter().collect());
    assert_eq!(
        found.into_keys().collect::<Vec<_>>(),
        [module("b"), module("c")]
    );
    let mut paths = Vec::new();
    expand("crate::{a, b::{self, c as d}, e}", &mut paths);
    assert_eq!(
        paths,
        ["crate::a", "crate::b::self", "crate::b::c", "crate::e"]
    );
}

/// The parts of the engine from the lowest to the highest. Each knows those below it.
const PARTS: [&str; 6] = ["model", "places", "outbox", "store", "sender", "engine"];
/// What users call: nothing below knows it.
const FACE: [&str; 5] = ["builder", "copy", "endpoints", "transaction", "webhooks"];

#[test]
fn each_part_knows_only_those_below_it() {
    for (module, targets) in arrows(&source("src")) {
        let Some(part) = PARTS.iter().position(|part| *part == module[0]) else {
            continue;
        };
        for target in targets {
            let above = PARTS[part + 1..].iter().chain(&FACE);
            let mut above = above.filter(|above| **above == target[0]);
            assert_eq!(above.next(), None, "{module:?} imports {target:?}");
            let sender_knows = ["outbox", "places", "store"];
            assert!(
                module[0] != "sender" || !sender_knows.contains(&target[0].as_str()),
                "{module:?} imports {target:?}"
            );
        }
    }
}
