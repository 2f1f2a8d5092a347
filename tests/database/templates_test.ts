/** Templates in SQL: synchronising, what webhooks report, and the check of their status before a send. */
import { assert, assertEquals } from "../support/assert.ts";
import { ingest, message } from "../support/intake.ts";
import { destination } from "../support/deliveries.ts";
import { refusal } from "../support/callers.ts";
import { at, databaseTest, send, TO, to } from "../support/outbound.ts";
import type { Sql } from "postgres";

const TEMPLATE = {
  id: "7",
  name: "parcel",
  language: "en",
  category: "utility",
  status: "approved",
  quality: "green",
  parameter_format: "named",
  components: [{ type: "BODY", text: "Hello {{first_name}}" }],
  reason: null,
};

const store = async (sql: Sql, templates: Record<string, unknown>[], whole = true, account = "A") =>
  (await sql`select public.store_templates(${account}, ${sql.json(templates as never)}, ${whole}) as stored`)[
    0
  ].stored;

const claimAll = async (sql: Sql, all = false) =>
  (await sql`select public.claim_template_syncs(${all}) as claimed`)[0].claimed;

const due = async (sql: Sql) => (await sql`select private.templates_are_due(now()) as due`)[0].due;

const rows = async (sql: Sql) =>
  (await sql`select name, language, category, status, quality from public.wa_templates order by 1, 2`).map((
    row,
  ) => Object.values(row));

async function sender(sql: Sql): Promise<void> {
  await sql`insert into public.senders (id, address, account) values ('1', '4930111', 'A')`;
  await ingest(sql, message({ at: at(0) }));
}

let serial = 0;
const news = (told: Record<string, unknown>, time = new Date().toISOString()) => ({
  key: `x:t${++serial}`,
  field: "message_template_status_update",
  kind: "other",
  news: { what: "template", account: "A", id: "7", name: "parcel", language: "en", ...told },
  at: time,
  raw: {},
});

const soon = () => new Date(Date.now() + 60_000).toISOString();

const offer = (more: Record<string, unknown> = {}) => ({
  ...to(TO),
  message: { type: "template", template: { name: "parcel", language: { code: "en" } } },
  ...more,
});

databaseTest(
  "templates: due once per account, then every six hours, and at once for what is not known",
  async (sql) => {
    assertEquals(await due(sql), false, "no account");
    await sender(sql);
    assertEquals(await due(sql), true);
    assertEquals(await claimAll(sql), [{ account: "A", credentials: null }]);
    assertEquals([await due(sql), await claimAll(sql)], [false, []], "one at a time");
    assertEquals(await store(sql, [TEMPLATE]), { stored: 1, removed: 0 });
    assertEquals(await due(sql), false);
    await ingest(sql, news({ kind: "template.paused", status: "paused" }, soon()));
    assertEquals(await due(sql), false, "its whole is known");
    await ingest(sql, news({ id: "8", name: "other", kind: "template.approved", status: "approved" }));
    assertEquals(await due(sql), true);
    assertEquals((await claimAll(sql, true)).length, 1);
  },
);

databaseTest("templates: a sync replaces all, and a failed one is tried again later", async (sql) => {
  await sender(sql);
  await store(sql, [TEMPLATE, { ...TEMPLATE, language: "de", id: "8" }]);
  assertEquals(await store(sql, [{ ...TEMPLATE, language: "de", id: "8" }]), { stored: 1, removed: 1 });
  assertEquals(await store(sql, [{ ...TEMPLATE, name: "new", id: "9" }], false), { stored: 1, removed: 0 });
  assertEquals((await rows(sql)).map(([name, language]) => `${name} ${language}`), ["new en", "parcel de"]);
  await claimAll(sql, true);
  await sql`select public.fail_template_sync('A', 'the token has expired')`;
  const [{ list }] = await sql`select public.list_templates() as list`;
  assertEquals([list.syncs[0].error, list.templates.length], ["the token has expired", 2]);
  assertEquals(await due(sql), false);
});

databaseTest(
  "templates: what no webhook reported becomes an event once, and what one did does not",
  async (sql) => {
    await sender(sql);
    await store(sql, [TEMPLATE]);
    assertEquals((await sql`select from public.account_events`).length, 0, "nothing is news at first");
    await store(sql, [{ ...TEMPLATE, status: "paused", category: "marketing" }]);
    const kinds = async () =>
      (await sql`select kind from public.account_events order by id`).map(({ kind }) => kind);
    assertEquals(await kinds(), ["template.paused", "template.category_changed"]);
    await store(sql, [{ ...TEMPLATE, status: "paused", category: "marketing" }]);
    assertEquals((await kinds()).length, 2);
    await ingest(sql, news({ kind: "template.approved", status: "approved" }, soon()));
    await store(sql, [{ ...TEMPLATE, category: "marketing" }]);
    assertEquals(await kinds(), ["template.paused", "template.category_changed", "template.approved"]);
  },
);

