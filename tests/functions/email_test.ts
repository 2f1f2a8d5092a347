/** email-webhook and email-send, on a database, with the simulated SendGrid and a real storage. */
import { assert, assertEquals } from "../support/assert.ts";
import { formOf, mimeOf, type WrittenMail } from "../../local/simulator/mail/mime.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";
import { until } from "../support/until.ts";

const SECRET = { apikey: KEYS.secretKey };
const NOON = new Date("2026-11-29T12:00:00Z");

/** An identity that can send and forward. */
async function addAlex({ sql }: Edge, verified = true, address = "alex@example.com"): Promise<void> {
  await sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
    const [{ identity }] = await sql`select public.add_identity(${address}, ${
      sql.json({
        user_id: "user-1",
        display_name: "Alex",
        forward_to: "alex@corp.example",
        is_default: verified,
      })
    }) as identity`;
    if (!verified) return;
    for (const what of ["from", "forward"]) {
      const [{ begun }] = await sql`select public.begin_identity_check(${identity.id}, ${what}) as begun`;
      await sql`select public.check_identity(${identity.id}, ${what}, ${begun.code})`;
    }
  });
}

const send = ({ call }: Edge, body: unknown, headers: HeadersInit = SECRET) =>
  call("email-send", { headers, body });
const HELLO = { to: "casey@example.org", subject: "Hello", text: "Hello" };

/** Posts a mail as SendGrid does, signed. */
function receive(edge: Edge, mail: WrittenMail, path: "" | `/${string}` = "") {
  const { body, contentType } = formOf(mimeOf(mail, NOON), mail);
  return edge.call(`email-webhook/inbound${path}`, {
    headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
    body,
  });
}

const mailFrom = (to: string, more: Partial<WrittenMail> = {}): WrittenMail => ({
  from: { address: "casey@example.org", name: "Casey" },
  to,
  subject: "Re: Hello",
  text: "An answer.",
  messageId: "a1@example.org",
  ...more,
});

/** Sends a mail and returns it as SendGrid got it. */
async function sent(edge: Edge, body: Record<string, unknown> = HELLO) {
  const { status, body: { id } } = await send(edge, body);
  assertEquals(status, 202);
  await edge.settled();
  return { id: String(id), mail: edge.mail.sent.find(({ customArgs }) => customArgs.gl_message === id)! };
}

/** Runs with other variables in the environment of the functions. */
async function withEnv(env: Record<string, string>, use: () => Promise<void>): Promise<void> {
  const before = Object.keys(env).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  forgetEnv();
  try {
    await use();
  } finally {
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
    forgetEnv();
  }
}

