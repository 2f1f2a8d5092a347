/** Threads over HTTP: what owners and sitters read and write, on a database, with the simulated Twilio. */
import { assert, assertEquals } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { signedIn } from "../support/callers.ts";
import { type Answer, type Edge, edgeTest, KEYS } from "../support/edge.ts";
import {
  addOrgNamed,
  addPhone,
  assign,
  CLIENT,
  DESK,
  giveNumbers,
  got,
  MASKING_ON,
  POACHING,
  POOL,
  rest,
  SITTER,
  THIRD,
} from "../support/masked_texts.ts";
import { openapi, witness } from "../support/openapi.ts";
import { tokenOf } from "../support/tokens.ts";

const KEY = { apikey: KEYS.secretKey };

interface Scene {
  org: string;
  thread: string;
  owner: HeadersInit;
  sitter: HeadersInit;
  /** A sitter of the same organisation who is on no thread. */
  other: HeadersInit;
  /** An owner of another organisation. */
  stranger: HeadersInit;
}

/** An organisation with a client and a sitter in a thread, whose window begins in so many hours and lasts two. */
async function scene(edge: Edge, inHours = -1): Promise<Scene> {
  const { sql } = edge;
  await edge.set(MASKING_ON);
  const org = await addOrgNamed(sql, "Moss"), elsewhere = await addOrgNamed(sql, "Fern");
  await giveNumbers(sql, org);
  const client = await addPhone(sql, CLIENT);
  const member = async (org: string, role: string, phone: string | null) => {
    const caller = await signedIn(sql);
    const contact = phone === null ? null : await addPhone(sql, phone);
    const [{ id }] = await sql`
      select public.set_org_member(${org}, ${role}, ${caller.sub!}, ${contact}) ->> 'id' as id`;
    return { id: id as string, headers: tokenOf(caller) };
  };
  const owner = await member(org, "owner", null), sitter = await member(org, "sitter", SITTER);
  const other = await member(org, "sitter", THIRD);
  const stranger = await member(elsewhere, "owner", null);
  return {
    org,
    thread: await assign(sql, { org, client, member: sitter.id }, inHours),
    owner: owner.headers,
    sitter: sitter.headers,
    other: other.headers,
    stranger: stranger.headers,
  };
}

const get = ({ call }: Edge, path: string, headers: HeadersInit) =>
  call(`messages/${path}`, { method: "GET", headers });
const post = ({ call }: Edge, path: string, headers: HeadersInit, body: unknown = {}) =>
  call(`messages/${path}`, { headers, body: body as Record<string, unknown> });
edgeTest(
  "threads: owner and sitter write, the client hears both, and everybody reads what was said",
  async (edge) => {
    const { thread, owner, sitter } = await scene(edge);
    const first = await post(edge, `threads/${thread}/texts`, owner, { text: "Your sitter is on the way." });
    assertEquals([first.status, first.body.outcome, first.body.reason], [202, "leg", "owner"]);
    const second = await post(edge, `threads/${thread}/texts`, sitter, { text: "Bello is fine." });
    assertEquals([second.status, second.body.outcome, second.body.reason, second.body.segments], [
      202,
      "leg",
      "relayed",
      1,
    ]);
    await rest(edge);
    assertEquals(got(edge), [[POOL, CLIENT, "Your sitter is on the way."], [POOL, CLIENT, "Bello is fine."]]);
    for (const reader of [owner, sitter]) {
      const { body } = await get(edge, `threads/${thread}`, reader);
      assertEquals(
        body.entries.map(({ from_role, text, status }: Record<string, string>) => [from_role, text, status]),
        [["sitter", "Bello is fine.", "delivered"], ["owner", "Your sitter is on the way.", "delivered"]],
      );
      assertEquals([body.thread.window.state, body.thread.window.zone], ["active", "Europe/Berlin"]);
    }
    const { body: { threads: [row] } } = await get(edge, "threads", owner);
    assertEquals([row.id, row.client, row.last_text, row.waiting], [thread, "…0143", "Bello is fine.", 0]);
    // To a sitter a client without a name has no number either.
    assertEquals((await get(edge, "threads", sitter)).body.threads[0].client, null);
  },
);

