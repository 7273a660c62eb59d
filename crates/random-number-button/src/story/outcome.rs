//! The outcome of an attempt, in words.

use crate::journey::Try;

/// Why an attempt failed, with the endpoint's own reason; `None` if it did not fail.
pub(super) fn failure(attempt: &Try) -> Option<String> {
    let failure = attempt.failure.as_ref()?;
    Some(match &attempt.said {
        Some(said) => format!("{failure} and said “{said}”"),
        None => failure.clone(),
    })
}

/// The same, from the number's point of view: what is wrong with the texter.
pub(super) fn trouble(attempt: &Try) -> Option<String> {
    let failure = failure(attempt)?;
    Some(match attempt.status {
        Some(_) => format!("the texter {failure}"),
        None => format!("the texter can't be reached ({failure})"),
    })
}

pub(super) fn success(attempt: &Try) -> String {
    let took = attempt.took.as_millis();
    match (attempt.status, &attempt.said) {
        (Some(status), Some(said)) => {
            format!("answered {status} in {took}\u{a0}ms and said “{said}”")
        }
        (Some(status), None) => format!("answered {status} in {took}\u{a0}ms"),
        (None, _) => format!("accepted in {took}\u{a0}ms"),
    }
}

/// `text` with a capital letter and without a full stop, to begin a sentence with.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
