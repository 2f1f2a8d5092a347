import { assertEquals } from "../../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { challengeOf, sign, verify } from "./signature.ts";
import { holds } from "../../../../../../tests/support/property.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("verify() accepts the signature of RFC 4231's second case", () => {
  // HMAC-SHA-256 with key "Jefe", RFC 4231 section 4.3: a value that none of our code computed.
  const header = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
  const body = bytes("what do ya want for nothing?");
  assertEquals(sign(body, "Jefe"), header);
  assertEquals(verify(body, header, ["Jefe"]), true);
});

Deno.test("verify() accepts any of several secrets, and no other", () => {
  const body = bytes('{"a":1}');
  for (const secret of ["old", "new"]) assertEquals(verify(body, sign(body, secret), ["old", "new"]), true);
  assertEquals(verify(body, sign(body, "older"), ["old", "new"]), false);
  assertEquals(verify(body, sign(body, "old"), []), false);
});

Deno.test("verify() checks the raw bytes: equivalent JSON is not the same", () => {
  const escaped = bytes('{"t":"J\\u2019ai @ a\\/b"}');
  const plain = bytes('{"t":"J’ai @ a/b"}');
  assertEquals(JSON.parse(new TextDecoder().decode(escaped)), JSON.parse(new TextDecoder().decode(plain)));
  assertEquals(verify(escaped, sign(escaped, "s"), ["s"]), true);
  assertEquals(verify(plain, sign(escaped, "s"), ["s"]), false);
});

Deno.test("verify() refuses a malformed header", () => {
  const body = bytes("x");
  const good = sign(body, "s");
  const bad = [
    null,
    "",
    "sha256=",
    good.slice(7),
    good.slice(0, -1),
    good + "0",
    " " + good,
    good.replace("sha256", "sha1"),
    good.toUpperCase(),
    good.slice(0, -1) + "g",
    good.slice(0, -2) + "é0",
    `${good},${good}`,
  ];
  for (const header of bad) assertEquals(verify(body, header, ["s"]), false, String(header));
});

Deno.test("verify() refuses every change of a body or a signature", () => {
  holds(fc.property(
    fc.uint8Array({ minLength: 1, maxLength: 300 }),
    fc.string({ minLength: 1 }),
    fc.nat(),
    fc.integer({ min: 1, max: 255 }),
    (body, secret, at, flip) => {
      const header = sign(body, secret);
      const changed = body.slice();
      changed[at % body.length] ^= flip;
      const digit = 7 + at % 64;
      const other = header[digit] === "0" ? "1" : "0";
      const forged = header.slice(0, digit) + other + header.slice(digit + 1);
      return verify(body, header, [secret]) && !verify(changed, header, [secret]) &&
        !verify(body, forged, [secret]);
    },
  ));
});

Deno.test("challengeOf() echoes the challenge for our token only", () => {
  const query = (mode: string, token: string, challenge = "1158201444") =>
    new URLSearchParams({ "hub.mode": mode, "hub.verify_token": token, "hub.challenge": challenge });
  assertEquals(challengeOf(query("subscribe", "tok"), "tok"), "1158201444");
  assertEquals(challengeOf(query("subscribe", "tok", ""), "tok"), "");
  assertEquals(challengeOf(query("subscribe", "tok "), "tok"), undefined);
  assertEquals(challengeOf(query("subscribe", ""), ""), undefined);
  assertEquals(challengeOf(query("unsubscribe", "tok"), "tok"), undefined);
  assertEquals(challengeOf(new URLSearchParams("hub.mode=subscribe&hub.verify_token=tok"), "tok"), undefined);
  assertEquals(challengeOf(new URLSearchParams(), "tok"), undefined);
});