edgeTest("threads: a repeated request sends nothing again", async (edge) => {
  const { thread, owner } = await scene(edge);
  const text = { text: "At nine.", idempotency_key: "k1" };
  const [first, again] = [
    await post(edge, `threads/${thread}/texts`, owner, text),
    await post(edge, `threads/${thread}/texts`, owner, text),
  ];
  assertEquals([first.body.repeated, again.body.repeated, again.body.decision_id], [
    false,
    true,
    first.body.decision_id,
  ]);
  await rest(edge);
  assertEquals(got(edge).length, 1);
});

edgeTest(
  "threads: a sitter sees the own threads alone, no inbox, and writes in the window alone",
  async (edge) => {
    const { thread, sitter, other, stranger } = await scene(edge, 30);
    assertEquals((await get(edge, "threads", other)).body.threads, []);
    for (
      const [path, headers, status] of [
        [`threads/${thread}`, other, 404],
        [`threads/${thread}`, stranger, 404],
        ["inbox", sitter, 403],
      ] as const
    ) {
      assertEquals((await get(edge, path, headers)).status, status, path);
    }
    assertEquals((await post(edge, `threads/${thread}/texts`, other, { text: "hi" })).status, 404);
    const held = await post(edge, `threads/${thread}/texts`, sitter, { text: "Shall I bring food?" });
    assertEquals([held.status, held.body.outcome, held.body.reason], [202, "held", "no_active_window"]);
    assert(Date.parse(held.body.next) > Date.now());
    await edge.set({ "sitter_messages_v1.enabled": "false" });
    assertEquals((await get(edge, "threads", sitter)).status, 404);
    await rest(edge);
    assertEquals(got(edge), []);
  },
);

edgeTest(
  "threads: an owner lets a blocked text pass once, whether it was written in the app or on a phone",
  async (edge) => {
    const { thread, owner, sitter } = await scene(edge);
    const blocked = await post(edge, `threads/${thread}/texts`, sitter, { text: POACHING });
    assertEquals([blocked.body.outcome, blocked.body.types.includes("phone")], ["blocked", true]);
    edge.texts.receive({ from: SITTER, to: POOL, body: POACHING });
    await rest(edge);
    const { body: { texts } } = await get(edge, "inbox", owner);
    assertEquals(texts.map(({ outcome, text }: Record<string, string>) => [outcome, text]), [
      ["blocked", POACHING],
      ["blocked", POACHING],
    ]);
    // What cannot be queued now stays, and can be let pass later.
    await edge.set({ "sms_send.enabled": "false" });
    const refused = await post(edge, `inbox/${texts[0].id}/force`, owner, { reason: "too early" });
    assertEquals([refused.status, refused.body.code], [409, "conflict"]);
    assertEquals((await get(edge, "inbox", owner)).body.texts.length, 2);
    await edge.set({ "sms_send.enabled": "true" });
    for (const { id } of texts) {
      const force = () => post(edge, `inbox/${id}/force`, owner, { reason: "It is the vet's" });
      assertEquals([(await force()).status, (await force()).status], [202, 409]);
    }
    await rest(edge);
    assertEquals(got(edge).filter(([, to]) => to === CLIENT).map(([, , body]) => body), [POACHING, POACHING]);
    assertEquals((await get(edge, "inbox", owner)).body.texts, []);
    const forced = await edge.sql`select force_reason from public.thread_decisions where forces is not null`;
    assertEquals(forced.map(({ force_reason }) => force_reason), Array(2).fill("It is the vet's"));
  },
);

