//! What `polis sign` prints, and what it says about the secret.

use crate::run::{SECRET, polis};

/// curl calls every body a form unless it is told otherwise, and receivers of JSON refuse forms.
#[tokio::test]
async fn sign_says_the_bodys_type_beside_its_signature() {
    let types = |arguments: &'static [&'static str], body: &'static [u8]| async move {
        let ran = polis(&[&["sign"], arguments].concat())
            .variable("POLIS_SECRETS", SECRET)
            .stdin(body)
            .end()
            .await;
        let lines = ran.text(0).lines();
        lines
            .filter_map(|line| line.strip_prefix("content-type: ").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let json = ["application/json".to_owned()];
    let form = ["application/x-www-form-urlencoded".to_owned()];
    assert_eq!(types(&[], b"{\"a\": 1}\n").await, json);
    assert_eq!(types(&["--provider=github"], b"[]").await, json);
    let twilio = &["--provider=twilio", "--url=https://example.test/"];
    assert_eq!(types(twilio, b"a=1").await, form);
    let as_said = &["--content-type=application/cloudevents+json"];
    assert_eq!(
        types(as_said, b"{}").await,
        ["application/cloudevents+json".to_owned()]
    );
    // Of what is no JSON nobody knows the type.
    assert_eq!(types(&[], b"a=1").await, [""; 0]);
}
