//! What will be done with one request, decided before anything is sent.

use std::{sync::PoisonError, time::Duration};

use bytes::Bytes;
use rand::RngExt;
use url::Url;

use super::Rules;

/// The original's answer to `GET /`.
const UP: &str = "Up and Running!";

/// How a request is answered.
#[derive(Debug)]
pub struct Plan {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: PlannedBody,
    pub(crate) sleep: Duration,
    pub(crate) manner: Manner,
    /// The pause between two bytes of the body.
    pub(crate) slow_body: Option<Duration>,
    pub(crate) forward: Option<Url>,
    /// Whether the status stands even when an app behind `forward` answers another.
    pub(crate) status_wins: bool,
    /// Why it is answered so, when that is not obvious.
    pub(crate) note: Option<String>,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlannedBody {
    /// The request's own body and content type.
    Echo,
    /// These bytes.
    Fixed(Bytes),
    /// So many bytes, made up while they are sent.
    Huge(u64),
}

/// Whether an answer comes at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Answer,
    Hang,
    Reset,
}

/// The facts a plan is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) event: Option<&'a str>,
    /// Attempts of the same delivery before this one.
    pub(crate) before: u32,
    /// A browser's question whether it may send a request.
    pub(crate) is_preflight: bool,
}

impl Asked<'_> {
    /// Whether it is asked if polis is up, as with the original.
    pub(crate) fn is_health_check(&self) -> bool {
        self.path == "/" && matches!(self.method, "GET" | "HEAD")
    }
}

impl Plan {
    /// An answer of polis itself with a sentence in its body.
    pub(crate) fn refusal(status: u16, text: &str, note: Option<String>) -> Self {
        Self {
            headers: vec![("Content-Type".into(), "text/plain; charset=utf-8".into())],
            body: PlannedBody::Fixed(Bytes::from(format!("{text}\n"))),
            note,
            ..Self::plain(status)
        }
    }

    fn plain(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: PlannedBody::Echo,
            sleep: Duration::ZERO,
            manner: Manner::Answer,
            slow_body: None,
            forward: None,
            status_wins: false,
            note: None,
        }
    }

    pub(crate) fn by(rules: &Rules, asked: &Asked<'_>) -> Self {
        if asked.is_preflight {
            // Open to every page, as the original was; the request itself comes next.
            return Self {
                headers: vec![
                    ("Access-Control-Allow-Methods".into(), "*".into()),
                    ("Access-Control-Allow-Headers".into(), "*".into()),
                    ("Access-Control-Max-Age".into(), "600".into()),
                ],
                body: PlannedBody::Fixed(Bytes::new()),
                note: Some("a browser's preflight; no rule is asked".into()),
                ..Self::plain(204)
            };
        }
        let mut rule = rules.rule_for(asked.method, asked.path, asked.event);
        let mut plan = Self::plain(200);
        if asked.is_health_check() {
            // Whoever asks whether polis is up gets the truth, also while it is told to fail.
            rule = rule.filter(|rule| rule.spec.method.is_some() || rule.spec.path.is_some());
            plan.body = PlannedBody::Fixed(Bytes::from_static(UP.as_bytes()));
            plan.headers
                .push(("Content-Type".into(), "text/plain; charset=utf-8".into()));
        }
        let Some(rule) = rule else {
            return plan;
        };
        if let Some(sequence) = &rule.respond {
            plan.status = sequence.status(asked.before);
            plan.status_wins = true;
        }
        {
            let mut dice = rule.dice.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(span) = &rule.sleep {
                plan.sleep = span.draw(&mut *dice);
            }
            if let Some(rate) = rule.spec.fail_rate
                && dice.random_bool(rate)
            {
                plan.status = 500;
                plan.status_wins = true;
                plan.note = Some(format!("failed by the rate of {rate}"));
            }
        }
        if let Some(body) = &rule.body {
            plan.body = PlannedBody::Fixed(body.clone());
            plan.headers.clear();
            if !rule
                .headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            {
                plan.headers
                    .push(("Content-Type".into(), fixed_type(body).into()));
            }
        }
        if let Some(bytes) = rule.spec.huge_body {
            plan.body = PlannedBody::Huge(bytes);
        }
        if let Some(url) = &rule.redirect {
            // 307 keeps method and body: a sender that follows shows itself.
            if !(300..400).contains(&plan.status) {
                plan.status = 307;
            }
            plan.status_wins = true;
            plan.headers.push(("Location".into(), url.clone()));
        }
        if let Some(seconds) = rule.spec.retry_after
            && !(200..300).contains(&plan.status)
        {
            plan.headers
                .push(("Retry-After".into(), seconds.to_string()));
        }
        plan.headers.extend(rule.headers.iter().cloned());
        plan.slow_body = rule.slow_body;
        plan.forward.clone_from(&rule.forward);
        if rule.spec.hang {
            plan.manner = Manner::Hang;
        } else if rule.spec.reset {
            plan.manner = Manner::Reset;
        }
        plan
    }
}

fn fixed_type(body: &[u8]) -> &'static str {
    if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        "application/json"
    } else if std::str::from_utf8(body).is_ok() {
        "text/plain; charset=utf-8"
    } else {
        "application/octet-stream"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::RuleSpec;

    fn rules(json: &str) -> Rules {
        Rules::new(serde_json::from_str::<Vec<RuleSpec>>(json).unwrap()).unwrap()
    }

    fn asked(before: u32) -> Asked<'static> {
        Asked {
            method: "POST",
            path: "/hooks",
            event: Some("a:b"),
            before,
            is_preflight: false,
        }
    }

    #[test]
    fn the_first_rule_that_fits_answers() {
        let rules = rules(
            r#"[{"method":"put","respond":201},{"path":"/hooks","event":"a:*","respond":"500x2,204"},{"respond":400}]"#,
        );
        let statuses: Vec<u16> = (0..3)
            .map(|before| Plan::by(&rules, &asked(before)).status)
            .collect();
        assert_eq!(statuses, [500, 500, 204]);
        let other = Asked {
            event: None,
            ..asked(0)
        };
        assert_eq!(Plan::by(&rules, &other).status, 400);
    }

    #[test]
    fn a_seed_makes_failures_repeatable() {
        let draw = || -> Vec<u16> {
            let rules = rules(r#"[{"fail_rate":0.3,"seed":7}]"#);
            (0..200)
                .map(|_| Plan::by(&rules, &asked(0)).status)
                .collect()
        };
        let first = draw();
        assert_eq!(first, draw());
        let failed = first.iter().filter(|status| **status == 500).count();
        assert!((30..90).contains(&failed), "{failed} of 200 failed");
    }

    #[test]
    fn retry_after_goes_with_failures_only() {
        let rules = rules(r#"[{"respond":"503,200","retry_after":30}]"#);
        let has = |before| {
            Plan::by(&rules, &asked(before))
                .headers
                .contains(&("Retry-After".into(), "30".into()))
        };
        assert!(has(0));
        assert!(!has(1));
    }

    #[test]
    fn get_root_says_up_and_running() {
        let root = Asked {
            method: "GET",
            path: "/",
            event: None,
            before: 0,
            is_preflight: false,
        };
        let plan = Plan::by(&Rules::default(), &root);
        assert_eq!(
            plan.body,
            PlannedBody::Fixed(Bytes::from_static(b"Up and Running!"))
        );
        let failing = rules(r#"[{"respond":500}]"#);
        assert_eq!(Plan::by(&failing, &root).status, 200);
        let meant = rules(r#"[{"path":"/","respond":503}]"#);
        assert_eq!(Plan::by(&meant, &root).status, 503);
    }
}
