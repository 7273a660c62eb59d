//! Being down on purpose.

use axum::body::Body;
use http::{Request, StatusCode};

use crate::rig::{Rig, soon};

fn down(headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::post("/down").header("host", "localhost:9000");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn with_a_pretend_account_it_goes_down_when_asked() {
    let rig = Rig::new().await;
    assert_eq!(rig.call(down(&[])).await.status, StatusCode::ACCEPTED);
    soon(rig.texter.goes_down()).await;
}

#[tokio::test]
async fn with_a_real_account_there_is_no_such_switch() {
    // Nothing is sent there: only the switch is asked for.
    let mut rig = Rig::new().await;
    rig.set("SMS_TWILIO_BASE_URL", "https://api.twilio.com");
    rig.restart().await;
    assert_eq!(rig.call(down(&[])).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn another_web_site_can_not_bring_it_down() {
    let rig = Rig::new().await;
    for header in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("host", "rebound.example"),
    ] {
        assert_eq!(
            rig.call(down(&[header])).await.status.as_u16() / 100,
            4,
            "{header:?}"
        );
    }
}
