//! What `protect` and `same_origin` promise, called without a socket.

use axum::{
    Router,
    body::Body,
    response::IntoResponse,
    routing::{get, post},
};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

fn app() -> Router {
    let own_policy = || async { ([(header::CONTENT_SECURITY_POLICY, "default-src *")], "mine") };
    let panics = || async {
        let table: Vec<&str> = Vec::new();
        table[usize::from(table.len() == 863)].into_response()
    };
    serve::protect(
        Router::new()
            .route("/", get(|| async { "page" }))
            .route("/own", get(own_policy))
            .route("/panics", get(panics))
            .route("/press", post(|| async { "pressed" })),
    )
}

async fn ask(router: Router, request: Request<Body>) -> Response<Body> {
    router.oneshot(request).await.unwrap()
}

async fn get_from(router: Router, path: &str) -> Response<Body> {
    ask(router, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    for path in ["/", "/panics", "/no-such-page", "/press"] {
        let response = get_from(app(), path).await;
        let headers = response.headers();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe-inline"), "{path}: {policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::REFERRER_POLICY], "same-origin", "{path}");
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY", "{path}");
    }
}

#[tokio::test]
async fn a_handler_keeps_the_header_it_set_itself() {
    let response = get_from(app(), "/own").await;
    let policies: Vec<_> = response
        .headers()
        .get_all(header::CONTENT_SECURITY_POLICY)
        .iter()
        .collect();
    assert_eq!(policies, ["default-src *"]);
    assert_eq!(response.headers()[header::X_FRAME_OPTIONS], "DENY");
}

#[tokio::test]
async fn a_panic_answers_500_without_internals() {
    let response = get_from(app(), "/panics").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = text(response).await;
    assert_eq!(text, "something went wrong here; try again\n");
}

#[tokio::test]
async fn each_answer_names_its_own_request() {
    let mut ids = Vec::new();
    for _ in 0..3 {
        let response = get_from(app(), "/").await;
        ids.push(response.headers()["x-request-id"].clone());
    }
    assert!(ids.iter().all(|id| id.len() == 32), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

/// Method, path, headers, and the status that is due.
type Case = (
    Method,
    &'static str,
    &'static [(&'static str, &'static str)],
    u16,
);

#[tokio::test]
async fn only_its_own_pages_and_programs_may_change_anything() {
    const HOST: (&str, &str) = ("host", "localhost:8080");
    let cases: &[Case] = &[
        // Programs.
        (Method::POST, "/press", &[], 200),
        (Method::POST, "/press", &[HOST], 200),
        // Browsers that say where a request came from.
        (
            Method::POST,
            "/press",
            &[HOST, ("sec-fetch-site", "same-origin")],
            200,
        ),
        (
            Method::POST,
            "/press",
            &[HOST, ("sec-fetch-site", "none")],
            200,
        ),
        (
            Method::POST,
            "/press",
            &[HOST, ("sec-fetch-site", "same-site")],
            403,
        ),
        (
            Method::POST,
            "/press",
            &[HOST, ("sec-fetch-site", "cross-site")],
            403,
        ),
        (
            Method::POST,
            "/press",
            &[HOST, ("sec-fetch-site", "SAME-ORIGIN")],
            403,
        ),
        (
            Method::POST,
            "/press",
            &[
                HOST,
                ("sec-fetch-site", "cross-site"),
                ("origin", "http://localhost:8080"),
            ],
            403,
        ),
        // Older ones.
        (
            Method::POST,
            "/press",
            &[HOST, ("origin", "http://localhost:8080")],
            200,
        ),
        (
            Method::POST,
            "/press",
            &[HOST, ("origin", "http://LOCALHOST:8080")],
            200,
        ),
        (
            Method::POST,
            "/press",
            &[HOST, ("origin", "http://localhost:9000")],
            403,
        ),
        (
            Method::POST,
            "/press",
            &[HOST, ("origin", "https://evil.example")],
            403,
        ),
        (Method::POST, "/press", &[HOST, ("origin", "null")], 403),
        (Method::POST, "/press", &[HOST, ("origin", "")], 403),
        (
            Method::POST,
            "/press",
            &[("origin", "http://localhost:8080")],
            403,
        ),
        // Reading is safe, except under a foreign name.
        (
            Method::GET,
            "/",
            &[HOST, ("sec-fetch-site", "cross-site")],
            200,
        ),
        (Method::GET, "/", &[("host", "127.0.0.1:8080")], 200),
        (Method::GET, "/", &[("host", "[::1]:8080")], 200),
        (Method::GET, "/", &[("host", "192.168.1.5")], 200),
        (Method::GET, "/", &[("host", "Localhost")], 200),
        (Method::GET, "/", &[("host", "button.example")], 200),
        (Method::GET, "/", &[("host", "rebind.evil.example")], 421),
        (Method::GET, "/", &[("host", "localhost.evil.example")], 421),
        (
            Method::GET,
            "/",
            &[("host", "127.0.0.1.evil.example:8080")],
            421,
        ),
        (Method::GET, "/", &[("host", "")], 421),
        (Method::GET, "/", &[("host", "a b")], 421),
        (Method::GET, "http://evil.example/", &[HOST], 421),
        (
            Method::POST,
            "/press",
            &[("host", "evil.example"), ("origin", "http://evil.example")],
            421,
        ),
        // Two readers of these could see two different things.
        (Method::GET, "/", &[("host", "x@localhost")], 400),
        (Method::GET, "/", &[("host", "x:y@127.0.0.1:8080")], 400),
        (Method::GET, "/", &[HOST, ("host", "evil.example")], 400),
        (Method::GET, "/", &[HOST, HOST], 400),
        (
            Method::POST,
            "/press",
            &[
                HOST,
                ("origin", "http://localhost:8080"),
                ("origin", "http://evil.example"),
            ],
            400,
        ),
    ];
    for (method, path, headers, due) in cases {
        let router = serve::same_origin(app(), ["button.example"]);
        let mut request = Request::builder().method(method).uri(*path);
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let response = ask(router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            response.status().as_u16(),
            *due,
            "{method} {path} {headers:?}"
        );
    }
}

#[tokio::test]
async fn a_page_is_framed_by_the_origin_that_was_named_and_by_no_other() {
    let origin = serve::FrameOrigin::parse("http://localhost:9030").unwrap();
    for (origin, due) in [
        (None, "frame-ancestors 'none'"),
        (Some(origin), "frame-ancestors http://localhost:9030"),
    ] {
        let router = serve::framed(serve::protect(app()), origin.clone());
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let response = ask(router, request).await;
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.contains(&format!("{due};")), "{policy}");
        assert_eq!(
            response.headers().contains_key("x-frame-options"),
            origin.is_none()
        );
    }
}

#[test]
fn a_frame_origin_is_an_origin_and_nothing_more() {
    for text in [
        "http://localhost:9030",
        "https://slides.example",
        "http://[::1]:9030/",
    ] {
        assert!(serve::FrameOrigin::parse(text).is_ok(), "{text}");
    }
    for text in [
        "",
        "*",
        "'self'",
        "localhost:9030",
        "http://",
        "http://a.example/path",
        "http://a.example/?q",
        "http://u@a.example",
        "file:///tmp/deck",
        "data:text/html,x",
        "http://a.example http://b.example",
        "http://a.example; script-src *",
    ] {
        let refused = serve::FrameOrigin::parse(text).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("FRAME_ORIGIN is \"{text}\"")),
            "{refused}"
        );
    }
}
