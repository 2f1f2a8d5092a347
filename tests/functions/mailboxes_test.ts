/** Mailboxes at the simulated Google and Microsoft: connected, sent through, refreshed, read, lost and found again. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { KeptMail, Provider } from "../../local/simulator/mailboxes/accounts.ts";
import { mailboxAccess } from "../../supabase/functions/_shared/mailboxes/compose.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";
import { until } from "../support/until.ts";

const SECRET = { apikey: KEYS.secretKey };
const ACCOUNTS = { google: "sam@bakery.example", microsoft: "kim@flowers.example" } as const;
const PROVIDERS = Object.keys(ACCOUNTS) as Provider[];

/** Begins a connection, and signs in as somebody would in the browser; the address that the browser is sent back to. */
async function signIn(
  { call }: Edge,
  provider: Provider,
  { account = ACCOUNTS[provider] as string, form = {}, body = {} }: {
    account?: string;
    form?: Record<string, string>;
    body?: Record<string, unknown>;
  } = {},
): Promise<string> {
  const begun = await call("mailboxes/start", { headers: SECRET, body: { provider, ...body } });
  assertEquals([begun.status, typeof begun.body.url], [200, "string"]);
  const page = await fetch(begun.body.url);
  assertMatch(await page.text(), /Sign in as/);
  const response = await fetch(begun.body.url, {
    method: "POST",
    body: new URLSearchParams("deny" in form ? form : { account, read: "on", ...form }),
    redirect: "manual",
  });
  await response.body?.cancel();
  return response.headers.get("location")!;
}

/** Connects an account; the answer to the browser. */
async function connect(edge: Edge, provider: Provider, options: Parameters<typeof signIn>[2] = {}) {
  const response = await fetch(await signIn(edge, provider, options), { redirect: "manual" });
  return { status: response.status, location: response.headers.get("location"), text: await response.text() };
}

/** Connects an account and lets mail out; its identity. */
async function connected(edge: Edge, provider: Provider): Promise<string> {
  const { status, text } = await connect(edge, provider);
  assertEquals([status, text.includes(`${ACCOUNTS[provider]} is connected`)], [200, true]);
  await edge.set({ "email_send.enabled": "true" });
  const [{ identity }] = await edge.sql`select identity from public.mailboxes where provider = ${provider}`;
  return identity;
}

async function send(edge: Edge, provider: Provider, more: Record<string, unknown> = {}): Promise<string> {
  const { status, body } = await edge.call("email-send", {
    headers: SECRET,
    body: {
      to: "casey@example.org",
      from: ACCOUNTS[provider],
      subject: "Grüße",
      text: "Hello, Casey",
      ...more,
    },
  });
  assertEquals(status, 202, JSON.stringify(body));
  await edge.settled();
  return body.id;
}

const sentBy = ({ mailboxes }: Edge, provider: Provider): KeptMail[] =>
  mailboxes.accounts.find(ACCOUNTS[provider]).mails.filter(({ folder }) => folder === "sent");
const stateOf = async ({ sql }: Edge, id: string) =>
  (await sql`select state, attempt, error from public.outbound_messages where id = ${id}`)[0];

/** Reads the mailboxes, as the clock has it done. */
async function readAll(edge: Edge): Promise<void> {
  await edge
    .sql`update private.mailbox_reads set next_at = now(), lease = null, read_at = null, failures = 0`;
  assertEquals((await edge.call("mailboxes", { headers: SECRET, body: "{}" })).status, 202);
  await until("the mailboxes have been read", async () => {
    const [{ left, error }] = await edge.sql`
      select count(*) filter (where r.read_at is null)::int as left, max(r.error) as error
      from private.mailbox_reads r join public.mailboxes m on m.id = r.mailbox_id where m.state = 'active'`;
    if (error !== null) throw new Error(error);
    return left === 0;
  });
  await edge.settled();
}

/** Makes the access token of every mailbox due for a refresh. */
const ageTokens = ({ sql }: Edge) =>
  sql`update private.mailbox_tokens set refresh_at = now(), expires_at = now(), next_at = null`;
