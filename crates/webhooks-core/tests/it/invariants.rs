//! Every invariant of ARCHITECTURE.md names the tests that hold it, and those are tests.

use std::{collections::BTreeSet, fs, path::Path};

const MARK: &str = "**Architecture Invariant:**";

/// The names of all tests in Rust files below `folder`: functions below an attribute that ends in
/// `test`, and what is named to `for_each_store!` and its like.
fn read_tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            read_tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            add_tests(&fs::read_to_string(&path).unwrap(), found);
        }
    }
}

fn add_tests(code: &str, found: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in code.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else if let Some((_, function)) = line.split_once("fn ") {
            if is_test {
                found.extend(function.split(['(', '<']).next().map(str::to_owned));
            }
            is_test = false;
        }
    }
    for listed in code.split("store!(").skip(1) {
        let names = listed.split(')').next().unwrap_or_default().split(',');
        found.extend(names.map(|name| name.trim().to_owned()));
    }
}

/// The tests that an invariant names: what stands in backticks after "Tested by".
fn named(invariant: &str) -> Vec<&str> {
    let (_, tests) = invariant.split_once("Tested by").unwrap_or_default();
    tests.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let mut tests = BTreeSet::new();
    read_tests(&root.join("crates"), &mut tests);
    let invariants: Vec<&str> = text
        .split("\n\n")
        .filter(|text| text.starts_with(MARK))
        .collect();
    assert_eq!(invariants.len(), text.matches(MARK).count());
    assert!(!invariants.is_empty());
    for invariant in invariants {
        let named = named(invariant);
        assert!(!named.is_empty(), "no test is named by: {invariant}");
        for name in named {
            assert!(tests.contains(name), "{name} is not a test of: {invariant}");
        }
    }
}

#[test]
fn a_name_that_is_no_test_is_noticed() {
    let mut tests = BTreeSet::new();
    let code = "#[tokio::test]\nasync fn a() {\n    fn inner() {}\n}\nfn b() {}\n\
                for_each_store!(\n    c,\n    d\n);\n#[test]\n#[ignore]\nfn e() {}";
    add_tests(code, &mut tests);
    assert_eq!(tests.into_iter().collect::<Vec<_>>(), ["a", "c", "d", "e"]);
    assert_eq!(named("It holds. Tested by `a`,\n`c`."), ["a", "c"]);
    assert_eq!(named("It holds, says `a`."), Vec::<&str>::new());
}
