// The `v1a` half of Standard Webhooks by OpenSSL, as Node's crypto gives it: checks and makes
// signatures, or generates a pair, in the text forms whsk_ and whpk_.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";

// What DER puts before the 32 bytes of a seed and of a public key.
const SEED_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_HEAD = Buffer.from("302a300506032b6570032100", "hex");
const decode = (text, prefix) => {
  if (!text.startsWith(prefix)) throw new Error(`no ${prefix}`);
  return Buffer.from(text.slice(prefix.length), "base64");
};

const asked = JSON.parse(readFileSync(0, "utf8"));
if (asked.generate) {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(SEED_HEAD.length);
  const point = publicKey.export({ format: "der", type: "spki" }).subarray(PUBLIC_HEAD.length);
  console.log(
    JSON.stringify({
      secret: `whsk_${Buffer.concat([seed, point]).toString("base64")}`,
      public: `whpk_${point.toString("base64")}`,
    }),
  );
} else {
  const pair = decode(asked.secret, "whsk_");
  const privateKey = createPrivateKey({
    key: Buffer.concat([SEED_HEAD, pair.subarray(0, 32)]),
    format: "der",
    type: "pkcs8",
  });
  const publicKey = createPublicKey({
    key: Buffer.concat([PUBLIC_HEAD, decode(asked.public, "whpk_")]),
    format: "der",
    type: "spki",
  });
  const signed = (body) => Buffer.from(`${asked.id}.${asked.timestamp}.${body}`);
  const theirs = decode(asked.signature, "v1a,");
  console.log(
    JSON.stringify({
      accepted: verify(null, signed(asked.body), publicKey, theirs),
      accepted_other_body: verify(null, signed('{"other":1}'), publicKey, theirs),
      signature: `v1a,${sign(null, signed(asked.body), privateKey).toString("base64")}`,
    }),
  );
}
