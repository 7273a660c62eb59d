//! `polis diff`: where two captured requests differ.

use super::{
    client::{Api, Client},
    screen::Screen,
    trouble::{Found, Trouble},
};
use crate::{
    difference::{Difference, differences},
    recall,
    record::Record,
    terminal::{Ink, escaped},
};

/// Maximum number of differences written; two bodies of megabytes may differ everywhere.
const SHOWN: usize = 1000;
/// How much of one value is written; `--json` has all of it.
const VALUE_CHARS: usize = 500;

/// Compare two captured requests: line, headers, body
#[derive(Debug, clap::Args)]
#[command(
    after_help = "JSON is compared value by value; other text, and what could not be read as a request, line by line.

Exit code: 0 equal, 1 different, 2 when they could not be compared.

Example:
  polis diff 17 18"
)]
pub(super) struct Diff {
    /// A request's number
    a: u64,
    /// The other request's number
    b: u64,
    /// One JSON object per line: place, a, b
    #[arg(long)]
    json: bool,
    /// Show credentials as they are
    #[arg(long)]
    show_secrets: bool,
    #[command(flatten)]
    api: Api,
}

impl Diff {
    pub(super) async fn run(self) -> Result<Found, Trouble> {
        let client = Client::new(&self.api)?;
        let a = client.record(self.a).await?;
        let b = client.record(self.b).await?;
        let exact = differences(&a, &b);
        let shown = if self.show_secrets || exact.is_empty() {
            exact.clone()
        } else {
            // Compared unredacted, but shown redacted.
            let a = redacted(&client, self.a).await?;
            let b = redacted(&client, self.b).await?;
            covered(&exact, differences(&a, &b))
        };
        let mut screen = Screen::new();
        if self.json {
            for difference in &shown {
                screen.json(difference)?;
            }
        } else {
            screen.put(&self.text(&screen, &shown))?;
        }
        Ok(Found::of(exact.is_empty()))
    }

    fn text(&self, screen: &Screen, shown: &[Difference]) -> Vec<u8> {
        let mut text = Vec::new();
        let human = &screen.human;
        if shown.is_empty() {
            text.extend_from_slice(
                format!(
                    "#{} and #{} are equal: line, headers and body\n",
                    self.a, self.b
                )
                .as_bytes(),
            );
            return text;
        }
        human.put(&mut text, Ink::Bad, &format!("- #{}\n", self.a));
        human.put(&mut text, Ink::Good, &format!("+ #{}\n", self.b));
        for difference in shown.iter().take(SHOWN) {
            human.put(
                &mut text,
                Ink::Strong,
                &format!("{}\n", escaped(&difference.place)),
            );
            for (sign, ink, value) in [
                ("-", Ink::Bad, &difference.a),
                ("+", Ink::Good, &difference.b),
            ] {
                if let Some(value) = value {
                    human.put(&mut text, ink, &format!("  {sign} {}\n", shortened(value)));
                }
            }
        }
        if shown.len() > SHOWN {
            let rest = shown.len() - SHOWN;
            text.extend_from_slice(
                format!("… and {rest} more; --json has all of them\n").as_bytes(),
            );
        }
        text
    }
}

async fn redacted(client: &Client, id: u64) -> Result<Record, Trouble> {
    let captured = client.captured(id, false).await?;
    Ok(recall::record(&captured, recall::body(&captured)))
}

/// The differences that may be shown, and the places of those that may not.
fn covered(exact: &[Difference], mut shown: Vec<Difference>) -> Vec<Difference> {
    for difference in exact {
        if !shown.iter().any(|known| known.place == difference.place) {
            let hidden = || Some("[redacted; --show-secrets shows it]".to_owned());
            shown.push(Difference {
                place: difference.place.clone(),
                a: difference.a.as_ref().and_then(|_| hidden()),
                b: difference.b.as_ref().and_then(|_| hidden()),
            });
        }
    }
    shown
}

fn shortened(value: &str) -> String {
    let mut text: String = escaped(value).chars().take(VALUE_CHARS).collect();
    if text.len() < value.len() {
        text.push('…');
    }
    text
}
