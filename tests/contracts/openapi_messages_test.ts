/** docs/openapi.yaml says which messages and links the functions take, and what a service gets. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import { changedLink, newLink } from "../../supabase/functions/_shared/contract/links.ts";
import {
  checkMessage,
  withoutNulls,
} from "../../supabase/functions/_shared/channels/whatsapp/outbound/outbound.ts";
import { aLittleWrong } from "../support/a_little_wrong.ts";
import { checkRequest } from "../../supabase/functions/_shared/channels/whatsapp/outbound/request.ts";
import { edgeTest } from "../support/edge.ts";
import { assertFits, assertTold, schemaAt } from "../support/openapi.ts";
import { messagesOfEachType, TEMPLATE, text } from "../support/sending.ts";
import { addDestination, addRoute, startService } from "../support/service.ts";
import { holds } from "../support/property.ts";

edgeTest("openapi.yaml: the event for services and their answers are as described", async (edge) => {
  const { sql, meta, says, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service);
  await addRoute(sql, ["service"]);
  await reread();
  const nora = meta.addContact({
    name: "Nora",
    phone: "12025550143",
    username: "nora",
    parentBsuid: "US.ENT.42",
  });
  const hidden = meta.addContact({ name: "Yuki", username: "yuki.bakes" });
  const first = await says(nora, "hello");
  await says(nora, {
    type: "interactive",
    interactive: { type: "button_reply", button_reply: { id: "y", title: "Yes" } },
    context: { id: first },
  });
  await says(hidden, { type: "image", image: { id: "1", mime_type: "image/jpeg" } });
  await says(hidden, { type: "text", text: { body: "ad" }, referral: { source_type: "ad", source_id: "1" } });
  await settled();
  assertEquals(service.received.length, 4);
  for (const { event, headers } of service.received) assertTold("message.received", event, headers);
  const replies = [
    "webhooks",
    "message.received",
    "post",
    "responses",
    "2XX",
    "content",
    "application/json",
    "schema",
  ];
  const messages = messagesOfEachType("wamid.1");
  assertFits({ replies: messages.slice(0, 10) }, ...replies);
  assertEquals(schemaAt(...replies)({ replies: messages.slice(0, 11) }), false);
  assertEquals(schemaAt(...replies)({ replies: [{ type: "text" }] }), false);
});

const SEND = ["paths", "/wa-send", "post", "requestBody", "content", "application/json", "schema"];

Deno.test("openapi.yaml: wa-send accepts every described message", () => {
  for (const message of messagesOfEachType("wamid.1")) {
    assertFits({ to: "12025550123", ...message }, ...SEND);
    assert(checkMessage(message).ok);
  }
  assertEquals(schemaAt(...SEND)(text("to nobody")), false);
  assertFits({ type: "read", message_id: "wamid.1" }, ...SEND);
});

/** What the document cannot say: that ids or titles differ, sums over sections, characters that Postgres cannot hold. */
const UNSAID = /unique in the message|in all sections together|several sections|NUL character/;

Deno.test("openapi.yaml: agrees with wa-send about slightly wrong messages", () => {
  const message = schemaAt("components", "schemas", "Message");
  holds(
    fc.property(aLittleWrong(messagesOfEachType("wamid.1")), (body) => {
      const checked = checkMessage(body);
      if (!checked.ok && checked.issues.every(({ message }) => UNSAID.test(message))) return;
      // The document says of null what JSON Schema cannot.
      assertEquals(message(withoutNulls(body)), checked.ok, JSON.stringify({ body, checked }));
    }),
    { cases: 2000 },
  );
});

/** What the document cannot say of a recipient: which texts are a phone number, and which an id or a name. */
const UNSAID_OF_RECIPIENTS = /must be a phone number|must be a group's id/;

