//! Our own talk: whole, and no marker or figure of it is missing.

use std::path::Path;

use deck::{Deck, Frames};

use crate::package::{Folder, slides};

#[test]
fn our_talk_can_be_shown() {
    let folder = Folder::new();
    let talk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/talk/talk.md");
    let deck = Deck::read(&talk, &Frames::default(), &folder.reveal).unwrap();
    assert!(
        (25..=45).contains(&deck.slides()),
        "{} slides",
        deck.slides()
    );
    let html = deck.html(&folder.reveal);
    let html = slides(&html);
    let notes = html.matches("<aside class=\"notes\">").count();
    assert!(notes * 2 >= deck.slides(), "{notes} slides have notes");
    // Nothing is left of a directive.
    assert!(!html.contains("{{#"), "{html}");
}
