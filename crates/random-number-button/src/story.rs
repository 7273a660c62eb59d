//! A journey in sentences: what happened, and what happens next.
//!
//! Everything on the page is said here, so that the live page, the page without JavaScript and
//! the history say the same. It never says more than the journey's facts do.

use std::time::SystemTime;

use crate::{
    journey::{Journey, Leg, Stage, Standing, Text, TextStatus, Try},
    moment::Moment,
};

/// How good the news is; the stylesheet's `ok`, `warn`, `bad`, or `soft` while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Open,
    Good,
    Careful,
    Bad,
}

impl Tone {
    /// The class of the shared stylesheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Open => "soft",
            Self::Good => "ok",
            Self::Careful => "warn",
            Self::Bad => "bad",
        }
    }
}

/// One journey, told.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) number: u16,
    pub(crate) tone: Tone,
    /// The one sentence that matters most.
    pub(crate) headline: String,
    /// What it means and what comes next.
    pub(crate) more: Option<Line>,
    /// Two words for the history.
    pub(crate) short: &'static str,
    pub(crate) steps: Vec<Step>,
}

/// One station of the journey.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) tone: Tone,
    pub(crate) title: String,
    pub(crate) lines: Vec<Line>,
}

/// A sentence that may end in a time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) at: Option<Moment>,
    /// Whether that time was still to come: worth a countdown.
    pub(crate) ahead: bool,
}

impl Line {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            at: None,
            ahead: false,
        }
    }

    fn at(text: impl Into<String>, at: SystemTime) -> Self {
        Self {
            text: text.into(),
            at: Some(Moment::new(at)),
            ahead: false,
        }
    }

    /// A line on what comes at `due`: the time when it is ahead, "any moment" when it is not.
    fn next_try(due: SystemTime, now: SystemTime) -> Self {
        if due > now {
            Self {
                ahead: true,
                ..Self::at("It tries again at", due)
            }
        } else {
            Self::new("It tries again any moment.")
        }
    }
}

/// Tells `journey` as of `now`.
pub(crate) fn tell(journey: &Journey, now: SystemTime) -> Story {
    let (tone, short, headline, more) = headline(journey, now);
    let mut steps = vec![Step {
        tone: Tone::Good,
        title: "Generated".to_owned(),
        lines: vec![Line::at(
            format!("{} was drawn at", journey.number),
            journey.drawn_at,
        )],
    }];
    let (texter, others): (Vec<&Leg>, Vec<&Leg>) = journey.legs.iter().partition(|leg| leg.texter);
    steps.extend(texter.into_iter().map(|leg| leg_step(leg, now)));
    // The text follows from the texter's leg; endpoints that only listen come after it.
    steps.extend(text_step(journey));
    steps.extend(others.into_iter().map(|leg| leg_step(leg, now)));
    Story {
        number: journey.number,
        tone,
        headline,
        more,
        short,
        steps,
    }
}