edgeTest("openapi.yaml: every answer of the mail functions is met, by one as described", async (edge) => {
  const { call, mail, set } = edge;
  const { see, assertAllMet } = witness();
  const SEND = "/email-send", INBOUND = "/email-webhook/inbound", EVENTS = "/email-webhook/events";
  see(SEND, "post", 422, await send(edge, HELLO));
  await addAlex(edge);
  await addAlex(edge, false, "bob@example.com");
  see(SEND, "post", 409, await send(edge, { ...HELLO, from: "bob@example.com" }));
  see(SEND, "post", 202, await send(edge, { ...HELLO, idempotency_key: "once" }));
  see(SEND, "post", 400, await send(edge, "{"));
  see(SEND, "post", 401, await send(edge, HELLO, {}));
  see(SEND, "post", 403, await send(edge, HELLO, { apikey: KEYS.publishableKey }));
  see(SEND, "post", 405, await call("email-send", { method: "GET" }));
  see(SEND, "post", 409, await send(edge, { ...HELLO, subject: "Other", idempotency_key: "once" }));
  see(SEND, "post", 413, await send(edge, " ".repeat(31 << 20)));
  see(SEND, "post", 422, await send(edge, { ...HELLO, to: "nobody" }));
  see(SEND, "post", 422, await send(edge, { ...HELLO, from: "unknown@example.com" }));
  await edge.sql`select public.add_suppression('gone@example.org', 'bounce', 'all') from (
    select set_config('request.jwt.claims', '{"role":"service_role"}', true)) s`;
  see(SEND, "post", 409, await send(edge, { ...HELLO, to: "gone@example.org" }));
  await set({ "email_send.enabled": "false" });
  see(SEND, "post", 403, await send(edge, HELLO));
  await set({ "email_send.enabled": "true", "wa_send.rate_per_second": "1" });
  for (let i = 0;; i++) {
    const answer = await send(edge, { ...HELLO, to: `p${i}@example.org` });
    if (answer.status === 202) continue;
    see(SEND, "post", 429, answer);
    break;
  }

  see(INBOUND, "post", 200, await receive(edge, mailFrom("nobody@reply.example.com")));
  see(INBOUND, "post", 405, await call("email-webhook/inbound", { method: "GET" }));
  see(INBOUND, "post", 503, await call("email-webhook/inbound", { body: "x" }));
  see(
    INBOUND,
    "post",
    503,
    await call("email-webhook/inbound", { headers: mail.poster.headersFor(new Uint8Array()), body: "x" }),
  );
  const large = new Uint8Array(32 << 20);
  see(
    INBOUND,
    "post",
    503,
    await call("email-webhook/inbound", { headers: mail.poster.headersFor(large), body: large }),
  );
  const events = (body: string) => {
    const bytes = new TextEncoder().encode(body);
    return call("email-webhook/events", { headers: mail.poster.headersFor(bytes), body: bytes });
  };
  see(EVENTS, "post", 200, await events("[]\r\n"));
  see(EVENTS, "post", 400, await events("no json"));
  see(EVENTS, "post", 401, await call("email-webhook/events", { body: "[]" }));
  see(
    EVENTS,
    "post",
    401,
    await call("email-webhook/events", { headers: mail.poster.headersFor(new Uint8Array()), body: "[]" }),
  );
  see(EVENTS, "post", 405, await call("email-webhook/events", { method: "GET" }));
  see(EVENTS, "post", 413, await events(" ".repeat(5 << 20)));

  const U = "/email-webhook/u/{token}", at = "email-webhook/u/abcdefghijklmnop" as const;
  see(U, "get", 200, await call(at, { method: "GET" }));
  see(U, "get", 404, await call("email-webhook/u/no", { method: "GET" }));
  see(U, "get", 405, await call(at, { method: "PUT" }));
  see(U, "post", 200, await call(at, { body: "List-Unsubscribe=One-Click" }));
  see(U, "post", 404, await call("email-webhook/u/no", { body: "" }));
  see(U, "post", 405, await call(at, { method: "PUT" }));
  see(U, "post", 413, await call(at, { body: "x".repeat(5000) }));

  const CODE = "/email-send/identities/{id}/code";
  const [{ id: bob }] = await edge
    .sql`select id from public.email_identities where from_email = 'bob@example.com'`;
  const ask = (body: unknown, headers: HeadersInit = SECRET, id = bob) =>
    call(`email-send/identities/${id}/code`, { headers, body });
  see(CODE, "post", 200, await ask({ what: "from" }));
  see(CODE, "post", 400, await ask("{"));
  see(CODE, "post", 401, await ask({ what: "from" }, {}));
  see(CODE, "post", 403, await ask({ what: "from" }, { apikey: KEYS.publishableKey }));
  see(CODE, "post", 404, await ask({ what: "from" }, SECRET, crypto.randomUUID()));
  see(CODE, "post", 405, await call(`email-send/identities/${bob}/code`, { method: "GET" }));
  see(CODE, "post", 413, await ask("x".repeat(2000)));
  see(CODE, "post", 422, await ask({ what: "both" }));
  see(CODE, "post", 429, await ask({ what: "from" }));
  mail.configure({ answer: 401 });
  see(CODE, "post", 502, await ask({ what: "forward" }));
  mail.configure({ answer: "accept" });
  see(CODE, "options", 204, await call(`email-send/identities/${bob}/code`, { method: "OPTIONS" }));

  const EXPLAIN = "/email-webhook/explain";
  const explain = (body: unknown, headers: HeadersInit = SECRET, query = "") =>
    call(`email-webhook/explain${query}`, { headers, body });
  see(EXPLAIN, "post", 200, await explain("From: casey@example.org\r\n\r\nHello"));
  see(EXPLAIN, "post", 401, await explain("x", {}));
  see(EXPLAIN, "post", 403, await explain("x", { apikey: KEYS.publishableKey }));
  see(EXPLAIN, "post", 405, await call("email-webhook/explain", { method: "GET" }));
  see(EXPLAIN, "post", 413, await explain(large));
  see(EXPLAIN, "post", 422, await explain("x", SECRET, "?to=nobody"));
  const SETUP = "/email-webhook/setup";
  const setup = (headers: HeadersInit = SECRET, method = "GET") =>
    call("email-webhook/setup", { method, headers });
  see(SETUP, "get", 200, await setup());
  see(SETUP, "get", 401, await setup({}));
  see(SETUP, "get", 403, await setup({ apikey: KEYS.publishableKey }));
  see(SETUP, "get", 405, await setup(SECRET, "POST"));

  see("/email-webhook", "post", 200, await call("email-webhook", { headers: SECRET, body: "{}" }));
  see("/email-webhook", "post", 401, await call("email-webhook", { body: "{}" }));
  see(
    "/email-webhook",
    "post",
    403,
    await call("email-webhook", { headers: { apikey: KEYS.publishableKey } }),
  );
  see("/email-webhook", "post", 405, await call("email-webhook", { method: "GET" }));
  // Resend and the secret address answer as their neighbours, with other checks; whole mails, and mail from Cloudflare and
  // Mailgun (email_doors_test.ts), have tests of their own.
  // What every function answers while database, storage or environment are not well is met by their own tests.
  assertAllMet(
    (path) =>
      /^\/email-(?:send|webhook)/.test(path) &&
      !/resend|secret|mails|campaigns|cloudflare|mailgun/.test(path),
    (what) =>
      /^(config_invalid|disabled_by_environment|(database|storage)_unavailable|schema_.*)$/.test(what),
  );
});