edgeTest("threads: a text that is let pass reaches only sitters who are still assigned", async (edge) => {
  const { owner } = await scene(edge);
  edge.texts.receive({ from: CLIENT, to: POOL, body: POACHING });
  await rest(edge);
  const { body: { texts: [{ id }] } } = await get(edge, "inbox", owner);
  const force = () => post(edge, `inbox/${id}/force`, owner, { reason: "It is the vet's" });
  await edge.set({ "sitter_messages_v1.enabled": "false" });
  assertEquals((await force()).status, 409);
  await edge.set(MASKING_ON);
  await edge.sql`update public.assignment_windows set cancelled_at = now()`;
  assertEquals((await force()).status, 409);
  await rest(edge);
  assertEquals(got(edge).filter(([, to]) => to === SITTER), []);
  await edge.sql`update public.assignment_windows set cancelled_at = null`;
  assertEquals((await force()).status, 202);
  await rest(edge);
  assertEquals(got(edge).filter(([, to]) => to === SITTER).map(([, , body]) => body), [POACHING]);
});

edgeTest("threads: a finding is reviewed, and what is dealt with leaves the inbox", async (edge) => {
  const { thread, owner, sitter } = await scene(edge);
  await post(edge, `threads/${thread}/texts`, sitter, { text: POACHING });
  const { body: { texts: [{ id, findings }] } } = await get(edge, "inbox", owner);
  assert(!JSON.stringify(findings).includes("555"));
  assertEquals(
    (await post(edge, `inbox/${id}/findings/${findings[0].ord}`, owner, { was_right: false })).status,
    204,
  );
  assertEquals(
    (await edge.sql`select was_right from public.policy_findings where ord = ${findings[0].ord}`)[0]
      .was_right,
    false,
  );
  assertEquals((await post(edge, `inbox/${id}/findings/99`, owner, { was_right: true })).status, 404);
  assertEquals((await post(edge, `inbox/${id}/done`, owner)).status, 204);
  assertEquals((await post(edge, `inbox/${id}/done`, owner)).status, 404);
});

edgeTest("me: where messaging is on, by role, and nothing for anybody else", async (edge) => {
  const { org, owner, sitter, stranger } = await scene(edge);
  const me = async (headers: HeadersInit) => {
    const { status, body } = await get(edge, "me", headers);
    return status === 200 ? body.orgs : status;
  };
  const moss = { org_id: org, name: "Moss", zone: "Europe/Berlin" };
  assertEquals(await me(owner), [{ ...moss, role: "owner" }]);
  assertEquals(await me(sitter), [{ ...moss, role: "sitter" }]);
  assertEquals(await me(tokenOf(await signedIn(edge.sql))), 404, "in no organisation");
  assertEquals(await me(tokenOf(await signedIn(edge.sql, "admin"))), 404, "of the team alone");
  assertEquals(await me(KEY), 403);
  await edge.set({ "sitter_messages_v1.enabled": "false" });
  assertEquals([await me(owner), await me(sitter)], [[{ ...moss, role: "owner" }], 404]);
  await edge.set({
    "messaging_v1.enabled": { value: "true", metadata: { target_user_ids: [`org:${org}`] } },
  });
  assertEquals([await me(owner), await me(stranger)], [[{ ...moss, role: "owner" }], 404]);
});

edgeTest(
  "threads: while off no method and no preflight of a stranger tells that there is something",
  async (edge) => {
    await scene(edge);
    await edge.set({ "panel.origins": "https://admin.example.com" });
    const ask = (method: string, origin?: string) =>
      edge.call("messages/threads", {
        method,
        headers: {
          ...(origin === undefined ? {} : { origin }),
          ...(method === "OPTIONS" ? { "access-control-request-method": "GET" } : {}),
        },
      });
    const seen = async () => {
      const answers = [];
      for (
        const [method, origin] of [["DELETE"], ["OPTIONS"], ["OPTIONS", "https://elsewhere.example"], [
          "OPTIONS",
          "https://admin.example.com",
        ], ["GET", "https://admin.example.com"]]
      ) {
        const { status, headers } = await ask(method, origin);
        answers.push([status, headers.get("access-control-allow-origin")]);
      }
      return answers;
    };
    const page = "https://admin.example.com";
    assertEquals(await seen(), [[405, null], [204, null], [204, null], [204, page], [401, page]]);
    await edge.set({ "messaging_v1.enabled": "false" });
    // The page itself has to read the 404.
    assertEquals(await seen(), [[404, null], [404, null], [404, null], [204, page], [404, page]]);
  },
);

