// Signs one webhook with each provider's own library; the answer is what is to be posted.
import { readFileSync } from "node:fs";
import { sign } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import twilio from "twilio";

const { standard } = JSON.parse(readFileSync(0, "utf8"));
const json = { "content-type": "application/json" };
const requests = [];

const invoice = JSON.stringify({ id: "evt_1", object: "event", type: "invoice.paid", data: {} });
const stripe = new Stripe("sk_test_none");
const header = stripe.webhooks.generateTestHeaderString({ payload: invoice, secret: "whsec_test_secret" });
requests.push({ source: "stripe", body: invoice, headers: { ...json, "stripe-signature": header } });

const ping = JSON.stringify({ zen: "Design for failure." });
const signature = await sign("It's a Secret to Everybody", ping);
requests.push({ source: "github", body: ping, headers: { ...json, "x-hub-signature-256": signature, "x-github-event": "ping", "x-github-delivery": "1" } });

const draw = JSON.stringify({ id: "msg_1", event: "random_number:generate", data: 863 });
const now = new Date();
requests.push({
  source: "numbers", body: draw,
  headers: { ...json, "webhook-id": "msg_1", "webhook-timestamp": String(Math.floor(now / 1000)), "webhook-signature": new Webhook(standard).sign("msg_1", now, draw) },
});

const fields = { Body: "hello there", From: "+15005550006", SmsStatus: "received", To: "+15555550100" };
const expected = twilio.getExpectedTwilioSignature("12345", "https://relay.example.com/twilio", fields);
requests.push({
  source: "twilio", body: new URLSearchParams(fields).toString(),
  headers: { "content-type": "application/x-www-form-urlencoded", "x-twilio-signature": expected },
});

process.stdout.write(JSON.stringify(requests));
