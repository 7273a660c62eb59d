//! A body that is not the one that was signed: what happened to it on the way.

use polis::{FindingKind, Preset, Verdict};

use crate::diagnosis::{SECRET, first, judge, now, signed, verification};

#[test]
fn a_body_that_was_changed_is_explained() {
    for (sent, arrived, kind) in [
        (
            &b"{\"a\": 1}"[..],
            &b"{\"a\":1}"[..],
            FindingKind::Reserialised,
        ),
        (b"{\"a\":1}", b"{\n  \"a\": 1\n}", FindingKind::Reserialised),
        (
            b"{\"a\":1,\"b\":2}",
            b"{\"b\":2,\"a\":1}",
            FindingKind::Reserialised,
        ),
        (
            "{\"a\":\"\\u00e9\"}".as_bytes(),
            "{\"a\":\"é\"}".as_bytes(),
            FindingKind::Reserialised,
        ),
        (
            b"{\"a\":\"x\\/y\"}",
            b"{\"a\":\"x/y\"}",
            FindingKind::Reserialised,
        ),
        (b"text", b"text\n", FindingKind::Newline),
        (b"text\n", b"text", FindingKind::Newline),
        (b"a\nb", b"a\r\nb", FindingKind::LineEnds),
        (b"a\r\nb", b"a\nb", FindingKind::LineEnds),
    ] {
        for preset in [
            Preset::Standard,
            Preset::GitHub,
            Preset::Stripe,
            Preset::Slack,
            Preset::Shopify,
        ] {
            let verification = verification(preset, &[SECRET]);
            let diagnosis = judge(&verification, &signed(preset, SECRET, sent, now()), arrived);
            assert_eq!(
                first(&diagnosis),
                (Verdict::Failed, kind),
                "{preset} {diagnosis:?}"
            );
        }
    }
}

/// As when a formatter and `echo` were both at work.
#[test]
fn two_changes_of_a_body_are_explained_together() {
    for (sent, arrived, words) in [
        (
            "{\"a\":1}\n",
            "{\n  \"a\": 1\n}",
            ["as JSON without spaces", "with a line end after the body"],
        ),
        (
            "{\n  \"a\": 1\n}\n",
            "{\"a\":1}",
            [
                "as JSON indented by two spaces",
                "with a line end after the body",
            ],
        ),
        (
            "{\r\n  \"a\": 1\r\n}",
            "{\"a\":1}",
            ["as JSON indented by two spaces", "with CRLF"],
        ),
        (
            "{\"a\": \"\\u00e9\", \"b\": 1}",
            "{\"b\":1,\"a\":\"é\"}",
            ["as JSON with sorted keys", "letters beyond ASCII escaped"],
        ),
        (
            "a\nb",
            "a\r\nb\r\n",
            ["without the line end", "with LF where the body has CRLF"],
        ),
    ] {
        let verification = verification(Preset::Standard, &[SECRET]);
        let headers = signed(Preset::Standard, SECRET, sent.as_bytes(), now());
        let diagnosis = judge(&verification, &headers, arrived.as_bytes());
        assert_eq!(diagnosis.verdict, Verdict::Failed);
        for part in words.into_iter().chain([" and "]) {
            assert!(
                diagnosis.text.contains(part),
                "{part:?} is not in {}",
                diagnosis.text
            );
        }
    }
}
