import fc from "fast-check";
import { createHash, createHmac } from "node:crypto";
import { assert, assertEquals } from "../../../../../../tests/support/assert.ts";
import { holds } from "../../../../../../tests/support/property.ts";
import { signedUrls, signTwilio, verifyTwilio } from "./twilio_signature.ts";

const URL_OF = "https://texts.example.org/functions/v1/sms-webhook";
const TOKEN = "the token of the account";
const SHARED = "a shared key";
const FORM = "To=%2B12025550100&From=%2B12025550143&Body=Is+the+caf%C3%A9+open%3F&MessageSid=SM1";
const SETTINGS = "key=webhooks_key_1,algorithm=HMAC_SHA256";

function verified(
  {
    url = URL_OF,
    below = "",
    query = "",
    form = FORM,
    headers = {},
    tokens = [TOKEN],
    sharedKeys = [SHARED],
  }: {
    url?: string;
    below?: string;
    query?: string;
    form?: string;
    headers?: Record<string, string>;
    tokens?: string[];
    sharedKeys?: string[];
  },
): boolean {
  return verifyTwilio({
    urls: signedUrls(url, below, query),
    query,
    headers: new Headers({ "content-type": "application/x-www-form-urlencoded", ...headers }),
    bytes: new TextEncoder().encode(form),
  }, { tokens, sharedKeys });
}

const by = (signature: string) => ({ headers: { "x-twilio-signature": signature } });

Deno.test("verifyTwilio(): the text under the signature is the address, then names and values in order", () => {
  const signed = `${URL_OF}BodyIs the café open?From+12025550143MessageSidSM1To+12025550100`;
  const signature = createHmac("sha1", TOKEN).update(signed).digest("base64");
  assertEquals(verified(by(signature)), true);
  assertEquals(signTwilio(URL_OF, FORM, TOKEN), signature);
});

Deno.test("verifyTwilio(): each form of the address that Twilio may have signed", () => {
  for (
    const [signed, configured, below, query] of [
      [`${URL_OF}/status?message=1`, URL_OF, "/status", "message=1"],
      [`${URL_OF}/`, URL_OF, "/", ""],
      ["https://texts.example.org:443/hook", "https://texts.example.org/hook", "", ""],
      ["http://texts.example.org:80/hook", "http://texts.example.org/hook", "", ""],
      ["https://texts.example.org/hook", "https://texts.example.org:8443/hook", "", ""],
      ["https://texts.example.org:8443/hook", "https://texts.example.org:8443/hook", "", ""],
      ["https://user:pass@texts.example.org/hook", "https://user:pass@texts.example.org/hook", "", ""],
      ["https://texts.example.org/hook", "https://texts.example.org/hook#rc=5&rp=all", "", ""],
      ["https://texts.example.org/hook#rc=5", "https://texts.example.org/hook#rc=5", "", ""],
      ["https://texts.example.org/hook?a=b", "https://texts.example.org/hook", "", "a=b"],
    ]
  ) {
    const signature = signTwilio(signed, FORM, TOKEN);
    assertEquals(verified({ url: configured, below, query, ...by(signature) }), true, signed);
  }
  // What the function sees behind a proxy was never signed.
  const internal = signTwilio("http://127.0.0.1:9000/sms-webhook", FORM, TOKEN);
  assertEquals(verified(by(internal)), false);
});

Deno.test("verifyTwilio(): a parameter that occurs twice counts as its sorted values", () => {
  const form = "Tag=b&Tag=a&Tag=b";
  const signature = createHmac("sha1", TOKEN).update(`${URL_OF}TagaTagb`).digest("base64");
  assertEquals(verified({ form, ...by(signature) }), true);
});

Deno.test("verifyTwilio(): a form with more parameters than any webhook is refused, whoever signed it", () => {
  const form = (n: number) => Array.from({ length: n }, (_, i) => `P${i}=1`).join("&");
  assertEquals(verified({ form: form(500), ...by(signTwilio(URL_OF, form(500), TOKEN)) }), true);
  assertEquals(verified({ form: form(501), ...by(signTwilio(URL_OF, form(501), TOKEN)) }), false);
});

