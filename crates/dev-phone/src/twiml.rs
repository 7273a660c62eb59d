//! TwiML, a program's answer to an inbound text, as far as it concerns texts.

/// Maximum number of texts that one answer may send; more means that a program has gone wrong.
const MOST_TEXTS: usize = 20;

/// One `<Message>` of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The recipient, if it does not go back to the sender.
    pub(crate) to: Option<String>,
    /// What it says.
    pub(crate) body: String,
    /// How many `<Media>` elements it has.
    pub(crate) media: usize,
    /// The URL to which its states are reported.
    pub(crate) callback: Option<String>,
}

/// The answer is not TwiML.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TwimlError {
    /// Not well-formed.
    #[error("the answer is not well-formed XML: {0}")]
    Xml(String),
    /// Well-formed, but a different kind of document.
    #[error("the answer's root is <{0}>, not <Response>")]
    Root(String),
    /// Too many texts.
    #[error("the answer holds {0} texts; the limit is {MOST_TEXTS}")]
    TooMany(usize),
}

/// An answer: its texts in order, and the verbs that a phone page cannot carry out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Twiml {
    pub(crate) replies: Vec<Reply>,
    pub(crate) ignored: Vec<String>,
}

/// Reads an answer. An empty answer is valid and sends nothing.
pub(crate) fn read(text: &str) -> Result<Twiml, TwimlError> {
    if text.trim().is_empty() {
        return Ok(Twiml::default());
    }
    // Document type definitions stay forbidden (the default): they can grow without bound.
    let document =
        roxmltree::Document::parse(text).map_err(|error| TwimlError::Xml(error.to_string()))?;
    let root = document.root_element();
    if root.tag_name().name() != "Response" {
        return Err(TwimlError::Root(root.tag_name().name().to_owned()));
    }
    let mut twiml = Twiml::default();
    for verb in root.children().filter(roxmltree::Node::is_element) {
        match verb.tag_name().name() {
            "Message" | "Sms" => twiml.replies.push(reply(verb)),
            other => twiml.ignored.push(other.to_owned()),
        }
    }
    if twiml.replies.len() > MOST_TEXTS {
        return Err(TwimlError::TooMany(twiml.replies.len()));
    }
    Ok(twiml)
}

fn reply(verb: roxmltree::Node<'_, '_>) -> Reply {
    let attribute = |name: &str| verb.attribute(name).map(str::to_owned);
    let nouns = |name: &'static str| {
        verb.children()
            .filter(move |noun| noun.tag_name().name() == name)
    };
    let body = match nouns("Body").next() {
        Some(body) => text_of(body),
        None => text_of(verb),
    };
    Reply {
        to: attribute("to"),
        body: body.trim().to_owned(),
        media: nouns("Media").count(),
        callback: attribute("statusCallback").or_else(|| attribute("action")),
    }
}

/// The text directly inside `node`, without that of the elements in it.
fn text_of(node: roxmltree::Node<'_, '_>) -> String {
    node.children()
        .filter(roxmltree::Node::is_text)
        .filter_map(|text| text.text())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(text: &str) -> Vec<String> {
        read(text)
            .unwrap()
            .replies
            .into_iter()
            .map(|reply| reply.body)
            .collect()
    }

    #[test]
    fn texts_are_read_however_they_are_written() {
        for (text, expected) in [
            ("", vec![]),
            ("<Response/>", vec![]),
            (
                "<Response><Message><Body>hello</Body></Message></Response>",
                vec!["hello"],
            ),
            (
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>\n<Message> hi &amp; bye </Message></Response>",
                vec!["hi & bye"],
            ),
            (
                "<Response><Message><Body><![CDATA[1 < 2]]></Body></Message><Sms>two</Sms></Response>",
                vec!["1 < 2", "two"],
            ),
            ("<Response><!-- nothing --></Response>", vec![]),
        ] {
            assert_eq!(bodies(text), expected, "{text}");
        }
    }

    #[test]
    fn attributes_media_and_other_verbs_are_noticed() {
        let twiml = read(
            "<Response><Message to=\"+15555550199\" statusCallback=\"/status\"><Body>x</Body>\
             <Media>https://example.com/a.png</Media></Message><Redirect>/next</Redirect></Response>",
        )
        .unwrap();
        assert_eq!(
            twiml.replies,
            [Reply {
                to: Some("+15555550199".to_owned()),
                body: "x".to_owned(),
                media: 1,
                callback: Some("/status".to_owned()),
            }]
        );
        assert_eq!(twiml.ignored, ["Redirect"]);
    }

    #[test]
    fn what_is_not_twiml_is_refused() {
        for text in [
            "<html></html>",
            "OK",
            "<Response>",
            "<!DOCTYPE r [<!ENTITY a \"aaaa\">]><Response><Message>&a;</Message></Response>",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let many = format!("<Response>{}</Response>", "<Message>x</Message>".repeat(21));
        assert_eq!(read(&many), Err(TwimlError::TooMany(21)));
    }
}
