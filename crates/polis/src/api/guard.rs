//! Keeps web pages of other sites out of the second listener.
//!
//! A page can make a browser send requests to 127.0.0.1, and by rebinding its own name to
//! 127.0.0.1 even read the answers. So the `Host` has to be a loopback name, and a request
//! that a browser sends for another site is refused.

use axum::{
    Json,
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Refuses foreign hosts and foreign origins.
pub(super) async fn same_machine_same_site(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let Some(host) = host(headers).filter(|host| is_loopback(host)) else {
        return refused(
            "the Host header is not localhost, 127.0.0.1 or [::1]; open the page by one of these names",
        );
    };
    if is_foreign(headers, host, request.method()) {
        return refused("the request comes from a page of another site");
    }
    next.run(request).await
}

fn refused(reason: &str) -> Response {
    (StatusCode::FORBIDDEN, Json(json!({ "error": reason }))).into_response()
}

fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

fn is_foreign(headers: &HeaderMap, host: &str, method: &Method) -> bool {
    let fetch_site = headers
        .get("sec-fetch-site")
        .and_then(|value| value.to_str().ok());
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let is_navigation = headers
        .get("sec-fetch-mode")
        .is_some_and(|mode| mode == "navigate");
    // Following a link from elsewhere to the page is fine; reaching into the API is not.
    let foreign_fetch = fetch_site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
        && !(reads && is_navigation);
    let foreign_origin = headers.get(header::ORIGIN).is_some_and(|origin| {
        origin
            .to_str()
            .map_or(true, |origin| origin != format!("http://{host}"))
    });
    foreign_fetch || foreign_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_loopback_names_are_hosts() {
        for host in ["localhost", "LOCALHOST:9001", "127.0.0.1:1", "[::1]:9001"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil:80",
            "",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn other_sites_are_foreign() {
        let host = "localhost:9001";
        let own = headers(&[
            ("origin", "http://localhost:9001"),
            ("sec-fetch-site", "same-origin"),
        ]);
        assert!(!is_foreign(&own, host, &Method::POST));
        assert!(!is_foreign(&headers(&[]), host, &Method::POST));
        for foreign in [
            headers(&[("origin", "https://evil.example")]),
            headers(&[("origin", "null")]),
            headers(&[("origin", "http://localhost:9000")]),
            headers(&[("sec-fetch-site", "cross-site")]),
            headers(&[("sec-fetch-site", "same-site")]),
        ] {
            assert!(is_foreign(&foreign, host, &Method::POST), "{foreign:?}");
        }
        let link = headers(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ]);
        assert!(!is_foreign(&link, host, &Method::GET));
        assert!(is_foreign(&link, host, &Method::POST));
    }
}
