/**
 * Whatever anybody sends to any function: it is answered, never by 500, never with what is inside, and never at a cost that
 * grows faster than what was sent.
 */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { JSONValue } from "postgres";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import type { Bytes } from "../../supabase/functions/_shared/http/body.ts";
import { PROBLEMS } from "../../supabase/functions/_shared/http/problem.ts";
import { hashPassword } from "../../supabase/functions/_shared/links/model/passwords.ts";
import { type Edge, edgeTest, KEYS, NUMBER } from "../support/edge.ts";
import { assertTimes } from "../support/growth.ts";
import { operations, samples } from "../support/openapi.ts";
import { holds } from "../support/property.ts";

const REQUESTS = 100_000;

/** What has bitten programs, among what has not. */
const NASTY = [
  ...["", " ", "0", "-1", "1e309", "NaN", "null", "true", "[]", "{}", "__proto__", "constructor", "toString"],
  ...[
    "hasOwnProperty",
    "../../etc/passwd",
    "..%2f",
    "%",
    "%00",
    "%ff",
    "%ud800",
    "\0",
    "\ud800",
    "\u202e",
    "🧨",
  ],
  ...["<script>alert(1)</script>", "'; drop table links; --", "{{7*7}}", "${7*7}", "$1", "a".repeat(300)],
  ...[
    "maria@example.com",
    "+49 170 1234567",
    "javascript:alert(1)",
    "http://169.254.169.254/",
    "//evil.test",
  ],
  ...["2026-13-45", "9999999999999999999", "-0", "1.5", "0x10", "١٢٣", "ﬁ", "İ", "\r\nset-cookie: a=b"],
];
const nasty = fc.oneof(fc.constantFrom(...NASTY), fc.string(), fc.string({ unit: "binary", maxLength: 40 }));
/** Names that the API knows, so that what they hold is looked at. */
const NAMES = [
  ...[
    "code",
    "default_url",
    "targets",
    "when",
    "url",
    "whatsapp",
    "phone_number_id",
    "text",
    "password",
    "token",
  ],
  ...[
    "context",
    "targetingKey",
    "outcomes",
    "flag",
    "failed",
    "latency_ms",
    "links",
    "tags",
    "utm",
    "max_uses",
  ],
  ...["to", "from", "type", "template", "interactive", "idempotency_key", "fallback", "reply_to", "messages"],
  ...["entry", "changes", "value", "statuses", "contacts", "metadata", "id", "timestamp", "object", "field"],
  ...[
    "starts_at",
    "expires_at",
    "preview",
    "version",
    "status",
    "errors",
    "components",
    "parameters",
    "body",
  ],
];
const { value: json } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    nasty,
    fc.double(),
    fc.integer(),
    fc.constantFrom(null, true, false),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...NAMES), fc.constantFrom(...NASTY)), tie("value"), {
      maxKeys: 5,
    }),
  ),
}));

/** A body that was right, with some of its values changed. */
const mutated = fc.tuple(fc.constantFrom(...samples), fc.array(fc.tuple(fc.nat(), json), { maxLength: 3 }))
  .map(([sample, changes]) => {
    const copy = structuredClone(sample);
    for (const [at, value] of changes) {
      const places: [Record<string, unknown>, string][] = [];
      const walk = (node: unknown) => {
        if (typeof node !== "object" || node === null) return;
        for (const key of Object.keys(node)) {
          places.push([node as Record<string, unknown>, key]);
          walk((node as Record<string, unknown>)[key]);
        }
      };
      walk(copy);
      if (places.length === 0) continue;
      const [node, key] = places[at % places.length];
      node[key] = value;
    }
    return copy;
  });

const utf8 = new TextEncoder();
const body = fc.oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  { weight: 4, arbitrary: mutated.map((value) => utf8.encode(JSON.stringify(value))) },
  { weight: 4, arbitrary: json.map((value) => utf8.encode(JSON.stringify(value) ?? "")) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  // Cut short.
  { weight: 1, arbitrary: mutated.map((value) => utf8.encode(JSON.stringify(value).slice(0, -3))) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("password=sesame", "a=b&a=c&%", "[".repeat(5000)).map((text) =>
      utf8.encode(text)
    ),
  },
);

