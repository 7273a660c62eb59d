//! What is wrong with a talk is said with its file and line, all at once.

use std::process::Command;

use deck::{Frames, Reveal};

use crate::package::Folder;

#[test]
fn each_fault_is_named_with_its_line() {
    let folder = Folder::new();
    folder.write(
        "code.rs",
        "// ANCHOR: open\nlet a;\n// ANCHOR: whole\nlet b;\n// ANCHOR_END: whole\n",
    );
    folder.write(
        "figures.md",
        "# Speed\n\n| to | rate |\n| - | - |\n| one | 7 |\n",
    );
    folder.write("picture.psd", "8BPS");
    folder.write("bytes.txt", [0xff, 0xfe]);
    for (talk, due) in [
        (
            "---\ntitle: x\n# a comment\n",
            "talk.md:1: the front matter that starts here has no closing line \"---\"",
        ),
        (
            "---\ntitle: x\nspeaker: y\n---\n",
            "talk.md:3: \"speaker: y\" is not a setting: write name: value, with title, author, theme, start or frame.<name>",
        ),
        (
            "---\nframe.a: ftp://host/\n---\n",
            "talk.md:2: the frame address \"ftp://host/\" is invalid: use http://host:port/path",
        ),
        (
            "# a\n\n````rust\n```\n---\n# b\n",
            "talk.md:3: the code block that starts here has no closing line \"````\"",
        ),
        (
            "# a\n\n![a bear](bear.png)\n",
            "talk.md:3: bear.png can't be read: No such file or directory (os error 2)",
        ),
        (
            "text\n![a](https://pictures.example/a.png)",
            "talk.md:2: the picture https://pictures.example/a.png is not a file beside the talk; a deck opens without a network, so keep a copy there",
        ),
        (
            "![a](picture.psd)",
            "talk.md:1: picture.psd is not a picture that browsers show; use .png, .jpg, .gif, .svg, .webp or .avif",
        ),
        (
            "a\n\n<img src=\"a.png\">\n",
            "talk.md:3: raw HTML can't load files (src=…): it would not open without a network; write ![text](file)",
        ),
        (
            "# a\n---\n# b\n```rust\n{{#include code.rs:nowhere}}\n```\n",
            "talk.md:4: code.rs has no lines between \"ANCHOR: nowhere\" and \"ANCHOR_END: nowhere\"",
        ),
        (
            "```rust\n{{#include code.rs:open}}\n```\n",
            "talk.md:1: code.rs has no lines between \"ANCHOR: open\" and \"ANCHOR_END: open\"",
        ),
        (
            "```rust\n{{#include code.rs}}\n```\n",
            "talk.md:1: \"{{#include code.rs}}\" is not complete; write {{#include path/to/file:marker}}",
        ),
        (
            "```rust\n{{#include bytes.txt:a}}\n```\n",
            "talk.md:1: bytes.txt can't be read: it is not UTF-8 text",
        ),
        (
            "a\n\n{{#cell figures.md | Speed | one | latency}}",
            "talk.md:3: figures.md has no table below \"Speed\" with a row \"one\" and a column \"latency\"",
        ),
        (
            "{{#cell figures.md | Speed}}",
            "talk.md:1: \"{{#cell figures.md | Speed}}\" is not complete; write {{#cell path/to/file.md | heading | first cell of the row | title of the column}}",
        ),
        (
            "---\nframe.button: http://localhost:9090\n---\n\n# a\n\n```frame\nbuton The button\n```\n",
            "talk.md:7: no frame is called \"buton\"; the front matter names button",
        ),
        (
            "Note:\n```frame\nbutton\n```\n",
            "talk.md:2: no frame is called \"button\"; the front matter names none",
        ),
        (
            "---\ntheme: mon\n---\n",
            "reveal.js has no theme \"mon\"; use auto, moon, white",
        ),
    ] {
        assert_eq!(folder.error(talk), due, "{talk}");
    }
}

#[test]
fn all_slides_that_are_wrong_are_named_at_once() {
    let folder = Folder::new();
    let talk =
        "![](a.png)\n---\nfine\n--\n![](b.png)\n\nNote:\nfine\n---\nfine\n\nNote:\n\n![](c.png)\n";
    let due = ["1: a.png", "5: b.png", "14: c.png"].map(|start| {
        format!("talk.md:{start} can't be read: No such file or directory (os error 2)")
    });
    assert_eq!(folder.error(talk), due.join("\n"));
}

#[test]
fn a_talk_that_is_missing_or_no_text_is_named() {
    let folder = Folder::new();
    let missing = folder.folder.path().join("nowhere.md");
    let error = deck::Deck::read(&missing, &Frames::default(), &folder.reveal).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} can't be read: No such file or directory (os error 2)",
            missing.display()
        )
    );
    let file = folder.write("bytes.md", [b'#', 0xff]);
    let error = deck::Deck::read(&file, &Frames::default(), &folder.reveal).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} can't be read: it is not UTF-8 text", file.display())
    );
}

#[test]
fn a_package_that_is_not_installed_says_how_to_install_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = Reveal::installed(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("run scripts/talk, which installs it, or npm ci in crates/deck"),
        "{error}"
    );
}

#[test]
fn a_frame_flag_that_is_not_a_pair_is_named() {
    for (flag, due) in [
        (
            "button",
            "\"button\" is not a frame: write name=http://host:port/",
        ),
        (
            "button=9090",
            "the frame address \"9090\" is invalid: use http://host:port/path",
        ),
    ] {
        assert_eq!(Frames::parse(&[flag.to_owned()]).unwrap_err(), due);
    }
}

#[test]
fn the_program_names_what_is_wrong_and_ends_with_2() {
    let folder = Folder::new();
    let talk = folder.write("talk.md", "# a\n\n![](bear.png)\n");
    let reveal = folder.folder.path().join("reveal");
    let run = |reveal: &std::path::Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deck"));
        command
            .arg("build")
            .arg(&talk)
            .arg("-o")
            .arg(folder.folder.path().join("out"));
        command
            .env("REVEAL_DIR", reveal)
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap()
    };
    let output = run(&reveal);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    let due = format!(
        "{}:3: bear.png can't be read: No such file or directory (os error 2)\n",
        talk.display()
    );
    assert_eq!(said, due);
    assert!(!folder.folder.path().join("out").exists());

    let output = run(folder.folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("reveal.js is not installed in")
    );
    folder.write("bear.png", "");
    let output = run(&reveal);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("slides 1,") && said.contains("reveal.js 9.8.7 (MIT licence)"),
        "{said}"
    );
}