edgeTest(
  "email-send: a code goes to the address itself, confirms it, and is shown to nobody else",
  async (edge) => {
    const { sql, mail, call } = edge;
    await addAlex(edge, false);
    const [{ id }] = await sql`select id from public.email_identities`;
    for (const [what, to] of [["from", "alex@example.com"], ["forward", "alex@corp.example"]] as const) {
      const asked = await call(`email-send/identities/${id}/code`, { headers: SECRET, body: { what } });
      assertEquals([asked.status, asked.body.to, asked.body.sent], [200, to, "yes"]);
      const sent = mail.sent.at(-1)!;
      assertEquals([sent.to, sent.from.email], [[{ email: to }], "replies@example.com"]);
      assertEquals(sent.headers["Auto-Submitted"], "auto-generated");
      const [code] = /^\d{8}/.exec(sent.text!)!;
      assert(!JSON.stringify(asked.body).includes(code), "the answer shows the code");
      await sql.begin(async (sql) => {
        await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
        const [{ checked }] = await sql`select public.check_identity(${id}, ${what}, ${code}) as checked`;
        assertEquals(checked, { ok: true, left: 0 });
      });
      const again = await call(`email-send/identities/${id}/code`, { headers: SECRET, body: { what } });
      assertEquals(
        [again.status, again.body.code],
        [404, "identity_not_found"],
        "there is nothing to confirm any more",
      );
    }
    const [row] =
      await sql`select verified_at is not null as verified, forward_to from public.email_identities`;
    assertEquals({ ...row }, { verified: true, forward_to: "alex@corp.example" });
  },
);

edgeTest(
  "email-send: a code is not made while it could not be mailed, and a lost answer is no second mail",
  async (edge) => {
    const { sql, mail, call } = edge;
    await addAlex(edge, false);
    const [{ id }] = await sql`select id from public.email_identities`;
    const ask = () => call(`email-send/identities/${id}/code`, { headers: SECRET, body: { what: "from" } });
    await withEnv(
      { SENDGRID_API_KEY: "" },
      async () => assertEquals((await ask()).body.code, "config_invalid"),
    );
    // So the minute has not begun.
    mail.configure({ answer: "lose", times: 1 });
    const lost = await ask();
    assertEquals([lost.status, lost.body.sent], [200, "unknown"]);
    assertEquals(mail.sent.length, 1);
    assertEquals((await ask()).headers.get("retry-after"), "60");
  },
);

