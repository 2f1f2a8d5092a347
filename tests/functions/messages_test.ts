/** `GET messages/diagnostics`: who gets what, with the flags on and off. */
import { assert, assertEquals } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { type Caller, signedIn } from "../support/callers.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { addOrg, book, type OrgRows } from "../support/masking.ts";
import { witness } from "../support/openapi.ts";
import { tokenOf } from "../support/tokens.ts";

const KEY = { apikey: KEYS.secretKey };

const ask = ({ call }: Edge, headers: HeadersInit, org?: string) =>
  call(`messages/diagnostics${org === undefined ? "" : `?org=${org}`}`, { method: "GET", headers });

/** Runs with a variable of the environment. */
async function withVariable(name: string, value: string, use: () => Promise<void>): Promise<void> {
  Deno.env.set(name, value);
  try {
    await use();
  } finally {
    Deno.env.delete(name);
  }
}

/** An organisation with an owner, an admin, a sitter and a stranger. */
async function scene(
  { sql }: Edge,
): Promise<OrgRows & { owner: Caller; admin: Caller; sitter: Caller; stranger: Caller }> {
  const rows = await addOrg(sql);
  const [owner, admin, sitter, stranger] = [
    await signedIn(sql),
    await signedIn(sql),
    await signedIn(sql),
    await signedIn(sql),
  ];
  await sql`select public.set_org_member(${rows.org}, 'owner', ${owner.sub!})`;
  await sql`select public.set_org_member(${rows.org}, 'admin', ${admin.sub!})`;
  await sql`select public.set_org_member(${rows.org}, 'sitter', ${sitter.sub!}, ${rows.sitters[0].contact})`;
  return { ...rows, owner, admin, sitter, stranger };
}

edgeTest(
  "diagnostics of messages: 404 while off, to everybody and before anybody is asked who they are",
  async (edge) => {
    const { org, owner } = await scene(edge);
    const all = [{}, KEY, { apikey: KEYS.publishableKey }, tokenOf(owner), {
      authorization: "Bearer nonsense",
    }];
    const statuses = async () => {
      const answers = [];
      for (const headers of all) answers.push((await ask(edge, headers, org)).status);
      return answers;
    };
    assertEquals(await statuses(), [404, 404, 404, 404, 404]);
    await withVariable(
      "ENABLE_MESSAGING_V1",
      "true",
      async () => assertEquals(await statuses(), [401, 200, 403, 200, 401]),
    );
    await withVariable("ENABLE_MESSAGING_V1", "false", async () => {
      await edge.set({ "messaging_v1.enabled": { value: "true", metadata: { rollout_percentage: 100 } } });
      assertEquals(await statuses(), [404, 404, 404, 404, 404]);
    });
    assertEquals(await statuses(), [401, 200, 403, 200, 401]);
    // A setting decides alone.
    await edge.set({ "messaging_v1.enabled": { value: "false", metadata: {} } });
    await withVariable(
      "ENABLE_MESSAGING_V1",
      "true",
      async () => assertEquals(await statuses(), [404, 404, 404, 404, 404]),
    );
  },
);

edgeTest(
  "full rollback: all three variables false answer 404 to everybody, and threads stay",
  async (edge) => {
    const rows = await scene(edge);
    for (const flag of ["messaging_v1", "proactive_thread_creation", "sitter_messages_v1"]) {
      await edge.set({ [`${flag}.enabled`]: { value: "true", metadata: { rollout_percentage: 100 } } });
    }
    const booking = await book(edge.sql, rows, 0, "b");
    await edge.sql`select public.assign_sitter(${booking}, ${rows.sitters[0].member}, true)`;
    const all = [KEY, tokenOf(rows.owner), tokenOf(rows.admin), tokenOf(rows.sitter), {}];
    const statuses = async () => {
      const answers = [];
      for (const headers of all) answers.push((await ask(edge, headers, rows.org)).status);
      return answers;
    };
    const threads = () => edge.sql`select id, state, message_number_id from public.threads order by id`;
    const before = [...await threads()];
    assertEquals([await statuses(), before.length], [[200, 200, 200, 403, 401], 1]);
    await withVariable(
      "ENABLE_MESSAGING_V1",
      "false",
      () =>
        withVariable(
          "ENABLE_PROACTIVE_THREAD_CREATION",
          "false",
          () =>
            withVariable("ENABLE_SITTER_MESSAGES_V1", "false", async () => {
              assertEquals(await statuses(), [404, 404, 404, 404, 404]);
              assertEquals([...await threads()], before);
            }),
        ),
    );
    // Recovery: the same threads, in use again.
    assertEquals(await statuses(), [200, 200, 200, 403, 401]);
  },
);

