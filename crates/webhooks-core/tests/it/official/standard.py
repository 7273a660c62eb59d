"""Reads {secret, id, timestamp, body, signature} and says whether the PyPI package accepts the
signature for this body and for another one, and how it would have signed."""

import json
import sys
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

asked = json.load(sys.stdin)
webhook = Webhook(asked["secret"])
headers = {
    "webhook-id": asked["id"],
    "webhook-timestamp": str(asked["timestamp"]),
    "webhook-signature": asked["signature"],
}


def accepts(body: str) -> bool:
    try:
        webhook.verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


sent_at = datetime.fromtimestamp(asked["timestamp"], tz=timezone.utc)
json.dump(
    {
        "accepted": accepts(asked["body"]),
        "accepted_other_body": accepts('{"other":1}'),
        "signature": webhook.sign(asked["id"], sent_at, asked["body"]),
    },
    sys.stdout,
)
