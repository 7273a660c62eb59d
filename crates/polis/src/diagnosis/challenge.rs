//! The answer to a provider's signed request to prove that the URL is ours.

use serve::wire::Head;
use webhooks_core::scheme::Challenge;

use super::{Verification, arrived::Arrived};

/// The answer that the provider expects, such as Zoom's token signed or Discord's pong; `None` if the
/// request is not such a question, or no accepted secret signed it. An old timestamp does not matter.
pub(crate) fn challenge(
    verification: &Verification,
    head: &Head,
    body: &[u8],
) -> Option<Challenge> {
    let answer = verification.preset.scheme().challenge?;
    let arrived = Arrived::new(verification, head, body);
    let signed = arrived.verify(&verification.secrets).ok()?;
    let secret = verification.secrets.get(signed.key_index)?;
    answer(body, &secret.to_key(verification.preset)?)
}
