//! `rust-version` promises what the library's dependencies do: as they say, not compiled.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

#[test]
fn the_rust_version_is_the_highest_that_the_dependencies_declare() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
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
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |of: &Value| of.as_array().unwrap().clone();
    let packages = list(&metadata["packages"]);
    let own = packages
        .iter()
        .find(|package| package["name"] == "webhooks-core")
        .unwrap();
    // What tests alone need is nobody else's matter.
    let nodes = list(&metadata["resolve"]["nodes"]);
    let (mut reached, mut next) = (BTreeSet::new(), vec![own["id"].clone()]);
    while let Some(id) = next.pop() {
        if !reached.insert(id.as_str().unwrap().to_owned()) {
            continue;
        }
        let node = nodes.iter().find(|node| node["id"] == id).unwrap();
        for dependency in list(&node["deps"]) {
            let kinds = list(&dependency["dep_kinds"]);
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                next.push(dependency["pkg"].clone());
            }
        }
    }
    assert!(reached.len() > 50, "they were read: {}", reached.len());
    let declared = packages
        .iter()
        .filter(|package| reached.contains(package["id"].as_str().unwrap()) && *package != own)
        .filter_map(|package| Some((version(package)?, package["name"].clone())));
    let (highest, by) = declared.max_by_key(|(version, _)| *version).unwrap();
    let (major, minor) = highest;
    assert_eq!(
        version(own),
        Some(highest),
        "{by} needs Rust {major}.{minor}: write that into crates/webhooks-core/Cargo.toml"
    );
}

fn version(package: &Value) -> Option<(u32, u32)> {
    let mut parts = package["rust_version"].as_str()?.split('.');
    let mut part = || parts.next().map_or(0, |part| part.parse().unwrap());
    Some((part(), part()))
}
