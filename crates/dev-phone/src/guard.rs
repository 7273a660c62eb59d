//! Keeps other web sites out. A page somewhere on the web can make a browser post to this
//! machine, and can point a name of its own at it; neither may read texts or throw switches.
//!
//! Programs are not browsers: they send no `Origin` and no `Sec-Fetch-Site`, and pass.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Refuses requests under a foreign name, and changes asked for by another site.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !host(headers).is_some_and(is_own_name) {
        return (
            StatusCode::MISDIRECTED_REQUEST,
            "dev-phone answers to localhost, IP addresses and names without a dot; \
             open it by one of these\n",
        )
            .into_response();
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !is_same_origin(headers) {
        return (
            StatusCode::FORBIDDEN,
            "this request was made by another web site; use dev-phone's own page\n",
        )
            .into_response();
    }
    next.run(request).await
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Whether a host's name can only be this machine's or its network's own. Names with a dot can be
/// pointed here by anybody who owns them (DNS rebinding); addresses and single words cannot.
fn is_own_name(host: &str) -> bool {
    if host.strip_prefix('[').is_some() {
        return true;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    !name.is_empty()
        && (name.parse::<IpAddr>().is_ok() || !name.contains('.') || name.ends_with(".localhost"))
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    match (origin, host(headers)) {
        (Some((_, origin)), Some(host)) => origin == host,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_nobody_else_can_own_are_answered() {
        for (host, own) in [
            ("localhost:9020", true),
            ("localhost", true),
            ("127.0.0.1:9020", true),
            ("192.168.1.7:9020", true),
            ("[::1]:9020", true),
            ("phone.localhost:9020", true),
            ("dev-phone:9020", true),
            ("evil.example:9020", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:9020", false),
            ("", false),
            (":9020", false),
        ] {
            assert_eq!(is_own_name(host), own, "{host:?}");
        }
    }

    #[test]
    fn another_site_may_change_nothing() {
        let cases: [(&[(&str, &str)], bool); 8] = [
            (&[], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("origin", "http://localhost:9020")], true),
            (&[("origin", "http://localhost:9999")], false),
            (&[("origin", "null")], false),
        ];
        for (given, allowed) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("host", "localhost:9020".parse().unwrap());
            for (name, value) in given {
                headers.insert(http::HeaderName::from_static(name), value.parse().unwrap());
            }
            assert_eq!(is_same_origin(&headers), allowed, "{given:?}");
        }
    }
}
