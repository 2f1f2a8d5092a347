/** Announcements: who an audience is, who gets what, each person once, stopped and resumed; and for whom a feature failed. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { ANON, as, refusal, signedIn } from "../support/callers.ts";
import { at, claim, databaseTest, HOUR, settle, T0 } from "../support/outbound.ts";
import { ingest, message } from "../support/intake.ts";

const FLAG = "checkout.enabled";
const phone = (n: number) => `49151000${String(n).padStart(5, "0")}`;

/** People who wrote so many hours before T0, one each; answers their contacts' ids. */
async function people(sql: Sql, ...hoursAgo: number[]): Promise<string[]> {
  const ids: string[] = [];
  for (const [n, hours] of hoursAgo.entries()) {
    await ingest(sql, message({ phone: phone(n), at: new Date(T0 - hours * 3_600_000).toISOString() }));
    const [{ id }] = await sql`select contact_id as id from public.contact_identities where value = ${
      phone(n)
    }`;
    ids.push(id);
  }
  return ids;
}

interface View {
  id: string;
  version: number;
  state: string;
  people: number;
  unreachable: number;
  pending: number;
  queued: number;
  left_out: Record<string, number>;
  waits: Record<string, number>;
  would: Record<string, number> | null;
  statuses: Record<string, number>;
}

const TEMPLATE = { name: "news", language: "en", category: "utility", parameters: ["Friday"] };

async function create(sql: Sql, audience: unknown, more: Record<string, unknown> = {}): Promise<View> {
  const [{ made }] = await sql`select private.create_announcement(${
    sql.json({ name: "news", text: "It is here.", audience, ...more } as never)
  }, ${at(0)}) as made`;
  return made;
}

const start = (sql: Sql, { id, version }: View) =>
  sql<{ view: View }[]>`select public.start_announcement(${id}, ${version}) as view`.then(([{ view }]) =>
    view
  );

const tick = (sql: Sql, seconds: number) =>
  sql<{ n: number }[]>`select private.send_announcements(${at(seconds)}) as n`.then(([{ n }]) => n);

const read = (sql: Sql, { id }: View) =>
  sql<{ view: View }[]>`select private.announcement_view(a, ${
    at(0)
  }) as view from public.announcements a where id = ${id}`
    .then(([{ view }]) => view);

/** What is queued, by recipient. */
const queue = async (sql: Sql) =>
  (await sql`select o.recipient, m.type, m.native from public.outbound_messages o
    join public.messages m on m.id = o.message_id order by o.recipient`)
    .map(({ recipient, type }) => `${recipient} ${type}`);

databaseTest(
  "announcement: who wrote gets the text, who did not the template, who opted out nothing",
  async (sql) => {
    await people(sql, 1, 30, 1, 300);
    await sql`select public.set_opt_out(${phone(2)})`;
    const draft = await create(sql, { kind: "wrote", days: 30 }, { template: TEMPLATE });
    assertEquals([draft.state, draft.people, draft.pending], ["draft", 4, 4]);
    assertEquals(draft.would, { text: 1, template: 2, opted_out: 1 });
    assertEquals(await tick(sql, 0), 0, "a draft is sent to nobody");
    const started = await start(sql, draft);
    assertEquals([started.state, started.would], ["sending", null]);
    assertEquals(await tick(sql, 0), 3);
    assertEquals(await queue(sql), [`${phone(0)} text`, `${phone(1)} template`, `${phone(3)} template`]);
    const [{ native }] = await sql`select native from public.messages where type = 'template' limit 1`;
    assertEquals(native, {
      type: "template",
      category: "utility",
      template: {
        name: "news",
        language: { code: "en" },
        components: [{ type: "body", parameters: [{ type: "text", text: "Friday" }] }],
      },
    });
    const done = await read(sql, draft);
    assertEquals([done.state, done.queued, done.left_out], ["done", 3, { opted_out: 1 }]);
    assertEquals(done.statuses, { queued: 3 });
  },
);

