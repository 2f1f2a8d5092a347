import { assert, assertEquals } from "../../../../../../tests/support/assert.ts";
import type { OutgoingMail } from "../../../mail/types.ts";
import { createResend, resendBody } from "./resend.ts";
import { createSendGrid, sendGridBody } from "./sendgrid.ts";

const IDS = { kind: "gl_message", id: "0197a000-0000-7000-8000-000000000001", campaign: "c1" } as const;
const MAIL: OutgoingMail = {
  from: { address: "alex@example.com", name: 'Alex "A" Morgan' },
  to: [{ address: "casey@example.org", name: "" }],
  cc: [{ address: "casey@example.org", name: "again" }, { address: "jo@example.org", name: "Jo" }],
  replyTo: { address: "token@reply.example.com", name: "Alex" },
  subject: "Hello",
  text: "Hello",
  html: "<p>Hello</p>",
  headers: { "Message-ID": "<m@example.com>", "Reply-To": "x@example.com" },
  attachments: [
    { name: "a.txt", type: "text/plain", size: 2, cid: null, inline: false, source: { object: "0" } },
    { name: "b.png", type: "image/png", size: 1, cid: "logo", inline: true, source: { object: "1" } },
  ],
};
const CONTENTS = [new TextEncoder().encode("hi"), Uint8Array.of(255)];

Deno.test("sendGridBody(): one personalization with our ids, tracking off, nothing that SendGrid refuses", () => {
  assertEquals(sendGridBody(MAIL, CONTENTS, IDS), {
    personalizations: [{
      to: [{ email: "casey@example.org" }],
      cc: [{ email: "jo@example.org", name: "Jo" }],
      custom_args: { gl_message: IDS.id, gl_campaign: "c1" },
    }],
    from: { email: "alex@example.com", name: 'Alex "A" Morgan' },
    reply_to: { email: "token@reply.example.com", name: "Alex" },
    subject: "Hello",
    content: [{ type: "text/plain", value: "Hello" }, { type: "text/html", value: "<p>Hello</p>" }],
    headers: { "Message-ID": "<m@example.com>" },
    attachments: [
      { content: "aGk=", filename: "a.txt", type: "application/octet-stream", disposition: "attachment" },
      { content: "/w==", filename: "b.png", type: "image/png", disposition: "inline", content_id: "logo" },
    ],
    tracking_settings: {
      click_tracking: { enable: false, enable_text: false },
      open_tracking: { enable: false },
      subscription_tracking: { enable: false },
      ganalytics: { enable: false },
    },
  });
  const empty = sendGridBody(
    { ...MAIL, subject: "", text: "", html: undefined, headers: {}, attachments: [] },
    [],
    IDS,
  );
  assertEquals([empty.subject, empty.content, "headers" in empty], [
    "(no subject)",
    [{ type: "text/plain", value: " " }],
    false,
  ]);
});

Deno.test("resendBody(): the same mail gives the same body, with a name that cannot break out", () => {
  const body = resendBody(MAIL, CONTENTS, IDS);
  assertEquals(body.from, '"Alex \\"A\\" Morgan" <alex@example.com>');
  assertEquals(body.tags, [{ name: "gl_message", value: IDS.id }, { name: "gl_campaign", value: "c1" }]);
  assertEquals(JSON.stringify(resendBody(MAIL, CONTENTS, IDS)), JSON.stringify(body));
});

/** How a provider takes an answer. */
async function outcome(
  provider: "sendgrid" | "resend",
  answer: () => Response,
): Promise<[kind: string, retryAfterMs?: number]> {
  const create = provider === "sendgrid" ? createSendGrid : createResend;
  const sent = await create(() => ({ url: "https://provider.test", key: "the-key" }))
    .send(MAIL, CONTENTS, IDS, { fetch: async () => await answer() });
  if (sent.ok) return [`ok ${sent.providerId ?? ""}`.trim()];
  return sent.retryAfterMs === undefined ? [sent.kind] : [sent.kind, sent.retryAfterMs];
}