edgeTest(
  "threads: a text is checked before it is sent, with what was written before it, and nothing is kept",
  async (edge) => {
    const { thread, owner, sitter, other } = await scene(edge);
    const check = async (text: string, headers = sitter) => {
      const { status, body } = await post(edge, `threads/${thread}/check`, headers, { text });
      return status === 200 ? [body.outcome, body.types.join(" "), body.segments] : [status];
    };
    assertEquals(await check("Bello is fine."), ["pass", "", 1]);
    assertEquals((await check(POACHING)).slice(0, 2), ["block", "phone off_platform"]);
    assertEquals((await check(POACHING, owner))[0], "pass", "the business may say what it likes");
    assertEquals(await check(`Our office: ${DESK}`), ["pass", "", 1], "its own number");
    assertEquals(await check("hi", other), [404]);
    assertEquals((await edge.sql`select from public.thread_decisions`).length, 0);
    // A number over two texts is found with its last part.
    assertEquals((await check("0190"))[0], "pass");
    const wrote = async (text: string) =>
      (await post(edge, `threads/${thread}/texts`, sitter, { text })).body.outcome;
    assertEquals(await wrote("my number is 202 555"), "leg");
    assertEquals((await check("0190"))[0], "block");
    assertEquals(await wrote("0190"), "blocked");
  },
);

edgeTest(
  "threads: the owner reads who is on a thread; a sitter no number, no other people and no findings of others",
  async (edge) => {
    const { org, thread, owner, sitter } = await scene(edge);
    await edge
      .sql`update public.contacts set name = '+1 202 555 0143' where id = (select client_id from public.threads)`;
    await edge.sql`
    insert into public.thread_decisions (org_id, thread_id, contact_id, from_role, from_last4, outcome, reason, types, text)
    select ${org}, id, client_id, 'client', '0143', 'leg', 'relayed', '{off_platform}', 'Hello' from public.threads`;
    const { body: all } = await get(edge, `threads/${thread}`, owner);
    assertEquals(all.number, POOL.slice(1));
    assertEquals(
      all.people.map(({ role, name, last4, app_only, opted_out, window }: Record<string, unknown>) => [
        ...[role, name, last4, app_only, opted_out],
        (window as { state: string } | null)?.state,
      ]),
      [
        ["client", "+1 202 555 0143", "0143", false, false, undefined],
        ["sitter", "…0144", "0144", false, false, "active"],
      ],
    );
    assertEquals(all.entries[0].types, ["off_platform"]);
    const pages = [];
    for (const path of ["me", "threads", "threads?search=0143", `threads/${thread}`]) {
      pages.push((await get(edge, path, sitter)).body);
    }
    assertEquals(pages[2].threads, [], "a number cannot be found by its digits");
    assertEquals([pages[3].number, pages[3].people, pages[3].entries[0].types], [null, [], []]);
    assertEquals([pages[3].thread.client, pages[3].entries[0].mine], [null, false]);
    const told = JSON.stringify(pages);
    assert(!told.includes("0143") && !told.includes("555 0143"), told);
  },
);

