//! The guided path: which parts of the chain a person can break on the page, and how.
//!
//! It is available only where a dev-phone runs: the dev-phone and the texter next to it have the
//! switches, and nothing that costs money can be reached through them.

use std::time::Duration;

use url::Url;

/// dev-phone and the texter are on this machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// The page is not shown until this answer is there.
const LOOK_LIMIT: Duration = Duration::from_millis(500);

/// One thing to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breakage {
    /// Twilio answers 500 to the next text.
    TwilioError,
    /// Texts are accepted and never arrive.
    AirplaneMode,
    /// The texter refuses connections for a while.
    TexterDown,
    /// The other button on the same database is killed in the middle of sending.
    TwinKilled,
}

impl Breakage {
    /// In the order in which they are tried; the last one only if there are two buttons.
    pub(crate) const ALL: [Self; 4] = [
        Self::TwilioError,
        Self::AirplaneMode,
        Self::TexterDown,
        Self::TwinKilled,
    ];

    /// Its name in URLs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::TwilioError => "twilio-error",
            Self::AirplaneMode => "airplane-mode",
            Self::TexterDown => "texter-down",
            Self::TwinKilled => "button-killed",
        }
    }

    /// The inverse of [`Breakage::word`].
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::TwilioError => "Twilio fails once",
            Self::AirplaneMode => "The phone is out of reach",
            Self::TexterDown => "The texter is down",
            Self::TwinKilled => "A button is killed",
        }
    }

    /// What pressing its button does.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::TwilioError => "Make Twilio fail once, and draw a number",
            Self::AirplaneMode => "Switch airplane mode on, and draw a number",
            Self::TexterDown => "Stop the texter for 20 seconds, and draw a number",
            Self::TwinKilled => "Draw a number on the other button, and kill it",
        }
    }

    /// What it stands for.
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::TwilioError => {
                "The receiver got the webhook, but could not do its work. What now?"
            }
            Self::AirplaneMode => "The webhook gets through, and still no text arrives.",
            Self::TexterDown => "Nothing is listening at the URL. Is the number lost?",
            Self::TwinKilled => {
                "The button that was delivering the number dies halfway. Who delivers it now?"
            }
        }
    }

    /// What to watch for, once it is broken.
    pub(crate) fn watch(self) -> &'static [&'static str] {
        match self {
            Self::TwilioError => &[
                "Twilio answers the texter 500, so the texter answers the webhook 503: “not now”.",
                "The button sends the same webhook again a few seconds later. Open both attempts: the webhook-id \
                 is the same, the timestamp and the signature are new.",
                "The second attempt is answered 201, and the phone gets one text, not two.",
            ],
            Self::AirplaneMode => &[
                "The webhook is answered 201 at the first attempt: the texter did its part, and nothing is sent \
                 again.",
                "The text ends as “undelivered”. The texter knows because Twilio calls a URL of the texter’s: \
                 that call is a webhook, too.",
                "Then switch airplane mode off, and press the button as usual.",
            ],
            Self::TexterDown => &[
                "The connection is refused, and the button says when it tries again. The number waits in its \
                 database.",
                "polis got its webhook at once: one endpoint that is down does not delay another.",
                "When the texter is back, the next attempt gets through and the text arrives.",
            ],
            Self::TwinKilled => &[
                "The other button had sent the webhook to the texter and was killed before the answer came. \
                 The database still says that the delivery is in its hands.",
                "Each button reports every second that it is alive. After 10 seconds of silence this one presumes \
                 the other dead, takes over its deliveries, and sends them.",
                "The webhook-id is the same as before. The texter knows it, so the phone gets one text, not two.",
                "The demo starts the other button again after 30 seconds.",
            ],
        }
    }
}

/// A switch could not be set.
#[derive(Debug, thiserror::Error)]
#[error("{who} did not accept the switch ({reason}). Nothing was broken, and no number was drawn.")]
pub(crate) struct SwitchError {
    who: &'static str,
    reason: String,
}

impl SwitchError {
    #[cfg(feature = "postgres")]
    pub(crate) fn new(who: &'static str, reason: String) -> Self {
        Self { who, reason }
    }
}

/// The other end of the switches.
#[derive(Debug)]
pub(crate) struct Switchboard {
    client: reqwest::Client,
    /// dev-phone.
    phone: String,
    texter: Url,
}

impl Switchboard {
    /// The switches of the dev-phone at `phone` and of the texter at `texter`.
    pub(crate) fn new(client: reqwest::Client, phone: &str, texter: Url) -> Self {
        Self {
            client,
            phone: phone.to_owned(),
            texter,
        }
    }

    /// Breaks one thing, and restores all others.
    pub(crate) async fn break_it(&self, breakage: Breakage) -> Result<(), SwitchError> {
        match breakage {
            Breakage::TwilioError => {
                self.phone("airplane=off&slow_seconds=0&answer=server_error&times=1")
                    .await
            }
            Breakage::AirplaneMode => {
                self.phone("airplane=on&slow_seconds=0&answer=accept&times=")
                    .await
            }
            Breakage::TexterDown => {
                self.put_right().await?;
                let down = self.texter.join("/down").map_err(|error| SwitchError {
                    who: "The texter",
                    reason: error.to_string(),
                })?;
                self.post("The texter", down.as_str(), "").await
            }
            // Long enough for the other button to be killed before it gets the answer.
            Breakage::TwinKilled => {
                self.phone("airplane=off&slow_seconds=5&answer=accept&times=")
                    .await
            }
        }
    }

    /// Resets the phone's switches.
    pub(crate) async fn put_right(&self) -> Result<(), SwitchError> {
        self.post("dev-phone", &format!("{}/switches/reset", self.phone), "")
            .await
    }

    /// Whether the phone is in airplane mode; `false` when it does not say.
    pub(crate) async fn is_in_airplane_mode(&self) -> bool {
        let asked = self
            .client
            .get(format!("{}/switches", self.phone))
            .timeout(LOOK_LIMIT)
            .send();
        let body = match asked.await {
            Ok(answer) => answer.bytes().await,
            Err(error) => Err(error),
        };
        match body {
            Ok(body) => serde_json::from_slice::<serde_json::Value>(&body)
                .is_ok_and(|switches| switches["airplane"] == true),
            Err(error) => {
                tracing::debug!(%error, "the phone does not report its switches");
                false
            }
        }
    }

    async fn phone(&self, switches: &'static str) -> Result<(), SwitchError> {
        self.post("dev-phone", &format!("{}/switches", self.phone), switches)
            .await
    }

    async fn post(
        &self,
        who: &'static str,
        url: &str,
        form: &'static str,
    ) -> Result<(), SwitchError> {
        let posted = self
            .client
            .post(url)
            .timeout(ANSWER_LIMIT)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form)
            .send();
        let reason = match posted.await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => format!("it answered {}", answer.status()),
            Err(error) if error.is_connect() => "it does not answer; is it running?".to_owned(),
            Err(error) if error.is_timeout() => "it took too long to answer".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(SwitchError { who, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_breakage_has_a_word_of_its_own() {
        for breakage in Breakage::ALL {
            assert_eq!(Breakage::parse(breakage.word()), Some(breakage));
        }
        assert_eq!(Breakage::parse("nothing"), None);
    }
}
