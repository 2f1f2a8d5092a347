/**
 * The checklist of masked messaging, line by line, on the real functions with the simulated Twilio: each test is a line of it.
 *
 * The pages of owners and sitters are walked in Chromium (tests/browser/messages_owner_test.ts, messages_sitter_test.ts), the
 * stages of the rollout by an injected clock (tests/database/messages_plan_test.ts, messages_gates_test.ts).
 */
import { assert, assertEquals, assertMatch, assertNotMatch } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { MESSAGING_FLAGS } from "../../supabase/functions/_shared/masking/flags.ts";
import { createWebhookLogEntry, redactPhoneNumber } from "../../supabase/functions/_shared/log/redact.ts";
import { signedIn } from "../support/callers.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import {
  addOrgNamed,
  addPhone,
  assign,
  CLIENT,
  DESK,
  giveNumbers,
  got,
  POACHING,
  POOL,
  rest,
  SITTER,
  THIRD,
} from "../support/masked_texts.ts";
import { tokenOf } from "../support/tokens.ts";

const KEY = { apikey: KEYS.secretKey };
const VARIABLES = Object.values(MESSAGING_FLAGS).map(({ variable }) => variable);
const ON = Object.fromEntries(
  Object.values(MESSAGING_FLAGS).map((
    { key },
  ) => [key, { value: "true", metadata: { rollout_percentage: 100 } }]),
);

interface Scene {
  org: string;
  client: string;
  member: string;
  owner: HeadersInit;
  sitter: HeadersInit;
}

/** An organisation with numbers, an owner, a sitter and a client; the three flags as given. */
async function scene(edge: Edge, flags: Parameters<Edge["set"]>[0] = ON): Promise<Scene> {
  const { sql } = edge;
  await edge.set({ "sms_send.enabled": "true", ...flags });
  const org = await addOrgNamed(sql, "Moss");
  await giveNumbers(sql, org);
  const [owner, sitter] = [await signedIn(sql), await signedIn(sql)];
  await sql`select public.set_org_member(${org}, 'owner', ${owner.sub!})`;
  const [{ member }] = await sql`
    select public.set_org_member(${org}, 'sitter', ${sitter.sub!}, ${await addPhone(
    sql,
    SITTER,
  )}) ->> 'id' as member`;
  return { org, member, client: await addPhone(sql, CLIENT), owner: tokenOf(owner), sitter: tokenOf(sitter) };
}

const get = ({ call }: Edge, path: string, headers: HeadersInit) =>
  call(`messages/${path}`, { method: "GET", headers });
const post = ({ call }: Edge, path: string, headers: HeadersInit, body: Record<string, unknown> = {}) =>
  call(`messages/${path}`, { headers, body });

async function says(edge: Edge, from: string, to: string, body: string): Promise<void> {
  edge.texts.receive({ from, to, body });
  await rest(edge);
}

/** Every endpoint of messages, and whether it is the owner's alone. */
const ENDPOINTS = (thread: string): [method: "GET" | "POST", path: string][] => [
  ["GET", "diagnostics"],
  ["GET", "threads"],
  ["GET", `threads/${thread}`],
  ["POST", `threads/${thread}/texts`],
  ["GET", "inbox"],
  ["POST", `inbox/${thread}/done`],
  ["POST", `inbox/${thread}/force`],
  ["POST", `inbox/${thread}/findings/1`],
];

/** What each endpoint answers to somebody. */
async function statuses({ call }: Edge, thread: string, headers: HeadersInit): Promise<number[]> {
  const answers: number[] = [];
  for (const [method, path] of ENDPOINTS(thread)) {
    answers.push(
      (await call(`messages/${path}`, { method, headers, ...(method === "POST" ? { body: {} } : {}) }))
        .status,
    );
  }
  return answers;
}

/** Runs with variables of the environment. */
async function withVariables(values: Record<string, string>, use: () => Promise<void>): Promise<void> {
  for (const [name, value] of Object.entries(values)) Deno.env.set(name, value);
  forgetEnv();
  try {
    await use();
  } finally {
    for (const name of Object.keys(values)) Deno.env.delete(name);
    forgetEnv();
  }
}

