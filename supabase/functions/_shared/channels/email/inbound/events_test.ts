import { assert, assertEquals, assertNotEquals } from "../../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../../tests/support/property.ts";
import { isStorable } from "../../../json/json.ts";
import { bounceOf, type MailEvent } from "./events.ts";
import { parseResend } from "./resend_events.ts";
import { parseSendGridEvents } from "./sendgrid_events.ts";

const MESSAGE = "0197a000-0000-7000-8000-000000000001";
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value) + "\r\n");
const sendgrid = (event: Record<string, unknown>): MailEvent =>
  parseSendGridEvents(bytesOf([{
    email: "Casey@Example.org",
    timestamp: 1795688600,
    sg_message_id: "abc123.recvd-5f8d-1.0",
    gl_message: MESSAGE,
    sg_event_id: "e1",
    ...event,
  }])).events[0];

Deno.test("parseSendGridEvents(): each event means one thing for message and address", () => {
  const cases: [Record<string, unknown>, string, unknown][] = [
    [{ event: "processed" }, "processed", null],
    [{ event: "deferred", attempt: "1" }, "deferred", null],
    [{ event: "delivered", response: "250 OK" }, "delivered", null],
    [{ event: "bounce", type: "bounce", status: "5.1.1" }, "bounce", { reason: "bounce", scope: "all" }],
    [{ event: "bounce", type: "bounce", status: "5.0.0" }, "bounce", { reason: "bounce", scope: "all" }],
    [{ event: "bounce", type: "blocked", status: "4.2.2" }, "blocked", null],
    [{ event: "bounce", type: "bounce", status: "5.2.2" }, "blocked", null],
    [{ event: "bounce", type: "bounce", status: "5.7.1" }, "blocked", null],
    [{ event: "dropped", reason: "Bounced Address" }, "dropped", { reason: "bounce", scope: "all" }],
    [{ event: "dropped", reason: "Unsubscribed Address" }, "dropped", {
      reason: "unsubscribe",
      scope: "all",
    }],
    [{ event: "dropped", reason: "Spam Content" }, "dropped", null],
    [{ event: "spamreport" }, "complaint", { reason: "complaint", scope: "all" }],
    [{ event: "unsubscribe" }, "unsubscribe", { reason: "unsubscribe", scope: "all" }],
    [{ event: "group_unsubscribe" }, "unsubscribe", { reason: "unsubscribe", scope: "bulk" }],
    [{ event: "group_resubscribe" }, "resubscribe", null],
    [{ event: "account_status_change" }, "other", null],
  ];
  for (const [given, event, suppress] of cases) {
    const read = sendgrid(given);
    assertEquals([read.event, read.suppress], [event, suppress], JSON.stringify(given));
    assertEquals(
      [read.message, read.provider_id, read.address, read.at],
      [MESSAGE, "abc123", "casey@example.org", "2026-11-26T10:23:20.000Z"],
    );
    assertEquals(read.error !== null, ["bounce", "blocked", "dropped"].includes(event));
  }
});

Deno.test("parseSendGridEvents(): a repetition has the same key whatever its sg_event_id, and two events never", () => {
  const one = sendgrid({ event: "delivered" });
  assertEquals(sendgrid({ event: "delivered", sg_event_id: "another" }).key, one.key);
  const others = [
    { event: "processed" },
    { event: "delivered", timestamp: 1795688601 },
    { event: "delivered", gl_message: "0197a000-0000-7000-8000-000000000002" },
    { event: "delivered", email: "another@example.org" },
    { event: "click", url: "https://a.example/" },
    { event: "click", url: "https://b.example/" },
    { event: "click", url: "https://b.example/", url_offset: { index: 1 } },
    { event: "deferred", attempt: "1", response: "450" },
    { event: "deferred", attempt: "2", response: "450" },
  ].map((event) => sendgrid(event).key);
  assertEquals(new Set([...others, one.key]).size, others.length + 1);
});

Deno.test("parseSendGridEvents(): what is odd is kept for itself, and foreign ids are not ours", () => {
  const { events, unreadable } = parseSendGridEvents(
    bytesOf(["no object", { event: "open" }, {
      event: "bounce",
      gl_message: "not-a-uuid",
      timestamp: "1795688562",
      reason: "a\u0000b",
      status: "5.1.1",
      email: "x@example.org",
    }, { event: "delivered", gl_delivery: MESSAGE }]),
  );
  assertEquals(unreadable, undefined);
  assertEquals(events.map(({ event }) => event), ["other", "open", "bounce", "delivered"]);
  assertEquals([events[2].message, events[2].at], [null, "2026-11-26T10:22:42.000Z"]);
  assertEquals([events[3].message, events[3].delivery], [null, MESSAGE]);
  assert(events.every((event) => isStorable(event)));
  const broken = parseSendGridEvents(new TextEncoder().encode("no json"));
  assertEquals([broken.events.length, broken.events[0].event, broken.unreadable !== undefined], [
    1,
    "other",
    true,
  ]);
});