databaseTest(
  "templates: services are told of a change once, whether the sync or the webhook comes first",
  async (sql) => {
    await sender(sql);
    await destination(sql, "all", { events: ["*"] });
    await store(sql, [TEMPLATE]);
    const told = async () =>
      (await sql`select type, detail, native is null as found from public.service_events order by seq`)
        .map(({ type, detail, found }) => [type, detail.template.category, detail.template.reason, found]);
    const records = async () => (await sql`select from public.account_events`).length;
    await store(sql, [{ ...TEMPLATE, status: "paused", category: "marketing", reason: "LOW_QUALITY" }]);
    const first = [["template.paused", "marketing", "LOW_QUALITY", true], [
      "template.category_changed",
      "marketing",
      undefined,
      true,
    ]];
    assertEquals(await told(), first);
    // Their webhooks come late: one was written before the sync, one after it.
    const paused = { what: "template", kind: "template.paused", status: "paused" };
    const changed = { what: "template", kind: "template.category_changed", category: "MARKETING" };
    const event = (type: string, more: Record<string, unknown> = {}) => ({
      event: { type, account: "A", detail: { template: { account: "A", id: "7", ...more } } },
    });
    await ingest(sql, { ...news(paused, at(0)), ...event("template.paused") });
    await ingest(sql, {
      ...news(changed, soon()),
      ...event("template.category_changed", { category: "marketing" }),
    });
    assertEquals([await told(), await records()], [first, 2]);
    // What is new is told, even if it is the same again.
    for (const status of ["approved", "paused"]) {
      await ingest(sql, {
        ...news({ kind: `template.${status}`, status }, soon()),
        ...event(`template.${status}`),
      });
    }
    const later = [...first, ["template.approved", undefined, undefined, false], [
      "template.paused",
      undefined,
      undefined,
      false,
    ]];
    assertEquals([await told(), await records()], [later, 4]);
    // The webhook came first.
    await store(sql, [{ ...TEMPLATE, status: "paused", category: "marketing" }]);
    assertEquals([await told(), await records()], [later, 4]);
  },
);

databaseTest(
  "templates: a webhook that comes while the templates are fetched is newer than they are",
  async (sql) => {
    await sender(sql);
    await store(sql, [TEMPLATE]);
    await claimAll(sql, true);
    await ingest(sql, news({ kind: "template.paused", status: "paused" }, soon()));
    await store(sql, [TEMPLATE]);
    assertEquals((await rows(sql))[0][3], "paused");
    assertEquals(await due(sql), false);
    const [{ seconds }] = await sql`
      select extract(epoch from due_at - now())::int as seconds from private.template_syncs`;
    assert(seconds <= 60, "it is asked again soon");
    assertEquals((await sql`select kind from public.account_events`).map(({ kind }) => kind), [
      "template.paused",
    ]);
  },
);

databaseTest(
  "templates: what Meta decides while a change of ours is written is asked soon, whichever comes first",
  async (sql) => {
    await sender(sql);
    await store(sql, [TEMPLATE]);
    await ingest(sql, news({ kind: "template.rejected", status: "rejected" }, soon()));
    assertEquals(await due(sql), false);
    await store(sql, [{ ...TEMPLATE, status: "pending" }], false);
    assertEquals([(await rows(sql))[0][3], await due(sql)], ["pending", true]);
    await claimAll(sql);
    await store(sql, [{ ...TEMPLATE, status: "rejected" }]);
    assertEquals([(await rows(sql))[0][3], await due(sql)], ["rejected", false]);
  },
);

databaseTest(
  "templates: what is changed here while they are fetched stays, and they are fetched again soon",
  async (sql) => {
    await sender(sql);
    const [old, gone] = [{ ...TEMPLATE, name: "old", id: "8" }, { ...TEMPLATE, name: "gone", id: "9" }];
    await store(sql, [TEMPLATE, old, gone]);
    await sql`update public.wa_templates set synced_at = synced_at - interval '1 hour'`;
    await sql`update private.template_categories set at = at - interval '1 hour'`;
    await claimAll(sql, true);
    // It began a minute ago.
    await sql`update private.template_syncs set started_at = started_at - interval '1 minute', due_at = due_at - interval '1 minute'`;
    const components = [{ type: "BODY", text: "Good day" }];
    await store(sql, [{ ...TEMPLATE, status: "pending", category: "marketing", components }], false);
    await store(sql, [{ ...TEMPLATE, name: "new", id: "10", status: "pending" }], false);
    assertEquals((await sql`select public.remove_template('A', 'gone', 'en') as was`)[0].was, true);
    await store(sql, [TEMPLATE, gone]);
    assertEquals(
      (await rows(sql)).filter(([name]) => name !== "gone"),
      [["new", "en", "utility", "pending", "green"], ["parcel", "en", "marketing", "pending", "green"]],
    );
    assertEquals(
      [
        ...await sql`select t.components, c.category from public.wa_templates t
        join private.template_categories c on c.name = t.name and c.language = t.language where t.name = 'parcel'`,
      ],
      [{ components, category: "marketing" }],
    );
    assertEquals(
      (await sql`select kind from public.account_events`).map(({ kind }) => kind),
      ["template.category_changed"],
      "Meta has approved nothing",
    );
    assertEquals(await due(sql), true);
    await claimAll(sql);
    await store(sql, [TEMPLATE]);
    assertEquals([await rows(sql), await due(sql)], [
      [["parcel", "en", "utility", "approved", "green"]],
      false,
    ]);
  },
);