edgeTest(
  "threads: findings are reviewed once on their page, by the owner alone, and counted",
  async (edge) => {
    const { thread, owner, sitter, stranger } = await scene(edge);
    for (const text of [POACHING, "You can also find me on Venmo", "Bello is fine."]) {
      assertEquals((await post(edge, `threads/${thread}/texts`, sitter, { text })).status, 202);
    }
    const page = async (query = "") => (await get(edge, `findings${query}`, owner)).body;
    const first = await page();
    assertEquals([first.right, first.false_alarms], [0, 0]);
    assert(first.texts.length >= 1 && first.open >= first.texts.length);
    const [{ id, findings, text, client, writer }] = first.texts.toReversed();
    assertEquals([text, client, writer], [POACHING, "…0143", "…0144"]);
    for (const { ord } of findings) {
      assertEquals(
        (await post(edge, `inbox/${id}/findings/${ord}`, owner, { was_right: ord !== 1 })).status,
        204,
      );
    }
    const after = await page(), reviewed = await page("?reviewed=true");
    assertEquals([after.open, after.right, after.false_alarms], [
      first.open - findings.length,
      findings.length - 1,
      1,
    ]);
    assertEquals(after.texts.some((one: { id: string }) => one.id === id), false);
    assertEquals(reviewed.texts.map((one: { id: string }) => one.id), [id]);
    assertEquals((await page(`?reviewed=true&before=${id}`)).texts, []);
    assertEquals((await get(edge, "findings", sitter)).status, 403);
    assertEquals((await get(edge, "findings", stranger)).body.texts, []);
    assertEquals((await get(edge, "findings?reviewed=maybe", owner)).status, 422);
  },
);

edgeTest(
  "threads: files of a text are opened by those who may read it, at an address of ours",
  async (edge) => {
    const { thread, owner, sitter } = await scene(edge);
    edge.texts.receive({ from: CLIENT, to: POOL, body: "The key is here", media: ["900000000000001"] });
    await rest(edge);
    for (const reader of [owner, sitter]) {
      const { body: { entries: [entry] } } = await get(edge, `threads/${thread}`, reader);
      assertEquals([entry.text, entry.media, entry.files.length, "files_of" in entry], [
        "The key is here",
        1,
        1,
        false,
      ]);
      const file = await fetch(entry.files[0]);
      assertEquals([file.status, file.headers.get("content-type")], [200, "image/jpeg"]);
      await file.body?.cancel();
    }
  },
);

edgeTest("threads: a text that was let pass shows who had written it, and to the owner why", async (edge) => {
  const { thread, owner, sitter } = await scene(edge);
  const { body: { decision_id } } = await post(edge, `threads/${thread}/texts`, sitter, { text: POACHING });
  assertEquals((await post(edge, `inbox/${decision_id}/force`, owner, { reason: "The vet's" })).status, 202);
  const shown = async (headers: HeadersInit) =>
    (await get(edge, `threads/${thread}`, headers)).body.entries.map((
      { outcome, reason, forced_role, force_reason, done, mine }: Record<string, unknown>,
    ) => [outcome, reason, forced_role, force_reason, done, mine]);
  assertEquals(await shown(owner), [
    ["leg", "forced", "sitter", "The vet's", false, true],
    ["blocked", "anti_poaching", null, null, true, false],
  ]);
  assertEquals(await shown(sitter), [
    ["leg", "forced", "sitter", null, false, false],
    ["blocked", "anti_poaching", null, null, true, true],
  ]);
});

