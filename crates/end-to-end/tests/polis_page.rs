//! The page of polis as a person uses it, in real Chromium.
//!
//! `POLIS_PICTURES=<directory>` has the last test leave pictures there.

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use end_to_end::{Browser, PATIENCE, Program, Window, free_ports, until};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tempfile::TempDir;

const KEY: &[u8; 32] = b"the key that this polis accepts.";
const OLD_KEY: &[u8; 32] = b"the key that it accepted before.";

/// A polis with a browser window at its page.
struct Page {
    browser: Browser,
    capture: String,
    url: String,
    polis: Program,
    ports: [u16; 2],
    folder: TempDir,
}

impl Page {
    async fn open(arguments: &[&str], window: Window) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let ports = free_ports()?;
        let polis = Self::start(&folder, ports, arguments).await?;
        let url = format!("http://127.0.0.1:{}", ports[1]);
        let browser = Browser::open(window).await?;
        browser.goto(&url).await?;
        Ok(Self {
            browser,
            capture: format!("http://127.0.0.1:{}", ports[0]),
            url,
            polis,
            ports,
            folder,
        })
    }

    async fn start(
        folder: &TempDir,
        [port, ui_port]: [u16; 2],
        arguments: &[&str],
    ) -> anyhow::Result<Program> {
        let secret = |key: &[u8]| format!("whsec_{}", BASE64_STANDARD.encode(key));
        let variables = [
            ("PORT", port.to_string()),
            ("UI_PORT", ui_port.to_string()),
            ("POLIS_SECRETS", secret(KEY)),
            ("POLIS_OLD_SECRETS", secret(OLD_KEY)),
        ];
        let mut polis = Program::start("polis", folder.path(), arguments, &variables)?;
        polis
            .answers(&format!("http://127.0.0.1:{ui_port}"))
            .await?;
        Ok(polis)
    }

    /// Ends polis as a crash does, and starts it without arguments.
    async fn restart(&mut self) -> anyhow::Result<()> {
        self.polis.kill().await?;
        self.polis = Self::start(&self.folder, self.ports, &[]).await?;
        Ok(())
    }

    async fn send(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> anyhow::Result<u16> {
        let mut request = reqwest::Client::new()
            .post(format!("{}{path}", self.capture))
            .body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(request.send().await?.status().as_u16())
    }

    /// Sends a webhook signed at `age_s` seconds ago with `key`; `sent` is what goes out.
    async fn webhook(
        &self,
        id: &str,
        key: &[u8],
        age_s: u64,
        signed: &str,
        sent: &str,
    ) -> anyhow::Result<u16> {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)?
            .as_secs();
        let timestamp = (now - age_s).to_string();
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key)?;
        mac.update(format!("{id}.{timestamp}.{signed}").as_bytes());
        let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", id),
            ("webhook-timestamp", &timestamp),
            ("webhook-signature", &signature),
        ];
        self.send("/hooks", sent, &headers).await
    }

    async fn script(&self, script: &str) -> anyhow::Result<serde_json::Value> {
        self.browser.script(script).await
    }
}

const ESCAPE: char = '\u{e00c}';
/// JSON as a program in Python writes it.
const ORDER: &str = r#"{"id": "evt_51Qb", "type": "order.created", "data": {"customer": {"name": "Ada L.", "email": "ada@example.org", "address": null}, "items": [{"sku": "BK-0042", "count": 2, "price": 12.50}, {"sku": "PN-7", "count": 1, "price": 3.99, "gift": true}], "note": "Please ring twice as the bell is slow and whoever opens the door may need a moment to come down."}, "tags": []}"#;
const BODY: &str = r#"{"id":"e","event":"random_number:generate","data":863}"#;

