import fc from "fast-check";
import { assert, assertEquals } from "../../../../../../tests/support/assert.ts";
import { holds } from "../../../../../../tests/support/property.ts";
import { isStorable } from "../../../json/json.ts";
import { parseTwilio, updateOfEntry } from "./twilio.ts";

const SID = "SM0123456789abcdef0123456789abcdef";
const OURS = "0197a000-0000-7000-8000-000000000001";
const formOf = (more: Record<string, string>) =>
  new TextEncoder().encode(new URLSearchParams(more).toString());
const received = (more: Record<string, string> = {}) =>
  parseTwilio(
    formOf({
      MessageSid: SID,
      AccountSid: "AC1",
      From: "+12025550143",
      To: "+12025550100",
      Body: "Is it open?",
      NumMedia: "0",
      ...more,
    }),
    "",
    undefined,
  );

Deno.test("parseTwilio(): a text that came in", () => {
  const { update: { raw, ...update }, account } = received({ FromCity: "SPRINGFIELD", FromZip: "" });
  assertEquals(account, "AC1");
  assertEquals(update, {
    key: `m:${SID}`,
    channel: "sms",
    provider: "twilio",
    field: "message",
    kind: "message",
    sender_id: "12025550100",
    sender_display: "12025550100",
    at: undefined,
    identities: [{ kind: "phone", value: "12025550143" }],
    provider_id: SID,
    type: "text",
    body: "Is it open?",
    opt: "none",
  });
  assertEquals(raw, {
    provider: "twilio",
    id: SID,
    from: "12025550143",
    to: "12025550100",
    body: "Is it open?",
    segments: 1,
    media: [],
    _rest: { AccountSid: "AC1", FromCity: "SPRINGFIELD" },
  });
});

Deno.test("parseTwilio(): files, groups and senders that are no numbers", () => {
  const { update } = received({
    Body: "",
    NumMedia: "2",
    MediaUrl0: "https://api.example.org/0",
    MediaContentType0: "image/jpeg",
    MediaUrl1: "https://api.example.org/1",
    OtherRecipients0: "+12025550144",
    From: "72345",
  });
  assertEquals([update.type, update.body, update.identities], ["mms", undefined, [{
    kind: "short_code",
    value: "72345",
  }]]);
  const { media, group } = update.raw as Record<string, unknown>;
  assertEquals(media, [
    { url: "https://api.example.org/0", type: "image/jpeg", size: null },
    { url: "https://api.example.org/1", type: null, size: null },
  ]);
  assertEquals(group, ["+12025550144"]);
  assertEquals(received({ From: "BAKERY" }).update.identities, [{ kind: "sender_name", value: "BAKERY" }]);
});

Deno.test("parseTwilio(): opting out by the provider's word before the text's", () => {
  const said = (more: Record<string, string>) => {
    const { opt, raw } = received(more).update;
    const { keyword, review } = raw as Record<string, unknown>;
    return [opt, keyword, review];
  };
  assertEquals(said({ Body: "no mas", OptOutType: "STOP" }), ["out", "stop", undefined]);
  assertEquals(said({ Body: "Stop" }), ["out", "stop", undefined]);
  assertEquals(said({ Body: "stop", OptOutType: "HELP" }), ["none", "help", undefined]);
  assertEquals(said({ Body: "START" }), ["in", "start", undefined]);
  // An answer; it changes something only for who has opted out.
  assertEquals(said({ Body: "yes" }), ["in", undefined, undefined]);
  assertEquals(said({ Body: "Please stop sending messages" }), ["none", undefined, "opt_out"]);
});

Deno.test("parseTwilio(): a status, whatever it is called", () => {
  const status = (name: string, more: Record<string, string> = {}) =>
    parseTwilio(
      formOf({ MessageSid: SID, MessageStatus: name, From: "+12025550100", To: "+12025550143", ...more }),
      "",
      OURS,
    ).update;
  const { raw: _, ...update } = status("undelivered", { ErrorCode: "30003" });
  assertEquals(update, {
    key: `s:${SID}:undelivered`,
    channel: "sms",
    provider: "twilio",
    field: "status",
    kind: "status",
    sender_id: "12025550100",
    at: undefined,
    provider_id: SID,
    status: "failed",
    rank: 2,
    failure: "30003",
    error: [{ code: "30003", title: "undelivered" }],
    callback: OURS,
  });
  const ranks = ["accepted", "queued", "sending", "sent", "delivered", "read", "canceled", "unheard-of"].map(
    (name) => [name, status(name).status, status(name).rank],
  );
  assertEquals(ranks, [
    ["accepted", "accepted", 0],
    ["queued", "accepted", 0],
    ["sending", "accepted", 0],
    ["sent", "sent", 1],
    ["delivered", "delivered", 2],
    ["read", "read", 3],
    ["canceled", "failed", 2],
    ["unheard-of", undefined, undefined],
  ]);
});

Deno.test("parseTwilio(): a GET has its parameters in the query", () => {
  const query = new URLSearchParams({
    MessageSid: SID,
    From: "+12025550143",
    To: "+12025550100",
    Body: "a+b",
  });
  assertEquals(parseTwilio(new Uint8Array(), query.toString(), undefined).update.body, "a+b");
});

Deno.test("parseTwilio(): never throws, and gives what Postgres can hold", () => {
  const names = fc.constantFrom(
    "MessageSid",
    "From",
    "To",
    "Body",
    "MessageStatus",
    "OptOutType",
    "MediaUrl0",
    "Other",
  );
  const value = fc.string({
    unit: fc.oneof(fc.constantFrom("\0", "\ud83d", "+1", "STOP", "é"), fc.string()),
  });
  holds(fc.property(fc.array(fc.tuple(names, value), { maxLength: 12 }), (pairs) => {
    const body = new TextEncoder().encode(new URLSearchParams(pairs).toString());
    const { update } = parseTwilio(body, "", undefined);
    assert(isStorable(JSON.parse(JSON.stringify(update))), JSON.stringify(update));
    assert(update.key.length <= 512 && update.key.length > 2);
  }));
  holds(fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (body, query) => {
    assert(parseTwilio(body, query, undefined).update.key !== "");
  }));
});

Deno.test("updateOfEntry(): an entry of the list has the key of its webhook", () => {
  const entry = {
    sid: SID,
    direction: "inbound",
    from: "+12025550143",
    to: "+12025550100",
    body: "Is it open?",
    num_media: "0",
    status: "received",
    date_sent: "Mon, 30 Nov 2026 12:00:00 +0000",
  };
  const [listed, told] = [updateOfEntry(entry)!, received().update];
  assertEquals([listed.key, listed.kind, listed.body, listed.at], [
    told.key,
    "message",
    "Is it open?",
    "2026-11-30T12:00:00.000Z",
  ]);
  const out = { ...entry, direction: "outbound-api", status: "undelivered", error_code: 30003 };
  const status = updateOfEntry(out)!;
  assertEquals([status.key, status.status, status.failure], [`s:${SID}:undelivered`, "failed", "30003"]);
  for (const broken of [null, {}, { sid: SID }, { ...entry, from: null }]) {
    assertEquals(updateOfEntry(broken), undefined);
  }
});