const counterOf = async ({ sql }: Edge, label: string) =>
  Number(
    (await sql`select coalesce(sum(value), 0) as n from public.counters where name = 'oauth_refresh' and label = ${label}`)[
      0
    ].n,
  );

for (const provider of PROVIDERS) {
  edgeTest(
    `mailboxes: ${provider}: connected, it sends as its identity, and the answer comes back`,
    async (edge) => {
      const identity = await connected(edge, provider);
      const [found] = await edge.sql`
      select i.from_email, i.provider, i.verified_at is not null as verified from public.email_identities i where i.id = ${identity}`;
      assertEquals(found, { from_email: ACCOUNTS[provider], provider, verified: true });

      const id = await send(edge, provider, { html: "<p>Hello, <b>Casey</b></p>" });
      assertEquals((await stateOf(edge, id)).state, "sent");
      const [kept] = sentBy(edge, provider);
      const { mail } = kept;
      assertEquals(
        [mail.subject, mail.text?.trim(), mail.html, mail.from.address, mail.replyTo, mail.messageId],
        ["Grüße", "Hello, Casey", "<p>Hello, <b>Casey</b></p>", ACCOUNTS[provider], [], `${id}@example.com`],
      );
      assertEquals(mail.headers.get("x-gatelink-message"), [id]);

      edge.mailboxes.receive({
        address: ACCOUNTS[provider],
        from: "casey@example.org",
        text: "An answer.",
        answers: kept.id,
      });
      edge.mailboxes.receive({
        address: ACCOUNTS[provider],
        from: "mum@family.example",
        subject: "Dinner",
        text: "Private.",
      });
      await readAll(edge);
      await readAll(edge);
      const replies = await edge.sql`
      select r.reply_to, r.via, r.verified, r.is_recipient, r.forward_wanted, m.text from public.email_replies r
      join public.messages m on m.id = r.message_id`;
      assertEquals([...replies], [{
        reply_to: id,
        via: "references",
        verified: true,
        is_recipient: true,
        forward_wanted: false,
        text: "An answer.",
      }]);
      const whole = JSON.stringify(await edge.sql`select to_jsonb(m) from public.messages m`);
      assert(!whole.includes("Private.") && !whole.includes("mum@"), "what is none of ours is not kept");
    },
  );

  edgeTest(
    `mailboxes: ${provider}: a forged answer changes nothing, and all mail comes in where that is chosen`,
    async (edge) => {
      await connected(edge, provider);
      await send(edge, provider);
      const [kept] = sentBy(edge, provider);
      const address = ACCOUNTS[provider];
      edge.mailboxes.receive({
        address,
        from: "casey@example.org",
        text: "Pay me.",
        answers: kept.id,
        verified: false,
      });
      await readAll(edge);
      assertEquals((await edge.sql`select from public.email_replies`).length, 0);
      await edge.sql`update public.mailboxes set takes = 'all'`;
      edge.mailboxes.receive({ address, from: "dana@example.org", subject: "A cake?", text: "For Friday." });
      await readAll(edge);
      const [{ text, kind }] = await edge.sql`
      select text, native ->> 'kind' as kind from public.messages where direction = 'in' order by seq desc limit 1`;
      assertEquals([text, kind], ["For Friday.", "new_mail"]);
    },
  );

  edgeTest(
    `mailboxes: ${provider}: a place that the provider has forgotten loses no answer`,
    async (edge) => {
      await connected(edge, provider);
      await send(edge, provider);
      await readAll(edge);
      const [kept] = sentBy(edge, provider);
      edge.mailboxes.receive({
        address: ACCOUNTS[provider],
        from: "casey@example.org",
        text: "Still there?",
        answers: kept.id,
      });
      edge.mailboxes.forget(ACCOUNTS[provider]);
      await readAll(edge);
      const [{ n, resynced }] = await edge.sql`
      select (select count(*)::int from public.email_replies) as n, resynced_at is not null as resynced from private.mailbox_reads`;
      assertEquals([n, resynced], [1, true]);
      await readAll(edge);
      assertEquals((await edge.sql`select from public.email_replies`).length, 1);
    },
  );

  edgeTest(`mailboxes: ${provider}: many that need a token at once refresh it once`, async (edge) => {
    const identity = await connected(edge, provider);
    const before = await counterOf(edge, `${provider} refreshed`);
    await edge.sql`update private.mailbox_tokens set refresh_at = now()`;
    const got = await Promise.all(Array.from({ length: 20 }, () => mailboxAccess(identity)));
    assertEquals(got.filter((each) => !("token" in each)), []);
    assertEquals(await counterOf(edge, `${provider} refreshed`) - before, 1);
    // One that is over is waited for, and nobody gets it.
    await ageTokens(edge);
    const waiting = await Promise.all(Array.from({ length: 20 }, () => mailboxAccess(identity)));
    assertEquals(await counterOf(edge, `${provider} refreshed`) - before, 2);
    assertEquals(new Set(waiting.map((each) => "ok" in each ? each.kind : "token")).size <= 2, true);
    assert(waiting.every((each) => "token" in each || each.kind === "throttle"));
    const id = await send(edge, provider);
    assertEquals((await stateOf(edge, id)).state, "sent");
  });

  // A held sender is tried again for seconds: once is enough.
  if (provider === "google") {
    edgeTest(
      `mailboxes: ${provider}: access that ended is told, mail waits, and goes when it is connected again`,
      async (edge) => {
        await connected(edge, provider);
        await edge.sql`
      insert into public.notification_endpoints (name, kind, host, events) values ('team', 'slack', 'x', array['mailbox_reauthorise'])`;
        edge.mailboxes.accounts.revoke(edge.mailboxes.accounts.find(ACCOUNTS[provider]));
        const id = await send(edge, provider);
        assertEquals((await stateOf(edge, id)).state, "queued");
        const [mailbox] = await edge.sql`select state, error from public.mailboxes`;
        assertEquals([mailbox.state, mailbox.error.split(":")[0]], ["reauthorise", "invalid_grant"]);
        const [{ payload }] = await edge.sql`select payload from public.notifications`;
        assertEquals([payload.kind, payload.mailbox.address], ["mailbox_reauthorise", ACCOUNTS[provider]]);
        const [{ held_code }] = await edge.sql`select held_code from public.senders where channel = 'email'`;
        assertEquals(held_code, "mailbox_reauthorise");
        assertEquals(await counterOf(edge, `${provider} revoked`), 1);
        // However often it is tried, the provider is not asked again.
        await edge.hurry();
        await edge.settled();
        assertEquals([(await stateOf(edge, id)).state, await counterOf(edge, `${provider} revoked`)], [
          "queued",
          1,
        ]);
        await connect(edge, provider);
        await edge.hurry();
        await edge.settled();
        assertEquals((await stateOf(edge, id)).state, "sent");
        assertEquals(sentBy(edge, provider).length, 1);
      },
    );
  }

  edgeTest(
    `mailboxes: ${provider}: a token that ends before its time is renewed, whatever the clocks say`,
    async (edge) => {
      edge.mailboxes.configure({ skew: 3600 });
      const response = await signIn(edge, provider);
      edge.mailboxes.configure({ skew: 0 });
      // The first token had to serve to ask whose mailbox it is.
      const { status } = await fetch(response, { redirect: "manual" }).then(async (
        each,
      ) => (await each.text(), each));
      assertEquals(status, 200);
      edge.mailboxes.accounts.endAccess(edge.mailboxes.accounts.find(ACCOUNTS[provider]));
      await edge.set({ "email_send.enabled": "true" });
      const id = await send(edge, provider);
      assertEquals([(await stateOf(edge, id)).state, sentBy(edge, provider).length], ["sent", 1]);
    },
  );

  edgeTest(
    `mailboxes: ${provider}: a lost answer is unknown, and the account's Sent folder settles it`,
    async (edge) => {
      await connected(edge, provider);
      edge.mailboxes.configure({ send: "lost" });
      const lost = await send(edge, provider);
      edge.mailboxes.configure({ send: "error" });
      const never = await send(edge, provider, { to: "dana@example.org" });
      edge.mailboxes.configure({ send: "taken" });
      assertEquals([(await stateOf(edge, lost)).state, (await stateOf(edge, never)).state], [
        "unknown",
        "unknown",
      ]);
      await edge
        .sql`update public.outbound_messages set updated_at = now() - interval '2 minutes' where state = 'unknown'`;
      await readAll(edge);
      await readAll(edge);
      assertEquals([(await stateOf(edge, lost)).state, (await stateOf(edge, never)).state], [
        "sent",
        "unknown",
      ]);
      assertEquals(sentBy(edge, provider).length, 1, "nothing was sent twice");
    },
  );

  // A held sender is tried again for seconds: once is enough.
  if (provider === "google") {
    edgeTest(`mailboxes: ${provider}: what it refuses waits or fails as its words say`, async (edge) => {
      await connected(edge, provider);
      edge.mailboxes.configure({ send: "busy", retryAfter: 600 });
      const busy = await send(edge, provider);
      const [{ later }] = await edge.sql`
      select send_tat > now() + interval '9 minutes' as later from public.senders where channel = 'email'`;
      assertEquals([(await stateOf(edge, busy)).state, later], ["queued", true]);
      for (const refusal of ["quota", "denied"] as const) {
        edge.mailboxes.configure({ send: refusal });
        await edge.hurry();
        await edge.settled();
        const [{ held_code }] = await edge.sql`select held_code from public.senders where channel = 'email'`;
        assertEquals([(await stateOf(edge, busy)).state, held_code !== null], ["queued", true], refusal);
      }
      edge.mailboxes.configure({ send: "taken", refresh: "error" });
      await ageTokens(edge);
      await edge.hurry();
      await edge.settled();
      assertEquals((await stateOf(edge, busy)).state, "queued");
      edge.mailboxes.configure({ refresh: "taken" });
      await ageTokens(edge);
      await edge.hurry();
      await edge.settled();
      assertEquals([(await stateOf(edge, busy)).state, sentBy(edge, provider).length], ["sent", 1]);
    });
  }

  edgeTest(`mailboxes: ${provider}: tokens are sealed, and disconnecting forgets them`, async (edge) => {
    const identity = await connected(edge, provider);
    const [token] = await edge.sql`select access, refresh from private.mailbox_tokens`;
    assertMatch(token.access, /^v1\.test\./);
    assertMatch(token.refresh, /^v1\.test\./);
    const [{ id }] = await edge.sql`select id from public.mailboxes`;
    const checked = await edge.call(`mailboxes/${id}/check`, { headers: SECRET });
    assertEquals([checked.status, checked.body], [200, { ok: true, code: null, detail: null }]);
    const gone = await edge.call(`mailboxes/${id}`, { method: "DELETE", headers: SECRET });
    assertEquals(
      [gone.status, gone.body],
      [200, { address: ACCOUNTS[provider], provider, revoked: provider === "google" }],
    );
    assertEquals((await edge.sql`select from private.mailbox_tokens`).length, 0);
    assertEquals((await edge.call(`mailboxes/${id}`, { method: "DELETE", headers: SECRET })).status, 404);
    assertEquals(await mailboxAccess(identity), {
      ok: false,
      kind: "held",
      scope: "number",
      code: "mailbox_missing",
      message: "the identity's mailbox is not connected",
    });
  });
}