#[tokio::test(flavor = "multi_thread")]
async fn requests_arrive_live_and_the_empty_page_teaches() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    let empty = page.browser.text("#rows").await?;
    assert!(
        empty.contains("Waiting for the first request") && empty.contains(&page.capture),
        "{empty}"
    );
    page.browser.reads("#live", "live").await?;
    page.send("/hooks", BODY, &[("content-type", "application/json")])
        .await?;
    page.browser
        .reads("#rows", "random_number:generate")
        .await?;
    page.browser.reads("#rows", "200 after").await?;
    page.browser.click("#rows a").await?;
    page.browser.reads("#detail h2", "/hooks").await?;
    assert_eq!(
        page.browser.address().await?,
        format!("{}/requests/1", page.url),
        "a deep link"
    );
    page.browser.reads("#view", "\"data\": 863").await?;
    page.send("/later", "x", &[]).await?;
    page.browser.reads("#rows", "/later").await?;
    assert!(
        page.browser.text("#detail h2").await?.contains("/hooks"),
        "the chosen one stays"
    );
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_search_find_and_markup_that_was_sent_does_nothing() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    let attack = "<script>window.hacked=1</script><img src=x onerror='window.hacked=1'>";
    page.send(
        "/<img src=x onerror=window.hacked=1>",
        attack,
        &[("x-attack", attack), ("content-type", "text/html")],
    )
    .await?;
    page.send("/other", "needle in a haystack", &[]).await?;
    page.browser
        .goto(&format!("{}/requests/1", page.url))
        .await?;
    page.browser.click("#tab-raw").await?;
    page.browser.reads("#view", "<script>").await?;
    let shown = page
        .script("return document.getElementById('detail').textContent")
        .await?;
    assert!(
        shown.as_str().is_some_and(|text| text.contains(attack)),
        "{shown}"
    );
    assert!(page.script("return window.hacked ?? null").await?.is_null());
    page.browser.click("#search").await?;
    page.browser.keys("needle").await?;
    page.browser.reads("#above", "1 of 2 match").await?;
    page.browser.reads("#rows", "/other").await?;
    assert!(
        (page.browser.address().await?).ends_with("?q=needle&tab=raw"),
        "a link to what was found"
    );
    let count = page
        .script("return document.querySelectorAll('#rows > li').length")
        .await?;
    assert_eq!(count, 1);
    page.browser
        .goto(&format!("{}/?status=5xx", page.url))
        .await?;
    page.browser
        .reads("#rows", "Nothing that is kept fits")
        .await?;
    page.browser
        .goto(&format!("{}/?status=wrong", page.url))
        .await?;
    page.browser
        .reads("[role=alert]", "write a status like 404")
        .await?;
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_stand_on_a_timeline_and_are_compared() -> anyhow::Result<()> {
    let page = Page::open(
        &["--verify", "standard", "--respond", "500x2,200"],
        Window::DESKTOP,
    )
    .await?;
    for (attempt, expected) in [500, 500, 200].into_iter().enumerate() {
        let body = BODY.replace("863", &(863 + attempt).to_string());
        assert_eq!(page.webhook("evt-1", KEY, 0, &body, &body).await?, expected);
    }
    page.browser
        .goto(&format!("{}/requests/3", page.url))
        .await?;
    let line = page.browser.reads("#timeline", "attempt 3").await?;
    for part in ["evt-1", "attempt 1", "500 after", "200 after", "+"] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    page.browser.keys("d").await?;
    let compared = page.browser.reads("#comparison", "body.data").await?;
    assert!(
        compared.contains("864") && compared.contains("865"),
        "{compared}"
    );
    assert!(
        page.browser
            .address()
            .await?
            .ends_with("/requests/3?with=2")
    );
    // The commands are the list's; Escape goes there.
    page.browser.keys(&format!("{ESCAPE}j")).await?;
    page.browser.reads("#detail h2", "#2").await?;
    page.browser.keys("k").await?;
    page.browser.reads("#detail h2", "#3").await?;
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_tab_says_what_is_wrong_and_what_is_signed() -> anyhow::Result<()> {
    let page = Page::open(&["--verify", "standard"], Window::DESKTOP).await?;
    page.webhook("good", KEY, 0, BODY, BODY).await?;
    page.webhook("old-secret", OLD_KEY, 0, BODY, BODY).await?;
    page.webhook("late", KEY, 412, BODY, BODY).await?;
    page.webhook("newline", KEY, 0, BODY, &format!("{BODY}\n"))
        .await?;
    let spaced = r#"{"id": "e", "event": "random_number:generate", "data": 863}"#;
    page.webhook("rewritten", KEY, 0, BODY, spaced).await?;
    page.webhook("wrong", b"some other key of thirty-two byt", 0, BODY, BODY)
        .await?;
    page.send("/hooks", BODY, &[]).await?;
    for (id, part) in [
        (1, "valid"),
        (2, "an old secret matched"),
        (3, "s old (limit 300)"),
        (4, "line end"),
        (5, "JSON"),
        (6, "wrong, or the body was changed"),
        (7, "no webhook-signature header"),
    ] {
        page.browser
            .goto(&format!("{}/requests/{id}", page.url))
            .await?;
        page.browser.click(".chip[href='#verdict']").await?;
        let said = page.browser.reads("#verdict", "sign").await?;
        assert!(said.contains(part), "no {part:?} in {said}");
        if id > 1 {
            assert_eq!(said.matches(part).count(), 1, "said once: {said}");
        }
    }
    page.browser
        .goto(&format!("{}/requests/5", page.url))
        .await?;
    let beside = page.browser.text(".beside").await?;
    assert!(
        beside.contains("Received") && beside.contains("Signed"),
        "{beside}"
    );
    let marked = page
        .script("return [...document.querySelectorAll('.beside del')].map((piece) => piece.textContent)")
        .await?;
    assert_eq!(marked, serde_json::json!([" ", " ", " ", " ", " "]));
    page.browser
        .goto(&format!("{}/requests/1", page.url))
        .await?;
    page.browser.click(".chip[href='#verdict']").await?;
    let signed = page.browser.text("#verdict .signed").await?;
    assert!(
        signed.starts_with("good.") && signed.ends_with(BODY),
        "{signed}"
    );
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_changed_live_and_a_request_is_sent_again() -> anyhow::Result<()> {
    let page = Page::open(&["--verify", "standard"], Window::DESKTOP).await?;
    page.webhook("first", KEY, 0, BODY, BODY).await?;
    page.browser.goto(&format!("{}/rules", page.url)).await?;
    page.script(r#"document.querySelector('[name=json]:is(textarea)').value = '{"rules":[{"respond":"503,200"}]}'"#)
        .await?;
    page.browser.click("#all-rules > button").await?;
    page.browser.reads("[role=status].card", "Saved").await?;
    assert_eq!(page.webhook("second", KEY, 0, BODY, BODY).await?, 503);
    assert_eq!(page.webhook("second", KEY, 0, BODY, BODY).await?, 200);

    page.browser
        .goto(&format!("{}/requests/1", page.url))
        .await?;
    page.browser.reads("#live", "live").await?;
    page.browser.keys("e").await?;
    page.browser.reads("#again", "Body").await?;
    // Select all of the body, and type another.
    page.script("document.activeElement.select()").await?;
    page.browser
        .keys(r#"{"id":"e","event":"random_number:generate","data":7}"#)
        .await?;
    page.browser.click("[name=resign]").await?;
    page.browser.click("#replay button").await?;
    page.browser.reads("#replayed", "answered 503").await?;
    page.browser.reads("#rows", "#4").await?;
    page.browser
        .goto(&format!("{}/requests/4", page.url))
        .await?;
    page.browser.reads("#view", "\"data\": 7").await?;
    let chips = page.browser.text(".chips").await?;
    assert!(chips.contains("ok"), "it was signed anew: {chips}");

    page.browser.goto(&format!("{}/rules", page.url)).await?;
    page.script(r#"document.querySelector('[name=json]:is(textarea)').value = '{"rules":[{"sleep":"soon"}]}'"#)
        .await?;
    page.browser.click("#all-rules > button").await?;
    page.browser.reads("[role=alert]", "sleep").await?;
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_pinned_exported_and_imported() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    page.send(
        "/one",
        "it's 'quoted'",
        &[
            ("authorization", "Bearer planted-token"),
            ("host", "localhost:22"),
        ],
    )
    .await?;
    page.browser
        .goto(&format!("{}/requests/1", page.url))
        .await?;
    page.browser.reads("#live", "live").await?;
    page.browser.keys("p").await?;
    page.browser.reads("#pins", "/one").await?;
    let client = reqwest::Client::new();
    let copied = client
        .get(format!("{}/requests/1/as/curl", page.url))
        .send()
        .await?
        .text()
        .await?;
    assert!(copied.starts_with("curl "), "{copied}");
    assert!(!copied.contains("planted-token"), "{copied}");
    let url = format!("{}/requests/1/as/curl?show_secrets=1", page.url);
    let whole = client.get(url).send().await?.text().await?;
    assert!(whole.contains("planted-token"), "{whole}");
    let to = page
        .script("return document.querySelector('#replay [name=to]').value")
        .await?;
    assert_eq!(to, page.capture, "not where the sender's Host points");
    let har = client
        .get(format!("{}/export.har", page.url))
        .send()
        .await?
        .text()
        .await?;
    let archive: serde_json::Value = serde_json::from_str(&har)?;
    assert_eq!(archive["log"]["version"], "1.2");
    assert_eq!(
        archive["log"]["entries"][0]["request"]["postData"]["text"],
        "it's 'quoted'"
    );
    // What is kept is not taken in twice.
    client
        .delete(format!("{}/api/requests", page.url))
        .send()
        .await?;
    let imported = client
        .post(format!("{}/import", page.url))
        .body(har)
        .send()
        .await?;
    assert!(imported.status().is_success(), "{}", imported.text().await?);
    page.browser.reads("#rows", "#2").await?;
    page.browser
        .goto(&format!("{}/requests/2", page.url))
        .await?;
    page.browser
        .reads("#detail", "imported from a HAR file")
        .await?;
    page.browser.keys("?").await?;
    page.browser
        .reads("#help", "next, previous request")
        .await?;
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fits_every_window() -> anyhow::Result<()> {
    let pictures = std::env::var_os("POLIS_PICTURES").map(std::path::PathBuf::from);
    let tall = Window {
        height: 1600,
        ..Window::PHONE
    };
    for (name, window) in [
        ("wide", Window::DESKTOP),
        ("wide-dark", Window::DESKTOP.dark()),
        ("narrow", tall),
        ("narrow-dark", tall.dark()),
    ] {
        let page = Page::open(&["--verify", "standard", "--respond", "500x2,200"], window).await?;
        for _ in 0..3 {
            page.webhook("0190b5a4-7f6e-7cc2-bb6e-a5ce31c4", KEY, 0, BODY, BODY)
                .await?;
        }
        page.webhook("late", KEY, 412, BODY, BODY).await?;
        page.send(
            "/up?with=a&long=query-that-goes-on-and-on-and-on-and-on-and-on",
            &"x".repeat(500),
            &[],
        )
        .await?;
        page.send(
            "/in/orders/new",
            ORDER,
            &[("content-type", "application/json")],
        )
        .await?;
        let parsed = ORDER.replace(", ", ",").replace(": ", ":");
        page.webhook("order", KEY, 0, ORDER, &parsed).await?;
        for (view, path, awaited) in [
            ("list", "/", "/up?"),
            ("request", "/requests/3", "attempt 3"),
            ("late", "/requests/4", "s old"),
            ("json", "/requests/6", "customer"),
            ("failed", "/requests/7", "Received"),
            ("headers", "/requests/7?tab=headers", "webhook-signature"),
            ("rules", "/rules", "Ready-made answers"),
        ] {
            page.browser.goto(&format!("{}{path}", page.url)).await?;
            page.browser.reads("main", awaited).await?;
            let wider = page
                .script("return document.documentElement.scrollWidth - window.innerWidth")
                .await?;
            let wider = wider.as_i64().context("no number")?;
            assert!(wider <= 0, "{view} is {wider} pixels too wide in {name}");
            // Every row of the filters reaches to the same right edge.
            let hole = page
                .script(
                    "const rows = new Map();
                     for (const field of document.querySelectorAll('.filters label')) {
                       const box = field.getBoundingClientRect();
                       rows.set(Math.round(box.bottom), box.right);
                     }
                     const edges = [...rows.values()];
                     return edges.length > 0 ? Math.max(...edges) - Math.min(...edges) : 0",
                )
                .await?;
            let hole = hole.as_f64().context("no number")?;
            assert!(
                hole < 2.0,
                "a hole of {hole} pixels in the filters of {view} in {name}"
            );
            if let Some(folder) = &pictures {
                std::fs::create_dir_all(folder)?;
                std::fs::write(
                    folder.join(format!("polis-{view}-{name}.png")),
                    page.browser.picture().await?,
                )?;
            }
        }
        page.browser.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_reaches_the_clipboard_and_keys_do_what_the_help_says() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    page.send("/one", "it's 'quoted'", &[]).await?;
    page.send("/two", "x", &[]).await?;
    page.browser.reads("#rows", "/two").await?;
    // A clipboard that can be read here: headless Chromium asks for a permission otherwise.
    page.script(
        "navigator.clipboard.writeText = async (text) => { window.copied = text; }; return 1",
    )
    .await?;
    page.browser.keys("j").await?;
    page.browser.reads("#detail h2", "/two").await?;
    page.browser.keys("j").await?;
    page.browser.reads("#detail h2", "/one").await?;
    page.browser.click("[data-copy][href$='/as/curl']").await?;
    page.browser.reads("#copied", "Copied as curl").await?;
    let copied = page.script("return window.copied").await?;
    let copied = copied.as_str().context("nothing was copied")?;
    assert!(copied.contains(r"'it'\''s '\''quoted'\'''"), "{copied}");
    page.browser.keys("r").await?;
    let title = page.browser.text("#detail h2").await?;
    assert!(
        title.contains("/one"),
        "not while the list is left: {title}"
    );
    page.browser.keys(&format!("{ESCAPE}r")).await?;
    let asked = page.browser.client.get_alert_text().await?;
    assert_eq!(asked, format!("Send #1 again to {}?", page.capture));
    page.browser.client.dismiss_alert().await?;
    page.browser.keys("r").await?;
    page.browser.client.accept_alert().await?;
    page.browser.reads("#replayed", "answered 200").await?;
    page.browser.reads("#rows", "#3").await?;
    page.browser.keys(&format!("{ESCAPE}/")).await?;
    let focused = page.script("return document.activeElement.id").await?;
    assert_eq!(focused, "search");
    page.browser.keys("j").await?;
    page.browser.reads("#rows", "Nothing that is kept").await?;
    let title = page.browser.text("#detail h2").await?;
    assert!(title.contains("/one"), "j was typed: {title}");
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_knows_its_request_when_polis_starts_anew() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    page.send("/first", "x", &[]).await?;
    page.browser
        .goto(&format!("{}/requests/1", page.url))
        .await?;
    page.browser.reads("#live", "live").await?;
    page.browser.click("#pin").await?;
    page.browser.reads("#pin", "Unpin").await?;
    // What another run of polis would show under the same number.
    page.script("document.querySelector('#detail h2.line').dataset.at = '2001-01-01'; return 1")
        .await?;
    page.browser.click("#pin").await?;
    let pins = page
        .script("return JSON.parse(localStorage['polis-pins']).length")
        .await?;
    assert_eq!(pins, 2, "two requests, not one taken away");
    page.browser.close().await
}

/// Every fetch whose address has `part` takes this much longer, as on a busy machine.
async fn delay(page: &Page, part: &str) -> anyhow::Result<()> {
    let script = format!(
        "const real = window.fetch;
         window.fetch = async (url, options) => {{
           if (String(url).includes('{part}')) await new Promise((done) => setTimeout(done, 400));
           return real(url, options);
         }};"
    );
    page.script(&script).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_not_thrown_away_by_a_request_that_arrives_meanwhile() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    page.send("/needle", "x", &[]).await?;
    page.send("/other", "y", &[]).await?;
    page.browser.reads("#rows", "#2").await?;
    delay(&page, "q=needle").await?;
    page.browser.click("#search").await?;
    page.browser.keys("needle").await?;
    until("the search on its way", PATIENCE, || async {
        // It begins when the address of the fetch is asked for; one request comes right then.
        page.send("/meanwhile", "z", &[]).await?;
        let address = page.browser.address().await?;
        anyhow::ensure!(address.ends_with("?q=needle"), "{address}");
        Ok(())
    })
    .await?;
    page.browser.reads("#above", "1 of").await?;
    let rows = page.browser.text("#rows").await?;
    assert!(
        rows.contains("/needle") && !rows.contains("/other"),
        "{rows}"
    );
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_is_not_thrown_away_by_a_request_or_by_a_search() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    page.send("/first", "needle", &[]).await?;
    page.send("/second", "needle", &[]).await?;
    page.browser.reads("#rows", "#2").await?;
    delay(&page, "/requests/1").await?;
    page.browser.click("#rows > li:last-child a").await?;
    page.send("/meanwhile", "z", &[]).await?;
    // A search that begins while the click is under way keeps it.
    page.browser.click("#search").await?;
    page.browser.keys("needle").await?;
    page.browser.reads("#detail h2", "/first").await?;
    page.browser.reads("#above", "2 of 3 match").await?;
    assert_eq!(
        page.browser.address().await?,
        format!("{}/requests/1?q=needle", page.url)
    );
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_brings_the_new_rows_and_leaves_the_others() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    for number in 1..=50 {
        page.send(&format!("/{number}"), "x", &[]).await?;
    }
    page.browser
        .goto(&format!("{}/requests/7", page.url))
        .await?;
    page.browser.reads("#live", "live").await?;
    page.script(
        "window.sizes = [];
         const real = window.fetch;
         window.fetch = async (...given) => {
           const answer = await real(...given);
           window.sizes.push((await answer.clone().text()).length);
           return answer;
         };
         for (const row of document.querySelectorAll('#rows > li')) row.wasHere = true;
         document.querySelector('#detail h2').wasHere = true;",
    )
    .await?;
    page.send("/new", "x", &[]).await?;
    page.browser.reads("#rows > li:first-child", "/new").await?;
    page.browser
        .reads("#rows > li:first-child", "200 after")
        .await?;
    let left = page
        .script("return [...document.querySelectorAll('#rows > li')].filter((row) => row.wasHere).length")
        .await?;
    assert_eq!(left, 50);
    assert_eq!(
        page.script("return document.querySelector('#detail h2').wasHere")
            .await?,
        true
    );
    let largest = page.script("return Math.max(...window.sizes)").await?;
    let whole = reqwest::get(&page.url).await?.text().await?.len();
    let largest = largest.as_u64().context("nothing was fetched")?;
    assert!(largest * 3 < whole as u64, "{largest} of {whole} bytes");
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_link_scrolls_its_row_into_view() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    for number in 1..=50 {
        page.send(&format!("/{number}"), "x", &[]).await?;
    }
    page.browser
        .goto(&format!("{}/requests/2", page.url))
        .await?;
    let seen = page
        .script(
            "const row = document.querySelector('#rows .selected').getBoundingClientRect();
             const list = document.getElementById('list').getBoundingClientRect();
             return row.top >= list.top && row.bottom <= list.bottom",
        )
        .await?;
    assert_eq!(seen, true);
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_says_that_polis_was_started_anew_and_what_was_lost() -> anyhow::Result<()> {
    let mut page = Page::open(&[], Window::DESKTOP).await?;
    page.send("/lost", "x", &[]).await?;
    page.browser
        .goto(&format!("{}/requests/1", page.url))
        .await?;
    page.browser.reads("#live", "live").await?;
    page.restart().await?;
    let said = page.browser.reads("#restarted", "was restarted").await?;
    assert!(said.contains("1 request that it kept is gone"), "{said}");
    assert!(said.contains("this page's copy"), "{said}");
    page.browser
        .reads("#rows", "Waiting for the first request")
        .await?;
    let copy = page.browser.text("#detail h2").await?;
    assert!(copy.contains("/lost"), "{copy}");
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn send_again_keeps_what_was_sent_and_where_it_went() -> anyhow::Result<()> {
    let page = Page::open(&["--verify", "standard"], Window::DESKTOP).await?;
    page.webhook("first", KEY, 0, BODY, BODY).await?;
    page.send("/second", "x", &[]).await?;
    page.browser
        .goto(&format!("{}/requests/1", page.url))
        .await?;
    let field = async |name: &str| {
        let script = format!("return document.querySelector('#replay [name={name}]').value");
        page.script(&script).await
    };
    let edit = async |name: &str, text: &str| {
        let script = format!("document.querySelector('#replay [name={name}]').value = {text:?}");
        page.script(&script).await
    };
    page.browser.click("#again summary").await?;
    edit("body", "{}").await?;
    edit("set", "header.X-Tried=1").await?;
    edit("to", &format!("{}/elsewhere", page.capture)).await?;
    page.browser.click("#replay button").await?;
    let said = page.browser.reads("#replayed", "answered 200").await?;
    assert!(
        said.contains("The standard signature is for the body before the change"),
        "{said}"
    );
    page.browser.click("#replayed summary").await?;
    page.browser
        .reads("#answered-headers", "Content-Type")
        .await?;
    assert_eq!(field("body").await?, "{}");
    assert_eq!(field("set").await?, "header.X-Tried=1");
    assert_eq!(field("to").await?, format!("{}/elsewhere", page.capture));
    // What was sent arrives here, an attempt of the same delivery: the page is renewed.
    page.browser.reads("#timeline", "attempt 2").await?;
    assert_eq!(field("body").await?, "{}", "after the renewal");

    // Also what could not be sent.
    edit("to", "http://192.0.2.1/").await?;
    page.browser.click("#replay button").await?;
    page.browser.reads("#replayed", "Not sent").await?;
    assert_eq!(field("body").await?, "{}");
    assert_eq!(field("to").await?, "http://192.0.2.1/");
    // The target is remembered for other requests, and in the next window.
    page.browser
        .goto(&format!("{}/requests/2", page.url))
        .await?;
    assert_eq!(field("to").await?, "http://192.0.2.1/");
    page.browser
        .goto(&format!("{}/requests/1", page.url))
        .await?;
    page.browser
        .reads("#sent-again", "/elsewhere: answered 200, edited")
        .await?;
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_pasted_checks_everything_that_is_kept() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    let key: &[u8; 32] = b"a key that polis was not told of";
    page.webhook("one", key, 0, BODY, BODY).await?;
    page.webhook("two", key, 0, BODY, &format!("{BODY}\n"))
        .await?;
    page.browser
        .goto(&format!("{}/requests/1", page.url))
        .await?;
    let guessed = page
        .script("return document.querySelector('#secret [name=verify]').value")
        .await?;
    assert_eq!(guessed, "standard");
    page.browser.click("#secret [name=secret]").await?;
    let secret = format!("whsec_{}", BASE64_STANDARD.encode(key));
    page.browser.keys(&format!("{secret}\u{e007}")).await?;
    page.browser
        .reads("#above", "the results of 2 kept requests changed")
        .await?;
    page.browser.reads(".chips", "sig ok").await?;
    page.browser
        .reads("#rows > li:last-child", "sig ok")
        .await?;
    page.browser
        .reads("#rows > li:first-child", "sig failed")
        .await?;
    let whole = page.script("return document.body.outerHTML").await?;
    assert!(!whole.as_str().context("no page")?.contains(&secret));
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_coloured_folded_and_copied_by_place() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    let body = r#"{"items":[{"a.b":"x\u00e9","n":1.0},{"n":2}],"big":12345678901234567890123}"#;
    page.send("/hooks", body, &[("content-type", "application/json")])
        .await?;
    page.browser
        .goto(&format!("{}/requests/1", page.url))
        .await?;
    page.browser
        .reads(".json", "12345678901234567890123")
        .await?;
    page.script(
        "navigator.clipboard.writeText = async (text) => { window.copied = text; }; return 1",
    )
    .await?;
    let top = page
        .script("return document.querySelector('.json').getBoundingClientRect().top")
        .await?;
    let top = top.as_f64().context("no number")?;
    assert!(top < 376.0, "the body begins at {top} px");
    // The first item's members, by keys alone.
    page.script("document.querySelector('.json li').focus(); return 1")
        .await?;
    page.browser.keys("\u{e015}\u{e015}\u{e015}").await?;
    page.browser
        .reads(".json-tools", r"body.items.0.a\.b")
        .await?;
    page.browser
        .click(".json-tools button:nth-of-type(1)")
        .await?;
    page.browser.reads("#copied", "Copied body").await?;
    assert_eq!(page.script("return window.copied").await?, "xé");
    page.browser
        .click(".json-tools button:nth-of-type(2)")
        .await?;
    until("the path", PATIENCE, || async {
        let copied = page.script("return window.copied").await?;
        anyhow::ensure!(copied == r"body.items.0.a\.b", "{copied}");
        Ok(())
    })
    .await?;
    // Folding takes the lines away, and unfolding brings them back.
    page.browser.click(".json li .line").await?;
    let text = page.browser.text(".json").await?;
    assert!(!text.contains("items") && text.contains('…'), "{text}");
    page.browser.click(".json li .line").await?;
    page.browser.reads(".json", "items").await?;
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_200_kb_is_painted_in_time() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    let items: Vec<String> = (0..3500)
        .map(|number| {
            format!(
                r#"{{"id":{number},"event":"random_number:generate","data":{}}}"#,
                number * 7919 % 1000
            )
        })
        .collect();
    let body = format!("[{}]", items.join(","));
    page.send("/large", &body, &[("content-type", "application/json")])
        .await?;
    page.browser.reads("#rows", "/large").await?;
    // From the click to the frame in which the body is there. The best of several rounds: what else
    // this machine does makes some of them slow, a page that is too slow makes all of them so.
    let took = page
        .script(
            "const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
             let best = Infinity;
             for (let round = 0; round < 20 && best >= 300; round++) {
               document.querySelector('.json')?.remove();
               const begun = performance.now();
               document.querySelector('#rows a').click();
               while (!document.querySelector('.json')) await frame();
               await frame();
               best = Math.min(best, performance.now() - begun);
             }
             return best",
        )
        .await?;
    let took = took.as_f64().context("no number")?;
    assert!(took < 300.0, "painted after {took} ms");
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_is_followed_while_that_is_wanted() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    page.browser.reads("#live", "live").await?;
    page.send("/one", "x", &[]).await?;
    page.browser.reads("#rows", "/one").await?;
    assert!(
        page.browser
            .text("#detail")
            .await?
            .contains("Select a request")
    );
    page.browser.click("#follow").await?;
    page.send("/two", "x", &[]).await?;
    page.browser.reads("#detail h2", "/two").await?;
    page.send("/three", "x", &[]).await?;
    page.browser.reads("#detail h2", "/three").await?;
    let title = page.script("return document.title").await?;
    assert_eq!(title, "#3 · (3) polis");
    page.browser.click("#follow").await?;
    page.send("/four", "x", &[]).await?;
    page.browser.reads("#rows", "/four").await?;
    assert!(page.browser.text("#detail h2").await?.contains("/three"));
    page.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bar_copies_the_url_makes_scopes_and_sends_an_example() -> anyhow::Result<()> {
    let page = Page::open(&[], Window::DESKTOP).await?;
    page.browser.click("#scopes summary").await?;
    page.browser.click("#new-scope input").await?;
    page.browser.keys("acme\u{e007}").await?;
    page.browser
        .reads("#capture", &format!("{}/in/acme", page.capture))
        .await?;
    page.script(
        "navigator.clipboard.writeText = async (text) => { window.copied = text; }; return 1",
    )
    .await?;
    page.browser.click(".bar [data-copy-text]").await?;
    page.browser.reads(".bar .capture", "Copied").await?;
    let copied = page.script("return window.copied").await?;
    assert_eq!(copied, format!("{}/in/acme", page.capture));
    page.browser.click("#example button").await?;
    page.browser
        .reads("#rows", "random_number:generate")
        .await?;
    page.browser.click("#scopes summary").await?;
    page.browser
        .click("#scopes [aria-label='Delete scope acme']")
        .await?;
    page.browser.client.accept_alert().await?;
    page.browser
        .reads("#rows", "Waiting for the first request")
        .await?;
    page.browser.close().await
}