databaseTest(
  "announcement: without a template the closed window leaves people out, and the preview says so",
  async (sql) => {
    await people(sql, 1, 30);
    const draft = await create(sql, { kind: "wrote", days: 30 });
    assertEquals(draft.would, { text: 1, window_closed: 1 });
    await start(sql, draft);
    await tick(sql, 0);
    assertEquals((await read(sql, draft)).left_out, { window_closed: 1 });
    assertEquals(await queue(sql), [`${phone(0)} text`]);
  },
);

databaseTest("announcement: days bound who wrote", async (sql) => {
  await people(sql, 1, 10 * 24);
  assertEquals((await create(sql, { kind: "wrote", days: 5 })).people, 1);
  assertEquals((await create(sql, { kind: "wrote", days: 20 })).people, 2);
});

databaseTest(
  "announcement: a person gets it once, whatever is repeated, and whoever turns out to be one",
  async (sql) => {
    const [first, second] = await people(sql, 1, 1, 1);
    const draft = await create(sql, { kind: "wrote", days: 1 }, { per_minute: 6 });
    await start(sql, draft);
    assertEquals(await tick(sql, 0), 1);
    // The record of the first one is lost, and two turn out to be one person.
    await sql`update public.announcement_recipients set state = 'pending', next_at = '-infinity', message_id = null where state = 'queued'`;
    const [one, other] = [first, second].sort();
    await sql`update public.contacts set merged_into = ${one} where id = ${other}`;
    for (let n = 1; n < 10; n++) {
      const claimed = await claim(sql, n * 60);
      await settle(sql, n * 60, claimed, { outcome: "sent", provider_id: `wamid.out${n}` });
      await tick(sql, n * 60);
    }
    const done = await read(sql, draft);
    assertEquals([done.state, done.left_out], ["done", { merged: 1 }]);
    const [{ n }] = await sql`select count(*)::int as n from public.outbound_messages`;
    assertEquals(n, 2);
  },
);

databaseTest("announcement: goes in batches and waits until the queue has sent them", async (sql) => {
  await people(sql, ...Array.from({ length: 5 }, () => 1));
  const draft = await create(sql, { kind: "wrote", days: 1 }, { per_minute: 12 });
  await start(sql, draft);
  assertEquals([await tick(sql, 0), await tick(sql, 10)], [2, 0], "two are not sent yet");
  const claimed = await claim(sql, 11);
  await settle(sql, 11, claimed, { outcome: "sent", provider_id: "wamid.out1" });
  assertEquals(await tick(sql, 20), claimed.length);
});

databaseTest("announcement: is stopped, says why, and goes on where it was", async (sql) => {
  await people(sql, 1, 1, 1);
  const draft = await create(sql, { kind: "wrote", days: 1 }, { per_minute: 6 });
  const started = await start(sql, draft);
  await tick(sql, 0);
  const [{ stopped }] =
    await sql`select public.stop_announcement(${draft.id}, ${started.version}, 'a wrong link') as stopped`;
  assertEquals([stopped.state, stopped.stopped_because, stopped.pending], ["stopped", "a wrong link", 2]);
  const claimed = await claim(sql, 5);
  await settle(sql, 5, claimed, { outcome: "sent", provider_id: "wamid.out1" });
  assertEquals(await tick(sql, 10), 0);
  await start(sql, stopped);
  assertEquals(await tick(sql, 20), 1);
});

databaseTest(
  "announcement: whoever opts out while it is sent gets nothing, and waits for a sender that is held",
  async (sql) => {
    await people(sql, 1, 1);
    const draft = await create(sql, { kind: "wrote", days: 1 });
    await start(sql, draft);
    await sql`update public.senders set held_since = now() where channel = 'whatsapp'`;
    assertEquals(await tick(sql, 0), 0);
    const held = await read(sql, draft);
    assertEquals([held.state, held.pending, held.waits], ["sending", 2, { sender_held: 2 }]);
    await sql`update public.senders set held_since = null where channel = 'whatsapp'`;
    await sql`select public.set_opt_out(${phone(1)})`;
    assertEquals(await tick(sql, 59), 0, "tried again after a minute");
    assertEquals(await tick(sql, 60), 1);
    assertEquals((await read(sql, draft)).left_out, { opted_out: 1 });
  },
);