Deno.test("verifyTwilio(): a GET is its address alone", () => {
  const signature = createHmac("sha1", TOKEN).update(`${URL_OF}?${FORM}`).digest("base64");
  assertEquals(verified({ query: FORM, form: "", ...by(signature) }), true);
});

Deno.test("verifyTwilio(): JSON is signed by the hash in its address", () => {
  const form = '{"a":1}';
  const query = `bodySHA256=${createHash("sha256").update(form).digest("hex")}`;
  const signature = createHmac("sha1", TOKEN).update(`${URL_OF}?${query}`).digest("base64");
  const headers = { "content-type": "application/json", "x-twilio-signature": signature };
  assertEquals(verified({ form, query, headers }), true);
  assertEquals(verified({ form: '{"a":2}', query, headers }), false);
  const unhashed = createHmac("sha1", TOKEN).update(URL_OF).digest("base64");
  assertEquals(verified({ form, headers: { ...headers, "x-twilio-signature": unhashed } }), false);
});

Deno.test("verifyTwilio(): each of several tokens while they are rotated, and no empty one", () => {
  const second = by(signTwilio(URL_OF, FORM, "the second"));
  assertEquals(verified({ tokens: [TOKEN, "the second"], ...second }), true);
  assertEquals(verified(second), false);
  assertEquals(verified({ tokens: [], ...by(signTwilio(URL_OF, FORM, TOKEN)) }), false);
  assertEquals(verified({ tokens: [""], ...by(signTwilio(URL_OF, FORM, "")) }), false);
});

Deno.test("verifyTwilio(): a Webhook Rule signs with the shared key, and nothing falls back to SHA-1", () => {
  const rule = (signature: string, settings = SETTINGS) => ({
    headers: { "x-twilio-signature": signature, "x-twilio-webhooks-signature-settings": settings },
  });
  const right = signTwilio(URL_OF, FORM, SHARED, "sha256");
  assertEquals(verified(rule(right)), true);
  assertEquals(verified(by(right)), false);
  assertEquals(verified(rule(signTwilio(URL_OF, FORM, TOKEN))), false);
  assertEquals(verified(rule(signTwilio(URL_OF, FORM, TOKEN, "sha256"))), false);
  assertEquals(verified(rule(signTwilio(URL_OF, FORM, SHARED))), false);
  assertEquals(verified(rule(right, "key=webhooks_key_1,algorithm=HMAC_SHA1")), false);
  assertEquals(verified(rule(signTwilio(URL_OF, FORM, TOKEN), "")), false);
});

Deno.test("verifyTwilio(): no other body, address or signature", () => {
  const signature = signTwilio(URL_OF, FORM, TOKEN);
  assertEquals(verified({ form: `${FORM}&OptOutType=STOP`, ...by(signature) }), false);
  assertEquals(verified({ form: FORM.replace("open", "shut"), ...by(signature) }), false);
  assertEquals(verified({ query: "a=b", ...by(signature) }), false);
  for (const other of ["", signature.slice(1), `${signature}=`, "f".repeat(40), "a".repeat(1000)]) {
    assertEquals(verified(by(other)), false, other);
  }
});

Deno.test("verifyTwilio(): whatever is sent and signed is verified, with one character less it is not", () => {
  const pairs = fc.array(
    fc.tuple(fc.string({ unit: "grapheme", minLength: 1 }), fc.string({ unit: "grapheme" })),
    {
      minLength: 1,
      maxLength: 8,
    },
  );
  holds(fc.property(pairs, (pairs) => {
    const form = new URLSearchParams(pairs.map(([name, value]) => [name, `${value}!`])).toString();
    const signature = signTwilio(URL_OF, form, TOKEN);
    assert(verified({ form, ...by(signature) }));
    assert(!verified({ form: form.slice(0, -3), ...by(signature) }));
  }));
});