edgeTest("threads: pages hold every thread and every text once", async (edge) => {
  const { org, thread, owner } = await scene(edge);
  for (let i = 0; i < 60; i++) {
    await edge.sql`
      with client as (insert into public.contacts (channel, name) values ('sms', ${`Client ${i}`}) returning id)
      insert into public.threads (org_id, client_id, message_number_id, number_class, opened_by)
      select ${org}, id, ${DESK.slice(1)}, 'front_desk', 'owner' from client`;
    await edge.sql`
      insert into public.thread_decisions (org_id, thread_id, from_role, outcome, reason, text)
      values (${org}, ${thread}, 'owner', 'held', 'no_client', ${`text ${i}`})`;
  }
  const rows: { id: string; last_at: string }[] = [];
  for (;;) {
    const last = rows.at(-1);
    const page = (await get(
      edge,
      `threads${last ? `?before_at=${encodeURIComponent(last.last_at)}&before_id=${last.id}` : ""}`,
      owner,
    )).body.threads as typeof rows;
    if (page.length === 0) break;
    rows.push(...page);
  }
  assertEquals([rows.length, new Set(rows.map(({ id }) => id)).size], [61, 61]);
  const texts: { id: string; text: string }[] = [];
  for (;;) {
    const last = texts.at(-1)?.id;
    const page = (await get(edge, `threads/${thread}${last ? `?before=${last}` : ""}`, owner)).body
      .entries as typeof texts;
    if (page.length === 0) break;
    texts.push(...page);
  }
  assertEquals(texts.map(({ text }) => text), Array.from({ length: 60 }, (_, i) => `text ${59 - i}`));
  assertEquals((await get(edge, "threads?search=CLIENT%207", owner)).body.threads.length, 1);
});

