//! What becomes of the parts of a talk.

use deck::{Deck, Frames};

use crate::package::{Folder, slides};

#[test]
fn separators_make_columns_and_slides_below_each_other() {
    let folder = Folder::new();
    let talk = "---\ntitle: A & B\n---\none\n\n---\n\ntwo\n\n--\n\ntwo below\n\nNote:\nonly *mine*\n\n---\n\nthree\n";
    let deck = folder.read(talk).unwrap();
    assert_eq!(deck.slides(), 4);
    let html = deck.html(&folder.reveal);
    assert!(html.contains("<title>A &#38; B</title>"), "{html}");
    let squeezed = slides(&html).replace('\n', "");
    assert_eq!(
        squeezed,
        "<section ><p>one</p></section><section><section ><p>two</p></section><section ><p>two below</p>\
         <aside class=\"notes\"><p>only <em>mine</em></p></aside></section></section><section ><p>three</p>"
    );
}

#[test]
fn separators_in_code_separate_nothing() {
    let folder = Folder::new();
    let deck = folder.read("~~~yaml\n---\na: 1\n--\nNote:\n~~~\n").unwrap();
    assert_eq!(deck.slides(), 1);
    let html = deck.html(&folder.reveal);
    assert!(
        html.contains("---\na: 1\n--\nNote:</code>"),
        "{}",
        slides(&html)
    );
    // Three marks do not close four, and a line of code spans opens nothing.
    assert_eq!(
        folder
            .read("````\n```\n---\n````\n---\n``` a ``` b\n---\nc")
            .unwrap()
            .slides(),
        3
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_text() {
    let folder = Folder::new();
    let deck = folder
        .read("\u{feff}---\r\ntitle: x\r\n---\r\na\r\n---\r\nb\r\n")
        .unwrap();
    assert_eq!(deck.slides(), 2);
    assert!(deck.html(&folder.reveal).contains("<title>x</title>"));
}

#[test]
fn code_comes_from_between_its_markers_without_its_margin() {
    let folder = Folder::new();
    folder.write(
        "code.rs",
        "fn main() {\n    // ANCHOR: whole\n    if a < b {\n        // ANCHOR: part\n        call();\n        // ANCHOR_END: part\n\n    }\n    // ANCHOR_END: whole\n}\n// ANCHOR: wholesome\n// ANCHOR_END: wholesome\n",
    );
    let html = folder.html("```rust [1|2-3]\n{{#include code.rs:whole}}\n```\n");
    assert!(
        html.contains(
            "<pre><code class=\"language-rust\" data-line-numbers=\"1|2-3\">if a &#60; b {\n    call();\n\n}</code></pre>"
        ),
        "{}",
        slides(&html)
    );
    assert!(
        folder
            .html("```rust\n{{#include code.rs:part}}\n```\n")
            .contains(">call();</code>")
    );
}

#[test]
fn figures_come_from_the_table_below_their_heading() {
    let folder = Folder::new();
    folder.write(
        "figures.md",
        "## Other\n\n| to | rate |\n| - | - |\n| one | 1 |\n\n## `Speed`\n\ntext\n\n| to | rate |\n| - | - |\n| one | 7,000 |\n\n| to | wait |\n| - | - |\n| one | 3 ms |\n",
    );
    let html = folder.html(
        "| {{#cell figures.md | Speed | one | rate}} | {{#cell figures.md|Speed|one|wait}} |\n| - | - |\n\n```text\n{{#cell figures.md | Other | one | rate}}/s\n```\n",
    );
    let html = slides(&html);
    assert!(html.contains("<th>7,000</th><th>3 ms</th>"), "{html}");
    assert!(html.contains(">1/s</code>"), "{html}");
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let folder = Folder::new();
    folder.write("a b.svg", "<svg/>");
    let html = folder.html(
        "---\ntheme: moon\n---\n![a bear](<a b.svg>)\n\n<b>raw</b> [link](https://a.example/)\n",
    );
    assert!(
        html.contains("<img src=\"data:image/svg+xml;base64,PHN2Zy8+\" alt=\"a bear\""),
        "{}",
        slides(&html)
    );
    assert!(html.contains("<b>raw</b>"));
    assert!(
        html.contains(".moon{}") && !html.contains("@import"),
        "{html}"
    );
    for part in [
        "<script src",
        "<link rel=\"stylesheet",
        "src=\"http",
        "url(http",
    ] {
        assert!(!html.contains(part), "{part}");
    }
    // Nothing in a script ends it.
    assert!(html.contains(r"let end = '<\/script><\!--';"), "{html}");
    assert!(html.contains("Copyright (C) somebody"));
}

#[test]
fn the_same_talk_is_the_same_page() {
    let folder = Folder::new();
    assert_eq!(folder.html("# a"), folder.html("# a"));
}

#[test]
fn frames_are_named_by_the_front_matter_and_moved_by_a_flag() {
    let folder = Folder::new();
    let talk = "---\nframe.button: http://localhost:9090/\nstart: run <it>\n---\n```frame\nbutton The \"button\"\n```\n";
    let html = folder.html(talk);
    assert!(
        html.contains("data-url=\"http://localhost:9090/\""),
        "{}",
        slides(&html)
    );
    assert!(
        html.contains("<p class=\"start\">run &#60;it&#62;</p>"),
        "{}",
        slides(&html)
    );
    assert!(
        html.contains("<figcaption>The &#34;button&#34;</figcaption>"),
        "{}",
        slides(&html)
    );
    let frames = Frames::parse(&["button=http://localhost:1234/x?y=1&z=2".to_owned()]).unwrap();
    let file = folder.write("talk.md", talk);
    let html = Deck::read(&file, &frames, &folder.reveal)
        .unwrap()
        .html(&folder.reveal);
    assert!(
        html.contains("data-url=\"http://localhost:1234/x?y=1&#38;z=2\""),
        "{}",
        slides(&html)
    );
}

#[test]
fn a_slide_has_the_attributes_that_its_comment_gives() {
    let folder = Folder::new();
    let html = folder.html("# a\n\n---\n\n<!-- .slide: data-background=\"#123\" -->\n# b\n");
    assert!(
        html.contains("<section data-background=\"#123\">\n<h1>b</h1>"),
        "{}",
        slides(&html)
    );
}