/** Kinds of links, and how many there are of each: some of the requests delete one. */
const KINDS = ["chat", "limited", "secret", "split"], OF_EACH = 2000;
const part = fc.oneof(
  fc.tuple(fc.constantFrom(...KINDS), fc.nat(OF_EACH - 1)).map(([kind, i]) => `${kind}-${i}`),
  fc.constantFrom("all.enabled", "listed.enabled", "crm"),
  nasty.map(encode),
);
const method: fc.Arbitrary<string> = fc.constantFrom(
  ...["GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"],
  ...["constructor", "toString", "PROPFIND", "get", "__proto__"],
);
/** What the API has, with parts of our own, or any. */
const target = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.constantFrom(...operations), part).map(([{ path, method }, part]) => ({
      path: path.replace(/\{\w+\}/g, () => part),
      method: method.toUpperCase(),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...operations), part, method).map(([{ path }, part, method]) => ({
      path: path.replace(/\{\w+\}/g, () => part),
      method,
    })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...operations), fc.array(part, { maxLength: 4 }), method)
      .map(([{ path }, parts, method]) => ({ path: `/${[path.split("/")[1], ...parts].join("/")}`, method })),
  },
);
const QUERY = [
  "u",
  "sig",
  "explain",
  "from",
  "to",
  "tag",
  "state",
  "size",
  "level",
  "dark",
  "margin",
  "cursor",
  "limit",
  "hub.mode",
  "hub.verify_token",
  "hub.challenge",
  "format",
  "q",
];
const query = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...QUERY), nasty), nasty), { maxLength: 4 })
  .map((pairs) =>
    pairs.length === 0 ? "" : `?${pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&")}`
  );

const HEADERS = [
  "accept",
  "accept-language",
  "cf-ipcountry",
  "content-type",
  "cookie",
  "host",
  "if-none-match",
  "origin",
  "purpose",
  "referer",
  "traceparent",
  "user-agent",
  "x-forwarded-for",
  "x-request-id",
  "access-control-request-method",
  "x-gatelink-state",
];
const headers = fc.dictionary(
  fc.constantFrom(...HEADERS),
  fc.oneof(
    fc.constantFrom(
      "application/json",
      "text/html",
      "*/*",
      "de-DE,de;q=0.9",
      "gl_visitor=abcdefgh234567ab.0123456789abcdef",
    ),
    fc.constantFrom(
      "127.0.0.1",
      'W/"a", "b"',
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "wa_send.enabled",
    ),
    fc.string({ unit: fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code)) }),
  ),
  { maxKeys: 4 },
);
const key = fc.constantFrom<Record<string, string>>(
  {},
  { apikey: KEYS.secretKey },
  { apikey: KEYS.secretKey },
  { apikey: KEYS.publishableKey },
  { authorization: `Bearer ${KEYS.publishableKey}` },
  { authorization: "Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0." },
  { "x-api-key": "__proto__" },
);

function encode(text: string): string {
  // As some clients do it: not at all, where that makes an address.
  return /^[\w.~%-]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}

const request = fc.record({ target, query, headers, key, body, isSigned: fc.boolean() })
  .map(({ target, ...rest }): Sent => ({ ...target, ...rest }));

interface Sent {
  path: string;
  query: string;
  method: string;
  headers: Record<string, string>;
  key: Record<string, string>;
  body: Bytes | undefined;
  isSigned: boolean;
}

/** Links of each kind, flags, and a limit that is not in the way. */
async function seed({ sql, set }: Edge): Promise<void> {
  await sql`insert into public.destination_allowlist (pattern, purpose) values ('www.example.com', 'redirect')`;
  const home = "https://www.example.com/", whatsapp = { phone_number_id: NUMBER.id, text: "Hi" };
  const kinds: Record<string, object> = {
    chat: { default_url: home, whatsapp, fingerprint: true, pass_query: true, preview: { title: "T" } },
    limited: { default_url: home, max_uses: 3 },
    secret: { default_url: home },
    split: { default_url: home, targets: [{ when: { weight: 50, language: ["de"] }, url: `${home}b` }] },
  };
  for (const [kind, link] of Object.entries(kinds)) {
    await sql`select public.create_links(jsonb_agg(${sql.json(link as JSONValue)}::jsonb
      || jsonb_build_object('code', ${kind} || '-' || i, 'request_hash', i::text)), 'test')
      from generate_series(0, ${OF_EACH - 1}) i`;
  }
  await sql`insert into private.link_passwords (code, hash)
    select code, ${await hashPassword("sesame")} from public.links where code like 'secret-%'`;
  await set({
    "deeplinks.enabled": { value: "true", metadata: { rollout_percentage: 50 } },
    "deeplinks.rate_per_second": "10000",
    "flags.rate_per_second": "1000000",
    "all.enabled": "true",
    "listed.enabled": {
      value: "true",
      metadata: { target_user_ids: ["maria@example.com"], rollout_percentage: 50 },
    },
  });
}

const BASE = "http://127.0.0.1:54321";