Deno.test("parseSendGridEvents(), parseResend(): throw on nothing, and all that they make can be stored", () => {
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.jsonValue({ stringUnit: "binary" }).map(bytesOf),
    fc.array(fc.dictionary(
      fc.constantFrom(
        "event",
        "email",
        "timestamp",
        "gl_message",
        "sg_message_id",
        "url",
        "reason",
        "status",
        "type",
      ),
      fc.oneof(fc.string({ unit: "binary" }), fc.integer(), fc.constant(null), fc.constant("bounce")),
    )).map(bytesOf),
  );
  holds(fc.property(bodies, (bytes) => {
    for (const { events } of [parseSendGridEvents(bytes), parseResend(bytes, "msg_1")]) {
      for (const event of events) {
        assert(isStorable(event), JSON.stringify(event));
        assert(event.key.length > 0 && event.key.length <= 512);
      }
    }
  }));
});

Deno.test("parseResend(): reads its events, and names a mail that is to be fetched", () => {
  const event = (type: string, data: unknown) =>
    parseResend(bytesOf({ type, created_at: "2026-11-29T12:00:00.000Z", data }), "msg_1");
  const tags = { gl_message: MESSAGE };
  const delivered = event("email.delivered", { email_id: "r1", to: ["Casey@example.org"], tags }).events[0];
  assertEquals(
    [delivered.event, delivered.message, delivered.provider_id, delivered.address, delivered.at],
    ["delivered", MESSAGE, "r1", "casey@example.org", "2026-11-29T12:00:00.000Z"],
  );
  const listed = event("email.sent", { tags: [{ name: "gl_message", value: MESSAGE }] }).events[0];
  assertEquals([listed.event, listed.message], ["processed", MESSAGE]);
  const bounced = (bounce: unknown) => event("email.bounced", { to: ["a@b.org"], tags, bounce }).events[0];
  const hard = bounced({ type: "Permanent", subType: "General", diagnosticCode: ["smtp; 550 5.1.1 no"] });
  assertEquals([hard.event, hard.suppress], ["bounce", { reason: "bounce", scope: "all" }]);
  assertEquals(bounced({ type: "Transient" }).event, "blocked");
  assertEquals(event("email.complained", { tags }).events[0].suppress, { reason: "complaint", scope: "all" });
  assertEquals(event("email.received", { email_id: "in-1" }), { events: [], received: "in-1" });
  assertEquals(event("email.received", { email_id: "../keys" }).received, undefined);
  assertNotEquals(
    parseResend(bytesOf({}), "msg_1").events[0].key,
    parseResend(bytesOf({}), "msg_2").events[0].key,
  );
});

Deno.test("parseSendGridEvents(), parseResend(): opens and clicks have a verdict, judged with the rest of their mail", () => {
  const agent =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
  const OTHER = "0197a000-0000-7000-8000-000000000002";
  const { events } = parseSendGridEvents(bytesOf([
    { event: "delivered", gl_message: MESSAGE, timestamp: 1795688600 },
    ...["a", "b", "c"].map((name, i) => ({
      event: "click",
      gl_message: MESSAGE,
      timestamp: 1795688630 + i,
      useragent: agent,
      ip: "198.51.100.7",
      url: `https://${name}.example/`,
    })),
    { event: "click", gl_message: OTHER, timestamp: 1795688632, useragent: agent, url: "https://c.example/" },
    { event: "open", gl_message: OTHER, timestamp: 1795688632, useragent: agent, sg_machine_open: true },
    {
      event: "click",
      gl_message: MESSAGE,
      timestamp: 1795688605,
      useragent: agent,
      url: "https://a.example/",
    },
    { event: "click", useragent: agent, timestamp: "never" },
  ]));
  assertEquals(events.map(({ metadata }) => metadata), [
    null,
    ...Array(3).fill({ verdict: "machine", reasons: "burst" }),
    { verdict: "human", reasons: "browser" },
    { machine: true, verdict: "machine", reasons: "provider" },
    { verdict: "machine", reasons: "instant" },
    null,
  ]);
  const resend = (type: string, data: unknown) =>
    parseResend(bytesOf({ type, created_at: "2026-11-29T12:00:00.000Z", data }), "msg_1").events[0].metadata;
  assertEquals(resend("email.clicked", { click: { userAgent: "curl/8.5.0", link: "https://a.example/" } }), {
    verdict: "machine",
    reasons: "program",
  });
  assertEquals(resend("email.opened", {}), null, "nothing to judge by");
});

Deno.test("bounceOf(): only an address that does not exist counts as a bounce", () => {
  assertEquals(
    ["5.1.1", "5.1.10", "5.2.1", "5.4.4", "5.0.0", ""].map((status) => bounceOf("bounce", status)),
    Array(6).fill("bounce"),
  );
  assertEquals(
    ["4.4.1", "5.2.2", "5.3.4", "5.7.26"].map((status) => bounceOf("bounce", status)),
    Array(4).fill("blocked"),
  );
});