databaseTest("announcement: for whom sending is off it waits", async (sql) => {
  const [first] = await people(sql, 1, 1);
  await sql`update public.settings set metadata = ${
    sql.json({ rollout_percentage: 0, target_user_ids: [first] })
  } where key = 'wa_send.enabled'`;
  const draft = await create(sql, { kind: "wrote", days: 1 });
  await start(sql, draft);
  assertEquals(await tick(sql, 0), 1);
  assertEquals((await read(sql, draft)).waits, { feature_off: 1 });
  await sql`update public.settings set metadata = '{}' where key = 'wa_send.enabled'`;
  assertEquals(await tick(sql, 60), 1);
});

databaseTest(
  "announcement: a flag's audience are its targets, its segments, and those of the percentage who wrote",
  async (sql) => {
    const ids = await people(sql, 1, 1, 1, 40 * 24);
    await sql`insert into public.segments (key) values ('beta')`;
    await sql`insert into public.segment_members (segment_key, subject_id) values ('beta', ${
      ids[3]
    }), ('beta', 'of-another-system')`;
    await sql`insert into public.settings (key, value, metadata) values (${FLAG}, 'true', ${
      sql.json({ rollout_percentage: 0, target_user_ids: [ids[0]], target_segments: ["beta"] })
    })`;
    const targets = await create(sql, { kind: "flag", flag_key: FLAG });
    assertEquals([targets.people, targets.unreachable], [2, 1]);
    await sql`update public.settings set metadata = metadata || '{"rollout_percentage": 100}' where key = ${FLAG}`;
    assertEquals((await create(sql, { kind: "flag", flag_key: FLAG })).people, 4);
    assertEquals((await create(sql, { kind: "flag", flag_key: FLAG, targets_only: true })).people, 2);
    const segment = await create(sql, { kind: "segments", segments: ["beta"] });
    assertEquals([segment.people, segment.unreachable], [1, 1]);
    await sql`update public.settings set value = 'false' where key = ${FLAG}`;
    assertEquals(
      (await create(sql, { kind: "flag", flag_key: FLAG, days: 60 })).people,
      2,
      "nobody but targets has it",
    );
  },
);

databaseTest("affected: those for whom it failed with the feature, and nobody else", async (sql) => {
  const ids = await people(sql, 1, 1, 1);
  await sql`insert into public.settings (key, value) values (${FLAG}, 'true')`;
  const minute = Math.floor(T0 / 60_000);
  const outcomes = (arm: string, people: [string, boolean, number][], at = minute) => ({
    flag: FLAG,
    arm,
    minute: at,
    n: 10,
    failed: people.filter(([, failed]) => failed).length,
    timed: 0,
    ms: 0,
    le: Array(27).fill(0),
    people,
  });
  const record = (seconds: number, ...sums: unknown[]) =>
    sql`select private.record_outcomes(${sql.json(sums as never)}, ${at(seconds)})`;
  await record(
    60,
    outcomes("on", [[ids[0], true, 0], [ids[1], false, 20], ["guest-7", true, 0]]),
    outcomes("off", [[ids[2], true, 0]]),
  );
  await record(3600, outcomes("on", [[ids[0], true, 0]], minute + 60));
  const list = async (since: string | null = null) =>
    (await sql`select public.list_affected(${FLAG}, ${since}) as list`)[0].list;
  const all = await list();
  assertEquals([all.people, all.contacts, all.failures], [2, 1, 3]);
  assertEquals(
    all.rows.map((
      row: Record<string, unknown>,
    ) => [row.subject_id, row.contact_id, row.last_four, row.failures]),
    [[ids[0], ids[0], phone(0).slice(-4), 2], ["guest-7", null, null, 1]],
  );
  assertEquals((await list(at(120))).people, 1);
  const viewer = await signedIn(sql, "viewer");
  const [{ seen }] = await as(sql, viewer, (sql) => sql`select public.list_affected(${FLAG}) as seen`);
  assertEquals(
    seen.rows[1].subject_id,
    "…st-7".slice(0, 1) + "t-7".padStart(3),
    "an id of another system is cut",
  );
  const draft = await create(sql, { kind: "affected", flag_key: FLAG });
  assertEquals([draft.people, draft.unreachable], [1, 1]);
  await start(sql, draft);
  await tick(sql, 0);
  assertEquals(await queue(sql), [`${phone(0)} text`]);

  await sql`select private.purge_flag_metrics(${at(59 * 24 * HOUR)})`;
  assertEquals((await list()).people, 2);
  await sql`select private.purge_flag_metrics(${at(60 * 24 * HOUR + 60)})`;
  assertEquals((await list()).people, 1, "sixty days after the last failure");
});

