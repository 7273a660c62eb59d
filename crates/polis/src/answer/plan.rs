//! What will be done with one request, decided before anything is sent.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;

use super::{Asked, Rules};
use crate::destination::Destination;

/// The original's answer to `GET /`.
const UP: &str = "Up and Running!";

/// How a request is answered.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: PlannedBody,
    pub(crate) sleep: Duration,
    pub(crate) manner: Manner,
    /// The pause between two bytes of the body.
    pub(crate) slow_body: Option<Duration>,
    pub(crate) forward: Option<Destination>,
    /// Whether the status is kept even if the app behind `forward` answers with another.
    pub(crate) status_wins: bool,
    pub(crate) occasion: Occasion,
    /// Why it is answered this way, if that is not obvious.
    pub(crate) note: Option<String>,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlannedBody {
    /// The request's own body and content type.
    Echo,
    /// These bytes.
    Fixed(Bytes),
    /// This many bytes, generated while they are sent.
    Huge(u64),
}

/// Whether an answer comes at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Answer,
    Hang,
    Reset,
}

/// What kind of request the answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A webhook, or anything else that is none of the following.
    Webhook,
    /// A provider's check of the URL; its value is echoed, or its answer computed.
    Challenge,
    /// A browser's preflight.
    Preflight,
    /// A request that only asks whether polis is up.
    Probe,
}

impl Plan {
    /// An answer by polis itself, with a sentence in its body.
    pub(crate) fn refusal(status: u16, text: &str, note: Option<String>) -> Self {
        Self {
            status,
            note,
            ..Self::text(format!("{text}\n"))
        }
    }

    fn text(text: String) -> Self {
        Self {
            headers: vec![("Content-Type".into(), "text/plain; charset=utf-8".into())],
            body: PlannedBody::Fixed(text.into()),
            ..Self::plain(200)
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
            occasion: Occasion::Webhook,
            note: None,
        }
    }

    pub(crate) fn by(rules: &Rules, asked: &Asked<'_>) -> Self {
        if asked.is_preflight() {
            // Open to all pages, as the original was; the request itself comes next.
            return Self {
                headers: vec![
                    ("Access-Control-Allow-Methods".into(), "*".into()),
                    ("Access-Control-Allow-Headers".into(), "*".into()),
                    ("Access-Control-Max-Age".into(), "600".into()),
                ],
                body: PlannedBody::Fixed(Bytes::new()),
                occasion: Occasion::Preflight,
                note: Some("a browser's preflight; no rule applies".into()),
                ..Self::plain(204)
            };
        }
        let rule = rules.rule_for(asked).filter(|rule| !rule.is_silent());
        let Some(rule) = rule else {
            return match asked.is_probe() {
                true => Self {
                    occasion: Occasion::Probe,
                    ..Self::text(UP.to_owned())
                },
                false => Self::plain(200),
            };
        };
        let echoed = rule.echo.as_ref().and_then(|echo| asked.answer(echo));
        let mut plan = match echoed {
            Some(answer) => Self {
                headers: vec![("Content-Type".into(), answer.content_type.into())],
                body: PlannedBody::Fixed(answer.body.into()),
                status_wins: true,
                occasion: Occasion::Challenge,
                ..Self::plain(answer.status)
            },
            None => Self::plain(200),
        };
        if let Some(sequence) = &rule.respond {
            plan.status = sequence.status(asked.before);
            plan.status_wins = true;
        }
        {
            let mut dice = rule.dice.lock();
            if let Some(span) = &rule.sleep {
                plan.sleep = span.draw(&mut *dice);
            }
            if let Some(rate) = rule.spec.fail_rate
                && dice.random_bool(rate)
            {
                plan.status = 500;
                plan.status_wins = true;
                plan.note = Some(format!("failed by the fail_rate of {rate}"));
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
            // 307 keeps method and body, so a sender that follows redirects becomes visible.
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
    use serve::wire::Head;

    fn rules(json: &str) -> Rules {
        Rules::new(serde_json::from_str::<Vec<RuleSpec>>(json).unwrap()).unwrap()
    }

    fn head(line: &str) -> Head {
        Head::parse(format!("{line} HTTP/1.1\r\n\r\n").into()).unwrap()
    }

    fn plan(rules: &Rules, line: &str, before: u32) -> Plan {
        let head = head(line);
        let mut asked = Asked::new(&head, b"");
        asked.before = before;
        asked.event = Some("a:b").filter(|_| line.starts_with("POST"));
        Plan::by(rules, &asked)
    }

    #[test]
    fn the_first_rule_that_fits_answers() {
        let rules = rules(
            r#"[{"method":"put","respond":201},{"path":"/hooks","event":"a:*","respond":"500x2,204"},{"respond":400}]"#,
        );
        let statuses: Vec<u16> = (0..3)
            .map(|before| plan(&rules, "POST /hooks", before).status)
            .collect();
        assert_eq!(statuses, [500, 500, 204]);
        assert_eq!(plan(&rules, "PATCH /hooks", 0).status, 400);
    }

    #[test]
    fn a_seed_makes_failures_repeatable() {
        let draw = || -> Vec<u16> {
            let rules = rules(r#"[{"fail_rate":0.3,"seed":7}]"#);
            (0..200)
                .map(|_| plan(&rules, "POST /hooks", 0).status)
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
            plan(&rules, "POST /hooks", before)
                .headers
                .contains(&("Retry-After".into(), "30".into()))
        };
        assert!(has(0));
        assert!(!has(1));
    }

    #[test]
    fn get_root_says_up_and_running_unless_anything_else_is_meant() {
        let up = PlannedBody::Fixed(Bytes::from_static(b"Up and Running!"));
        let plain = rules("[{}]");
        for line in ["GET /", "HEAD /", "GET /in/acme", "GET /in/acme/"] {
            assert_eq!(plan(&plain, line, 0).body, up, "{line}");
        }
        for line in ["GET /?hub.challenge=115", "POST /", "GET /a"] {
            assert_eq!(plan(&plain, line, 0).body, PlannedBody::Echo, "{line}");
        }
        let signed = Head::parse("GET / HTTP/1.1\r\nX-Hub-Signature-256: a\r\n\r\n".into());
        let signed = signed.unwrap();
        let planned = Plan::by(&plain, &Asked::new(&signed, b""));
        assert_eq!(planned.body, PlannedBody::Echo);
        for rule in [r#"[{"respond":500}]"#, r#"[{"path":"/","respond":500}]"#] {
            assert_eq!(plan(&rules(rule), "GET /", 0).status, 500);
        }
        let forwarding = rules(r#"[{"forward":"3000"}]"#);
        assert!(plan(&forwarding, "GET /", 0).forward.is_some());
    }

    #[test]
    fn a_challenge_is_echoed_and_other_requests_go_to_the_next_rule() {
        let rules = rules(
            r#"[{"echo":"query.hub.challenge"},{"echo":"body.challenge","respond":201},{"respond":500}]"#,
        );
        let echoed = plan(&rules, "GET /?hub.challenge=1%2B5", 0);
        assert_eq!(echoed.body, PlannedBody::Fixed(Bytes::from_static(b"1+5")));
        assert_eq!((echoed.status, echoed.occasion), (200, Occasion::Challenge));
        let head = head("POST /");
        let slack = Plan::by(&rules, &Asked::new(&head, br#"{"challenge":"3eZb"}"#));
        assert_eq!(slack.body, PlannedBody::Fixed(Bytes::from_static(b"3eZb")));
        assert_eq!(slack.status, 201);
        assert_eq!(plan(&rules, "POST /", 0).status, 500);
    }
}