edgeTest(
  "mailboxes: a connection counts once, for the account that it was begun for, with all that it needs",
  async (edge) => {
    const { call, sql } = edge;
    const panel = `${edge.url}/admin/mail?tab=mailboxes`;
    const back = (options: Parameters<typeof signIn>[2] = {}) =>
      connect(edge, "google", { ...options, body: { return_to: panel, ...options?.body } })
        .then(({ location }) => new URL(location!).searchParams.get("mailbox"));

    assertEquals(await back({ form: { deny: "1" } }), "access_denied");
    const location = await signIn(edge, "google", { body: { return_to: panel } });
    const first = await fetch(location, { redirect: "manual" });
    await first.body?.cancel();
    assertEquals(new URL(first.headers.get("location")!).searchParams.get("mailbox"), "connected");
    const second = await fetch(location, { redirect: "manual" });
    assertEquals([second.status, (await second.json()).code], [400, "mailbox_not_connected"]);

    // One provider's code at the callback of the other.
    const mixed = (await signIn(edge, "google")).replace("/callback/google", "/callback/microsoft");
    const refused = await fetch(mixed, { redirect: "manual" });
    assertEquals([refused.status, (await refused.json()).code], [400, "mailbox_not_connected"]);

    await sql`insert into public.email_identities (from_email, provider) values ('other@bakery.example', 'sendgrid')`;
    const [{ id: other }] =
      await sql`select id from public.email_identities where from_email = 'other@bakery.example'`;
    assertEquals(await back({ body: { identity: other } }), "wrong_account");
    // An alias that the provider has verified.
    await sql`delete from public.mailboxes`;
    await sql`insert into public.email_identities (from_email, provider) values ('orders@bakery.example', 'sendgrid')`;
    const [{ id: alias }] =
      await sql`select id from public.email_identities where from_email = 'orders@bakery.example'`;
    assertEquals(await back({ body: { identity: alias } }), "connected");
    assertEquals(
      (await sql`select provider, state from public.email_identities where id = ${alias}`)[0],
      { provider: "google", state: "active" },
    );
    // The account serves that one already.
    assertEquals(await back(), "wrong_account");

    const start = (body: unknown, headers: HeadersInit = SECRET) =>
      call("mailboxes/start", { headers, body });
    assertEquals((await start({ provider: "google", return_to: "https://evil.example/" })).status, 422);
    assertEquals((await start({ provider: "yahoo" })).status, 422);
    assertEquals((await start({ provider: "google", identity: crypto.randomUUID() })).status, 404);
    assertEquals((await start({ provider: "google" }, { apikey: KEYS.publishableKey })).status, 403);
  },
);

