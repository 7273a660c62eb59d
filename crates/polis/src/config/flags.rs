//! The flags of `polis` when it captures.

use std::path::PathBuf;

use crate::diagnosis::preset_names;

/// Values stay text here: `layers` reads them together with variables and files, so that all
/// wrong ones are reported at once, wherever they were set.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Listen")]
pub struct Flags {
    /// Address to capture on (HOST; 127.0.0.1)
    #[arg(long)]
    pub host: Option<String>,
    /// Port to capture on (PORT; 9000)
    #[arg(long)]
    pub port: Option<String>,
    /// Port of page and API, on loopback only (UI_PORT; PORT+1)
    #[arg(long)]
    pub ui_port: Option<String>,
    /// Origin whose pages may show the page in a frame, like http://localhost:9030 (FRAME_ORIGIN; none)
    #[arg(long, value_name = "ORIGIN")]
    pub frame_origin: Option<String>,
    /// File with settings (polis.toml, if there is one)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Statuses in turn for each delivery, the last one repeated: 500x2,200 (STATUS_CODE; 200)
    #[arg(long, value_name = "STATUSES", help_heading = "Answer")]
    pub respond: Option<String>,
    /// Fraction of requests answered 500, from 0 to 1
    #[arg(long, value_name = "SHARE", help_heading = "Answer")]
    pub fail_rate: Option<String>,
    /// Makes --fail-rate and --sleep repeatable
    #[arg(long, value_name = "NUMBER", help_heading = "Answer")]
    pub seed: Option<String>,
    /// Seconds before each answer: 2 or 1..5 (SECONDS_TO_SLEEP; 0)
    #[arg(
        long,
        value_name = "SECONDS",
        help_heading = "Answer",
        visible_alias = "seconds-to-sleep"
    )]
    pub sleep: Option<String>,
    /// Retry-After of answers that are not 2xx
    #[arg(long, value_name = "SECONDS", help_heading = "Answer")]
    pub retry_after: Option<String>,
    /// A header of every answer, repeatable
    #[arg(long, value_name = "NAME: VALUE", help_heading = "Answer")]
    pub header: Vec<String>,
    /// Body of every answer instead of an echo; @FILE reads it
    #[arg(long, value_name = "TEXT", help_heading = "Answer")]
    pub body: Option<String>,
    /// Never answer
    #[arg(long, help_heading = "Answer")]
    pub hang: bool,
    /// Reset the connection instead of answering
    #[arg(long, help_heading = "Answer")]
    pub reset: bool,
    /// Seconds between two bytes of the body
    #[arg(long, value_name = "SECONDS", help_heading = "Answer", num_args = 0..=1, require_equals = true, default_missing_value = "0.25")]
    pub slow_body: Option<String>,
    /// Answer with this many bytes
    #[arg(long, value_name = "BYTES", help_heading = "Answer", num_args = 0..=1, require_equals = true, default_missing_value = "104857600")]
    pub huge_body: Option<String>,
    /// Answer a provider's check of the URL with what it asks for: hub.challenge, validationToken, challenge in query or JSON; with --verify zoom or discord and its secret, the answer that this provider expects to be computed
    #[arg(long, help_heading = "Answer")]
    pub challenge: bool,
    /// Redirect to this URL
    #[arg(long, value_name = "URL", help_heading = "Answer")]
    pub redirect: Option<String>,
    /// Forward requests to an app and answer what it answers: 3000, localhost:3000/base or a URL
    #[arg(long, value_name = "URL", help_heading = "Answer")]
    pub forward: Option<String>,

    /// The preset by which signatures are checked.
    #[arg(long, value_name = "PRESET", help_heading = "Signatures", help = format!("Check signatures: {}; secrets in POLIS_SECRETS and POLIS_OLD_SECRETS, more in POLIS_SECRETS_1 and so on", preset_names()))]
    pub verify: Option<String>,
    /// File with one secret per line, read before POLIS_SECRETS; write "old " before one that is no longer accepted, \ before one that begins with old, # or \
    #[arg(long, value_name = "FILE", help_heading = "Signatures")]
    pub secrets_file: Vec<PathBuf>,
    /// Answer 401 when the signature is not valid
    #[arg(long, help_heading = "Signatures")]
    pub enforce: bool,
    /// URL that senders use, for schemes that sign it
    #[arg(long, value_name = "URL", help_heading = "Signatures")]
    pub public_url: Option<String>,

    /// Requests kept (10000)
    #[arg(long, value_name = "COUNT", help_heading = "Keep")]
    pub keep_requests: Option<String>,
    /// Memory for requests, like 64MB (64MB)
    #[arg(long, value_name = "SIZE", help_heading = "Keep")]
    pub keep_bytes: Option<String>,
    /// Bytes kept of one body, like 10MB (10MB)
    #[arg(long, value_name = "SIZE", help_heading = "Keep")]
    pub body_limit: Option<String>,
    /// SQLite file that keeps requests across restarts
    #[arg(long, value_name = "FILE", help_heading = "Keep")]
    pub store: Option<PathBuf>,
    /// URL that replays may go to besides this machine, repeatable
    #[arg(long, value_name = "URL", help_heading = "Keep")]
    pub replay_to: Vec<String>,

    /// One JSON object per line on stdout
    #[arg(long, help_heading = "Log")]
    pub json: bool,
    /// Log nothing but problems
    #[arg(long, help_heading = "Log", conflicts_with = "json")]
    pub quiet: bool,
    /// Log credentials as they are
    #[arg(long, help_heading = "Log")]
    pub show_secrets: bool,
}