edgeTest(
  "email-webhook: explain decides as the intake would, in each form, and stores nothing",
  async (edge) => {
    const { sql, call } = edge;
    await addAlex(edge);
    const { id, mail } = await sent(edge);
    const answer = mailFrom(mail.replyTo!.email, { text: "An answer.\n\n> Hello" });
    const explain = async (body: Uint8Array, type: string, query = "") => {
      const answer = await call(`email-webhook/explain${query}`, {
        headers: { ...SECRET, "content-type": type },
        body,
      });
      assertEquals(answer.status, 200, JSON.stringify(answer.body));
      return answer.body;
    };
    const alone = await explain(mimeOf(answer, NOON), "message/rfc822", "?dkim=example.org");
    const [one] = alone.mails;
    assertEquals(
      [alone.mode, one.kind, one.verdict, one.via, one.answers, one.forward_to, one.verified, one.text],
      ["mime", "reply", "forward", "token", id, "alex@corp.example", true, "An answer."],
    );
    assertEquals(one.verification, "DKIM of example.org passed and fits From.");
    const [unsigned] = (await explain(mimeOf(answer, NOON), "message/rfc822")).mails;
    assertEquals([unsigned.verdict, unsigned.forward_to], ["quarantine", null]);
    assert(unsigned.reasons.length > 0);
    const form = formOf(mimeOf(answer, NOON), answer);
    const posted = await explain(form.body, form.contentType);
    assertEquals([posted.mode, posted.mails[0].verdict], ["raw", "forward"]);
    const rows = await sql`select
    (select count(*)::int from public.messages where direction = 'in') as mails,
    (select count(*)::int from public.storage_objects) as files, (select count(*)::int from public.email_events
      where event_type = 'reply') as events`;
    assertEquals({ ...rows[0] }, { mails: 0, files: 0, events: 0 });
    assertEquals((await receive(edge, answer)).body.stored, 1);
  },
);

edgeTest("email-send: attachments go through storage to the provider, as they were", async (edge) => {
  await addAlex(edge);
  const { mail } = await sent(edge, {
    ...HELLO,
    attachments: [
      { name: "Übersicht.pdf", type: "application/pdf", content: btoa("%PDF-1.7") },
      { name: "logo.png", type: "image/png", content: btoa("png"), cid: "logo" },
    ],
  });
  assertEquals(mail.attachments.map(({ type, bytes, content_id }) => [type, bytes, content_id]), [
    ["application/pdf", 8, undefined],
    ["image/png", 3, "logo"],
  ]);
  assert(mail.attachments.every(({ filename }) => /^[\x20-\x7e]+\.(pdf|png)$/.test(filename)));
});

edgeTest(
  "email-send: with the flag off, answers come to the former system's address, and find their message",
  async (edge) => {
    const { sql, set, settled } = edge;
    await addAlex(edge);
    await set({ "email_reply_tokens.enabled": "false" });
    const { id, mail } = await sent(edge);
    assertEquals(mail.replyTo!.email, `msg_${id}.u_user-1.c_none@reply.example.com`);
    assertEquals((await receive(edge, mailFrom(mail.replyTo!.email))).body.stored, 1);
    await settled();
    const [row] =
      await sql`select native ->> 'via' as via, native ->> 'verdict' as verdict from public.messages
    where direction = 'in'`;
    assertEquals({ ...row }, { via: "legacy", verdict: "forward" });
    assertEquals(edge.mail.sent.at(-1)!.to[0].email, "alex@corp.example");
  },
);

edgeTest("email-webhook: a mail to two of ours is two, each once, whatever is repeated", async (edge) => {
  const { sql } = edge;
  await addAlex(edge);
  const one = (await sent(edge)).mail.replyTo!.email;
  const two = (await sent(edge, { ...HELLO, subject: "Another" })).mail.replyTo!.email;
  const mail = mailFrom(one);
  const { body, contentType } = formOf(mimeOf(mail, NOON), mail, { recipients: [one, two] });
  const post = () =>
    edge.call("email-webhook/inbound", {
      headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
      body,
    });
  assertEquals((await post()).body, { received: 2, stored: 2, duplicates: 0 });
  assertEquals((await Promise.all([post(), post()])).map(({ body }) => body.duplicates), [2, 2]);
  assertEquals((await sql`select count(*)::int as n from public.messages where direction = 'in'`)[0].n, 2);
  assertEquals((await sql`select count(*)::int as n from public.deliveries`)[0].n, 2);
});