edgeTest(
  "mailboxes: an address that somebody wrote into an account at Microsoft takes no identity over",
  async (edge) => {
    const { sql } = edge;
    const address = ACCOUNTS.microsoft;
    edge.mailboxes.accounts.find(address).principal = "x@evil.example";
    await sql`insert into public.email_identities (from_email, provider, verified_at) values (${address}, 'resend', now())`;
    const taken = await connect(edge, "microsoft");
    assertEquals([taken.status, JSON.parse(taken.text).code], [400, "mailbox_not_connected"]);
    const identities = async () => [...await sql`select provider, state from public.email_identities`];
    assertEquals(await identities(), [{ provider: "resend", state: "active" }]);

    await sql`delete from public.email_identities`;
    const { status, text } = await connect(edge, "microsoft");
    assertEquals(status, 200);
    assertMatch(text, /kim@flowers\.example is connected\. Nothing is sent as it until .* is confirmed/);
    assertEquals(await identities(), [{ provider: "microsoft", state: "unverified" }]);
  },
);

edgeTest("mailboxes: without what it has to be let do, an account is not connected", async (edge) => {
  const begun = await edge.call("mailboxes/start", { headers: SECRET, body: { provider: "google" } });
  const answer = await fetch(begun.body.url, {
    method: "POST",
    body: new URLSearchParams({ account: ACCOUNTS.google }),
    redirect: "manual",
  });
  await answer.body?.cancel();
  const refused = await fetch(answer.headers.get("location")!, { redirect: "manual" });
  const { code, detail } = await refused.json();
  assertEquals([refused.status, code], [400, "mailbox_not_connected"]);
  assertMatch(detail, /gmail\.readonly/);
});

