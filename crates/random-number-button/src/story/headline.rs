//! The one sentence that matters most, with what it means and what comes next.

use std::time::SystemTime;

use super::{
    outcome::{sentence, trouble},
    station::{Line, Tone},
};
use crate::journey::{Journey, Leg, Stage, Standing, Text, TextStatus};

/// The tone, two words for the history, the sentence, and what to add to it.
type Headline = (Tone, &'static str, String, Option<Line>);

pub(super) fn headline(journey: &Journey, now: SystemTime) -> Headline {
    let number = journey.number;
    match &journey.text {
        // Until the texter has accepted the number for good, what it waits for is the news.
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
            format!("It is not known whether {number} was texted."),
            Some(Line::new(format!(
                "{}. The texter does not send it again, since the text may be on its way: look at the phone.",
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

/// The texter accepted the number, and the text's status is not known.
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
                "That endpoint does not report what becomes of texts, so nothing more is known.",
            )),
        ),
        Text::OutOfReach => (
            Tone::Careful,
            "with the texter",
            format!("The texter took {number}. It can't say right now what became of the text."),
            Some(Line::new(
                "The texter does not answer; the button keeps asking until it does.",
            )),
        ),
        Text::LostSight(_) => (
            Tone::Careful,
            "no news",
            format!("The texter took {number}. There has been no news of the text since."),
            Some(Line::new("Reload the page to ask once more.")),
        ),
        Text::Unknown | Text::Told(_) => (
            Tone::Open,
            "with the texter",
            format!("The texter took {number}. Waiting for news of the text."),
            None,
        ),
    }
}
