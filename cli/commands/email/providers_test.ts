import { assertEquals } from "../../../tests/support/assert.ts";
import type { MailSetup } from "../../../supabase/functions/_shared/contract/http/mail.ts";
import { type Ask, asker, checkResend, checkSendGrid, type Expected } from "./providers.ts";

const WEBHOOK = "https://ref.supabase.co/functions/v1/email-webhook";
const SETUP: MailSetup = {
  inbound: "signature",
  inbound_keys: ["MFkwE=="],
  events_keys: ["MFkwA=="],
  sends_by: ["sendgrid"],
  resend_webhook: true,
  email_worker: false,
  mailgun: false,
  reply_domain: "reply.example.com",
  send_domain: "example.com",
};

function expected(setup: Partial<MailSetup> | null = {}): Expected {
  return {
    reply: "reply.example.com",
    from: new Map<string, Set<"sendgrid" | "resend">>([
      ["example.com", new Set(["sendgrid"])],
      ["news.example.org", new Set(["resend"])],
    ]),
    webhook: WEBHOOK,
    setup: setup === null ? null : { ...SETUP, ...setup },
  };
}

const PARSE = { hostname: "reply.example.com", url: `${WEBHOOK}/inbound`, send_raw: true, spam_check: false };
const EVENT = {
  id: "1",
  enabled: true,
  url: `${WEBHOOK}/events`,
  public_key: "MFkwA==",
  ...Object.fromEntries(
    ["processed", "delivered", "bounce", "dropped", "deferred", "spam_report", "unsubscribe"].map((name) => [
      name,
      true,
    ]),
  ),
};
const SENDGRID: Record<string, unknown> = {
  "/v3/user/webhooks/parse/settings": { result: [PARSE] },
  "/v3/user/webhooks/event/settings/all": { max_allowed: 5, webhooks: [EVENT] },
  "/v3/whitelabel/domains?limit=500": [{ id: 1, domain: "example.com", subdomain: "em", valid: true }],
};
const RESEND: Record<string, unknown> = {
  "/domains": { data: [{ name: "example.org", status: "verified" }] },
  "/webhooks": { data: [{ endpoint: `${WEBHOOK}/resend`, status: "enabled", events: ["email.bounced"] }] },
};

const answers = (all: Record<string, unknown>): Ask => (path) =>
  Promise.resolve(path in all ? { value: all[path] } : { refused: "the key may not read this (HTTP 403)" });

const [PARSE_PATH, EVENT_PATH, DOMAIN_PATH] = Object.keys(SENDGRID);
const parse = (change: Record<string, unknown>) => ({ [PARSE_PATH]: { result: [{ ...PARSE, ...change }] } });
const event = (change: Record<string, unknown>) => ({
  [EVENT_PATH]: { webhooks: [{ ...EVENT, ...change }] },
});

