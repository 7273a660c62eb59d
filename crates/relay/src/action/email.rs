//! An email, by SMTP: encrypted unless the server is on this machine.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        self,
        client::{Certificate, Tls, TlsParameters},
    },
};
use minijinja::Value;
use url::Url;

use super::{
    attempt::{Attempt, Outcome, cut},
    keys::Keys,
};
use crate::{
    reading::{Section, Text},
    template::{Escape, RenderError, Template},
};

/// The time limit for each step of the conversation with the server.
const SERVER_LIMIT: Duration = Duration::from_secs(15);
/// RFC 5322 allows 998 characters in a line, including the header's name.
const SUBJECT_CHARS_MAX: usize = 250;
/// Server replies that mean a wrong or missing password: somebody will correct that.
const WRONG_PASSWORD: [u16; 4] = [530, 534, 535, 538];

/// The mail server, and the sender of its mails.
#[derive(Debug, Clone)]
pub(crate) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    pub(super) fn read(section: Section<'_>) -> Option<Self> {
        let url = section.required("url");
        let from = section
            .required("from")
            .and_then(|from| mailbox(&section, &from));
        let certificate = section.text("ca").and_then(|ca| {
            let read =
                std::fs::read(section.file.path(&ca.text)).map_err(|error| error.to_string());
            let read =
                read.and_then(|pem| Certificate::from_pem(&pem).map_err(|error| error.to_string()));
            read.map_err(|error| {
                section.fault(
                    &ca.span,
                    format_args!("ca {} can't be used: {error}", ca.text),
                );
            })
            .ok()
        });
        let transport = url.and_then(|url| {
            let made = transport(&url.text, certificate);
            made.map_err(|wrong| section.fault(&url.span, wrong)).ok()
        });
        section.finish();
        Some(Self {
            transport: transport?,
            from: from?,
        })
    }
}

/// Errors never repeat the URL: it holds a password.
fn transport(
    text: &str,
    certificate: Option<Certificate>,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let shape = "write smtps://USER:PASSWORD@HOST, or smtp://…?tls=required for STARTTLS";
    let url = Url::parse(text).map_err(|error| format!("url is not a URL ({error}); {shape}"))?;
    let host = url.host_str().unwrap_or_default();
    let query = url.query();
    let is_here = host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(text)
        .map_err(|error| format!("url can't be used: {error}; {shape}"))?
        .timeout(Some(SERVER_LIMIT));
    let parameters = || {
        let mut parameters = TlsParameters::builder(host.to_owned());
        if let Some(certificate) = certificate {
            parameters = parameters.add_root_certificate(certificate);
        }
        parameters.build_rustls().map_err(|error| error.to_string())
    };
    let builder = match (url.scheme(), query) {
        ("smtps", _) => builder.tls(Tls::Wrapper(parameters()?)),
        ("smtp", Some("tls=required")) => builder.tls(Tls::Required(parameters()?)),
        ("smtp", None) if is_here => builder,
        ("smtp", _) => {
            return Err(format!(
                "url would send mails and the password unencrypted; {shape}"
            ));
        }
        _ => {
            return Err(format!(
                "url begins with neither smtps:// nor smtp://; {shape}"
            ));
        }
    };
    Ok(builder.build())
}

fn mailbox(section: &Section<'_>, text: &Text) -> Option<Mailbox> {
    let mailbox = text.text.parse().ok();
    if mailbox.is_none() {
        let given = &text.text;
        let fault = format_args!(
            "\"{given}\" is not a mail address: write name@example.com or Name <name@example.com>"
        );
        section.fault(&text.span, fault);
    }
    mailbox
}

/// Who gets a mail, and what it says.
#[derive(Debug)]
pub(crate) struct Email {
    smtp: Smtp,
    to: Vec<Template>,
    subject: Template,
    text: Template,
}

/// A mail that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Mail {
    message: Box<Message>,
    /// As its reader sees it.
    shown: String,
}

impl Email {
    pub(super) fn read(keys: &Keys<'_>, smtp: Option<&Smtp>) -> Option<Self> {
        let section = keys.section;
        if smtp.is_none() {
            section.fault(
                &section.span,
                "a mail needs a server: add [smtp] with url and from",
            );
        }
        let texts = section.texts("to");
        if texts.is_empty() && section.raw("to").is_none() {
            section.fault(&section.span, "to is missing here");
        }
        let mut to = Vec::new();
        for text in &texts {
            // An address without values in it can be checked now.
            if !text.text.contains('{') {
                mailbox(section, text);
            }
            to.extend(keys.checked_template(text, Escape::Line));
        }
        let subject = keys.template("subject", Escape::Line);
        let text = keys.template("text", Escape::Plain);
        Some(Self {
            smtp: smtp?.clone(),
            to,
            subject: subject?,
            text: text?,
        })
    }

    pub(super) fn prepare(&self, values: &Value, attempt: &Attempt) -> Result<Mail, RenderError> {
        let from = &self.smtp.from;
        // The same on every attempt, so that mail programs recognise a copy.
        let id = format!(
            "<{}@{}>",
            attempt.entry.event.replace(':', "."),
            from.email.domain()
        );
        let subject = cut(&self.subject.render(values)?, SUBJECT_CHARS_MAX);
        let mut receivers = Vec::new();
        let mut message = Message::builder()
            .from(from.clone())
            .subject(subject.clone())
            .message_id(Some(id))
            .date(system_time(attempt.now))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            let address = to.render(values)?;
            let mailbox: Mailbox = address
                .parse()
                .map_err(|_| RenderError::new(format!("\"{address}\" is not a mail address")))?;
            message = message.to(mailbox);
            receivers.push(address);
        }
        let text = attempt.noted(self.text.render(values)?);
        let shown = format!("mail to {}\n{subject}\n\n{text}", receivers.join(", "));
        let message = message
            .body(text)
            .map_err(|error| RenderError::new(error.to_string()))?;
        Ok(Mail {
            message: Box::new(message),
            shown,
        })
    }

    pub(super) async fn perform(&self, mail: Mail) -> Outcome {
        match self.smtp.transport.send(*mail.message).await {
            Ok(answer) => {
                let words: Vec<&str> = answer.message().collect();
                Outcome::done(format!(
                    "the mail server answered {}: {}",
                    answer.code(),
                    words.join(" ")
                ))
            }
            Err(error) => judge(&error),
        }
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(at.as_second().try_into().unwrap_or_default())
}

fn judge(error: &smtp::Error) -> Outcome {
    let reason = format!("the mail server: {error}");
    let code = error.status().map(u16::from);
    if error.is_permanent() && !code.is_some_and(|code| WRONG_PASSWORD.contains(&code)) {
        return Outcome::Refused { reason };
    }
    // lettre distinguishes connecting from talking only in its error's text.
    let was_connecting = error.to_string().starts_with("Connection error");
    if code.is_some() || error.is_tls() || error.is_client() || was_connecting {
        Outcome::failed(reason)
    } else {
        Outcome::in_doubt(reason)
    }
}

impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
