//! The file's sources: whose webhooks arrive where.

use webhooks_core::{EVENT_BYTES_MAX, receive::Verifier, scheme::Provider};

use crate::reading::{Section, suggestion};

/// Whose webhooks arrive at a path.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) provider: Provider,
    pub(crate) verifier: Verifier,
}

pub(crate) fn sources(root: &Section<'_>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    let Some(table) = root.section("source") else {
        root.fault(
            &(0..0),
            "there is no source: add [source.NAME] with verify and secret",
        );
        return sources;
    };
    for (name, value) in table.entries() {
        let Some(section) = table.entry_section(&name, value) else {
            continue;
        };
        let is_named = section.check_name(&name, "source");
        let Some(source) = source(section, &name.text) else {
            continue;
        };
        match sources.iter().find(|other| other.path == source.path) {
            Some(other) => table.fault(
                &name.span,
                format_args!(
                    "source {} has the same path, {}, as source {}",
                    source.name, source.path, other.name
                ),
            ),
            None if is_named => sources.push(source),
            None => {}
        }
    }
    sources
}

fn source(section: Section<'_>, name: &str) -> Option<Source> {
    let path = section.text("path");
    let path_span = path
        .as_ref()
        .map_or(section.span.clone(), |path| path.span.clone());
    let path = path.map_or(format!("/{name}"), |path| path.text);
    let is_path = path.starts_with('/')
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
    if !is_path {
        let text = format_args!(
            "path \"{path}\" is invalid: begin with / and use letters, digits and / - _ ."
        );
        section.fault(&path_span, text);
    }
    let verify = section.required("verify");
    let provider = verify.and_then(|verify| {
        let provider = verify.text.parse::<Provider>().ok();
        if provider.is_none() {
            let hint = suggestion(&verify.text, Provider::all().map(Provider::name));
            section.fault(
                &verify.span,
                format_args!("verify is \"{}\"{hint}", verify.text),
            );
        }
        provider
    });
    let secrets = section.texts("secret");
    if secrets.is_empty() && section.raw("secret").is_none() {
        section.fault(
            &section.span,
            "secret is missing here: what the provider signs with",
        );
    }
    if let Some(provider) = provider {
        for secret in &secrets {
            if let Err(error) = provider.key(&secret.text) {
                section.fault(&secret.span, format_args!("secret: {error}"));
            }
        }
    }
    let limit = u32::try_from(EVENT_BYTES_MAX).unwrap_or(u32::MAX);
    let body_bytes = section
        .integer("body_limit_bytes", 1..=limit)
        .unwrap_or(limit);
    let public_url = section.text("public_url");
    if provider == Some(Provider::Twilio) && public_url.is_none() {
        section.fault(&section.span, "public_url is missing here: Twilio signs the URL that it calls; give it without the path");
    }
    section.finish();
    let provider = provider?;
    let verifier = Verifier::of(provider, secrets.iter().map(|secret| &secret.text)).ok()?;
    let verifier = verifier.body_limit(usize::try_from(body_bytes).unwrap_or(EVENT_BYTES_MAX));
    Some(Source {
        name: name.to_owned(),
        path,
        provider,
        verifier: match public_url {
            Some(url) => verifier.public_url(&url.text),
            None => verifier,
        },
    })
}
