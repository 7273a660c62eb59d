//! A form that sends what is entered as a webhook: boozebot's.

use std::path::Path;

use axum::{
    Form, Router,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use webhooks_core::{Event, NewEndpoint, Webhooks};

const CUSTOMER: &str = "random";
/// Names of drinks, places and people are short.
const TEXT_CHARS_MAX: usize = 80;
const STARS_MAX: u8 = 5;

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Boozebot</title>
  <link rel="stylesheet" href="/assets/app.css">
</head>
<body>
<main>
  <h1>Boozebot</h1>
  <form class="card" method="post">
    <p><label>Drink<br><input name="drink" required maxlength="80"></label></p>
    <p><label>Where<br><input name="place" required maxlength="80"></label></p>
    <p><label>Stars, 1 to 5<br><input name="stars" type="number" min="1" max="5" value="4" required></label></p>
    <p><label>Link to a photo (optional)<br><input name="photo" type="url" pattern="https://.*"></label></p>
    <p><label>Your name<br><input name="who" required maxlength="80"></label></p>
    <button>Tell #random</button>
  </form>
</main>
</body>
</html>
"#;

#[derive(Debug, Serialize, Deserialize)]
struct Drink {
    drink: String,
    place: String,
    stars: u8,
    #[serde(default)]
    photo: String,
    who: String,
}

impl Drink {
    fn problem(&self) -> Option<String> {
        for text in [&self.drink, &self.place, &self.who] {
            let length = text.chars().count();
            if !(1..=TEXT_CHARS_MAX).contains(&length) {
                return Some(format!(
                    "{text:?} has {length} characters; 1 to {TEXT_CHARS_MAX} are possible"
                ));
            }
        }
        if !(1..=STARS_MAX).contains(&self.stars) {
            return Some(format!("{} stars are not 1 to {STARS_MAX}", self.stars));
        }
        let photo = &self.photo;
        (!photo.is_empty() && !photo.starts_with("https://"))
            .then(|| format!("{photo:?} does not begin with https://"))
    }
}

/// An engine that sends the form's events to `hook`.
pub(crate) async fn webhooks(store: &Path, hook: &str, secret: &str) -> anyhow::Result<Webhooks> {
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&format!("sqlite:{}", store.display()))
        .await?;
    let endpoint = NewEndpoint::new(hook).secret(secret.parse()?);
    webhooks.endpoints(CUSTOMER).add(endpoint).await?;
    Ok(webhooks)
}

pub(crate) fn routes(webhooks: Webhooks) -> Router {
    let routes = Router::new()
        .route("/", get(async || Html(PAGE)).post(rate))
        .with_state(webhooks)
        .merge(serve::Assets::new(&[]).routes());
    serve::same_origin(routes, [] as [&str; 0])
}

async fn rate(State(webhooks): State<Webhooks>, Form(drink): Form<Drink>) -> Response {
    if let Some(problem) = drink.problem() {
        return (StatusCode::UNPROCESSABLE_ENTITY, problem).into_response();
    }
    match webhooks
        .send(CUSTOMER, Event::new("drink:rated", &drink))
        .await
    {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}
