//! The page without a browser: what the server renders is usable as it stands, and safe.

use polis::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scene::{OLD_SECRET, Sent, client, get, rule, verifying};

/// What a person reads: tags taken away, entities read, spaces put together.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for c in html.chars() {
        match c {
            '<' => is_tag = true,
            '>' => is_tag = false,
            c if !is_tag => text.push(c),
            _ => {}
        }
    }
    for (entity, letter) in [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ] {
        text = text.replace(entity, letter);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_empty_list_teaches_how_to_send_a_first_request() {
    let listener = Listener::start().await.unwrap();
    let page = text_of(&get(&listener, "/").await.1);
    assert!(
        page.contains("curl -d '{\"event\":\"random_number:generate\",\"data\":863}'"),
        "{page}"
    );
    assert!(page.contains(&listener.url()), "{page}");
}

#[tokio::test]
async fn a_line_of_the_list_tells_what_matters_at_first_glance() {
    let listener = verifying().await;
    listener.answer(rule(r#"{"respond":"500,200"}"#)).unwrap();
    let sent = Sent::number("msg_1", 863);
    sent.to(&listener).await;
    sent.to(&listener).await;
    let old = Sent {
        secret: OLD_SECRET,
        ..Sent::number("msg_2", 7)
    };
    old.to(&listener).await;
    let page = text_of(&get(&listener, "/").await.1);
    for part in [
        "#2 POST /hooks",
        "200 after",
        "random_number:generate",
        "B json",
        "attempt 2, +",
        "sig ok",
        "sig failed: an old secret matched",
        "500 after",
    ] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
}

#[tokio::test]
async fn a_request_is_shown_whole_and_a_failed_signature_says_why() {
    let listener = verifying().await;
    let late = Sent {
        age_s: 412,
        ..Sent::number("msg_1", 863)
    };
    late.to(&listener).await;
    let (status, html) = get(&listener, "/requests/1").await;
    assert_eq!(status, 200);
    let page = text_of(&html);
    for part in [
        "The signature failed: ",
        "s old (limit 300)",
        "Set the clocks of both machines.",
        "standard expects exactly this to be signed (1 secret accepted)",
        "\"data\": 863",
        "Compare with #",
    ] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
    let detail = &page[page.find("The signature failed").unwrap()..];
    assert_eq!(detail.matches("s old (limit 300)").count(), 1, "{page}");
    assert!(
        !page.contains("Attempts of"),
        "one attempt is a chip: {page}"
    );
    for (tab, part) in [
        ("headers", "webhook-signature"),
        ("answer", "200 after"),
        ("hex", "7b 22 69 64 22"),
        ("raw", "\"data\":863"),
    ] {
        let (_, opened) = get(&listener, &format!("/requests/1?tab={tab}")).await;
        let opened = text_of(&opened);
        assert!(opened.contains(part), "no {part:?} in {opened}");
        assert!(
            !opened.contains("\"data\": 863"),
            "only the open tab is sent: {opened}"
        );
    }
    // A second may pass between signing and arriving.
    assert!(
        page.contains("412 s old") || page.contains("413 s old"),
        "{page}"
    );
    assert_eq!(get(&listener, "/requests/99").await.0, 404);
}

#[tokio::test]
async fn forms_and_parts_of_a_body_are_told_apart() {
    let listener = Listener::start().await.unwrap();
    let form = client()
        .post(listener.url())
        .header("content-type", "application/x-www-form-urlencoded")
        .body("Body=a%26b&To=%2B1555");
    form.send().await.unwrap();
    let page = text_of(&get(&listener, "/requests/1").await.1);
    assert!(page.contains("Bodya&bTo+1555"), "{page}");
    let parts = client()
        .post(listener.url())
        .header("content-type", "multipart/form-data; boundary=x")
        .body("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--x--\r\n");
    parts.send().await.unwrap();
    let page = text_of(&get(&listener, "/requests/2").await.1);
    assert!(
        page.contains("Part 1Content-Disposition: form-data; name=\"a\"one"),
        "{page}"
    );
}

#[tokio::test]
async fn bytes_that_are_no_request_are_shown_without_their_credentials() {
    let listener = Listener::start().await.unwrap();
    let bytes = b"no request\r\nAuthorization: Bearer planted\r\n\r\n";
    let address = listener.url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let page = text_of(&get(&listener, "/requests/1?tab=raw").await.1);
    assert!(
        page.contains("no request\u{240d} Authorization: Bearer [redacted: 7 bytes]\u{240d}"),
        "{page}"
    );
    let page = text_of(&get(&listener, "/requests/1?tab=hex").await.1);
    // 6e 6f is the beginning of it, 70 6c 61 that of the credential.
    assert!(page.contains("6e 6f 20 72"), "{page}");
    assert!(!page.contains("70 6c 61 6e 74 65 64"), "{page}");
}

#[tokio::test]
async fn markup_that_was_sent_is_text_and_no_script_of_a_page_may_run() {
    let listener = Listener::start().await.unwrap();
    let attack = "</pre></textarea><script>alert(1)</script><img src=x onerror=alert(1)>";
    let sent = client()
        .post(format!("{}/{attack}", listener.url()))
        .header("x-attack", attack)
        .header("webhook-id", attack)
        .header("content-type", "text/html")
        .body(attack);
    sent.send().await.unwrap();
    for path in [
        "/",
        "/requests/1",
        "/requests/1?with=1",
        "/?q=%3Cscript%3E",
        "/?delivery=%22%3E%3Cscript%3E",
    ] {
        let answer = client()
            .get(listener.page_url() + path)
            .send()
            .await
            .unwrap();
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        let html = answer.text().await.unwrap();
        let scripts = html.matches("<script").count();
        assert_eq!(
            scripts,
            html.matches("<script type=\"module\" src=\"/assets/")
                .count(),
            "{path}"
        );
        assert!(
            !html.contains("<img") && !html.contains("<script>"),
            "{path}"
        );
        assert!(
            !html.contains(" style=") && !html.contains("<style"),
            "{path}"
        );
    }
    // Captured content is never served as a page of its own.
    let body = client()
        .get(listener.page_url() + "/api/requests/1/body")
        .send()
        .await
        .unwrap();
    let kind = body.headers()["content-type"].to_str().unwrap();
    assert!(!kind.contains("html"), "{kind}");
    assert_eq!(body.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn every_script_and_style_that_a_page_names_is_there_with_its_type() {
    let listener = Listener::start().await.unwrap();
    let page = get(&listener, "/").await.1;
    let mut wanted: Vec<String> = page
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
        .map(str::to_owned)
        .collect();
    assert!(wanted.len() >= 3, "{wanted:?}");
    let mut seen = Vec::new();
    while let Some(path) = wanted.pop() {
        if seen.contains(&path) {
            continue;
        }
        let answer = client()
            .get(listener.page_url() + &path)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(
            answer.headers()["cache-control"],
            "max-age=31536000, immutable",
            "{path}"
        );
        let kind = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let expected = if path.ends_with(".js") {
            "text/javascript"
        } else if path.ends_with(".svg") {
            "image/svg+xml"
        } else {
            "text/css"
        };
        assert!(kind.starts_with(expected), "{path} is {kind}");
        // Modules name further modules.
        let text = answer.text().await.unwrap();
        let imported = text
            .split('"')
            .filter(|part| part.starts_with("./") && part.ends_with(".js"));
        wanted.extend(imported.map(|part| {
            let folder = path.rsplit_once('/').unwrap().0;
            format!("{folder}/{}", &part[2..])
        }));
        seen.push(path);
    }
    assert!(seen.len() > 8, "{seen:?}");
    assert_eq!(get(&listener, "/assets/none.js").await.0, 404);
}

#[tokio::test]
async fn sending_again_changes_the_values_that_are_named_and_no_other_byte() {
    let listener = Listener::start().await.unwrap();
    let sent = client()
        .post(listener.url() + "/sms")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("To=%2b1&Body=Your%20number");
    sent.send().await.unwrap();
    let again = |set: &str| {
        // As a browser sends it: the body as it was shown, each line end as CR LF.
        let form = format!(
            "to={}&body=To%3D%252b1%26Body%3DYour%2520number&set={set}",
            listener.url()
        );
        client()
            .post(listener.page_url() + "/requests/1/replay")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
    };
    let page = again("body.Body%3DHello+%26+you%0D%0Aheader.X-A%3Db")
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    let received = &listener.wait_for(2).await.unwrap()[1];
    assert_eq!(received.body, "To=%2b1&Body=Hello+%26+you");
    assert_eq!(received.header("x-a"), Some("b"));
    let page = again("nonsense").await.unwrap().text().await.unwrap();
    assert!(
        text_of(&page).contains("\"nonsense\" is not a change; write one like body.data=1"),
        "{page}"
    );
}

#[tokio::test]
async fn only_what_the_filters_find_is_removed() {
    let listener = Listener::start().await.unwrap();
    for path in ["/a", "/b", "/b"] {
        client().post(listener.url() + path).send().await.unwrap();
    }
    let clear = |query: &str| {
        client()
            .post(format!("{}/clear{query}", listener.page_url()))
            .send()
    };
    assert_eq!(clear("?status=wrong").await.unwrap().status(), 400);
    assert_eq!(listener.requests().len(), 3);
    assert_eq!(clear("?path=/b").await.unwrap().status(), 303);
    let left: Vec<String> = listener
        .requests()
        .iter()
        .map(|record| record.target())
        .collect();
    assert_eq!(left, ["/a"]);
}

#[tokio::test]
async fn rules_are_entered_as_json_and_taken_back() {
    let listener = Listener::start().await.unwrap();
    let change = async |scope: &str, json: &str| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("scope", scope).append_pair("json", json);
        let request = client().post(listener.page_url() + "/rules");
        let kind = "application/x-www-form-urlencoded";
        let request = request.header("content-type", kind).body(form.finish());
        request.send().await.unwrap()
    };
    let rules = r#"{"rules":[{"respond":"503,200","headers":["X-A: b"],"body":"hello"}]}"#;
    assert_eq!(change("", rules).await.status(), 200);
    let answer = client().post(listener.url()).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["x-a"], "b");
    assert_eq!(answer.text().await.unwrap(), "hello");
    let page = text_of(&get(&listener, "/rules").await.1);
    assert!(page.contains("\"respond\": \"503,200\""), "{page}");
    let wrong = change("", r#"{"rules":[{"fail_rate":7}]}"#).await;
    assert_eq!(wrong.status(), 422);
    let page = text_of(&wrong.text().await.unwrap());
    assert!(page.contains("fail_rate is 7"), "{page}");
    assert!(page.contains(r#"[{"fail_rate":7}]"#), "it stays: {page}");
    // Every answer that is offered as a button is one.
    let page = get(&listener, "/rules").await.1;
    let offered = page.matches("name=\"json\" value=\"").count();
    assert!(offered >= 5, "{page}");
    assert_eq!(change("", r#"{"rules":[]}"#).await.status(), 200);
    let sent = client()
        .post(listener.url())
        .body("echo")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (sent.status().as_u16(), &sent.text().await.unwrap()[..]),
        (200, "echo")
    );
    // A scope is made by its first rule.
    assert_eq!(
        change("orders", r#"{"rules":[{"respond":418}]}"#)
            .await
            .status(),
        200
    );
    let url = listener.url() + "/in/orders/new";
    assert_eq!(client().post(url).send().await.unwrap().status(), 418);
}

#[tokio::test]
async fn json_that_does_not_parse_says_at_which_line_and_column() {
    let listener = Listener::start().await.unwrap();
    let sent = client()
        .post(listener.url())
        .header("content-type", "application/json")
        .body("{\n  \"a\": 1,\n  \"b\" 2\n}");
    sent.send().await.unwrap();
    let page = get(&listener, "/requests/1").await.1;
    assert!(
        page.contains("This is not JSON: expected `:` at line 3 column 7."),
        "{page}"
    );
}

#[tokio::test]
async fn a_verdict_shows_what_was_received_beside_what_was_signed() {
    let listener = verifying().await;
    let sent = Sent::number("msg_1", 863);
    let spaced = sent.body.replace(":863", ": 863");
    let sent = Sent {
        body: spaced.replace(": 863", ":863"),
        changed: Some(format!("{}\n", sent.body)),
        ..sent
    };
    sent.to(&listener).await;
    let (_, html) = get(&listener, "/requests/1").await;
    assert!(html.contains("<del>"), "the line end is marked: {html}");
    let page = text_of(&html);
    for part in [
        "Received",
        "Signed",
        "axum body: axum::body::Bytes",
        "Express",
        "Rails",
    ] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
}

#[tokio::test]
async fn an_image_is_shown_as_one_and_only_when_its_bytes_are() {
    let listener = Listener::start().await.unwrap();
    let post = async |kind: &str, body: &'static [u8]| {
        let request = client().post(listener.url()).header("content-type", kind);
        request.body(body).send().await.unwrap();
    };
    post("image/png", b"\x89PNG\r\n\x1a\n").await;
    post("image/png", b"<script>alert(1)</script>").await;
    post("image/svg+xml", b"<svg onload='alert(1)'/>").await;
    let page = get(&listener, "/requests/1").await.1;
    assert!(page.contains("src=\"/requests/1/image\""), "{page}");
    let url = listener.page_url() + "/requests/1/image";
    let image = client().get(url).send().await.unwrap();
    assert_eq!(image.headers()["content-type"], "image/png");
    assert_eq!(image.headers()["x-content-type-options"], "nosniff");
    for id in [2, 3] {
        assert_eq!(
            get(&listener, &format!("/requests/{id}/image")).await.0,
            404
        );
        let page = get(&listener, &format!("/requests/{id}?tab=image")).await.1;
        assert!(!page.contains("<img"), "{page}");
    }
}

#[tokio::test]
async fn the_query_is_a_table() {
    let listener = Listener::start().await.unwrap();
    let url = listener.url() + "/a?hub.challenge=1%202&b=";
    client().get(url).send().await.unwrap();
    let page = text_of(&get(&listener, "/requests/1?tab=query").await.1);
    assert!(page.contains("hub.challenge1 2"), "{page}");
}

#[tokio::test]
async fn a_large_json_request_is_small_on_the_wire() {
    let listener = Listener::start().await.unwrap();
    let items: Vec<String> = (0..3500)
        .map(|number| {
            format!(
                r#"{{"id":{number},"event":"random_number:generate","data":{}}}"#,
                number * 7919 % 1000
            )
        })
        .collect();
    let body = format!("[{}]", items.join(","));
    assert!((180_000..220_000).contains(&body.len()), "{}", body.len());
    let request = client()
        .post(listener.url())
        .header("content-type", "application/json");
    request.body(body).send().await.unwrap();
    let url = listener.page_url() + "/requests/1";
    let asked = client().get(url).header("accept-encoding", "gzip");
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let size = answer.bytes().await.unwrap().len();
    assert!(size <= 100_000, "{size} bytes on the wire");
}

async fn submit(listener: &Listener, path: &str, form: &'static str) -> reqwest::Response {
    let request = client().post(listener.page_url() + path);
    let kind = "application/x-www-form-urlencoded";
    let request = request.header("content-type", kind).body(form);
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_part_of_a_path_finds_it_and_chips_take_one_filter_away() {
    let listener = Listener::start().await.unwrap();
    for path in ["/api/hooks/1", "/other"] {
        client().post(listener.url() + path).send().await.unwrap();
    }
    let html = get(&listener, "/?path=HOOKS&method=POST").await.1;
    let page = text_of(&html);
    assert!(page.contains("1 of 2 match"), "{page}");
    assert!(html.contains("href=\"/?method=POST\""), "{html}");
    assert!(html.contains("href=\"/?path=HOOKS\""), "{html}");
    assert!(html.contains("<title>(1) polis</title>"), "{html}");
    let page = text_of(&get(&listener, "/?path=hooks*").await.1);
    assert!(page.contains("0 of 2 match"), "{page}");
}

#[tokio::test]
async fn one_request_is_noted_exported_and_deleted() {
    let listener = Listener::start().await.unwrap();
    for body in ["one", "two"] {
        client()
            .post(listener.url())
            .body(body)
            .send()
            .await
            .unwrap();
    }
    let noted = submit(&listener, "/requests/2/comment", "comment=the+customer%27s").await;
    assert_eq!(noted.status(), 200);
    let found = text_of(&get(&listener, "/?q=CUSTOMER").await.1);
    assert!(found.contains("the customer's"), "{found}");
    let har = get(&listener, "/requests/2/har").await.1;
    let archive: serde_json::Value = serde_json::from_str(&har).unwrap();
    let entries = archive["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["request"]["postData"]["text"], "two");
    assert_eq!(
        submit(&listener, "/requests/1/delete", "").await.status(),
        303
    );
    assert_eq!(listener.requests().len(), 1);
    assert_eq!(
        submit(&listener, "/requests/1/delete", "").await.status(),
        404
    );
}

#[tokio::test]
async fn scopes_are_made_counted_and_deleted_and_an_example_comes_signed() {
    let listener = verifying().await;
    let made = submit(&listener, "/scopes", "scope=acme").await;
    assert_eq!(made.headers()["location"], "/?scope=acme");
    let page = text_of(&get(&listener, "/?scope=acme").await.1);
    assert!(page.contains("Waiting for the first request"), "{page}");
    assert!(
        page.contains(&format!("{}/in/acme", listener.url())),
        "{page}"
    );
    assert_eq!(
        submit(&listener, "/example", "scope=acme").await.status(),
        303
    );
    assert_eq!(submit(&listener, "/example", "scope=").await.status(), 303);
    let requests = listener.wait_for(2).await.unwrap();
    assert_eq!(&*requests[0].scope, "acme");
    assert_eq!(requests[1].event.as_deref(), Some("random_number:generate"));
    let verdict = requests[1].diagnosis.as_ref().map(|found| found.verdict);
    assert_eq!(verdict, Some(polis::Verdict::Ok));
    let page = text_of(&get(&listener, "/").await.1);
    assert!(
        page.contains("All scopes 2") && page.contains("acme 1"),
        "{page}"
    );
    assert_eq!(
        submit(&listener, "/scopes/acme/delete", "").await.status(),
        303
    );
    assert_eq!(listener.requests().len(), 1);
    assert_eq!(
        submit(&listener, "/scopes", "scope=a%2Fb").await.status(),
        400
    );
}

#[tokio::test]
async fn the_public_url_is_shown_wherever_senders_are_told_where_to_send() {
    let settings = polis::Settings {
        public_url: Some("https://hooks.example.com/".to_owned()),
        ..polis::Settings::quiet()
    };
    let listener = Listener::start_with(settings).await.unwrap();
    for (path, url) in [
        ("/", "https://hooks.example.com/hooks"),
        ("/?scope=acme", "https://hooks.example.com/in/acme"),
        ("/rules", "https://hooks.example.com"),
        ("/rules?scope=acme", "https://hooks.example.com/in/acme"),
    ] {
        let page = get(&listener, path).await.1;
        assert!(page.contains(url), "no {url} in {page}");
        assert!(!text_of(&page).contains(&listener.url()), "{page}");
    }
}