databaseTest("announcement: what cannot be is refused, and who may not", async (sql) => {
  await people(sql, 1);
  const wrote = { kind: "wrote", days: 1 };
  const make = (announcement: unknown) =>
    refusal(sql`select public.create_announcement(${sql.json(announcement as never)})`);
  assertEquals(await make({ name: "a", audience: wrote }), "23514", "no words");
  assertEquals(await make({ name: " ", text: "a", audience: wrote }), "23514");
  assertEquals(await make({ name: "a", text: 1, audience: wrote }), "GL422");
  assertEquals(await make({ name: "a", text: "a", audience: { kind: "wrote" } }), "GL422");
  assertEquals(await make({ name: "a", text: "a", audience: { kind: "all" } }), "GL422");
  assertEquals(await make({ name: "a", text: "a" }), "GL422");
  assertEquals(await make({ name: "a", text: "a", audience: wrote, per_minute: 5 }), "GL422");
  assertEquals(await make({ name: "a", text: "a", audience: wrote, template: { name: "No Name" } }), "GL422");
  assertEquals(await make({ name: "a", text: "a", audience: wrote, number_id: "none" }), "GL404");
  assertEquals(
    await make({ name: "a", text: "a", audience: { kind: "segments", segments: ["none"] } }),
    "GL404",
  );
  assertEquals(
    await make({ name: "a", text: "a", audience: { kind: "affected", flag_key: "no.enabled" } }),
    "GL404",
  );
  assertEquals(
    await make({
      name: "a",
      text: "a",
      audience: { kind: "affected", flag_key: "wa_send.enabled", since: "soon" },
    }),
    "GL422",
  );

  const draft = await create(sql, wrote);
  const on = (name: string, version: number | null = 1) =>
    refusal(sql.unsafe(`select public.${name}('${draft.id}', ${version})`));
  assertEquals(await on("start_announcement", 2), "GL409");
  assertEquals(await on("start_announcement", null), "GL422");
  assertEquals(await on("stop_announcement"), "GL409");
  assertEquals(await refusal(sql`select public.start_announcement(${crypto.randomUUID()}, 1)`), "GL404");
  const nobody = await create(sql, { kind: "affected", flag_key: "wa_send.enabled" });
  assertEquals(await refusal(sql`select public.start_announcement(${nobody.id}, 1)`), "GL409", "for nobody");
  for (const caller of [ANON, await signedIn(sql), await signedIn(sql, "viewer")]) {
    const start = as(sql, caller, (sql) => sql`select public.start_announcement(${draft.id}, 1)`);
    assertEquals(await refusal(start), "42501");
  }
  await start(sql, draft);
  assertEquals(await on("delete_announcement", 2), "GL409", "what is sent stays on record");
  assertEquals(await on("delete_announcement", 1), "GL409");
  const [{ gone }] = await sql`select public.delete_announcement(${nobody.id}, 1) as gone`;
  assert(gone);
});
