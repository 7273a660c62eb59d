// Reads {provider, url, headers, body, secret} and says whether the provider's own library
// accepts the request, and whether it accepts it with another body.
import { readFileSync } from "node:fs";
import { verify } from "@octokit/webhooks-methods";
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