type Headline = (Tone, &'static str, String, Option<Line>);

fn headline(journey: &Journey, now: SystemTime) -> Headline {
    let number = journey.number;
    match &journey.text {
        // While the texter has not taken the number for good, what it waits for is the news.
        Text::Told(status) | Text::LostSight(Some(status))
            if journey.is_taken() || status.stage().is_known() =>
        {
            text_headline(number, status)
        }
        _ => match journey.texter_leg() {
            Some(leg) => leg_headline(journey, leg, now),
            None => (
                Tone::Open,
                "generated",
                format!("{number} was generated."),
                None,
            ),
        },
    }
}

fn text_headline(number: u16, status: &TextStatus) -> Headline {
    let reason = status.reason();
    let because = |fallback: &str| reason.clone().unwrap_or_else(|| fallback.to_owned());
    let sent = || format!("Sent a text with this random number: {number}");
    match status.stage() {
        Stage::Handing => (
            Tone::Open,
            "with the texter",
            format!("The texter has {number}. Twilio has not accepted a text yet."),
            reason.map(Line::new),
        ),
        Stage::Accepted => (
            Tone::Open,
            "queued",
            sent(),
            Some(Line::new(
                "Twilio has it in its queue; it is not on the phone yet.",
            )),
        ),
        Stage::Sent => (
            Tone::Open,
            "sent",
            sent(),
            Some(Line::new(
                "The carrier has it; the phone has not confirmed it yet.",
            )),
        ),
        Stage::Delivered => (
            Tone::Good,
            "delivered",
            sent(),
            Some(Line::new("It was delivered to the phone.")),
        ),
        Stage::Undelivered => (
            Tone::Bad,
            "not delivered",
            format!("The text with {number} did not reach the phone."),
            Some(Line::new(format!(
                "{}. Nothing tries again; press the button for another number.",
                because("Twilio gave no reason")
            ))),
        ),
        Stage::Refused => (
            Tone::Bad,
            "not texted",
            format!("No text was sent for {number}."),
            Some(Line::new(format!(
                "{}. Nothing tries again: put this right, then press the button.",
                because("The texter gave no reason")
            ))),
        ),
        Stage::Unclear => (
            Tone::Careful,
            "unclear",
            format!("Nobody knows whether {number} was texted."),
            Some(Line::new(format!(
                "{}. The texter does not repeat it, since the text may be on its way: look at the phone.",
                because("Twilio was asked and did not answer")
            ))),
        ),
    }
}

fn leg_headline(journey: &Journey, leg: &Leg, now: SystemTime) -> Headline {
    let number = journey.number;
    let failed = leg.last_try().and_then(trouble);
    let yet = match &journey.text {
        Text::Told(status) if status.stage() == Stage::Unclear => {
            format!("It is not known yet whether {number} was texted")
        }
        _ => format!("{number} is not texted yet"),
    };
    match &leg.standing {
        Standing::Delivered(_) => taken_headline(journey, leg),
        Standing::Ended(reason, _) => (
            Tone::Bad,
            "not texted",
            format!("{number} was not texted: it never reached the texter."),
            Some(Line::new(format!(
                "{}. Nothing tries again; press the button for another number.",
                sentence(failed.as_deref().unwrap_or(reason))
            ))),
        ),
        Standing::Held(reason, next) => (
            Tone::Careful,
            "held",
            format!("{yet}: {}.", failed.as_deref().unwrap_or(reason)),
            next.map(|due| Line::next_try(due, now)),
        ),
        Standing::UnderWay => match failed {
            None => (
                Tone::Open,
                "on its way",
                format!("{number} was generated and is on its way to the texter."),
                None,
            ),
            Some(failed) => (
                Tone::Careful,
                "trying again",
                format!("{yet}: {failed}."),
                Some(Line::new("It is being tried again right now.")),
            ),
        },
        Standing::WaitsUntil(due) => match failed {
            None => (
                Tone::Open,
                "on its way",
                format!("{number} was generated and waits for its turn."),
                (*due > now).then(|| Line::at("It goes to the texter at", *due)),
            ),
            Some(failed) => (
                Tone::Careful,
                "trying again",
                format!("{yet}: {failed}."),
                Some(Line::next_try(*due, now)),
            ),
        },
    }
}

/// The texter took the number, and there is no word on the text.
fn taken_headline(journey: &Journey, leg: &Leg) -> Headline {
    let number = journey.number;
    if let Some(refusal) = leg.refusal() {
        return (
            Tone::Bad,
            "not texted",
            format!("No text was sent for {number}."),
            Some(Line::new(format!(
                "The texter says: {refusal}. Nothing tries again: put this right, then press the button."
            ))),
        );
    }
    match journey.text {
        Text::NotTold => (
            Tone::Open,
            "delivered to the endpoint",
            format!("{number} was delivered to {}.", leg.url),
            Some(Line::new(
                "That endpoint does not tell what becomes of texts, so nothing is known of one.",
            )),
        ),
        Text::OutOfReach => (
            Tone::Careful,
            "with the texter",
            format!("The texter took {number}. What became of the text can't be asked right now."),
            Some(Line::new(
                "The texter does not answer; it is asked again until it does.",
            )),
        ),
        Text::LostSight(_) => (
            Tone::Careful,
            "no word",
            format!("The texter took {number}. Nothing was heard of the text since."),
            Some(Line::new("Reload the page to ask once more.")),
        ),
        Text::Unknown | Text::Told(_) => (
            Tone::Open,
            "with the texter",
            format!("The texter took {number}. Waiting for word of the text."),
            None,
        ),
    }
}

fn leg_step(leg: &Leg, now: SystemTime) -> Step {
    let to = if leg.texter {
        format!("the texter ({})", leg.url)
    } else {
        leg.url.clone()
    };
    let mut lines: Vec<Line> = leg
        .attempts
        .iter()
        .map(|attempt| {
            let outcome = failure(attempt).unwrap_or_else(|| success(attempt));
            Line::at(
                format!("Attempt {}: {outcome},", attempt.number),
                attempt.at,
            )
        })
        .collect();
    let (tone, title) = match &leg.standing {
        Standing::Delivered(_) if leg.refusal().is_some() => {
            (Tone::Careful, format!("Taken by {to}, which made no text"))
        }
        Standing::Delivered(_) => (Tone::Good, format!("Delivered to {to}")),
        Standing::UnderWay => (Tone::Open, format!("On its way to {to}")),
        Standing::WaitsUntil(due) if leg.attempts.is_empty() => {
            if *due > now {
                lines.push(Line::at("Due at", *due));
            }
            (Tone::Open, format!("On its way to {to}"))
        }
        Standing::WaitsUntil(due) => {
            lines.push(Line::next_try(*due, now));
            (Tone::Careful, format!("Not yet delivered to {to}"))
        }
        Standing::Held(reason, next) => {
            lines.push(Line::new(format!("{}.", sentence(reason))));
            lines.extend(next.map(|due| Line::next_try(due, now)));
            (Tone::Careful, format!("Held back from {to}"))
        }
        Standing::Ended(reason, at) => {
            lines.push(Line::at(format!("{},", sentence(reason)), *at));
            (Tone::Bad, format!("Not delivered to {to}"))
        }
    };
    Step { tone, title, lines }
}

fn text_step(journey: &Journey) -> Option<Step> {
    let (status, lost) = match &journey.text {
        Text::Told(status) => (status, false),
        Text::LostSight(Some(status)) => (status, true),
        _ => return None,
    };
    let (tone, title) = match status.stage() {
        Stage::Handing => (Tone::Open, "Text being handed to Twilio"),
        Stage::Accepted => (Tone::Open, "Text queued at Twilio"),
        Stage::Sent => (Tone::Open, "Text sent to the carrier"),
        Stage::Delivered => (Tone::Good, "Text delivered"),
        Stage::Undelivered => (Tone::Bad, "Text not delivered"),
        Stage::Refused => (Tone::Bad, "No text"),
        Stage::Unclear => (Tone::Careful, "A text, perhaps"),
    };
    let mut lines = vec![Line::new(format!(
        "The texter reports: {}{}.",
        status.status,
        status
            .reason()
            .map(|reason| format!(". {}", sentence(&reason)))
            .unwrap_or_default()
    ))];
    if lost {
        lines.push(Line::new(
            "It has said nothing since; reload the page to ask once more.",
        ));
    }
    Some(Step {
        tone,
        title: title.to_owned(),
        lines,
    })
}

/// Why an attempt failed, with what the endpoint itself said; `None` when it did not.
fn failure(attempt: &Try) -> Option<String> {
    let failure = attempt.failure.as_ref()?;
    Some(match &attempt.said {
        Some(said) => format!("{failure} and said “{said}”"),
        None => failure.clone(),
    })
}

/// The same from the number's point of view: what is wrong with the texter.
fn trouble(attempt: &Try) -> Option<String> {
    let failure = failure(attempt)?;
    Some(match attempt.status {
        Some(_) => format!("the texter {failure}"),
        None => format!("the texter can't be reached ({failure})"),
    })
}

fn success(attempt: &Try) -> String {
    let took = attempt.took.as_millis();
    match (attempt.status, &attempt.said) {
        (Some(status), Some(said)) => {
            format!("answered {status} in {took} ms and said “{said}”")
        }
        (Some(status), None) => format!("answered {status} in {took} ms"),
        (None, _) => format!("taken in {took} ms"),
    }
}

/// `text` with a capital letter and without a full stop, to begin a sentence with.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const CLAIM: &str = "Sent a text with this random number: 641";

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn attempt(status: Option<u16>, failure: Option<&str>, said: Option<&str>) -> Try {
        Try {
            number: 1,
            at: now(),
            took: Duration::from_millis(3),
            status,
            failure: failure.map(str::to_owned),
            said: said.map(str::to_owned),
        }
    }

    fn journey(attempts: Vec<Try>, standing: Standing, text: Text) -> Journey {
        let mut journey = Journey::new("e1".to_owned(), 641, now());
        journey.legs = vec![Leg {
            url: "http://localhost:9000".to_owned(),
            texter: true,
            attempts,
            standing,
        }];
        journey.text = text;
        journey
    }

    fn told(status: &str, error_code: Option<i64>, error_message: Option<&str>) -> Text {
        Text::Told(TextStatus {
            event_id: "e1".to_owned(),
            status: status.to_owned(),
            error_code,
            error_message: error_message.map(str::to_owned),
        })
    }

    /// Everything that is said, on one line.
    fn whole(journey: &Journey) -> String {
        let story = tell(journey, now());
        let line = |line: &Line| {
            let at = line
                .at
                .map_or(String::new(), |at| format!(" {}", at.human()));
            format!("{}{at}", line.text)
        };
        let mut parts = vec![story.headline.clone()];
        parts.extend(story.more.iter().map(line));
        for step in &story.steps {
            parts.push(step.title.clone());
            parts.extend(step.lines.iter().map(line));
        }
        parts.join(" | ")
    }

    fn taken() -> (Vec<Try>, Standing) {
        (
            vec![attempt(Some(201), None, None)],
            Standing::Delivered(now()),
        )
    }

    #[test]
    fn a_text_is_claimed_once_twilio_accepted_it_and_not_before() {
        let (attempts, standing) = taken();
        for (text, claimed) in [
            (Text::Unknown, false),
            (Text::OutOfReach, false),
            (Text::NotTold, false),
            (Text::LostSight(None), false),
            (told("waiting", None, None), false),
            (told("a word of tomorrow", None, None), false),
            (told("unknown", None, None), false),
            (told("refused", Some(21211), None), false),
            (told("undelivered", Some(30003), None), false),
            (told("queued", None, None), true),
            (told("sent", None, None), true),
            (told("delivered", None, None), true),
        ] {
            let journey = journey(attempts.clone(), standing.clone(), text);
            let told = whole(&journey);
            assert_eq!(told.contains(CLAIM), claimed, "{told}");
        }
    }

    #[test]
    fn delivered_is_said_of_the_text_only_when_the_phone_has_it() {
        let (attempts, standing) = taken();
        for (status, delivered) in [("queued", false), ("sent", false), ("delivered", true)] {
            let journey = journey(attempts.clone(), standing.clone(), told(status, None, None));
            let told = whole(&journey);
            assert_eq!(told.contains("delivered to the phone"), delivered, "{told}");
        }
    }

    #[test]
    fn a_texter_that_is_down_is_named_with_the_next_try() {
        let due = now() + Duration::from_secs(5);
        let journey = journey(
            vec![attempt(None, Some("connection refused"), None)],
            Standing::WaitsUntil(due),
            Text::Unknown,
        );
        let told = whole(&journey);
        assert!(
            told.starts_with(
                "641 is not texted yet: the texter can't be reached (connection refused). | \
                 It tries again at 22:13:25 UTC"
            ),
            "{told}"
        );
    }

    #[test]
    fn while_twilio_may_have_a_text_it_is_not_said_that_there_is_none() {
        let journey = journey(
            vec![attempt(Some(503), Some("answered 503"), None)],
            Standing::WaitsUntil(now()),
            told("unknown", None, None),
        );
        let told = whole(&journey);
        assert!(
            told.starts_with("It is not known yet whether 641 was texted"),
            "{told}"
        );
        assert!(!told.contains("not texted yet"), "{told}");
    }

    #[test]
    fn a_try_that_is_due_already_has_no_time_in_the_past() {
        let journey = journey(
            vec![attempt(
                Some(503),
                Some("answered 503"),
                Some("Twilio is busy"),
            )],
            Standing::WaitsUntil(now()),
            Text::Unknown,
        );
        let told = whole(&journey);
        assert!(
            told.contains("the texter answered 503 and said “Twilio is busy”"),
            "{told}"
        );
        assert!(told.contains("It tries again any moment."), "{told}");
    }

    #[test]
    fn a_refusal_in_the_texters_202_is_told_even_without_its_status() {
        let journey = journey(
            vec![attempt(
                Some(202),
                None,
                Some("The 'To' number is not valid"),
            )],
            Standing::Delivered(now()),
            Text::NotTold,
        );
        let told = whole(&journey);
        assert!(told.starts_with("No text was sent for 641."), "{told}");
        assert!(told.contains("The 'To' number is not valid"), "{told}");
        assert!(told.contains("Nothing tries again"), "{told}");
    }

    #[test]
    fn a_text_that_failed_says_why_and_that_nothing_tries_again() {
        let (attempts, standing) = taken();
        let text = told(
            "undelivered",
            Some(30003),
            Some("Unreachable destination handset."),
        );
        let told = whole(&journey(attempts, standing, text));
        assert!(
            told.starts_with("The text with 641 did not reach the phone."),
            "{told}"
        );
        assert!(
            told.contains(
                "Unreachable destination handset (Twilio's error 30003). Nothing tries again"
            ),
            "{told}"
        );
    }

    #[test]
    fn an_endpoint_that_is_no_texter_is_not_made_one() {
        let (attempts, standing) = taken();
        let told = whole(&journey(attempts, standing, Text::NotTold));
        assert!(
            told.starts_with("641 was delivered to http://localhost:9000."),
            "{told}"
        );
        assert!(told.contains("nothing is known of one"), "{told}");
    }

    #[test]
    fn what_was_given_up_says_so() {
        let journey = journey(
            vec![attempt(None, Some("connection refused"), None)],
            Standing::Ended("every attempt failed".to_owned(), now()),
            Text::Unknown,
        );
        let told = whole(&journey);
        assert!(
            told.contains("641 was not texted: it never reached the texter."),
            "{told}"
        );
        assert!(told.contains("Every attempt failed"), "{told}");
    }
}