edgeTest("diagnostics of messages: by organisation, for its owner and admin alone", async (edge) => {
  const { sql, set } = edge;
  const { org, owner, admin, sitter, stranger } = await scene(edge);
  const [{ id: other }] = await sql`select public.set_org(null, '{"name": "Elsewhere"}') ->> 'id' as id`;
  await set({ "messaging_v1.enabled": { value: "true", metadata: { target_user_ids: [`org:${org}`] } } });
  for (const caller of [owner, admin]) assertEquals((await ask(edge, tokenOf(caller))).body.org_id, org);
  assertEquals((await ask(edge, tokenOf(owner), other)).status, 404, "off for the other one");
  assertEquals((await ask(edge, KEY, other)).status, 404);
  assertEquals((await ask(edge, KEY, crypto.randomUUID())).status, 404);
  assertEquals((await ask(edge, tokenOf(sitter))).status, 404, "sitters have nothing yet");
  await set({ "sitter_messages_v1.enabled": { value: "true", metadata: { rollout_percentage: 100 } } });
  assertEquals((await ask(edge, tokenOf(sitter))).status, 403);
  assertEquals((await ask(edge, tokenOf(stranger))).status, 403);
  assertEquals((await ask(edge, tokenOf(stranger), org)).status, 403);
  assertEquals((await ask(edge, tokenOf(owner, "another secret"))).status, 401);
  assertEquals((await ask(edge, KEY)).status, 422);
  // Whoever is no member any more has lost it at once.
  await sql`delete from public.org_members where user_id = ${admin.sub!}`;
  assertEquals((await ask(edge, tokenOf(admin), org)).status, 403);
  // Of two organisations one is named.
  await sql`select public.set_org_member(${other}, 'owner', ${owner.sub!})`;
  assertEquals((await ask(edge, tokenOf(owner))).status, 422);
});

edgeTest(
  "diagnostics of messages: threads by class, counts, decisions without numbers, flags and what says so",
  async (edge) => {
    const { sql, set } = edge;
    const rows = await scene(edge);
    await set({ "messaging_v1.enabled": { value: "true", metadata: { rollout_percentage: 100 } } });
    const booking = await book(sql, rows, 0, "b");
    const [{ assigned }] = await sql`select public.assign_sitter(${booking}, ${
      rows.sitters[0].member
    }, true) as assigned`;
    await sql`select public.record_decision(${
      sql.json({
        org_id: rows.org,
        thread_id: assigned.thread.thread_id,
        from_role: "sitter",
        from_last4: "12025550200",
        outcome: "blocked",
        reason: "anti_poaching",
        types: ["phone"],
      })
    }, '[]')`;
    await withVariable("ENABLE_PROACTIVE_THREAD_CREATION", "true", async () => {
      const { body, headers } = await ask(edge, KEY, rows.org);
      assertEquals(headers.get("cache-control"), "no-store");
      assertEquals(body.threads, { front_desk: 0, sitter: 0, pool: 1 });
      assertEquals([body.antiPoachingBlocked, body.ownerInboxRouted, body.sitterNoActiveWindow], [1, 0, 0]);
      assertEquals(body.decisions.map((one: Record<string, unknown>) => [one.outcome, one.from, one.types]), [
        ["blocked", "…0200", ["phone"]],
      ]);
      assertEquals(body.flags, {
        ENABLE_MESSAGING_V1: { value: true, from: "setting" },
        ENABLE_PROACTIVE_THREAD_CREATION: { value: true, from: "environment" },
        ENABLE_SITTER_MESSAGES_V1: { value: false, from: "default" },
      });
      assert(!JSON.stringify(body).includes("1202555"), "a number is shown");
    });
  },
);

edgeTest("diagnostics of messages: answers are as in openapi.yaml", async (edge) => {
  const { sql, set, call, away, reread } = edge;
  const { see, assertAllMet } = witness();
  const { org } = await scene(edge);
  const path = "/messages/diagnostics";
  see(path, "get", 404, await ask(edge, KEY, org));
  await set({ "messaging_v1.enabled": { value: "true", metadata: { rollout_percentage: 100 } } });
  see(path, "get", 200, await ask(edge, KEY, org));
  see(path, "get", 401, await ask(edge, {}, org));
  see(path, "get", 403, await ask(edge, { apikey: KEYS.publishableKey }, org));
  see(path, "get", 405, await call("messages/diagnostics"));
  see(path, "get", 422, await ask(edge, KEY, "moss"));
  const keys = Deno.env.get("SUPABASE_SECRET_KEYS")!;
  Deno.env.delete("SUPABASE_SECRET_KEYS");
  forgetEnv();
  try {
    see(path, "get", 500, await ask(edge, KEY, org));
  } finally {
    Deno.env.set("SUPABASE_SECRET_KEYS", keys);
    forgetEnv();
  }
  await away(async () => see(path, "get", 503, await ask(edge, KEY, org)));
  await sql`alter function public.messages_diagnostics(uuid) rename to diagnostics_of_messages`;
  see(path, "get", 503, await ask(edge, KEY, org));
  await sql`alter function public.diagnostics_of_messages(uuid) rename to messages_diagnostics`;
  await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
  see(path, "get", 503, await ask(edge, KEY, org));
  await sql`delete from private.schema_breaks`;
  forgetRefusal();
  await reread();
  assertAllMet((path) => path === "/messages/diagnostics");
});