edgeTest(
  "email-webhook: what is no mail, and a body that was cut off, are kept raw and answered 200",
  async (edge) => {
    const { sql } = edge;
    const mail = mailFrom("x@reply.example.com");
    const { body, contentType } = formOf(mimeOf(mail, NOON), mail);
    for (
      const [bytes, type] of [[body.slice(0, -40), contentType], [new Uint8Array(), contentType], [
        body,
        "text/plain",
      ]] as const
    ) {
      const answer = await edge.call("email-webhook/inbound", {
        headers: { "content-type": type, ...edge.mail.poster.headersFor(bytes) },
        body: bytes,
      });
      assertEquals([answer.status, answer.body], [200, { received: 1, stored: 1, duplicates: 0 }]);
    }
    const rows = await sql`select bytes::int from public.storage_objects where kind = 'raw' order by bytes`;
    assertEquals(rows.map((row) => row.bytes), [0, body.length - 40, body.length]);
    assertEquals((await sql`select count(*)::int as n from public.messages`)[0].n, 0);
  },
);

edgeTest(
  "email-webhook: while storage or database are away, nothing is acknowledged, and the same post is stored later",
  async (edge) => {
    const { sql, away, unheard } = edge;
    const mail = mailFrom("x@reply.example.com");
    await away(async () => assertEquals((await receive(edge, mail)).status, 503));
    await unheard("ingest_mails", async () => assertEquals((await receive(edge, mail)).status, 503));
    await sql`update storage.buckets set id = 'elsewhere', name = 'elsewhere' where id = 'email-raw'`;
    const refused = await receive(edge, { ...mail, messageId: "a2@example.org" });
    assertEquals([refused.status, refused.body.code], [503, "storage_unavailable"]);
    assertEquals((await sql`select count(*)::int as n from public.webhook_events`)[0].n, 1);
    await sql`update storage.buckets set id = 'email-raw', name = 'email-raw' where id = 'elsewhere'`;
    assertEquals((await receive(edge, mail)).body, { received: 1, stored: 0, duplicates: 1 });
    assertEquals((await receive(edge, { ...mail, messageId: "a2@example.org" })).body.stored, 1);
  },
);

edgeTest(
  "email-webhook/events: a reported click is stored with its verdict, and without agent and address",
  async (edge) => {
    await addAlex(edge);
    const { id } = await sent(edge);
    const click = { event: "click", gl_message: id, ip: "198.51.100.7", sg_message_id: "s1" };
    const body = new TextEncoder().encode(JSON.stringify([
      { ...click, timestamp: 1795688700, useragent: "curl/8.5.0", url: "https://a.example/" },
      {
        ...click,
        timestamp: 1795692300,
        useragent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        url: "https://a.example/",
      },
    ]));
    const { status } = await edge.call("email-webhook/events", {
      headers: edge.mail.poster.headersFor(body),
      body,
    });
    assertEquals(status, 200);
    const rows = await edge.sql`select metadata from public.email_events
    where message_id = ${id} and event_type = 'click' order by id`;
    assertEquals(rows.map(({ metadata }) => metadata), [
      { verdict: "machine", reasons: "program" },
      { verdict: "human", reasons: "browser" },
    ]);
  },
);

edgeTest("email-webhook: a secret address counts where nothing signs, and only there", async (edge) => {
  const mail = mailFrom("x@reply.example.com");
  const unsigned = (path: string) => {
    const { body, contentType } = formOf(mimeOf(mail, NOON), mail);
    return edge.call(`email-webhook/inbound${path}` as "email-webhook", {
      headers: { "content-type": contentType },
      body,
    });
  };
  const code = async (path: string) => {
    const { status, body } = await unsigned(path);
    return [status, body.code ?? body.stored];
  };
  await withEnv({ SENDGRID_INBOUND_SECRET: "old-secret, new-secret" }, async () => {
    assertEquals(await code("/new-secret"), [503, "signature_missing"]);
  });
  await withEnv(
    { SENDGRID_INBOUND_SECRET: "old-secret, new-secret", SENDGRID_INBOUND_PUBLIC_KEY: "" },
    async () => {
      assertEquals(await code(""), [503, "signature_invalid"]);
      assertEquals(await code("/guess"), [503, "signature_invalid"]);
      assertEquals(await code("/new-secret"), [200, 1]);
      assertEquals(await code("/old-secret"), [200, 0]);
    },
  );
  await withEnv({ SENDGRID_INBOUND_PUBLIC_KEY: "" }, async () => {
    assertEquals(await code(""), [500, "config_invalid"]);
  });
  await withEnv({ EMAIL_WEBHOOK_ENABLED: "false" }, async () => {
    assertEquals(await code(""), [503, "disabled_by_environment"]);
  });
});

