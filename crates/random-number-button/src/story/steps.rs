//! The branches of a journey, one for each endpoint, and the text that follows from one of them.

use std::time::SystemTime;

use super::{
    exchange::Exchange,
    outcome::{failure, sentence, success},
    station::{Branch, Line, Step, Tone},
};
use crate::journey::{Journey, Leg, Stage, Standing, Text};

pub(super) fn leg_branch(leg: &Leg, now: SystemTime) -> Branch {
    let to = &leg.name;
    let attempts = leg
        .attempts
        .iter()
        .map(|attempt| {
            let outcome = failure(attempt).unwrap_or_else(|| success(attempt));
            let line = Line::at(
                format!("Attempt {}: {outcome},", attempt.number),
                attempt.at,
            );
            let key = format!("{}#{}", leg.url, attempt.number);
            (line, Exchange::of(attempt, key))
        })
        .collect();
    let mut lines = Vec::new();
    let (tone, title) = match &leg.standing {
        Standing::Delivered(_) if leg.refusal().is_some() => (
            Tone::Careful,
            format!("Accepted by {to}, which sent no text"),
        ),
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
    Branch {
        name: leg.name.clone(),
        url: leg.url.clone(),
        step: Step { tone, title, lines },
        attempts,
        text: None,
    }
}

pub(super) fn text_step(journey: &Journey) -> Option<Step> {
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
        Stage::Unclear => (Tone::Careful, "Perhaps a text"),
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