edgeTest("threads: answers are as in openapi.yaml", async (edge) => {
  const { sql, call, set, away, reread } = edge;
  const { see, assertAllMet } = witness();
  const { org, thread, owner, sitter } = await scene(edge);
  const blocked = async () =>
    (await post(edge, `threads/${thread}/texts`, sitter, { text: POACHING })).body.decision_id as string;
  const id = await blocked();
  const text = { text: "At nine." }, reason = { reason: "fine" };
  const asks: [path: string, method: "get" | "post", at: string, body: unknown, fn: string, ok: number][] = [
    ["/messages/threads", "get", "threads", undefined, "list_threads(uuid, uuid, jsonb, integer)", 200],
    [
      "/messages/threads/{id}",
      "get",
      `threads/${thread}`,
      undefined,
      "read_thread(uuid, uuid, uuid, uuid, integer)",
      200,
    ],
    ["/messages/threads/{id}/texts", "post", `threads/${thread}/texts`, text, "send_in_thread(jsonb)", 202],
    [
      "/messages/threads/{id}/check",
      "post",
      `threads/${thread}/check`,
      { text: "At nine." },
      "thread_facts(uuid, timestamptz)",
      200,
    ],
    ["/messages/findings", "get", "findings", undefined, "list_findings(uuid, boolean, uuid, integer)", 200],
    ["/messages/inbox", "get", "inbox", undefined, "owner_inbox(uuid, uuid, integer)", 200],
    [
      "/messages/inbox/{id}/findings/{ord}",
      "post",
      `inbox/${id}/findings/1`,
      { was_right: true },
      "review_finding(uuid, uuid, integer, boolean, text)",
      204,
    ],
    ["/messages/inbox/{id}/force", "post", `inbox/${id}/force`, reason, "blocked_text(uuid, uuid)", 202],
    [
      "/messages/inbox/{id}/done",
      "post",
      `inbox/${await blocked()}/done`,
      {},
      "finish_inbox(uuid, uuid, text)",
      204,
    ],
  ];
  const rested = () => sql`delete from public.rate_limits`;
  const seePreflight = async (path: string, at: string, status: number) => {
    const { body, ...answer } = await call(`messages/${at}`, { method: "OPTIONS" });
    see(path, "options", status, { ...answer, body: status === 204 ? undefined : body });
  };
  for (const [path, method, at, body, fn, ok] of asks) {
    const ask = async (headers: HeadersInit = KEY, query = `?org=${org}`, given = body): Promise<Answer> => {
      await rested();
      return await call(`messages/${at}${query}`, {
        method: method.toUpperCase(),
        headers,
        ...(given === undefined ? {} : { body: given as Record<string, unknown> | string }),
      });
    };
    await set({ "messaging_v1.enabled": "false" });
    see(path, method, 404, await ask());
    await seePreflight(path, at, 404);
    await set({ "messaging_v1.enabled": "true" });
    await seePreflight(path, at, 204);
    see(path, method, 401, await ask({}));
    see(path, method, 403, await ask({ apikey: KEYS.publishableKey }));
    see(path, method, 405, await call(`messages/${at}`, { method: "DELETE" }));
    see(path, method, 422, await ask(KEY, "?org=moss"));
    const takesJson = openapi.paths[path][method].requestBody !== undefined;
    if (takesJson) {
      see(path, method, 400, await ask(KEY, undefined, "{"));
      see(path, method, 413, await ask(KEY, undefined, JSON.stringify({ text: "x".repeat(20_000) })));
      see(path, method, 422, await ask(KEY, undefined, { text: "" }));
    }
    await away(async () => see(path, method, 503, await ask()));
    await sql.unsafe(`alter function public.${fn} rename to elsewhere`);
    see(path, method, 503, await ask());
    const [, name, types] = /^(\w+)\((.*)\)$/.exec(fn)!;
    await sql.unsafe(`alter function public.elsewhere(${types}) rename to ${name}`);
    await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
    see(path, method, 503, await ask());
    await sql`delete from private.schema_breaks`;
    forgetRefusal();
    await reread();
    const keys = Deno.env.get("SUPABASE_SECRET_KEYS")!;
    Deno.env.delete("SUPABASE_SECRET_KEYS");
    forgetEnv();
    try {
      see(path, method, 500, await ask());
    } finally {
      Deno.env.set("SUPABASE_SECRET_KEYS", keys);
      forgetEnv();
    }
    see(path, method, ok, await ask());
    await rested();
    await sql`select public.take_rate('thread_text:key:default', 5, 60, 60)`;
    see(
      path,
      method,
      429,
      await call(`messages/${at}?org=${org}`, {
        method: method.toUpperCase(),
        headers: KEY,
        ...(body === undefined ? {} : { body: body as Record<string, unknown> }),
      }),
    );
  }
  await rested();
  const me = (headers: HeadersInit = owner) => call("messages/me", { method: "GET", headers });
  const seeMe = async (status: number, headers?: HeadersInit) =>
    see("/messages/me", "get", status, await me(headers));
  await seeMe(200);
  await seePreflight("/messages/me", "me", 204);
  await seeMe(401, {});
  await seeMe(403, KEY);
  see("/messages/me", "get", 405, await call("messages/me"));
  await set({ "messaging_v1.enabled": "false" });
  await seeMe(404);
  await seePreflight("/messages/me", "me", 404);
  await set({ "messaging_v1.enabled": "true" });
  await away(() => seeMe(503));
  await sql`alter function public.my_orgs() rename to elsewhere`;
  await seeMe(503);
  await sql`alter function public.elsewhere() rename to my_orgs`;
  await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
  // The refusal of one call is remembered for the next.
  await get(edge, "threads", owner);
  await seeMe(503);
  await sql`delete from private.schema_breaks`;
  forgetRefusal();
  await reread();
  const published = Deno.env.get("SUPABASE_PUBLISHABLE_KEYS")!;
  Deno.env.delete("SUPABASE_PUBLISHABLE_KEYS");
  forgetEnv();
  try {
    await seeMe(500);
  } finally {
    Deno.env.set("SUPABASE_PUBLISHABLE_KEYS", published);
    forgetEnv();
  }
  see("/messages/inbox/{id}/force", "post", 409, await post(edge, `inbox/${id}/force`, owner, reason));
  // Another transaction takes the sitter off the thread between the reading and the writing.
  await sql`
    create function public.take_off() returns trigger language plpgsql as $$
    begin
      raise exception 'the thread has changed' using errcode = 'GL409';
    end $$`;
  await sql`create trigger take_off before insert on public.thread_decisions for each row execute function public.take_off()`;
  see("/messages/threads/{id}/texts", "post", 409, await post(edge, `threads/${thread}/texts`, owner, text));
  assertAllMet((path) => path.startsWith("/messages/") && path !== "/messages/diagnostics");
});
