//! What a page is made of besides itself.

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
};
use serve::Assets;
use tower::ServiceExt;

async fn asked(assets: &Assets, path: &str) -> Response<Body> {
    let router: Router = assets.routes();
    let request = Request::get(path).body(Body::empty()).unwrap();
    router.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn an_asset_is_kept_for_good_under_an_address_that_changes_with_it() {
    let before = Assets::new(&[("page.js", "one()")]);
    let after = Assets::new(&[("page.js", "two()")]);
    assert_ne!(before.base(), after.base());
    assert_eq!(before.base(), Assets::new(&[("page.js", "one()")]).base());
    let address = format!("{}/page.js", after.base());
    let answer = asked(&after, &address).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.headers()["cache-control"],
        "max-age=31536000, immutable"
    );
    assert_eq!(
        answer.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
    assert_eq!(
        asked(&before, &address).await.status(),
        StatusCode::NOT_FOUND
    );
    let shared = format!("{}/app.css", before.base());
    assert_eq!(asked(&before, &shared).await.status(), StatusCode::OK);
    let none = format!("{}/none.js", before.base());
    assert_eq!(asked(&before, &none).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_asset_without_its_hash_is_asked_for_anew_each_time() {
    let answer = asked(&Assets::new(&[]), "/assets/app.css").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-cache");
}
