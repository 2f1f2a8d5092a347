/** A migration that older code must not run on: who marks it, what the database refuses, what the functions answer. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Sql } from "postgres";
import { basename, dirname } from "node:path";
import { listMigrations } from "../../lib/migrate.ts";
import { join, ROOT } from "../../lib/paths.ts";

import { loadConfig } from "../../supabase/functions/_shared/db/config.ts";
import { forgetRefusal, isTooOld, SCHEMA_VERSION } from "../../supabase/functions/_shared/db/schema.ts";
import { databaseTest } from "../support/database.ts";
import { type Edge, edgeTest, KEYS, NUMBER } from "../support/edge.ts";
import { advance } from "../support/monotonic_clock.ts";
import { until } from "../support/until.ts";

/** Of a migration that came later than this code, and breaks it. */
const LATER = "20991231000000";

/**
 * What the functions call that no version refuses, and why: two for health, which says what is wrong; counts, by which
 * that is seen; what has left the house, which would go out twice if nobody wrote that down; tokens that a provider gave in
 * exchange for the last ones; and who a person is.
 */
const OPEN = [
  "schema_state",
  "health",
  "add_counts",
  "add_measurements",
  "settle_deliveries",
  "settle_mailbox_token",
  "settle_outbound",
  "settle_notifications",
  "settle_status_posts",
  "note_card",
  "settle_card_edit",
  "settle_card_clear",
  "settle_analysis",
  "leave_circuit",
  "settle_chat_note",
  "pause_telegram_chat",
  "settle_oncall_event",
  "settle_oncall_lookup",
  "settle_oncall_page",
  "settle_oncall_ping",
  "whoami",
  "my_orgs",
];

/** Text of all that is deployed. */
async function deployed(folder = join(ROOT, "supabase", "functions")): Promise<string> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) texts.push(await deployed(path));
    else if (/\.ts$/.test(name) && !/(_test|testing)\.ts$/.test(name)) {
      texts.push(await Deno.readTextFile(path));
    }
  }
  return texts.join("\n");
}

/** Calls a function with nothing in its arguments, as PostgREST does for a caller with these headers; gives its SQLSTATE. */
async function stateOf(sql: Sql, signature: string, args: string, headers: object): Promise<string> {
  const name = signature.slice(0, signature.indexOf("("));
  const done = new Error("done");
  try {
    await sql.begin(async (sql) => {
      await sql`select set_config('request.headers', ${JSON.stringify(headers)}, true)`;
      await sql`set local role service_role`;
      await sql.unsafe(`select * from public.${name}(${args})`);
      throw done;
    });
  } catch (error) {
    return error === done ? "" : (error as { code: string }).code;
  }
  throw new Error("unreachable");
}

databaseTest(
  "each function that deployed code calls refuses outdated code, and no other caller",
  async (sql) => {
    await sql`insert into private.schema_breaks (version, why) values (${LATER}, 'a test')`;
    const text = await deployed();
    const functions = await sql<{ name: string; signature: string; args: string }[]>`
    select p.proname as name, p.oid::regprocedure::text as signature, (
      select coalesce(string_agg(case t when 'jsonb'::regtype then '''[]''' else 'null' end || '::' || format_type(t, null),
        ', ' order by i), '')
      from unnest(p.proargtypes::oid[]) with ordinality as a (t, i)) as args
    from pg_proc p where p.pronamespace = 'public'::regnamespace`;
    // \`status\` is a word of many other texts; the command line alone calls it.
    const called = functions.filter(({ name }) => name !== "status" && text.includes(`"${name}"`));
    assert(called.length > 30, `${called.length} functions were found`);
    for (const name of OPEN) assert(called.some((each) => each.name === name), `nobody calls ${name}`);
    for (const { name, signature, args } of called) {
      const refused = !OPEN.includes(name);
      const headers = { accept: "*/*", "x-gatelink-schema": SCHEMA_VERSION };
      assertEquals(await stateOf(sql, signature, args, headers) === "GL503", refused, signature);
      for (const open of [{}, { ...headers, "x-gatelink-schema": LATER }]) {
        assert(
          await stateOf(sql, signature, args, open) !== "GL503",
          `${signature} ${JSON.stringify(open)}`,
        );
      }
    }
  },
);

Deno.test("a breaking migration marks itself, and its reverse removes the mark", async () => {
  for (const { version, path } of listMigrations()) {
    const text = await Deno.readTextFile(path);
    if (!/insert into private\.schema_breaks/.test(text)) continue;
    assertMatch(text, new RegExp(`insert into private\\.schema_breaks[^;]*\\('${version}', '`), path);
    const reverse = join(dirname(path), "reverse", basename(path));
    const back = new RegExp(`delete from private\\.schema_breaks where version = '${version}'`);
    assertMatch(await Deno.readTextFile(reverse), back, reverse);
  }
});