const NOWHERE = Array(8).fill(404);
const threadsOf = ({ sql }: Edge) =>
  sql`select id, state, message_number_id from public.threads order by id`.then((rows) =>
    rows.map((row) => ({ ...row }))
  );

edgeTest("flags: three names, false by default, true by a variable or for one organisation", async (edge) => {
  assertEquals(VARIABLES, [
    "ENABLE_MESSAGING_V1",
    "ENABLE_PROACTIVE_THREAD_CREATION",
    "ENABLE_SITTER_MESSAGES_V1",
  ]);
  const { org, owner } = await scene(edge, {});
  assertEquals((await get(edge, "diagnostics", owner)).status, 404);
  await withVariables({ ENABLE_MESSAGING_V1: "true" }, async () => {
    const { body } = await get(edge, "diagnostics", owner);
    assertEquals(body.flags, {
      ENABLE_MESSAGING_V1: { value: true, from: "environment" },
      ENABLE_PROACTIVE_THREAD_CREATION: { value: false, from: "default" },
      ENABLE_SITTER_MESSAGES_V1: { value: false, from: "default" },
    });
  });
  const other = await addOrgNamed(edge.sql, "Fern");
  await edge.set({
    "messaging_v1.enabled": { value: "true", metadata: { target_user_ids: [`org:${org}`] } },
  });
  assertEquals([
    (await get(edge, `diagnostics?org=${org}`, KEY)).status,
    (await get(edge, `diagnostics?org=${other}`, KEY)).status,
  ], [
    200,
    404,
  ]);
});

