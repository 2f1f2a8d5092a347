import { Buffer } from "node:buffer";
import { generateKeyPairSync, sign } from "node:crypto";
import { assertEquals } from "../../../../../../tests/support/assert.ts";
import { parseTelnyx } from "./telnyx.ts";
import { verifyTelnyx } from "./telnyx_signature.ts";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const SECONDS = String(NOW / 1000);
const pair = generateKeyPairSync("ed25519");
const publicKey = Buffer.from(pair.publicKey.export({ format: "jwk" }).x!, "base64url").toString("base64");
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

function signatureOf(bytes: Uint8Array, timestamp = SECONDS): Headers {
  const signed = Buffer.concat([Buffer.from(`${timestamp}|`), bytes]);
  return new Headers({
    "telnyx-timestamp": timestamp,
    "telnyx-signature-ed25519": sign(null, signed, pair.privateKey).toString("base64"),
  });
}

Deno.test("verifyTelnyx(): the account's key over time and bytes, within five minutes", () => {
  const bytes = bytesOf({ data: {} });
  const other = Buffer.alloc(32, 7).toString("base64");
  const check = (headers: Headers, body = bytes, keys = [publicKey], now = NOW) =>
    verifyTelnyx(body, headers, keys, now);
  assertEquals(check(signatureOf(bytes)), true);
  assertEquals(check(signatureOf(bytes), bytes, [other, publicKey]), true);
  assertEquals(check(signatureOf(bytes), bytesOf({ data: 1 })), false);
  assertEquals(check(signatureOf(bytes), bytes, [other]), false);
  assertEquals(check(signatureOf(bytes), bytes, []), false);
  assertEquals(check(signatureOf(bytes), bytes, ["no key"]), false);
  assertEquals(check(signatureOf(bytes), bytes, [publicKey], NOW + 301_000), false);
  assertEquals(check(signatureOf(bytes), bytes, [publicKey], NOW - 301_000), false);
  const moved = signatureOf(bytes);
  moved.set("telnyx-timestamp", String(NOW / 1000 + 1));
  assertEquals(check(moved), false);
  for (const signature of ["", "*", btoa("short")]) {
    assertEquals(
      check(new Headers({ "telnyx-timestamp": SECONDS, "telnyx-signature-ed25519": signature })),
      false,
    );
  }
});

const message = (more: Record<string, unknown>) => ({
  id: "m-1",
  from: { phone_number: "+12025550143" },
  to: [{ phone_number: "+12025550100", status: "webhook_delivered" }],
  text: "Hello",
  media: [],
  errors: [],
  received_at: "2026-11-30T11:59:58.000+00:00",
  ...more,
});
const event = (type: string, payload: unknown) => ({
  data: { event_type: type, id: "e-1", occurred_at: "2026-11-30T12:00:00.000+00:00", payload },
});
const parsed = (body: unknown) => parseTelnyx(bytesOf(body)).updates[0];

Deno.test("parseTelnyx(): a text that came in", () => {
  const media = [{ url: "https://media.example.org/1", content_type: "image/png", size: 12 }];
  const { raw, ...update } = parsed(event("message.received", message({ media, parts: 1, cc: [] })));
  assertEquals(update, {
    key: "m:m-1",
    channel: "sms",
    provider: "telnyx",
    field: "message",
    kind: "message",
    sender_id: "12025550100",
    sender_display: "12025550100",
    at: "2026-11-30T11:59:58.000Z",
    identities: [{ kind: "phone", value: "12025550143" }],
    provider_id: "m-1",
    type: "mms",
    body: "Hello",
    opt: "none",
  });
  assertEquals(raw, {
    provider: "telnyx",
    id: "m-1",
    from: "12025550143",
    to: "12025550100",
    body: "Hello",
    segments: 1,
    media: [{ url: "https://media.example.org/1", type: "image/png", size: 12 }],
    _rest: { parts: 1 },
  });
});

Deno.test("parseTelnyx(): what became of a text of ours, with our id in a tag", () => {
  const id = "0197a000-0000-7000-8000-000000000001";
  const sent = message({
    from: { phone_number: "+12025550100" },
    to: [{ phone_number: "+12025550143", status: "delivery_failed" }],
    tags: ["other", `gl:${id}`],
    errors: [{ code: "40008", title: "Undeliverable" }],
    completed_at: "2026-11-30T12:00:01.000Z",
  });
  const { raw: _, ...update } = parsed(event("message.finalized", sent));
  assertEquals(update, {
    key: "s:m-1:delivery_failed",
    channel: "sms",
    provider: "telnyx",
    field: "status",
    kind: "status",
    sender_id: "12025550100",
    at: "2026-11-30T12:00:01.000Z",
    provider_id: "m-1",
    status: "failed",
    rank: 2,
    failure: "40008",
    error: [{ code: "40008", title: "delivery_failed" }],
    callback: id,
  });
});

Deno.test("parseTelnyx(): keeps what it does not understand", () => {
  for (
    const body of [
      null,
      [],
      {},
      event("message.unheard", message({})),
      event("message.received", { id: "m" }),
      event("message.finalized", { id: "m" }),
    ]
  ) assertEquals(parsed(body).kind, "other", JSON.stringify(body));
  const { updates, unreadable } = parseTelnyx(new TextEncoder().encode("{"));
  assertEquals([updates[0].field, unreadable instanceof Error], ["invalid_json", true]);
});