Deno.test("openapi.yaml: agrees with wa-send about slightly wrong requests", () => {
  const request = schemaAt(...SEND);
  const requests = [
    {
      messaging_product: "whatsapp",
      recipient_type: "individual",
      to: "+1 202 555 0123",
      recipient: "US.13491208655302741918",
      from: "301245600017789",
      idempotency_key: "order-17:shipped",
      biz_opaque_callback_data: "order 17",
      fallback: TEMPLATE,
      ...text("Shipped!"),
    },
    { recipient_type: "group", to: "group-17", ...text("Hi") },
    { to: 12025550123, ...text("Hi") },
  ];
  for (const body of requests) assert(checkRequest(body).ok && request(body), JSON.stringify(body));
  holds(
    fc.property(aLittleWrong(requests), (body) => {
      const checked = checkRequest(body);
      if (!checked.ok && checked.issues.every(({ message }) => UNSAID_OF_RECIPIENTS.test(message))) return;
      assertEquals(request(withoutNulls(body)), checked.ok, JSON.stringify({ body, checked }));
    }),
    { cases: 2000 },
  );
});

/** Links with every member there is. */
const LINKS = [
  { default_url: "https://www.example.com/" },
  {
    code: "spring",
    default_url: "https://www.example.com/",
    targets: [
      {
        when: {
          platform: ["ios", "android"],
          country: "DE",
          language: ["pt-BR", "pt"],
          referrer: "news.example.com",
          query: { a: true, b: "1", c: ["2", "3"] },
          date: { from: "2026-11-21T09:00:00Z", until: "2027-11-21T09:00:00+02:00" },
          time: { days: ["mon"], from: "09:00", to: "24:00", zone: "Europe/Berlin" },
          visitor: "new",
          weight: 12.5,
        },
        app: { url: "myapp://offer", package: "com.example.app", fallback: "https://www.example.com/get" },
      },
      { store: "https://apps.apple.com/app/id1" },
      {
        when: { country: ["FR"], platform: "linux", language: "fr", referrer: ["t.example"] },
        url: "https://a.example/",
      },
      { whatsapp: { phone_number_id: "1", text: "Hi {ref}" } },
    ],
    whatsapp: { phone_number_id: "1" },
    starts_at: "2026-11-21T09:00:00Z",
    expires_at: "2027-11-21T09:00:00.5Z",
    expired_url: "https://www.example.com/",
    max_uses: 7,
    utm: { source: "a", medium: "b", campaign: "c", term: "d", content: "e" },
    pass_query: true,
    tags: ["a", "b"],
    flag_key: "spring.enabled",
    preview: { title: "a", description: "b", image: "https://www.example.com/a.png" },
    fingerprint: false,
    external_id: "poster-17",
    password: "open sesame",
  },
];

/** What the document cannot say: that a zone is one, and what comes after what. */
const UNSAID_OF_LINKS = /is not a time zone|ends before it begins|is not after starts_at|are the same/;

Deno.test("openapi.yaml: agrees with deeplinks about slightly wrong links", () => {
  const link = schemaAt("components", "schemas", "NewLink");
  for (const body of LINKS) assert(newLink.safeParse(body).success && link(body));
  holds(
    fc.property(aLittleWrong(LINKS), (body) => {
      const checked = newLink.safeParse(body);
      if (!checked.success && checked.error.issues.every(({ message }) => UNSAID_OF_LINKS.test(message))) {
        return;
      }
      assertEquals(link(body), checked.success, JSON.stringify({ body, faults: checked.error?.issues }));
    }),
    { cases: 3000 },
  );
});

Deno.test("openapi.yaml: a change of a link lists exactly the changeable members", () => {
  const change = schemaAt("components", "schemas", "LinkChange");
  for (const name of Object.keys(changedLink.shape)) assert(change({ [name]: null }), name);
  assert(
    change({ password: "open sesame", state: "disabled", tags: ["a"], utm: { source: null }, version: 3 }),
  );
  // What was read may come back whole: members that cannot be changed are left alone, and a state is one that can be set.
  assertEquals([change({ code: "other" }), change({ state: "deleted" })], [true, false]);
});
