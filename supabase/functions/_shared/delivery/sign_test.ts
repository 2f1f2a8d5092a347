import { assertEquals, assertThrows } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { MAX_KEYS, sign, SigningError } from "./sign.ts";
import { holds } from "../../../../tests/support/property.ts";

const secretOf = (bytes: Uint8Array) => `whsec_${btoa(String.fromCharCode(...bytes))}`;
const secret = fc.uint8Array({ minLength: 24, maxLength: 64 }).map(secretOf);
const id = fc.stringMatching(/^msg_[A-Za-z0-9]{1,30}$/);
const now = Math.floor(Date.now() / 1000);

Deno.test("sign(): equals the signature in the specification", () => {
  // https://github.com/standard-webhooks/standard-webhooks: the vector of its reference libraries' tests.
  assertEquals(
    sign({
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      timestamp: 1614265330,
      body: '{"test": 2432232314}',
      secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    }),
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  );
});

Deno.test("sign(): equals the reference library for any body, and each secret verifies its own signature", () => {
  const body = fc.oneof(fc.string({ unit: "grapheme" }), fc.json());
  const secrets = fc.uniqueArray(secret, { minLength: 1, maxLength: 3 });
  holds(fc.property(id, body, secrets, (id, body, secrets) => {
    const signature = sign({ id, timestamp: now, body, secrets });
    assertEquals(
      signature,
      secrets.map((s) => new Webhook(s).sign(id, new Date(now * 1000), body)).join(" "),
    );
    const headers = { "webhook-id": id, "webhook-timestamp": String(now), "webhook-signature": signature };
    for (const s of secrets) new Webhook(s).verify(body, headers, { jsonParse: false });
    const other = secretOf(new Uint8Array(32));
    let refused = false;
    try {
      new Webhook(other).verify(body, headers, { jsonParse: false });
    } catch {
      refused = true;
    }
    assertEquals(refused, true);
  }));
});

Deno.test("sign(): prepares a key once while it is among the MAX_KEYS most recent", () => {
  const real = globalThis.atob;
  let prepared = 0;
  globalThis.atob = (text) => {
    prepared++;
    return real(text);
  };
  const use = (...numbers: number[]) => {
    prepared = 0;
    const secrets = numbers.map((number) => {
      const bytes = new Uint8Array(24);
      new DataView(bytes.buffer).setUint32(0, number);
      return secretOf(bytes);
    });
    sign({ id: "msg_1", timestamp: now, body: "{}", secrets });
    return prepared;
  };
  try {
    const all = Array.from({ length: MAX_KEYS }, (_, i) => i + 1);
    assertEquals(use(...all), MAX_KEYS);
    assertEquals(use(...all), 0);
    assertEquals(use(1), 0, "1 is now the one used last, 2 the one used longest ago");
    assertEquals(use(MAX_KEYS + 1), 1, "takes the place of 2");
    assertEquals(use(1), 0);
    assertEquals(use(2), 1);
  } finally {
    globalThis.atob = real;
  }
});

Deno.test("sign() refuses without a usable secret, and its error does not contain the secret", () => {
  const good = secretOf(new Uint8Array(24));
  const wrong = [
    "",
    "whsec_",
    good.slice(6),
    `WHSEC_${good.slice(6)}`,
    secretOf(new Uint8Array(23)),
    secretOf(new Uint8Array(65)),
    `${good}=`,
    `${good} `,
    good.replace("AAAA", "A-_A"),
    "whsec_mysecretmysecretmysecretmysecre", // no whole number of bytes
  ];
  assertThrows(() => sign({ id: "m", timestamp: now, body: "", secrets: [] }), SigningError);
  for (const bad of wrong) {
    for (const secrets of [[bad], [good, bad]]) {
      const error = assertThrows(
        () => sign({ id: "m", timestamp: now, body: "", secrets }),
        SigningError,
      );
      assertEquals((error as Error).message, "a signing secret must be whsec_ and 24 to 64 bytes in base64");
    }
  }
});