for (
  const [what, change] of [
    ["a change of ours", (sql: Sql) => store(sql, [TEMPLATE], false)],
    ["a removal", (sql: Sql) => sql`select public.remove_template('A', 'parcel', 'en')`],
    [
      "news of one that is not known",
      (sql: Sql) =>
        ingest(sql, news({ id: "8", name: "other", kind: "template.approved", status: "approved" })),
    ],
  ] as const
) {
  databaseTest(`templates: ${what} while they are fetched has them fetched again`, async (sql) => {
    await sender(sql);
    await store(sql, [TEMPLATE]);
    await claimAll(sql, true);
    await change(sql);
    await store(sql, [TEMPLATE]);
    assertEquals(await due(sql), true);
  });
}

databaseTest(
  "templates: webhooks change status, quality and category, and never go back in time",
  async (sql) => {
    await sender(sql);
    await store(sql, [TEMPLATE]);
    await ingest(sql, news({ kind: "template.paused", status: "paused" }, soon()));
    await ingest(sql, news({ kind: "template.approved", status: "approved" }, at(0)));
    await ingest(
      sql,
      news({ name: undefined, language: undefined, kind: "template.quality", quality: "red" }, soon()),
    );
    await ingest(sql, news({ kind: "template.category_changed", category: "MARKETING" }, soon()));
    assertEquals(await rows(sql), [["parcel", "en", "marketing", "paused", "red"]]);
    await ingest(sql, news({ kind: "template.deleted", status: "deleted" }, soon()));
    assertEquals(await rows(sql), []);
  },
);

databaseTest(
  "templates: one that Meta would refuse is refused before it is queued, on every way",
  async (sql) => {
    await sender(sql);
    assertEquals((await send(sql, 1, offer()))[0].error, undefined, "what is not known is left to Meta");
    await store(sql, [TEMPLATE]);
    assertEquals((await send(sql, 2, offer()))[0].error, undefined);
    await ingest(sql, news({ kind: "template.paused", status: "paused" }, soon()));
    assertEquals((await send(sql, 3, offer()))[0].error, "template_not_sendable");
    const [{ id }] = await sql`select id from public.conversations`;
    const key = crypto.randomUUID();
    const panel = async () =>
      (await sql`select public.send_template(${id}, ${sql.json(offer().message)}, ${key}) as answer`)[0]
        .answer;
    assertEquals(await panel(), { error: "template_not_sendable" });
    await ingest(sql, news({ kind: "template.approved", status: "approved" }, soon()));
    const answer = await panel();
    assertEquals([answer.status, (await panel()).repeated], ["queued", true]);
    assertEquals((await sql`select act from public.contact_acts`).map(({ act }) => act), ["replied"]);
    assertEquals(await refusal(sql`select public.send_template(${id}, '{"type": "text"}', ${key})`), "GL422");
  },
);

databaseTest(
  "templates: the template of another account with the same name says nothing about this one's",
  async (sql) => {
    await sender(sql);
    await sql`insert into public.senders (id, address, account) values ('2', '4930222', 'B')`;
    await store(sql, [{ ...TEMPLATE, status: "paused" }], true, "B");
    await store(sql, [TEMPLATE]);
    assertEquals((await send(sql, 1, offer({ number_id: "1" })))[0].error, undefined);
    assertEquals((await send(sql, 2, offer({ number_id: "2" })))[0].error, "template_not_sendable");
  },
);

databaseTest(
  "list_templates(): pages by name hold each language once, and a search is SQL's",
  async (sql) => {
    await sender(sql);
    const kinds = ["parcel", "alarm", "visit"].flatMap((name) =>
      ["en", "de", "fr"].map((language) => ({ name, language }))
    );
    await store(sql, kinds.map((one, i) => ({ ...TEMPLATE, ...one, id: `${i}` })));
    type Listed = { name: string; language: string; account: string };
    const page = async (filter: Record<string, unknown>, limit: number | null) =>
      (await sql`select public.list_templates(${
        sql.json(filter as Record<string, string>)
      }, ${limit}) as list`)[0].list
        .templates as Listed[];
    const whole = await page({}, null);
    assertEquals(whole.length, 9);
    for (const size of [1, 2, 5]) {
      const read: Listed[] = [];
      for (;;) {
        const last = read.at(-1);
        const next = await page(
          last ? { after: { name: last.name, language: last.language, account: last.account } } : {},
          size,
        );
        read.push(...next);
        if (next.length < size) break;
      }
      assertEquals(read, whole, `pages of ${size}`);
    }
    const names = async (filter: Record<string, unknown>) =>
      (await page(filter, null)).map(({ name, language }) => `${name} ${language}`);
    assertEquals(await names({ search: "ALARM F" }), ["alarm fr"]);
    assertEquals(await names({ account: "A", name: "visit", language: "de" }), ["visit de"]);
  },
);