/** The request; undefined where HTTP has no such one. */
function requestOf({ path, query, method, headers, key, body, isSigned }: Sent): Request | undefined {
  const own = body !== undefined && !/^(get|head)$/i.test(method);
  const signature: Record<string, string> = isSigned && own
    ? { "x-hub-signature-256": sign(body, KEYS.appSecret) }
    : {};
  try {
    return new Request(`${BASE}/functions/v1${path}${query}`, {
      method,
      headers: {
        "content-type": "application/json",
        ...(own ? { "content-length": String(body.length) } : {}),
        ...headers,
        ...key,
        ...signature,
      },
      ...(own ? { body } : {}),
    });
  } catch {
    return undefined;
  }
}

/** What no stranger has to see: code, libraries, SQL. */
const INNER =
  /node_modules|\.ts:\d|\bat \w+ \(|\b(Type|Reference|Range|Syntax|Postgres)Error\b|SQLSTATE|pg_catalog|\brelation "|supabase_admin|violates|invalid input syntax/;

/** Answers of 500 and more that are meant: what the operator or the load says. */
const MAY_BE_5XX: ReadonlySet<string> = new Set(["overloaded", "disabled_by_environment"]);

/** Without their secrets these doors are shut, which they say with 500. */
const DOORS = {
  EMAIL_WORKER_SECRET: `whsec_${btoa("of the worker")}`,
  MAILGUN_SIGNING_KEY: "key-of-the-test",
};

/** A mail that is refused with less than 500 is lost: whoever posts it posts it again after 5xx alone. */
const asksAgain = (path: string, status: number, code: keyof typeof PROBLEMS) =>
  /^\/email-webhook\/(?:inbound|cloudflare|mailgun)/.test(path) && status === 503 &&
  PROBLEMS[code].status < 500;

edgeTest(
  "every function answers any input, never with 500 and never with internals",
  async (edge) => {
    await seed(edge);
    for (const [variable, secret] of Object.entries(DOORS)) Deno.env.set(variable, secret);
    forgetEnv();
    const seen = new Map<string, number>();
    await holds(
      fc.asyncProperty(request, async (sent) => {
        const made = requestOf(sent);
        if (made === undefined) return;
        const name = sent.path.split("/")[1];
        const response = await edge.fetch(made);
        if (response === undefined) return;
        const text = await response.text();
        const what = `${sent.method} ${sent.path} ${response.status} ${text.slice(0, 500)}`;
        seen.set(`${name} ${response.status}`, (seen.get(`${name} ${response.status}`) ?? 0) + 1);
        const { headers, status } = response;
        if (
          status >= 400 && sent.method !== "HEAD" &&
          headers.get("content-type") === "application/problem+json"
        ) {
          const { code } = JSON.parse(text);
          assert(Object.hasOwn(PROBLEMS, code), what);
          assert(status < 500 || MAY_BE_5XX.has(code) || asksAgain(sent.path, status, code), what);
        } else {
          assert(status < 500, what);
        }
        // What a caller sent may come back to it.
        if (!INNER.test(JSON.stringify(sent)) && name !== "diagnostics") assert(!INNER.test(text), what);
        assertEquals(headers.get("set-cookie")?.includes("\n") ?? false, false, what);
      }),
      { cases: REQUESTS },
    );
    // It has been inside: each function took something, refused something, and turned somebody away.
    for (const name of ["wa-webhook", "wa-send", "deeplinks", "flags", "health"]) {
      for (const status of [/^2|^3/, /^4/]) {
        assert(
          [...seen.keys()].some((key) => key.startsWith(`${name} `) && status.test(key.split(" ")[1])),
          `${name} ${status}`,
        );
      }
    }
    for (const variable of Object.keys(DOORS)) Deno.env.delete(variable);
    forgetEnv();
  },
);

/** How a request of so many characters is made, where length costs nothing to whoever sends it. */
const LONG: Record<string, (n: number) => Sent> = {};
const plain = { query: "", method: "GET", headers: {}, key: {}, body: undefined, isSigned: false };
const FILLS: Record<string, string> = {
  letters: "a",
  spaces: " ",
  slashes: "/",
  commas: "a,",
  semicolons: "a=b;",
  percent: "%41",
  quotes: '"',
  marks: "!",
};
for (const [kind, fill] of Object.entries(FILLS)) {
  const text = (n: number) => fill.repeat(Math.ceil(n / fill.length));
  for (const place of ["deeplinks", "flags/ofrep/v1/evaluate/flags", "health", "wa-router/destinations"]) {
    LONG[`a path below ${place} of ${kind}`] = (n) => ({
      ...plain,
      method: place === "deeplinks" ? "GET" : "POST",
      path: `/${place}/${text(n).replaceAll(" ", "%20").replaceAll('"', "%22")}`,
    });
  }
  LONG[`a query of ${kind}`] = (n) => ({
    ...plain,
    path: "/deeplinks/chat-0",
    query: `?u=${encodeURI(text(n))}&${encodeURI(text(n))}`,
  });
  for (const header of HEADERS) {
    if (header === "host") continue;
    LONG[`${header} of ${kind}`] = (n) => ({
      ...plain,
      path: "/deeplinks/split-0",
      headers: { [header]: `a${text(n)}a` },
    });
  }
}
const bodies: Record<string, (n: number) => string> = {
  "a text": (n) => JSON.stringify({ type: "text", text: { body: "a".repeat(n) }, to: "491701234567" }),
  "a list of zeros": (n) => JSON.stringify(Array(n >> 1).fill(0)),
  "a list of objects": (n) => `[${Array(n >> 3).fill('{"a":1}').join(",")}]`,
  "many names": (n) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: n >> 4 }, (_, i) => [`name_${i}`, i]))),
  "brackets": (n) => "[".repeat(n),
  "digits": (n) => "9".repeat(n),
  "digits in lists": (n) => JSON.stringify(Array.from({ length: n >> 4 }, (_, i) => 1e15 + i)),
  "spaces": (n) => " ".repeat(n),
  "escapes": (n) => JSON.stringify("\0".repeat(n / 6)),
  "many messages": (n) =>
    JSON.stringify({
      object: "whatsapp_business_account",
      entry: [{
        id: "1",
        changes: [
          { field: "messages", value: { messages: Array(n >> 1).fill(0) } },
        ],
      }],
    }),
  "many fields": (n) =>
    JSON.stringify({
      object: "whatsapp_business_account",
      entry: [{
        id: "1",
        changes: Array.from({ length: n >> 6 }, (_, i) => ({ field: `field_${i}`, value: { i } })),
      }],
    }),
  "many people": (n) =>
    JSON.stringify({
      object: "whatsapp_business_account",
      entry: [{
        id: "1",
        changes: [
          {
            field: "messages",
            value: {
              contacts: Array.from({ length: n >> 5 }, (_, i) => ({ wa_id: String(i) })),
              messages: Array.from({ length: n >> 6 }, (_, i) => ({ from: String(i), type: "text" })),
            },
          },
        ],
      }],
    }),
  "many links": (n) => JSON.stringify({ links: Array(n >> 4).fill({ code: "a" }) }),
  "a link with many rules": (n) =>
    JSON.stringify({ targets: Array(n >> 5).fill({ when: { platform: ["ios"] }, url: "x" }) }),
  "a link with many tags": (n) =>
    JSON.stringify({
      default_url: "https://www.example.com/",
      tags: Array.from({ length: n >> 3 }, (_, i) => `t${i}`),
    }),
  "many outcomes": (n) =>
    JSON.stringify({
      outcomes: Array(n >> 6).fill({ flag: "all.enabled", targetingKey: "a", failed: false }),
    }),
  "a context": (n) => JSON.stringify({ context: { targetingKey: "a@".repeat(n >> 1) } }),
  "a context of digits": (n) => JSON.stringify({ context: { targetingKey: "1".repeat(n) } }),
  "a password": (n) => JSON.stringify({ password: "x".repeat(n) }),
};
for (
  const path of [
    "/wa-webhook",
    "/wa-send",
    "/deeplinks",
    "/deeplinks/bulk",
    "/deeplinks/secret-0",
    "/deeplinks/claim",
    "/flags/outcomes",
    "/flags/ofrep/v1/evaluate/flags",
    "/wa-router",
    "/wa-router/destinations/crm/test",
  ]
) {
  for (const [kind, text] of Object.entries(bodies)) {
    LONG[`${path}: ${kind}`] = (n) => ({
      ...plain,
      path,
      method: "POST",
      key: { apikey: KEYS.secretKey },
      body: utf8.encode(text(n)),
      isSigned: path === "/wa-webhook",
    });
  }
}

/** At it requests take some tenths of a millisecond, and headers are as long as servers take them. */
const SIZE = 16 * 1024;
/** At twice the length. */
const MOST = 3;

edgeTest("the cost of an input is proportional to its length", async (edge) => {
  await seed(edge);
  const send = async (sent: Sent) => {
    const made = requestOf(sent);
    if (made !== undefined) await (await edge.fetch(made)!).arrayBuffer();
  };
  for (const [what, made] of Object.entries(LONG)) {
    const once = made(SIZE), twice = made(2 * SIZE);
    const times = async (sent: Sent) => {
      for (let i = 0; i < 5; i++) await send(sent);
    };
    try {
      await assertTimes(MOST, () => times(twice), () => times(once));
    } catch (cause) {
      throw new Error(what, { cause });
    }
  }
});
