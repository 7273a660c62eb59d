//! `licences.txt`, which the programs print with `--licences`, names all that they contain.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

/// What nobody is given: they measure and test.
const NOT_GIVEN: [&str; 4] = ["bench", "crash-test", "end-to-end", "scratch-postgres"];

/// The MIT licence alone is longer.
const TEXT_BYTES_MIN: usize = 500;

/// What is neither a package nor our own.
const BEGINNING: &str = "\
The programs of this repository are licensed under MIT or Apache 2.0, as you like. Built for Linux they
contain these packages; below each stands its licence, and where one may be chosen, the one chosen here.

Besides: Rust's standard library (MIT or Apache 2.0, https://www.rust-lang.org); SQLite, which its
authors gave into the public domain; AWS-LC, whose licences are those of aws-lc-sys. Pages, styles and
scripts are this repository's own. A deck that `deck build` writes has reveal.js and its licence in it.
";

#[test]
fn the_licences_of_all_that_the_programs_contain_are_printed() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = crate_dir.join("licences.txt");
    let now = licences(&crate_dir.join("../../Cargo.toml"));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, now).unwrap();
        return;
    }
    let heads = |text: &str| {
        let heads = text.lines().filter(|line| line.starts_with("== "));
        heads.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let before = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        before == now,
        "licences.txt is out of date.\ngone: {:#?}\nnew: {:#?}\n\
         Run UPDATE=1 cargo test -p serve --test it licences, and look at the file's change",
        heads(&before).difference(&heads(&now)).collect::<Vec<_>>(),
        heads(&now).difference(&heads(&before)).collect::<Vec<_>>(),
    );
}

fn licences(manifest: &Path) -> String {
    let metadata = metadata(manifest);
    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut without = BTreeSet::new();
    for id in contained(&metadata, &packages) {
        let package = packages[id];
        let expression = package["license"].as_str().unwrap_or("see its text");
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        let named = format!("{name} {version} ({expression})");
        let found = licence_texts(Path::new(text(&package["manifest_path"])), expression);
        if found.is_empty() {
            without.insert(named.clone());
        }
        for licence in found {
            texts.entry(licence).or_default().insert(named.clone());
        }
    }
    let mut blocks: Vec<String> = texts
        .into_iter()
        .map(|(licence, of)| {
            let of: Vec<String> = of.into_iter().collect();
            format!("== {}\n\n{licence}\n", of.join("\n== "))
        })
        .collect();
    blocks.sort();
    let without: Vec<String> = without.into_iter().collect();
    format!(
        "{BEGINNING}\nThese ship no text, and are licensed as their names say:\n\n== {}\n\n{}",
        without.join("\n== "),
        blocks.join("\n"),
    )
}

fn metadata(manifest: &Path) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args([
            "--all-features",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The packages of others that end up in a program: no build scripts, macros or tests.
fn contained<'a>(metadata: &'a Value, packages: &BTreeMap<&str, &Value>) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let own: Vec<&str> = list(&metadata["workspace_members"])
        .iter()
        .map(text)
        .collect();
    let mut next = own.clone();
    next.retain(|id| !NOT_GIVEN.contains(&text(&packages[id]["name"])));
    let mut found = BTreeSet::new();
    while let Some(id) = next.pop() {
        let is_macro = list(&packages[id]["targets"]).iter().any(|target| {
            list(&target["kind"])
                .iter()
                .any(|kind| kind == "proc-macro")
        });
        if is_macro || !found.insert(id) {
            continue;
        }
        for dependency in list(&nodes[id]["deps"]) {
            let is_contained = |kind: &Value| kind["kind"].is_null();
            if list(&dependency["dep_kinds"]).iter().any(is_contained) {
                next.push(text(&dependency["pkg"]));
            }
        }
    }
    found.retain(|id| !own.contains(id));
    assert!(found.len() > 100, "they were read: {}", found.len());
    found
}

/// The texts beside a package's manifest; where one of several may be chosen, MIT is.
fn licence_texts(manifest: &Path, expression: &str) -> Vec<String> {
    let folder = manifest.parent().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().to_uppercase();
        let is_licence = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"]
            .iter()
            .any(|kind| name.starts_with(kind));
        if is_licence && path.is_file() {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).replace('\r', "");
            let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
            found.push((name, lines.join("\n")));
        }
    }
    found.sort();
    let has_choice = expression.contains(" OR ") || expression.contains('/');
    if has_choice && !expression.contains(" AND ") {
        // A shorter file only says that there is a choice.
        let chosen = |(name, text): &(String, String)| (!name.contains("MIT"), text.len());
        found.retain(|(_, text)| text.len() >= TEXT_BYTES_MIN);
        found.sort_by_key(chosen);
        found.truncate(1);
    }
    found.into_iter().map(|(_, text)| text).collect()
}

fn list(of: &Value) -> &[Value] {
    of.as_array().unwrap()
}

fn text(of: &Value) -> &str {
    of.as_str().unwrap()
}