const cases: [
  what: string,
  change: Record<string, unknown>,
  faults: string[],
  setup?: Partial<MailSetup> | null,
][] = [
  ["all is well", {}, []],
  ["no parse setting of the domain", parse({ hostname: "other.example.com" }), [
    "problem: not set up: SendGrid refuses the answers",
  ]],
  [
    "answers go elsewhere, and what may be a secret is not shown",
    parse({ url: "https://old.example/inbound/hush" }),
    [
      "problem: answers are posted to https://old.example/inbound/…",
    ],
  ],
  [
    "the URL lacks its secret",
    {},
    ["problem: the URL has no secret at its end, so all answers are refused"],
    {
      inbound: "secret",
    },
  ],
  ["the URL has a secret", parse({ url: `${WEBHOOK}/inbound/hush` }), [], { inbound: "secret" }],
  ["SendGrid does not sign", parse({ security_policy: "" }), [
    "problem: no security policy is attached, so SendGrid does not sign, and all answers are refused",
  ]],
  ["SendGrid need not sign", parse({ security_policy: "", url: `${WEBHOOK}/inbound/x` }), [], {
    inbound: "secret",
  }],
  ["mails come in parts", parse({ send_raw: false }), [
    "warning: answers are posted in parts, which damages some characters",
  ]],
  ["no event webhook of this stack", event({ url: "https://other.example/events" }), [
    "problem: none posts to this stack: nobody learns of bounces",
  ]],
  ["the event webhook is off", event({ enabled: false }), ["problem: it is switched off"]],
  ["events are missing", event({ bounce: false, dropped: false }), [
    "warning: it does not report bounce, dropped",
  ]],
  ["events are not signed", event({ public_key: "" }), [
    "problem: it does not sign, so all events are refused",
  ]],
  ["events are signed with another key", event({ public_key: "MFkwB==" }), [
    "problem: it signs with another key than the functions have, so all events are refused",
  ]],
  ["what the functions have is not known", event({ public_key: "MFkwB==" }), [], null],
  ["a domain is not authenticated", { [DOMAIN_PATH]: [{ domain: "example.com", valid: false }] }, [
    "problem: added, and its DNS records are not verified",
  ]],
  ["a domain is not there", { [DOMAIN_PATH]: [] }, ["problem: not added"]],
  ["answers of another shape", { [PARSE_PATH]: null, [EVENT_PATH]: "?", [DOMAIN_PATH]: { errors: [] } }, [
    "problem: not set up: SendGrid refuses the answers",
    "problem: none posts to this stack: nobody learns of bounces",
    "problem: not added",
  ]],
];
for (const [what, change, faults, setup] of cases) {
  Deno.test(`checkSendGrid: ${what}`, async () => {
    const found = await checkSendGrid(expected(setup), answers({ ...SENDGRID, ...change }));
    assertEquals(
      found.filter(({ level }) => level !== "ok").map(({ level, what }) => `${level}: ${what}`),
      faults,
    );
    assertEquals(found.filter(({ level, advice }) => (level === "ok") !== (advice === undefined)), []);
    assertEquals(JSON.stringify(found).includes("hush"), false);
  });
}

Deno.test("checkSendGrid: what the key may not read is a warning, and the rest is checked", async () => {
  const { [EVENT_PATH]: _, ...others } = SENDGRID;
  assertEquals(
    (await checkSendGrid(expected(), answers(others))).map(({ level, about }) => `${level}: ${about}`),
    [
      "ok: SendGrid, Inbound Parse of reply.example.com",
      "warning: SendGrid, Event Webhook",
      "ok: SendGrid, domain example.com",
    ],
  );
});

const resend: [
  what: string,
  change: Record<string, unknown>,
  levels: string[],
  setup?: Partial<MailSetup>,
][] = [
  ["all is well: a subdomain of a verified domain", {}, ["ok", "ok"]],
  [
    "a domain that only ends alike",
    { "/domains": { data: [{ name: "s.example.org", status: "verified" }] } },
    [
      "problem",
      "ok",
    ],
  ],
  ["a domain that is not verified", {
    "/domains": { data: [{ name: "news.example.org", status: "pending" }] },
  }, [
    "problem",
    "ok",
  ]],
  ["a webhook that is disabled", {
    "/webhooks": { data: [{ endpoint: `${WEBHOOK}/resend`, status: "disabled" }] },
  }, [
    "ok",
    "problem",
  ]],
  ["a webhook whose secret the functions lack", {}, ["ok", "problem"], { resend_webhook: false }],
];
for (const [what, change, levels, setup] of resend) {
  Deno.test(`checkResend: ${what}`, async () => {
    const found = await checkResend(expected(setup), answers({ ...RESEND, ...change }));
    assertEquals(found.map(({ level }) => level), levels);
  });
}

Deno.test("asker: gives the key, and puts into words what is no success", async () => {
  const seen: string[] = [];
  const ask = asker({ url: "https://api.example/", key: "SG.key" }, (url, init) => {
    seen.push(`${url} ${new Headers(init?.headers).get("authorization")}`);
    const status = Number(/\d{3}$/.exec(String(url))?.[0] ?? 200);
    if (status === 599) return Promise.reject(new TypeError("no route to host"));
    return Promise.resolve(status === 200 ? Response.json({ a: 1 }) : new Response("no", { status }));
  });
  assertEquals(await ask("/x"), { value: { a: 1 } });
  assertEquals(seen, ["https://api.example/x Bearer SG.key"]);
  assertEquals(await ask("/403"), { refused: "the key may not read this (HTTP 403)" });
  assertEquals(await ask("/500"), { refused: "the API answers HTTP 500" });
  assertEquals("refused" in await ask("/599"), true);
});