edgeTest("email-webhook: one click ends mails to many, and a page of it changes nothing", async (edge) => {
  const { call, sql } = edge;
  await addAlex(edge);
  const { mail } = await sent(edge, { ...HELLO, bulk: true });
  const ways = mail.headers["List-Unsubscribe"];
  assertEquals(mail.headers["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
  const [, path] = /<https?:\/\/[^/]+\/functions\/v1\/(email-webhook\/u\/[0-9a-f-]{36})>/.exec(ways)!;
  assert(ways.includes(`<mailto:${mail.replyTo!.email}?subject=unsubscribe>`), ways);
  const suppressed = async () => (await sql`select scope from public.suppressions`).map((row) => row.scope);
  assertEquals((await call(path as "email-webhook", { method: "GET" })).status, 200);
  assertEquals(await suppressed(), []);
  // As the plan's rollback does, long before people stop reading the mail.
  await sql`drop table public.reply_tokens`;
  assertEquals((await call(path as "email-webhook", { body: "List-Unsubscribe=One-Click" })).status, 200);
  assertEquals(await suppressed(), ["bulk"]);
  assertEquals((await send(edge, { ...HELLO, bulk: true })).body.code, "suppressed");
  assertEquals((await send(edge, HELLO)).status, 202);
});

edgeTest("email-webhook: files that are due are removed from storage, and then forgotten", async (edge) => {
  const { sql, call } = edge;
  await receive(
    edge,
    mailFrom("x@reply.example.com", {
      attachments: [{ name: "a.pdf", type: "application/pdf", content: btoa("%PDF") }],
    }),
  );
  const objects = () => sql`select bucket, path from public.storage_objects order by bucket`;
  const [{ bucket, path }, ...more] = await objects();
  assertEquals([bucket, more.length], ["email-attachments", 1]);
  const stored = () =>
    fetch(`${edge.url}/storage/v1/object/authenticated/${bucket}/${path}`, { headers: SECRET })
      .then(async (response) => [response.status, await response.text()]);
  assertEquals(await stored(), [200, "%PDF"]);
  assertEquals((await call("email-webhook", { headers: SECRET, body: "{}" })).body, { removed: 0 });
  await sql`update public.storage_objects set expires_at = now() - interval '1 second'`;
  assertEquals((await call("email-webhook", { headers: SECRET, body: "{}" })).body, { removed: 2 });
  assertEquals((await stored())[0], 400);
  assertEquals((await objects()).length, 0);
});

edgeTest(
  "email-webhook: bounces and complaints stop further mail, a late status never goes back",
  async (edge) => {
    const { sql, mail } = edge;
    await addAlex(edge);
    mail.configure({ events: false });
    const { id } = await sent(edge);
    const event = (name: string, more = {}) => ({
      email: "casey@example.org",
      event: name,
      timestamp: Math.floor(NOON.getTime() / 1000),
      gl_message: id,
      ...more,
    });
    mail.report([event("delivered", { response: "250" }), event("processed"), event("spamreport")]);
    await mail.poster.settled();
    const [{ status }] = await sql`select status from public.messages where id = ${id}`;
    assertEquals(status, "delivered");
    assertEquals((await send(edge, HELLO)).body.code, "suppressed");
  },
);

edgeTest(
  "email-send: a forward whose answer is lost is not repeated, and the next one goes",
  async (edge) => {
    const { sql, mail, settled } = edge;
    await addAlex(edge);
    const to = (await sent(edge)).mail.replyTo!.email;
    mail.configure({ answer: "lose", times: 1, events: false });
    await receive(edge, mailFrom(to));
    await settled();
    await receive(edge, mailFrom(to, { messageId: "a2@example.org", text: "And another." }));
    await settled();
    const rows = await until("both are settled", async () => {
      const found = await sql`select state, last_error from public.deliveries order by id`;
      return found.every(({ state }) => state === "dead" || state === "delivered") ? found : undefined;
    });
    assertEquals(rows.map(({ state }) => state), ["dead", "delivered"]);
    assert(rows[0].last_error.startsWith("unknown_outcome"), rows[0].last_error);
    assertEquals(mail.sent.filter(({ to }) => to[0].email === "alex@corp.example").length, 2);
  },
);