edgeTest("openapi.yaml: every answer of mailboxes is met, by one as described", async (edge) => {
  const { call } = edge;
  const { see, assertAllMet } = witness();
  const NOBODY = {}, PUBLIC = { apikey: KEYS.publishableKey };
  const START = "/mailboxes/start", CALLBACK = "/mailboxes/callback/{provider}", SETUP = "/mailboxes/setup";
  const CHECK = "/mailboxes/{id}/check", ONE = "/mailboxes/{id}", READ = "/mailboxes";
  const start = (body: unknown, headers: HeadersInit = SECRET) => call("mailboxes/start", { headers, body });
  see(START, "post", 200, await start({ provider: "google" }));
  see(START, "post", 400, await start("{"));
  see(START, "post", 401, await start({}, NOBODY));
  see(START, "post", 403, await start({}, PUBLIC));
  see(START, "post", 404, await start({ provider: "google", identity: crypto.randomUUID() }));
  see(START, "post", 405, await call("mailboxes/start", { method: "GET" }));
  see(START, "post", 413, await start(" ".repeat(5000)));
  see(START, "post", 422, await start({ provider: "yahoo" }));
  const seeCallback = async (status: number, at: string, method = "GET") => {
    const response = await fetch(at, { method, redirect: "manual" });
    const text = await response.text();
    const json = /json/.test(response.headers.get("content-type") ?? "");
    const body = json ? JSON.parse(text) : text;
    see(CALLBACK, "get", status, { status: response.status, headers: response.headers, body });
  };
  await seeCallback(200, await signIn(edge, "google"));
  await seeCallback(303, await signIn(edge, "google", { body: { return_to: `${edge.url}/admin/` } }));
  await seeCallback(400, `${edge.url}/functions/v1/mailboxes/callback/google?state=x`);
  await seeCallback(405, `${edge.url}/functions/v1/mailboxes/callback/google`, "POST");
  const setup = (headers: HeadersInit, method = "GET") => call("mailboxes/setup", { method, headers });
  see(SETUP, "get", 200, await setup(SECRET));
  see(SETUP, "get", 401, await setup(NOBODY));
  see(SETUP, "get", 403, await setup(PUBLIC));
  see(SETUP, "get", 405, await setup(SECRET, "POST"));
  const [{ id }] = await edge.sql`select id from public.mailboxes`;
  const other = crypto.randomUUID();
  for (
    const [path, method, status, headers, which] of [
      [CHECK, "post", 200, SECRET, id],
      [CHECK, "post", 401, NOBODY, id],
      [CHECK, "post", 403, PUBLIC, id],
      [CHECK, "post", 404, SECRET, other],
      [ONE, "delete", 401, NOBODY, id],
      [ONE, "delete", 403, PUBLIC, id],
      [ONE, "delete", 404, SECRET, other],
      [ONE, "delete", 200, SECRET, id],
    ] as const
  ) {
    const at = path.replace("{id}", which).slice(1) as "mailboxes";
    see(path, method, status, await call(at, { method: method.toUpperCase(), headers }));
  }
  see(CHECK, "post", 405, await call(`mailboxes/${id}/check`, { method: "GET" }));
  see(ONE, "delete", 405, await call(`mailboxes/${id}`, { method: "GET" }));
  for (const path of [START, SETUP, CHECK, ONE]) {
    see(
      path,
      "options",
      204,
      await call(path.replace("{id}", id).slice(1) as "mailboxes", { method: "OPTIONS" }),
    );
  }
  see(READ, "post", 202, await call("mailboxes", { headers: SECRET, body: "{}" }));
  see(READ, "post", 401, await call("mailboxes", { body: "{}" }));
  see(READ, "post", 403, await call("mailboxes", { headers: PUBLIC }));
  see(READ, "post", 405, await call("mailboxes", { method: "GET" }));
  // What every function answers while the environment or the database is not well is met by their own tests.
  assertAllMet(
    (path) => path.startsWith("/mailboxes"),
    (what) => /^(config_invalid|disabled_by_environment|database_unavailable|schema_.*)$/.test(what),
  );
});