const message = (id: string) => ({
  object: "whatsapp_business_account",
  entry: [{
    id: "1",
    changes: [{
      field: "messages",
      value: {
        messaging_product: "whatsapp",
        metadata: { display_phone_number: NUMBER.display, phone_number_id: NUMBER.id },
        contacts: [{ wa_id: "16505551234", profile: { name: "Ada" } }],
        messages: [{ from: "16505551234", id, timestamp: "1800000000", type: "text", text: { body: "hi" } }],
      },
    }],
  }],
});

const secret = { apikey: KEYS.secretKey };
/** One request a function that goes well on a database that takes this code. */
const REQUESTS: Record<string, (edge: Edge) => Promise<{ status: number; body: { code?: string } }>> = {
  "wa-webhook": ({ hook }) => hook(message("wamid.asked")),
  "wa-router": ({ call }) => call("wa-router", { headers: secret, body: {} }),
  "wa-send": ({ send }) => send({ to: "16505551234", type: "text", text: { body: "hello" } }),
  flags: ({ call }) =>
    call("flags/ofrep/v1/evaluate/flags", { headers: secret, body: { context: { targetingKey: "u1" } } }),
  metrics: ({ call }) => call("metrics", { method: "GET", headers: secret }),
  diagnostics: ({ call }) => call("diagnostics", { method: "GET", headers: secret }),
  health: ({ call }) => call("health", { method: "GET" }),
  "health/detailed": ({ call }) => call("health/detailed", { method: "GET", headers: secret }),
};

/** Marks the database as broken for this code, and takes that back. */
const breaks = (sql: Sql) =>
  sql`insert into private.schema_breaks (version, why) values (${LATER}, 'a test')`;
const mends = async (sql: Sql) => {
  await sql`delete from private.schema_breaks where version = ${LATER}`;
  advance(5001);
};

edgeTest(
  "every function answers 503 schema_too_new on a database too new for it, and serves again afterwards",
  async (edge) => {
    const { sql } = edge;
    await edge.hook(message("wamid.before"));
    try {
      for (const [name, request] of Object.entries(REQUESTS)) {
        const well = await until(`${name} serves`, async () => {
          const answer = await request(edge);
          if (answer.body.code !== "schema_too_new") return answer;
          // Work behind an earlier answer was refused after that was mended: so long it is remembered.
          advance(5001);
        });
        assert(well.status < 300 || well.body.code === "window_closed", `${name}: ${JSON.stringify(well)}`);
        await breaks(sql);
        // The copy of the configuration that was read a moment ago may still be used.
        advance(3001);
        forgetRefusal();
        let { status, body } = await request(edge);
        if (name === "wa-router") {
          // It answers before it works, and has heard of the migration when it has tried to.
          await until("the router has been refused", () => isTooOld());
          ({ status, body } = await request(edge));
        }
        assertEquals([status, body.code], [503, "schema_too_new"], name);
        await mends(sql);
        await edge.reread();
      }
    } finally {
      forgetRefusal();
    }
  },
);

edgeTest(
  "a webhook that arrives before this code has learnt of the migration is not stored, and is stored when repeated",
  async (edge) => {
    const { sql, hook } = edge;
    const stored = async () => (await sql`select from public.webhook_events`).length;
    await hook(message("wamid.first"));
    assertEquals(await stored(), 1);
    await breaks(sql);
    try {
      assertEquals(isTooOld(), false);
      const refused = await hook(message("wamid.second"));
      assertEquals([refused.status, refused.body.code], [503, "schema_too_new"]);
      assertEquals(refused.headers.get("retry-after"), "30");
      assertEquals(await stored(), 1);
      // From here on it is known, and nobody has to be asked.
      assertEquals(isTooOld(), true);
      assertEquals((await hook(message("wamid.second"))).status, 503);
      await mends(sql);
      // What was asked before may still hear the refusal, and tell of it.
      const taken = await until("it is taken", async () => {
        advance(60_000);
        const answer = await hook(message("wamid.second"));
        return answer.status === 200 ? answer.body : undefined;
      });
      assertEquals(taken, { received: 1, stored: 1, duplicates: 0 });
      assertEquals(await stored(), 2);
      await loadConfig();
    } finally {
      forgetRefusal();
    }
  },
);

edgeTest("health names the schema version of this code and the breaking migration", async (edge) => {
  const { sql, call } = edge;
  await breaks(sql);
  try {
    advance(1001);
    const brief = await call("health", { method: "GET" });
    assertEquals(brief.body.database, {
      needs: SCHEMA_VERSION,
      has: SCHEMA_VERSION,
      breaks: LATER,
      missing: [],
    });
    const { body } = await call("health/detailed", { method: "GET", headers: secret });
    const { status, why, needs, breaks: said } = body.components[0];
    assertEquals([status, needs, said], ["down", SCHEMA_VERSION, LATER]);
    assertEquals(why, `migration ${LATER} breaks this version, which was written for ${SCHEMA_VERSION}`);
  } finally {
    await mends(sql);
    forgetRefusal();
  }
});
