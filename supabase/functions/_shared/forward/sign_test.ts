import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { MAX_KEYS, sign, SigningError } from "./sign.ts";

const secretOf = (bytes: Uint8Array) => `whsec_${btoa(String.fromCharCode(...bytes))}`;
const secret = fc.uint8Array({ minLength: 24, maxLength: 64 }).map(secretOf);
const id = fc.stringMatching(/^msg_[A-Za-z0-9]{1,30}$/);
const now = Math.floor(Date.now() / 1000);

Deno.test("sign(): the signature that the specification prints", async () => {
  // https://github.com/standard-webhooks/standard-webhooks: the vector of its reference libraries' tests.
  assertEquals(
    await sign({
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      timestamp: 1614265330,
      body: '{"test": 2432232314}',
      secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    }),
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  );
});

Deno.test("sign(): equals the reference library for any body, and each secret verifies its own", async () => {
  const body = fc.oneof(fc.string({ unit: "grapheme" }), fc.json());
  const secrets = fc.uniqueArray(secret, { minLength: 1, maxLength: 3 });
  await fc.assert(fc.asyncProperty(id, body, secrets, async (id, body, secrets) => {
    const signature = await sign({ id, timestamp: now, body, secrets });
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

Deno.test("sign(): more secrets than keys are kept give the same signatures again", async () => {
  const secrets = Array.from({ length: MAX_KEYS + 50 }, (_, i) => {
    const bytes = new Uint8Array(24);
    new DataView(bytes.buffer).setUint32(0, i);
    return secretOf(bytes);
  });
  const once = await sign({ id: "msg_1", timestamp: now, body: "{}", secrets });
  assertEquals(await sign({ id: "msg_1", timestamp: now, body: "{}", secrets }), once);
  assertEquals(new Set(once.split(" ")).size, secrets.length);
});

Deno.test("sign() refuses without a usable secret, and says so without it", async () => {
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
  await assertRejects(() => sign({ id: "m", timestamp: now, body: "", secrets: [] }), SigningError);
  for (const bad of wrong) {
    for (const secrets of [[bad], [good, bad]]) {
      const error = await assertRejects(
        () => sign({ id: "m", timestamp: now, body: "", secrets }),
        SigningError,
      );
      assertEquals((error as Error).message, "a signing secret must be whsec_ and 24 to 64 bytes in base64");
    }
  }
});
