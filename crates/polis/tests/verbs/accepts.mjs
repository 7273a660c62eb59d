// Reads {provider, url, headers, body, secret} and says whether the provider's own library
// accepts the request, and whether it accepts it with another body.
import { readFileSync } from "node:fs";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { verify } from "@octokit/webhooks-methods";
import { Paddle } from "@paddle/paddle-node-sdk";
import { verifyKey } from "discord-interactions";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import twilio from "twilio";

const asked = JSON.parse(readFileSync(0, "utf8"));
const { provider, url, headers, secret } = asked;
const refused = (name, check) => {
  try {
    check();
    return true;
  } catch (error) {
    if (error.constructor.name !== name) throw error;
    return false;
  }
};
// Paddle's library allows 5 s, which a busy machine takes: the clock stands at the time of signing.
const Clock = Date;
const standAt = (seconds) => {
  globalThis.Date = class extends Clock {
    constructor(...given) {
      super(...(given.length > 0 ? given : [seconds * 1000]));
    }
  };
};
const accepts = async (body) => {
  switch (provider) {
    case "standard":
      return refused("WebhookVerificationError", () => new Webhook(secret).verify(body, headers));
    case "github":
      return verify(secret, body, headers["x-hub-signature-256"]);
    case "stripe":
      return refused("StripeSignatureVerificationError", () =>
        new Stripe("sk_test_none").webhooks.constructEvent(body, headers["stripe-signature"], secret),
      );
    case "twilio":
      return twilio.validateRequest(
        secret,
        headers["x-twilio-signature"],
        url,
        Object.fromEntries(new URLSearchParams(body)),
      );
    case "meta":
      // Meta has no library; its header is GitHub's.
      return verify(secret, body, headers["x-hub-signature-256"]);
    case "paddle":
      standAt(Number(/ts=(\d+)/.exec(headers["paddle-signature"])[1]));
      return new Paddle("none").webhooks.isSignatureValid(body, secret, headers["paddle-signature"]);
    case "linear":
      return refused("Error", () =>
        new LinearWebhookClient(secret).verify(Buffer.from(body), headers["linear-signature"]),
      );
    case "discord":
      return verifyKey(body, headers["x-signature-ed25519"], headers["x-signature-timestamp"], secret);
    default:
      throw new Error(`no library for ${provider}`);
  }
};
console.log(
  JSON.stringify({
    accepted: await accepts(asked.body),
    accepted_other_body: await accepts(asked.other_body),
  }),
);
