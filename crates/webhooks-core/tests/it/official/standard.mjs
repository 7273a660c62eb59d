// Reads {secret, id, timestamp, body, signature} and says whether the npm package accepts the
// signature for this body and for another one, and how it would have signed.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const asked = JSON.parse(readFileSync(0, "utf8"));
const webhook = new Webhook(asked.secret);
const headers = {
  "webhook-id": asked.id,
  "webhook-timestamp": String(asked.timestamp),
  "webhook-signature": asked.signature,
};
const accepts = (body) => {
  try {
    webhook.verify(body, headers);
    return true;
  } catch (error) {
    if (error.constructor.name !== "WebhookVerificationError") throw error;
    return false;
  }
};
console.log(
  JSON.stringify({
    accepted: accepts(asked.body),
    accepted_other_body: accepts('{"other":1}'),
    signature: webhook.sign(asked.id, new Date(asked.timestamp * 1000), asked.body),
  }),
);
