//! The list of texts, with filters and pages like Twilio's.
//!
//! A page token names a place between texts, so pages stay consistent while new texts arrive.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use crate::{
    account::AccountSid,
    message::{Message, messages_path},
    refusal::Refusal,
};

/// The number of texts on a page if the caller does not say.
const DEFAULT_PAGE_SIZE: usize = 50;

/// Maximum number of texts on a page; a request for more gets this many.
const LARGEST_PAGE_SIZE: usize = 1000;

/// The names of the parameters that filter, which every page's address repeats.
const FILTERS: [&str; 5] = ["To", "From", "DateSent", "DateSent<", "DateSent>"];

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// This many texts after the newest.
    Skip(usize),
    /// After (older than) the text with this serial number.
    After(u64),
    /// Before (newer than) the text with this serial number.
    Before(u64),
}

/// A range of times, both ends included, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sent {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// A request for one page.
#[derive(Debug)]
pub(crate) struct Listing {
    query: Vec<(String, String)>,
    sent: Vec<Sent>,
    page: usize,
    page_size: usize,
    place: Place,
}

impl Listing {
    /// Reads the query's parameters; unknown ones are ignored.
    pub(crate) fn read(query: Vec<(String, String)>) -> Result<Self, Refusal> {
        let given = |name: &str| {
            query
                .iter()
                .find(|(key, value)| key == name && !value.is_empty())
                .map(|(_, value)| value.as_str())
        };
        let page = number(given("Page"), "Page")?.unwrap_or(0);
        let page_size = match number(given("PageSize"), "PageSize")? {
            None => DEFAULT_PAGE_SIZE,
            Some(0) => {
                return Err(wrong(
                    "PageSize",
                    "it must be a whole number from 1 to 1000",
                ));
            }
            Some(size) => size.min(LARGEST_PAGE_SIZE),
        };
        let place = match given("PageToken") {
            Some(token) => {
                read_token(token).ok_or_else(|| wrong("PageToken", "take it from a page's URI"))?
            }
            None => Place::Skip(page.saturating_mul(page_size)),
        };
        let mut sent = Vec::new();
        for name in ["DateSent", "DateSent<", "DateSent>"] {
            if let Some(text) = given(name) {
                let (first, last) = span(text).ok_or_else(|| {
                    wrong("DateSent", "it must be YYYY-MM-DD or an ISO 8601 time")
                })?;
                // The SDKs write a day as its midnight, so `DateSent` always means the whole day.
                sent.push(match name {
                    "DateSent<" => Sent {
                        from: None,
                        until: Some(last),
                    },
                    "DateSent>" => Sent {
                        from: Some(first),
                        until: None,
                    },
                    _ => {
                        let (first, last) = day(first.to_zoned_datetime(TimeZone::UTC).date())
                            .ok_or_else(|| wrong("DateSent", "the year is out of range"))?;
                        Sent {
                            from: Some(first),
                            until: Some(last),
                        }
                    }
                });
            }
        }
        Ok(Self {
            sent,
            page,
            page_size,
            place,
            query,
        })
    }

    /// The page of these texts (which are given oldest first), as the API answers it.
    pub(crate) fn json(&self, messages: &[Message], account: &AccountSid) -> Value {
        let matching: Vec<&Message> = messages
            .iter()
            .rev()
            .filter(|message| self.matches(message))
            .collect();
        let (begin, end) = self.bounds(&matching);
        let shown = &matching[begin..end];
        let next = (end < matching.len())
            .then(|| shown.last())
            .flatten()
            .map(|last| {
                self.uri(
                    account,
                    self.page.saturating_add(1),
                    Some(('A', last.serial)),
                )
            });
        let previous = (begin > 0).then(|| shown.first()).flatten().map(|first| {
            self.uri(
                account,
                self.page.saturating_sub(1),
                Some(('B', first.serial)),
            )
        });
        let start = self.page.saturating_mul(self.page_size);
        json!({
            "first_page_uri": self.uri(account, 0, None),
            "next_page_uri": next,
            "previous_page_uri": previous,
            "page": self.page,
            "page_size": self.page_size,
            "start": start,
            "end": start.saturating_add(shown.len().saturating_sub(1)),
            "uri": self.own_uri(account),
            "messages": shown.iter().map(|message| message.json(account)).collect::<Vec<_>>(),
        })
    }

    fn matches(&self, message: &Message) -> bool {
        let same = |name: &str, value: &str| {
            self.query
                .iter()
                .filter(|(key, wanted)| key == name && !wanted.is_empty())
                .all(|(_, wanted)| wanted == value)
        };
        same("To", &message.to)
            && same("From", message.from.as_deref().unwrap_or_default())
            && self.sent.iter().all(|sent| {
                message.sent_at.is_some_and(|at| {
                    let at = at.as_second();
                    sent.from.is_none_or(|from| from.as_second() <= at)
                        && sent.until.is_none_or(|until| at <= until.as_second())
                })
            })
    }

    /// Which of the matching texts, newest first, are on the page.
    fn bounds(&self, matching: &[&Message]) -> (usize, usize) {
        let begin = match self.place {
            Place::Skip(count) => count.min(matching.len()),
            Place::After(serial) => matching.partition_point(|message| message.serial >= serial),
            Place::Before(serial) => {
                let end = matching.partition_point(|message| message.serial > serial);
                return (end.saturating_sub(self.page_size), end);
            }
        };
        (begin, (begin + self.page_size).min(matching.len()))
    }

    fn uri(&self, account: &AccountSid, page: usize, token: Option<(char, u64)>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, value) in &self.query {
            if FILTERS.contains(&key.as_str()) {
                query.append_pair(key, value);
            }
        }
        query
            .append_pair("PageSize", &self.page_size.to_string())
            .append_pair("Page", &page.to_string());
        if let Some((side, serial)) = token {
            query.append_pair("PageToken", &format!("P{side}SM{serial:032x}"));
        }
        format!("{}.json?{}", messages_path(account), query.finish())
    }

    fn own_uri(&self, account: &AccountSid) -> String {
        let token = match self.place {
            Place::Skip(_) => None,
            Place::After(serial) => Some(('A', serial)),
            Place::Before(serial) => Some(('B', serial)),
        };
        self.uri(account, self.page, token)
    }
}

fn wrong(name: &'static str, reason: &'static str) -> Refusal {
    Refusal::Parameter { name, reason }
}

fn number(text: Option<&str>, name: &'static str) -> Result<Option<usize>, Refusal> {
    text.map(|text| {
        text.parse()
            .map_err(|_| wrong(name, "it must be a whole number"))
    })
    .transpose()
}

fn read_token(token: &str) -> Option<Place> {
    let (side, serial) = token.split_at_checked("PASM".len())?;
    let serial = u64::from_str_radix(serial, 16).ok()?;
    match side {
        "PASM" => Some(Place::After(serial)),
        "PBSM" => Some(Place::Before(serial)),
        _ => None,
    }
}

/// The first and the last second of a day; for a time, its second twice.
fn span(text: &str) -> Option<(Timestamp, Timestamp)> {
    match text.parse::<Timestamp>() {
        Ok(at) => Some((at, at)),
        Err(_) => day(text.parse().ok()?),
    }
}

fn day(date: Date) -> Option<(Timestamp, Timestamp)> {
    let first = date.to_zoned_datetime(TimeZone::UTC).ok()?;
    let last = first
        .checked_add(1.day())
        .ok()?
        .checked_sub(1.second())
        .ok()?;
    Some((first.timestamp(), last.timestamp()))
}
