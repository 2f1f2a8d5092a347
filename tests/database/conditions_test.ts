/** Conditions of routes at the database's door: what the router could not use is not stored. */
import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import {
  ConditionError,
  parseCondition,
} from "../../supabase/functions/_shared/contract/routing/condition.ts";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { conditions } from "../support/conditions.ts";
import { holds } from "../support/property.ts";

const refusedBy = {
  router: (condition: unknown): boolean => {
    try {
      parseCondition(condition);
      return false;
    } catch (error) {
      assert(error instanceof ConditionError);
      return true;
    }
  },
  database: async (sql: Sql, conditions: unknown[]): Promise<(string | null)[]> => {
    const rows = await sql<{ fault: string | null }[]>`
      select private.condition_fault(c.condition) as fault
      from jsonb_array_elements(${
      sql.json(conditions as never)
    }) with ordinality as c (condition, i) order by c.i`;
    return rows.map(({ fault }) => fault);
  },
};

const nested = (depth: number): unknown =>
  depth === 1 ? { type: "any" } : { type: "not", of: nested(depth - 1) };

databaseTest("condition_fault: refuses what the router refuses, and says where", async (sql) => {
  const cases: [condition: unknown, said: RegExp | null][] = [
    [{ type: "any" }, null],
    [{ type: "default" }, null],
    [{ type: "any", of: [{ type: "default" }] }, null],
    [{ type: "text", match: "exact", value: "a" }, null],
    [{ type: "text", match: "regex", values: ["a"], case_sensitive: true }, null],
    [{ type: "referral" }, null],
    [{ type: "referral", source_id: "1", ctwa: false }, null],
    [{ type: "link_token", present: false }, null],
    [{ type: "link", tags: ["a"] }, null],
    [
      { type: "contacts", phones: ["+1 (650) 555-1234"], ids: ["01968F00-0000-7000-8000-0000000000C1"] },
      null,
    ],
    [{ type: "time", zone: "Europe/Berlin" }, null],
    [{ type: "time", days: ["mon"], from: "22:00", to: "06:00", zone: "utc" }, null],
    [{ type: "time", to: "24:00", from: "09:00", zone: "America/Sao_Paulo" }, null],
    [nested(8), null],
    [nested(9), /nested more than 8 deep/],
    [{ type: "time", from: "9:00", to: "17:00", zone: "UTC" }, /^from: is not a time like "09:00"$/],
    [{ type: "time", from: "09:00", to: "24:30", zone: "UTC" }, /^to: /],
    [{ type: "time", from: "24:00", zone: "UTC" }, /^from: /],
    [{ type: "time", from: "09:00", to: "09:00", zone: "UTC" }, /are the same/],
    [{ type: "time", from: 9, zone: "UTC" }, /^from: /],
    [{ type: "time", from: null, zone: "UTC" }, /^from: /],
    [{ type: "time" }, /^zone: /],
    [{ type: "time", zone: "Europe/Berlinn" }, /^zone: /],
    [{ type: "time", days: ["monday"], zone: "UTC" }, /^days\[0\]: /],
    [{ type: "time", days: [], zone: "UTC" }, /^days: /],
    [{ type: "nonsense" }, /^type: must be one of/],
    [{ type: 7 }, /^type: /],
    [{}, /^type: /],
    [[], /must be an object/],
    ["any", /must be an object/],
    [{ type: "any", extra: 1 }, /^extra: is not known/],
    [{ type: "any", of: [] }, /^of: /],
    [{ type: "any", of: null }, /^of: /],
    [{ type: "all" }, /^of: /],
    [{ type: "all", of: { type: "any" } }, /^of: /],
    [{ type: "not", of: [{ type: "any" }] }, /^of: must be an object/],
    [
      { type: "all", of: [{ type: "any" }, { type: "text", match: "exact", values: ["a", ""] }] },
      /^of\[1\]\.values\[1\]: /,
    ],
    [{ type: "all", of: Array(100).fill({ type: "any" }) }, /more than 100 conditions/],
    [{ type: "text", match: "is", value: "a" }, /^match: /],
    [{ type: "text", match: "exact" }, /either "value" or "values"/],
    [{ type: "text", match: "exact", value: "a", values: ["a"] }, /either "value" or "values"/],
    [{ type: "text", match: "exact", value: " " }, /^value: must not be empty/],
    [{ type: "text", match: "exact", value: "a".repeat(501) }, /^value: at most 500/],
    [{ type: "text", match: "exact", value: null }, /^value: /],
    [{ type: "text", match: "exact", value: "a", case_sensitive: "no" }, /^case_sensitive: /],
    [{ type: "text", match: "regex", values: Array(21).fill("a") }, /more than 20 regular expressions/],
    [{ type: "choice", ids: "yes" }, /^ids: must be a list/],
    [{ type: "choice", ids: [1] }, /^ids\[0\]: must be a text/],
    [{ type: "message_type", in: [] }, /^in: /],
    [{ type: "channel", in: Array(1001).fill("a") }, /^in: has 1 to 1000/],
    [{ type: "referral", ctwa: "yes" }, /^ctwa: /],
    [{ type: "referral", source_id: 7 }, /^source_id: /],
    [{ type: "link_token" }, /^present: /],
    [{ type: "link" }, /needs codes, tags, campaigns/],
    [{ type: "contacts" }, /needs ids, phones/],
    [{ type: "contacts", ids: ["7"] }, /^ids\[0\]: is not a contact's id/],
    [{ type: "contacts", phones: ["call me"] }, /^phones\[0\]: is not a phone number/],
    [{ type: "contacts", phones: ["1234"] }, /^phones\[0\]: /],
    [{ type: "contacts", phones: ["1".repeat(16)] }, /^phones\[0\]: /],
    [{ type: "email" }, null],
    [{ type: "email", verified: false, kinds: ["reply", "new_mail"] }, null],
    [{ type: "email", identities: ["Alex@example.com"], subjects: ["order"] }, null],
    [{ type: "email", kinds: ["bounce"] }, /^kinds\[0\]: is not reply, calendar or new_mail/],
    [{ type: "email", verified: "yes" }, /^verified: must be true or false/],
    [{ type: "email", identities: ["alex"] }, /^identities\[0\]: is not an address/],
    [{ type: "email", identities: ["älex@example.com"] }, /^identities\[0\]: is not an address/],
    [{ type: "email", subjects: [" "] }, /^subjects\[0\]: must not be empty/],
    [{ type: "email", subject: ["order"] }, /^subject: is not known/],
    [{ type: "address", domains: ["Shop"], scopes: ["eu-1"], types: ["alert"] }, null],
    [{ type: "address" }, /^condition: needs domains, scopes, types/],
    [{ type: "address", domains: ["a.b"] }, /^domains\[0\]: is not a part of an address/],
    [{ type: "address", types: ["a".repeat(33)] }, /^types\[0\]: is not a part of an address/],
  ];
  const faults = await refusedBy.database(sql, cases.map(([condition]) => condition));
  for (const [i, [condition, said]] of cases.entries()) {
    const name = JSON.stringify(condition).slice(0, 200);
    if (said === null) assertEquals(faults[i], null, name);
    else assertMatch(faults[i] ?? "nothing", said, name);
    assertEquals(refusedBy.router(condition), said !== null, `the router: ${name}`);
  }
});

databaseTest("condition_fault: database and router agree on any input", async (sql) => {
  const word = fc.constantFrom(
    "a",
    "order",
    "",
    "+1 650 555 1234",
    "09:00",
    "9:00",
    "mon",
    "new_mail",
    "alex@example.com",
    "UTC",
    "regex",
    "exact",
  );
  const value = fc.oneof(
    word,
    fc.boolean(),
    fc.integer(),
    fc.constant(null),
    fc.array(word, { maxLength: 3 }),
  );
  const leaf = fc.record({
    type: fc.constantFrom(
      "any",
      "default",
      "channel",
      "message_type",
      "text",
      "choice",
      "referral",
      "link_token",
      "link",
      "number",
      "contacts",
      "email",
      "address",
      "time",
      "x",
    ),
    in: value,
    ids: value,
    match: fc.constantFrom("regex", "exact", "keywords", "is"),
    value: value,
    values: value,
    case_sensitive: value,
    source_id: value,
    ctwa: value,
    present: fc.boolean(),
    tags: value,
    phones: value,
    kinds: fc.oneof(value, fc.constant(["reply"])),
    verified: value,
    identities: value,
    subjects: value,
    domains: value,
    types: value,
    days: value,
    from: value,
    to: value,
    zone: word,
  }, { requiredKeys: ["type"] });
  const known: Record<string, string[]> = {
    ...{ any: [], default: [], channel: ["in"], message_type: ["in"], choice: ["ids"], number: ["ids"] },
    ...{
      text: ["match", "value", "values", "case_sensitive"],
      referral: ["source_id", "ctwa"],
      link_token: ["present"],
    },
    ...{
      link: ["tags"],
      contacts: ["ids", "phones"],
      email: ["kinds", "verified", "identities", "subjects"],
      address: ["domains", "types"],
      time: ["days", "from", "to", "zone"],
      x: ["in"],
    },
  };
  // Mostly members that the type has: what has others is refused by both at once.
  const fitting = fc.tuple(leaf, fc.boolean()).map(([one, all]) =>
    all && one.type !== "x" && Math.abs(JSON.stringify(one).length) % 7 === 0 ? one : Object.fromEntries(
      Object.entries(one).filter(([key]) => key === "type" || known[one.type].includes(key)),
    )
  );
  const { condition } = fc.letrec<{ condition: unknown }>((tie) => ({
    condition: fc.oneof(
      { depthSize: "small" },
      fitting,
      fc.record({ type: fc.constantFrom("any", "all"), of: fc.array(tie("condition"), { maxLength: 3 }) }),
      fc.record({ type: fc.constant("not"), of: tie("condition") }),
    ),
  }));
  await holds(fc.asyncProperty(fc.array(condition, { minLength: 20, maxLength: 40 }), async (conditions) => {
    const faults = await refusedBy.database(sql, conditions);
    for (const [i, one] of conditions.entries()) {
      assertEquals(faults[i] !== null, refusedBy.router(one), `${JSON.stringify(one)}: ${faults[i]}`);
    }
  }));
});

databaseTest("condition_fault: accepts each stored condition of every type", async (sql) => {
  await holds(fc.asyncProperty(fc.array(conditions, { minLength: 20, maxLength: 40 }), async (stored) => {
    const faults = await refusedBy.database(sql, stored);
    assertEquals(faults.flatMap((fault, i) => fault === null ? [] : [[fault, stored[i]]]), []);
  }));
});

databaseTest("routes: every API entry point refuses an invalid condition", async (sql) => {
  await sql`select public.allow_host('hooks.example.com', 'forward'), public.add_destination('d', 'https://hooks.example.com/')`;
  const wrong = { type: "time", from: "9:00", to: "17:00", zone: "UTC" };
  const operator = await signedIn(sql, "operator");
  const [{ added }] = await sql`select public.add_route('{d}', '{"type": "any"}') as added`;
  for (const caller of [operator, SERVICE]) {
    const add = (condition: unknown) =>
      as(sql, caller, (tx) => tx`select public.add_route('{d}', ${tx.json(condition as never)})`);
    assertEquals(await refusal(add(wrong)), "23514");
    await assertRejects(
      () => add(wrong),
      Error,
      'the condition cannot be used: from: is not a time like "09:00"',
    );
    assertEquals(await refusal(add({ ...wrong, from: "09:00" })), undefined);
    assertEquals(
      await refusal(
        as(
          sql,
          caller,
          (tx) => tx`select public.set_route(${added.id}, 1, ${tx.json({ condition: wrong })})`,
        ),
      ),
      "23514",
    );
  }
  assertEquals(
    await refusal(
      as(
        sql,
        SERVICE,
        (tx) => tx`insert into public.routes (name, condition) values ('x', ${tx.json(wrong)})`,
      ),
    ),
    "23514",
  );
  assertEquals(
    await refusal(as(sql, SERVICE, (tx) => tx`update public.routes set condition = ${tx.json(wrong)}`)),
    "23514",
  );
});