const raise = (error: Error) => () => {
  throw error;
};
const status = (code: number, headers = {}) => () =>
  Response.json({ errors: [{ message: "no" }] }, { status: code, headers });

Deno.test("SendGrid: an answer of its own says that the mail was not taken; a lost one says nothing", async () => {
  const cases: [answer: () => Response, outcome: unknown[]][] = [
    [() => new Response(null, { status: 202, headers: { "x-message-id": "m1" } }), ["ok m1"]],
    [() => new Response(null, { status: 202 }), ["ok"]],
    [status(200), ["ok"]],
    [status(400), ["final"]],
    [status(401), ["held"]],
    [status(403), ["held"]],
    [status(413), ["final"]],
    [status(429, { "retry-after": "7" }), ["throttle", 7000]],
    [status(500), ["retry"]],
    [status(503), ["retry"]],
    [status(502), ["unknown"]],
    [status(504), ["unknown"]],
    [status(408), ["unknown"]],
    [raise(new DOMException("late", "TimeoutError")), ["unknown"]],
    [raise(new TypeError("connection reset by peer")), ["unknown"]],
    [raise(new TypeError("error sending request: client error (Connect)")), ["retry"]],
    [raise(new TypeError("dns error: failed to lookup address")), ["retry"]],
  ];
  for (const [answer, expected] of cases) assertEquals(await outcome("sendgrid", answer), expected);
  const reset = String(Math.floor(Date.now() / 1000) + 60);
  const [kind, wait] = await outcome("sendgrid", status(429, { "x-ratelimit-reset": reset }));
  assert(kind === "throttle" && wait! > 50_000 && wait! <= 60_000, String(wait));
});

Deno.test("Resend: a lost answer is tried again under the same key", async () => {
  const named = (code: number, name: string) => () =>
    Response.json({ name, message: "no" }, { status: code });
  const cases: [answer: () => Response, outcome: unknown[]][] = [
    [() => Response.json({ id: "r1" }), ["ok r1"]],
    [() => new Response("<html>", { status: 200 }), ["ok"]],
    [named(401, "missing_api_key"), ["held"]],
    [named(403, "validation_error"), ["held"]],
    [named(409, "invalid_idempotent_request"), ["unknown"]],
    [named(409, "concurrent_idempotent_requests"), ["retry"]],
    [named(422, "validation_error"), ["final"]],
    [named(429, "rate_limit_exceeded"), ["throttle"]],
    [named(429, "daily_quota_exceeded"), ["held"]],
    [named(502, ""), ["retry"]],
    [raise(new DOMException("late", "TimeoutError")), ["retry"]],
    [raise(new TypeError("connection reset by peer")), ["retry"]],
  ];
  for (const [answer, expected] of cases) assertEquals(await outcome("resend", answer), expected);
  const keys: (string | null)[] = [];
  const resend = createResend(() => ({ url: "https://provider.test", key: "the-key" }));
  for (let i = 0; i < 2; i++) {
    await resend.send(MAIL, CONTENTS, IDS, {
      fetch: (url, init) => {
        assertEquals(url, "https://provider.test/emails");
        keys.push(new Headers(init.headers).get("idempotency-key"));
        return Promise.resolve(Response.json({ id: "r1" }));
      },
    });
  }
  assertEquals(keys, [`gl_message/${IDS.id}`, `gl_message/${IDS.id}`]);
});

Deno.test("a provider's words never hold the key", async () => {
  for (const create of [createSendGrid, createResend]) {
    const sent = await create(() => ({ url: "https://provider.test", key: "the-key" })).send(
      MAIL,
      CONTENTS,
      IDS,
      {
        fetch: () => {
          const body = {
            errors: [{ message: "the-key is bad", field: "the-key" }],
            message: "the-key",
            name: "the-key",
          };
          return Promise.resolve(Response.json(body, { status: 400 }));
        },
      },
    );
    assert(!JSON.stringify(sent).includes("the-key"), JSON.stringify(sent));
  }
});