edgeTest("environment: the plan's names are read, and the service of Proxy is accepted", async ({ call }) => {
  await withVariables({
    TWILIO_WEBHOOK_URL: "https://hooks.example.com/sms",
    TWILIO_WEBHOOK_AUTH_TOKEN: "a-token-of-its-own",
    TWILIO_PROXY_SERVICE_SID: "KS0123456789abcdef0123456789abcdef",
  }, async () => {
    const { body } = await call("sms-webhook/setup", { method: "GET", headers: KEY });
    assertEquals(body.twilio.accounts, [KEYS.twilioAccount]);
    assert(body.twilio.webhook_url.startsWith("https://hooks.example.com/sms"), body.twilio.webhook_url);
    assertEquals([body.twilio.verifies_by.includes("webhook_auth_token"), body.twilio.proxy_service], [
      true,
      true,
    ]);
  });
  for (const name of ["PUBLIC_BASE_URL", "WEBHOOK_BASE_URL"]) {
    await withVariables({ [name]: "https://moss.example.com" }, async () => {
      const { body } = await call("sms-webhook/setup", { method: "GET", headers: KEY });
      assertMatch(body.twilio.webhook_url, /^https:\/\/moss\.example\.com\//);
    });
  }
});

edgeTest(
  "diagnostics: counts by class, blocked, inbox, no window, fifty decisions and flags, to owners alone",
  async (edge) => {
    const place = await scene(edge);
    await assign(edge.sql, place);
    await says(edge, CLIENT, POOL, "Is Bello well?");
    await says(edge, SITTER, POOL, POACHING);
    await says(edge, THIRD, POOL, "Who is this?");
    const { status, body, headers } = await get(edge, "diagnostics", place.owner);
    assertEquals([status, headers.get("cache-control")], [200, "no-store"]);
    assertEquals(body.threads, { front_desk: 0, sitter: 0, pool: 1 });
    assertEquals([body.relayed, body.antiPoachingBlocked, body.ownerInboxRouted, body.sitterNoActiveWindow], [
      1,
      1,
      1,
      0,
    ]);
    assertEquals(body.decisions.map((one: Record<string, string>) => [one.from, one.outcome, one.orgId]), [
      ["…0145", "owner_inbox", place.org],
      ["…0144", "blocked", place.org],
      ["…0143", "leg", place.org],
    ]);
    assertNotMatch(JSON.stringify(body), /\d{3}5550\d{3}/);
    assertEquals((await get(edge, "diagnostics", place.sitter)).status, 403);
    // The last fifty, however many there are.
    await edge.sql`
    select public.record_decision(jsonb_build_object('org_id', ${place.org}::uuid, 'from_role', 'client', 'from_last4', '0143',
      'outcome', 'leg', 'reason', 'relayed')) from generate_series(1, 60)`;
    assertEquals((await get(edge, "diagnostics", place.owner)).body.decisions.length, 50);
  },
);

Deno.test("logging: redactPhoneNumber and createWebhookLogEntry, by name, leave last fours", () => {
  assertEquals(redactPhoneNumber("+12025550143"), "…0143");
  const entry = createWebhookLogEntry({
    from: CLIENT,
    to: POOL,
    body: POACHING,
    orgId: "01927f5e-1234-7890-8123-456789012345",
    threadId: "01927f5e-1234-7890-8123-456789012346",
    decision: "blocked",
  });
  assertEquals([entry.from, entry.to, entry.org_id, entry.thread_id, entry.decision], [
    "…0143",
    "…0101",
    "01927f5e-1234-7890-8123-456789012345",
    "01927f5e-1234-7890-8123-456789012346",
    "blocked",
  ]);
  assertNotMatch(JSON.stringify(entry), /555/);
});

edgeTest(
  "data: every thread has its number, the proof says so, and the backfill can be taken back",
  async (edge) => {
    const place = await scene(edge);
    const { sql } = edge;
    await assign(sql, place);
    const proof = async () => (await sql`select public.messages_proof(${place.org}) as proof`)[0].proof;
    assertEquals(await proof(), {
      threads: 1,
      without_number: [],
      without_client: [],
      orgs_without_front_desk: [],
      conversations_without_thread: 0,
    });
    const [{ required }] = await sql`
    select is_nullable = 'NO' as required from information_schema.columns where table_name = 'threads' and column_name = 'message_number_id'`;
    assertEquals(required, true);
    await sql`insert into public.conversations (channel, number_id, contact_id) values ('sms', ${
      DESK.slice(1)
    }, ${await addPhone(sql, THIRD)})`;
    assertEquals((await proof()).conversations_without_thread, 1);
    assertEquals((await sql`select public.backfill_threads(${place.org}) as n`)[0].n, 1);
    assertEquals((await proof()).conversations_without_thread, 0);
    assertEquals((await sql`select public.undo_backfill(${place.org}) as n`)[0].n, 1);
  },
);

edgeTest("behaviour: an inbound text creates thread and message", async (edge) => {
  const place = await scene(edge);
  await says(edge, THIRD, DESK, "Do you walk dogs?");
  const { body } = await get(edge, "threads", place.owner);
  assertEquals(
    body.threads.map((
      row: Record<string, unknown>,
    ) => [row.number_class, row.message_number_id, row.waiting]),
    [
      ["front_desk", DESK.slice(1), 1],
    ],
  );
  const { body: page } = await get(edge, `threads/${body.threads[0].id}`, place.owner);
  assertEquals(page.entries.map(({ text, from_role }: Record<string, string>) => [from_role, text]), [
    ["unknown", "Do you walk dogs?"],
  ]);
});

edgeTest("behaviour: a weekly booking's thread is there at once, once, with its window", async (edge) => {
  const place = await scene(edge);
  const thread = await assign(edge.sql, place, 2);
  assertEquals(await assign(edge.sql, place, 2), thread);
  const { body } = await get(edge, "threads", place.owner);
  assertEquals(body.threads.map((row: Record<string, unknown>) => [row.id, row.recurring]), [[thread, true]]);
  assertEquals([body.threads[0].window.state, body.threads[0].window.zone], ["upcoming", "Europe/Berlin"]);
  // An hour before the visit, by the organisation's buffer.
  const opens = Date.parse(body.threads[0].window.at) - Date.now();
  assert(opens > 59 * 60_000 - 5_000 && opens <= 60 * 60_000, String(opens));
});

edgeTest(
  "behaviour: the owner's text is delivered from the thread's number, and the thread is updated",
  async (edge) => {
    const place = await scene(edge);
    const thread = await assign(edge.sql, place);
    const sent = await post(edge, `threads/${thread}/texts`, place.owner, {
      text: "Your sitter is on the way.",
    });
    assertEquals([sent.status, sent.body.outcome], [202, "leg"]);
    await rest(edge);
    assertEquals(got(edge), [[POOL, CLIENT, "Your sitter is on the way."]]);
    const { body } = await get(edge, `threads/${thread}`, place.owner);
    assertEquals([body.thread.last_text, body.entries[0].status], [
      "Your sitter is on the way.",
      "delivered",
    ]);
  },
);

edgeTest(
  "behaviour: a sitter sees assigned threads with a window, and neither inbox nor bookings",
  async (edge) => {
    const place = await scene(edge);
    const thread = await assign(edge.sql, place);
    await says(edge, THIRD, DESK, "Do you walk dogs?");
    const { body } = await get(edge, "threads", place.sitter);
    assertEquals(body.threads.map(({ id }: { id: string }) => id), [thread]);
    assertEquals((await get(edge, "inbox", place.sitter)).status, 403);
    assertNotMatch(JSON.stringify(body), /5550143|5550145|price|amount|invoice/i);
    await edge.sql`select public.unassign_sitter(b.id, ${place.member}) from public.bookings b`;
    assertEquals((await get(edge, "threads", place.sitter)).body.threads, []);
  },
);

edgeTest(
  "behaviour: outside of the window a sitter is told when the next one begins, by app and phone",
  async (edge) => {
    const place = await scene(edge);
    const thread = await assign(edge.sql, place, 48);
    await says(edge, SITTER, POOL, "Shall I bring food?");
    assertEquals(got(edge).map(([, to]) => to), [SITTER]);
    assertMatch(got(edge)[0][2], /around your visits\. The next time begins /);
    const held = await post(edge, `threads/${thread}/texts`, place.sitter, { text: "Shall I bring food?" });
    assertEquals([held.status, held.body.reason], [202, "no_active_window"]);
    assert(Date.parse(held.body.next) > Date.now());
    assertEquals((await get(edge, "diagnostics", place.owner)).body.sitterNoActiveWindow, 2);
  },
);

edgeTest(
  "behaviour: anti-poaching warns the sitter, the owner lets it pass, and types are in the audit",
  async (edge) => {
    const place = await scene(edge);
    await assign(edge.sql, place);
    await says(edge, SITTER, POOL, POACHING);
    assertEquals(got(edge).map(([, to]) => to), [SITTER]);
    assertMatch(got(edge)[0][2], /Please write it without them, or call the office/);
    const { body: { texts: [blocked] } } = await get(edge, "inbox", place.owner);
    assert(blocked.types.includes("phone"));
    assert(blocked.findings.every(({ redacted }: { redacted: string }) => !redacted.includes("555")));
    const forced = await post(edge, `inbox/${blocked.id}/force`, place.owner, { reason: "It is the vet's" });
    assertEquals(forced.status, 202);
    await rest(edge);
    assertEquals(got(edge).at(-1), [POOL, CLIENT, POACHING]);
    const audit = await edge.sql`
    select d.types, d.force_reason, d.by from public.thread_decisions d where d.forces is not null`;
    assertEquals([audit[0].force_reason, audit[0].by.startsWith("member:")], ["It is the vet's", true]);
  },
);

edgeTest(
  "flags: what came before messaging was ever on is listed for the owner, and not relayed late",
  async (edge) => {
    const place = await scene(edge, {});
    await assign(edge.sql, place);
    await says(edge, CLIENT, POOL, "Is anybody there?");
    await edge.set(ON);
    await rest(edge);
    await says(edge, CLIENT, POOL, "Now?");
    assertEquals(got(edge), [[POOL, SITTER, "Now?"]]);
    const { body: { texts } } = await get(edge, "inbox", place.owner);
    assertEquals(texts.map(({ text, reason }: Record<string, string>) => [text, reason]), [[
      "Is anybody there?",
      "off",
    ]]);
  },
);

/** The ways back, by flag: who has what afterwards. */
const WAYS_BACK: [name: string, off: string[], owner: boolean, sitter: boolean][] = [
  ["core", ["ENABLE_MESSAGING_V1"], false, false],
  ["proactive threads", ["ENABLE_PROACTIVE_THREAD_CREATION"], true, true],
  ["sitters", ["ENABLE_SITTER_MESSAGES_V1"], true, false],
  ["all three at once", VARIABLES, false, false],
];

for (const [name, off, owner, sitter] of WAYS_BACK) {
  for (const door of ["variable", "setting"] as const) {
    edgeTest(
      `the way back of ${name}, by ${door}: 404 where it is off, threads stay, nothing is relayed late`,
      async (edge) => {
        const place = await scene(edge);
        const thread = await assign(edge.sql, place);
        await says(edge, CLIENT, POOL, "Before.");
        const before = await threadsOf(edge), phones = got(edge);
        assertEquals(phones, [[POOL, SITTER, "Before."]]);

        async function drill(): Promise<void> {
          // 404 before anybody is asked who they are, to everybody who has it no more.
          const nobody = { authorization: "Bearer nonsense" };
          if (!owner) {
            for (const who of [{}, nobody, KEY, place.owner, place.sitter]) {
              assertEquals(await statuses(edge, thread, who), NOWHERE);
            }
          } else {
            assertEquals((await get(edge, "threads", place.owner)).status, 200);
            assertEquals((await get(edge, "threads", place.sitter)).status, sitter ? 200 : 404);
            if (!sitter) assertEquals(await statuses(edge, thread, place.sitter), NOWHERE);
          }
          // Webhooks are taken, and threads stay.
          await says(edge, CLIENT, POOL, "Meanwhile.");
          await says(edge, THIRD, DESK, "Somebody new.");
          assertEquals((await threadsOf(edge)).filter(({ id }) => id === thread), before);
          const [{ n }] = await edge.sql`
          select count(*)::int as n from public.messages where channel = 'sms' and direction = 'in' and text in ('Meanwhile.', 'Somebody new.')`;
          assertEquals(n, 2);
          if (!owner) {
            assertEquals(got(edge), phones, "nobody hears anything");
            assertEquals(await threadsOf(edge), before, "no thread is made");
          } else if (!sitter) {
            assertEquals(got(edge).length, phones.length, "no sitter hears anything");
          } else {
            assertEquals(got(edge).map(([, , body]) => body), ["Before.", "Meanwhile."]);
          }
          // Without the proactive flag nothing opens with an assignment.
          if (off.includes("ENABLE_PROACTIVE_THREAD_CREATION") && owner) {
            const { body } = await get(edge, "diagnostics", place.owner);
            assertEquals(body.flags.ENABLE_PROACTIVE_THREAD_CREATION.value, false);
          }
        }

        if (door === "variable") {
          await withVariables(Object.fromEntries(off.map((variable) => [variable, "false"])), drill);
        } else {
          const keys = Object.values(MESSAGING_FLAGS).filter(({ variable }) => off.includes(variable)).map((
            { key },
          ) => key);
          await edge.set(Object.fromEntries(keys.map((key) => [key, { value: "false", metadata: {} }])));
          await drill();
          await edge.set(ON);
        }

        // Recovery: the same thread in use, what came meanwhile listed and not relayed late.
        await edge.reread();
        await rest(edge);
        const { body: { texts } } = await get(edge, "inbox", place.owner);
        const reasons = texts.filter(({ text }: { text: string }) => text === "Meanwhile.").map((
          { reason }: { reason: string },
        ) => reason);
        assertEquals(reasons, owner ? (sitter ? [] : ["sitter_off"]) : ["off"]);
        await says(edge, CLIENT, POOL, "After.");
        assertEquals(got(edge).map(([, , body]) => body).filter((body) => body !== "Somebody new."), [
          "Before.",
          ...(owner && sitter ? ["Meanwhile."] : []),
          "After.",
        ]);
        assertEquals((await threadsOf(edge)).filter(({ id }) => id === thread), before);
      },
    );
  }
}
