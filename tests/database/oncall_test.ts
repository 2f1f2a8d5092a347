/** Rotas: whose turn it is, across both changes of the clock, with layers and overrides; and what is remembered of providers. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { holds } from "../support/property.ts";
import { until } from "../support/until.ts";

/** Adds a rota, or a layer to one, with what the layer differs in. */
async function rota(sql: Sql, layer: Record<string, unknown>, name = "infra", zone = "Europe/Berlin") {
  const schedule = {
    name,
    zone,
    layer: {
      people: [{ name: "Ana" }, { name: "Ben" }],
      starts_on: "2026-01-05",
      handover: "09:00",
      ...layer,
    },
  };
  await sql`select public.add_oncall(${sql.json(schedule as never)})`;
}

/** Who is on call at these times. */
async function at(sql: Sql, ...times: string[]): Promise<(string | null)[]> {
  const rows = await sql`
    select p.name from unnest(${times}::timestamptz[]) with ordinality as t (at, place)
    cross join public.oncall_schedules s
    left join private.oncall_people p on p.id = private.rota_person(s.id, t.at)
    where s.name = 'infra' order by t.place`;
  return rows.map(({ name }) => name);
}

databaseTest("a weekly rota changes at the same time on the wall, in winter and in summer", async (sql) => {
  await rota(sql, {});
  // Mondays, 9:00 in Berlin: 8:00 UTC in winter, 7:00 UTC in summer. The clock goes forward on 29 March, back on 25 October.
  assertEquals(
    await at(sql, "2026-01-05T07:59Z", "2026-01-05T08:00Z", "2026-01-12T07:59Z", "2026-01-12T08:00Z"),
    [null, "Ana", "Ana", "Ben"],
  );
  assertEquals(await at(sql, "2026-03-23T07:59Z", "2026-03-23T08:00Z"), ["Ana", "Ben"]);
  assertEquals(await at(sql, "2026-03-30T06:59Z", "2026-03-30T07:00Z"), ["Ben", "Ana"]);
  assertEquals(await at(sql, "2026-10-26T07:59Z", "2026-10-26T08:00Z"), ["Ben", "Ana"]);
});

databaseTest("a turn that changes within the hour that comes twice, or never, changes once", async (sql) => {
  await rota(sql, { unit: "day", handover: "02:30" });
  for (const night of ["2026-03-29", "2026-10-25"]) {
    // From midnight UTC on, each ten minutes for four hours.
    const times = Array.from(
      { length: 24 },
      (_, i) => new Date(Date.parse(`${night}T00:00Z`) + i * 600_000).toISOString(),
    );
    const people = await at(sql, ...times);
    const changes = people.filter((one, i) => i > 0 && one !== people[i - 1]).length;
    assertEquals(changes, 1, `${night}: ${people.join(" ")}`);
  }
});

databaseTest("layers: a later one comes first while it is in force, over midnight too", async (sql) => {
  await rota(sql, {});
  await rota(sql, { people: [{ name: "Cleo" }], days: [5, 6], from: "18:00", until: "08:00" });
  assertEquals(
    // A Friday and Saturday in winter: 18:00 in Berlin is 17:00 UTC.
    await at(
      sql,
      "2026-01-09T16:59Z",
      "2026-01-09T17:00Z",
      "2026-01-10T06:59Z",
      "2026-01-10T07:00Z",
      "2026-01-11T06:59Z",
      "2026-01-11T17:00Z",
    ),
    ["Ana", "Cleo", "Cleo", "Ana", "Cleo", "Ana"],
  );
});

databaseTest(
  "overrides: the last one counts, from its beginning to its end, and what is removed does not",
  async (sql) => {
    await rota(sql, {});
    const over = async (who: string, from: string, until: string) =>
      (await sql`select public.override_oncall('infra', ${
        sql.json({ name: who })
      }, ${from}, ${until}) as made`)[0].made;
    await over("Cleo", "2026-01-06T00:00Z", "2026-01-08T00:00Z");
    const { id } = await over("Ben", "2026-01-07T00:00Z", "2026-01-09T00:00Z");
    const times = [
      "2026-01-05T23:59Z",
      "2026-01-06T00:00Z",
      "2026-01-07T00:00Z",
      "2026-01-08T23:59Z",
      "2026-01-09T00:00Z",
    ];
    assertEquals(await at(sql, ...times), ["Ana", "Cleo", "Ben", "Ben", "Ana"]);
    assertEquals((await sql`select public.remove_oncall('infra', ${id}) as removed`)[0].removed, "override");
    assertEquals(await at(sql, ...times), ["Ana", "Cleo", "Cleo", "Ana", "Ana"]);
    assertEquals(await refusal(sql`select public.remove_oncall('infra', ${id})`), "GL404");
    assertEquals(await refusal(over("Ben", "2026-01-07T00:00Z", "2026-01-07T00:00Z")), "GL422");
  },
);

databaseTest(
  "who is removed is forgotten: out of layers, with their overrides, but never the last one",
  async (sql) => {
    const remove = async (who: object) =>
      (await sql`select public.remove_oncall_person(${sql.json(who as never)}) as removed`)[0].removed;
    const people = async () =>
      (await sql`select name from private.oncall_people order by name`).map(({ name }) => name);
    await rota(sql, {
      people: [{ name: "Ana" }, { name: "Ben", email: "ben@example.com" }, { name: "Cleo" }],
    });
    await sql`select public.override_oncall('infra', ${
      sql.json({ email: "ben@example.com" })
    }, '2026-01-07T00:00Z', '2026-01-09T00:00Z')`;
    assertEquals((await remove({ email: " Ben@example.com" })).layers, 1);
    assertEquals(await people(), ["Ana", "Cleo"]);
    assertEquals(await at(sql, "2026-01-07T12:00Z", "2026-01-14T12:00Z"), ["Ana", "Cleo"]);
    assertEquals((await sql`select from private.oncall_overrides`).length, 0);
    await remove({ name: "cleo" });
    assertEquals(await refusal(sql`select public.remove_oncall_person('{"name": "Ana"}')`), "GL409");
    assertEquals([await people(), await at(sql, "2026-01-14T12:00Z")], [["Ana"], ["Ana"]]);
    assertEquals(await refusal(sql`select public.remove_oncall_person('{"name": "Ben"}')`), "GL404");
    // The name of somebody who has an address is not enough: there may be two of one name.
    await sql`select public.set_oncall_person('{"name": "Dan", "email": "dan@example.com"}')`;
    assertEquals(await refusal(sql`select public.remove_oncall_person('{"name": "Dan"}')`), "GL404");
  },
);

databaseTest(
  "who is removed while somebody puts them into a layer is out of it, or added anew: never an id of nobody",
  async (sql) => {
    const first = await sql.reserve(), second = await sql.reserve();
    const both = [
      (on: Sql) => on`select public.remove_oncall_person('{"name": "Ben"}')`,
      (on: Sql) =>
        on`select public.add_oncall(${
          sql.json({ name: "infra", layer: { people: [{ name: "Ben" }, { name: "Cleo" }] } })
        })`,
    ];
    try {
      const [{ pid }] = await second`select pg_backend_pid() as pid`;
      for (const [before, after] of [both, both.toReversed()]) {
        await rota(sql, { people: [{ name: "Ana" }, { name: "Ben" }] });
        await first`begin`;
        await before(first);
        const later = after(second).execute();
        await until(
          "it waits",
          async () => (await sql`select cardinality(pg_blocking_pids(${pid})) > 0 as waits`)[0].waits,
        );
        await first`commit`;
        await later;
        assertEquals(
          [
            ...await sql`
            select l.people from private.oncall_layers l
            where not l.people <@ array(select p.id from private.oncall_people p)`,
          ],
          [],
        );
      }
    } finally {
      first.release();
      second.release();
    }
  },
);

databaseTest(
  "rota_shifts(): says of every moment what rota_person() says, without overlap, whatever the rota",
  async (sql) => {
    const FROM = Date.parse("2026-03-20T00:00Z"), UNTIL = Date.parse("2026-04-10T00:00Z");
    const time = fc.tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom("00", "30")).map(([h, m]) =>
      `${String(h).padStart(2, "0")}:${m}`
    );
    const layer = fc.record({
      people: fc.uniqueArray(fc.constantFrom("Ana", "Ben", "Cleo"), { minLength: 1 }).map((names) =>
        names.map((name) => ({ name }))
      ),
      unit: fc.constantFrom("day", "week"),
      every: fc.integer({ min: 1, max: 3 }),
      handover: time,
      starts_on: fc.constantFrom("2026-01-05", "2026-03-25"),
      window: fc.option(fc.record({ from: time, until: time })),
      days: fc.option(fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 })),
    }).map(({ window, days, ...rest }) => ({ ...rest, ...window, ...(days === null ? {} : { days }) }));
    const hours = fc.integer({ min: 0, max: 500 });
    const world = fc.record({
      zone: fc.constantFrom("Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe"),
      layers: fc.array(layer, { minLength: 1, maxLength: 3 }),
      overrides: fc.array(fc.tuple(hours, fc.integer({ min: 1, max: 30 })), { maxLength: 2 }),
      looks: fc.array(fc.integer({ min: FROM, max: UNTIL - 1 }), { minLength: 5, maxLength: 12 }),
    });
    await holds(
      fc.asyncProperty(world, async ({ zone, layers, overrides, looks }) => {
        await sql`delete from public.oncall_schedules`;
        for (const one of layers) await rota(sql, one, "infra", zone);
        for (const [start, length] of overrides) {
          const from = new Date(FROM + start * 3_600_000).toISOString();
          const end = new Date(FROM + (start + length) * 3_600_000).toISOString();
          await sql`select public.override_oncall('infra', '{"name": "Dan"}', ${from}, ${end})`;
        }
        const shifts = await sql`
        select r.person_id, extract(epoch from r.since) * 1000 as since, extract(epoch from r.until) * 1000 as until
        from public.oncall_schedules s, private.rota_shifts(s.id, ${new Date(FROM)}, ${new Date(
          UNTIL,
        )}) r order by r.since`;
        assertEquals([Number(shifts[0].since), Number(shifts.at(-1)!.until)], [FROM, UNTIL]);
        for (let i = 1; i < shifts.length; i++) {
          assertEquals(shifts[i].since, shifts[i - 1].until);
          assert(shifts[i].person_id !== shifts[i - 1].person_id);
        }
        for (const look of looks) {
          const [{ person }] = await sql`
          select private.rota_person(s.id, ${new Date(look)}) as person from public.oncall_schedules s`;
          const shift = shifts.find(({ since, until }) => Number(since) <= look && look < Number(until));
          assertEquals(shift?.person_id, person, new Date(look).toISOString());
        }
      }),
      { cases: 25 },
    );
  },
);

databaseTest(
  "a provider's answer serves for a minute, and at any age once it fails; the circuit opens after five failures",
  async (sql) => {
    await sql`select public.add_oncall('{"name": "infra", "source": "pagerduty", "external_id": "PSCH001"}')`;
    const [{ id }] = await sql`select id from public.oncall_schedules`;
    const start = Date.parse("2030-01-01T00:00:00Z");
    const when = (seconds: number) => new Date(start + seconds * 1000);
    const answer = async (seconds: number, anyAge = false) =>
      (await sql`select private.oncall_answer(s, ${
        when(seconds)
      }, ${anyAge}) as answer from public.oncall_schedules s`)[0].answer;
    const settle = async (seconds: number, people: unknown, fault: string | null = null) =>
      (await sql`select private.settle_oncall_lookup(${id}, ${
        people === null ? null : sql.json(people as never)
      }, null, ${fault}, ${when(seconds)}) as answer`)[0].answer;
    const may = async (seconds: number) =>
      (await sql`select private.begin_oncall_lookup('pagerduty', ${when(seconds)}) as may`)[0].may;

    assertEquals(await answer(0), null);
    assertEquals(await settle(0, null, "timeout"), null);
    const ana = [{ id: "P1", name: "Ana", email: "ana@team.example" }];
    const people = [{ name: "Ana", email: "ana@team.example", telegram_id: null }];
    assertEquals((await settle(1, ana)).people, people);
    assertEquals((await answer(60)).people, people);
    assertEquals(await answer(62), null);
    // Two hours later it fails: the old answer serves, and says that it is old.
    for (let i = 0; i < 5; i++) {
      assertEquals(await may(7200 + i), true);
      const stale = await settle(7200 + i, null, "status 503");
      assertEquals([stale.people, stale.is_stale], [people, true]);
    }
    assertEquals([await may(7210), await may(7233)], [false, false]);
    // One probes, the others wait; it fails, and twice as long nobody asks.
    assertEquals([await may(7235), await may(7236)], [true, false]);
    await settle(7236, null, "timeout");
    assertEquals([await may(7295), await may(7297)], [false, true]);
    assertEquals((await settle(7297, [])).people, []);
    assertEquals([await may(7298), await may(7299)], [true, true]);
  },
);

databaseTest("add_oncall(): what cannot be is refused, and a layer needs a rota", async (sql) => {
  await rota(sql, {});
  const add = (schedule: unknown) => refusal(sql`select public.add_oncall(${sql.json(schedule as never)})`);
  assertEquals(await add({ name: "infra" }), "GL409");
  assertEquals(await add({ name: "x", zone: "Nowhere" }), "GL422");
  assertEquals(await add({ name: "x", destination: "nowhere" }), "GL404");
  assertEquals(await add({ name: "x", owner: "nobody@team.example" }), "GL404");
  assertEquals(await add({ name: "x", source: "pagerduty" }), "23514");
  assertEquals(await add({ name: "x", layer: { people: [] } }), "23514");
  assertEquals(await add({ name: "x", layer: { people: [{}] } }), "GL422");
  await sql`select public.add_oncall('{"name": "theirs", "source": "opsgenie", "external_id": "1"}')`;
  assertEquals(await add({ name: "theirs", layer: { people: [{ name: "Ana" }] } }), "GL409");
  assertEquals(
    await refusal(
      sql`select public.override_oncall('theirs', '{"name": "Ana"}', null, now() + interval '1 hour')`,
    ),
    "GL409",
  );
  assertEquals((await sql`select count(*)::int as n from public.oncall_schedules`)[0].n, 2);
});

databaseTest(
  "add_oncall(): what is given of a schedule that exists is changed, nothing is ignored",
  async (sql) => {
    await rota(sql, {});
    const add = async (schedule: unknown) => {
      await sql`select public.add_oncall(${sql.json(schedule as never)})`;
    };
    const kept = async () => {
      const [row] = await sql`
      select zone, scopes, types, opens_incidents, source from public.oncall_schedules where name = 'infra'`;
      return { ...row };
    };
    await add({ name: "infra", zone: "Asia/Tokyo", types: ["alert"] });
    await add({ name: "infra", scopes: ["db"], layer: { people: [{ name: "Cleo" }] } });
    assertEquals(await kept(), {
      zone: "Asia/Tokyo",
      scopes: ["db"],
      types: ["alert"],
      opens_incidents: false,
      source: "rota",
    });
    const refused = (schedule: unknown) => refusal(add(schedule));
    assertEquals(await refused({ name: "infra", zone: "Mars/Base" }), "GL422");
    assertEquals(await refused({ name: "infra", destination: "nowhere" }), "GL404");
    assertEquals(await refused({ name: "infra", owner: "nobody@team.example" }), "GL404");
    assertEquals(await refused({ name: "infra", source: "pagerduty", external_id: "PSCH001" }), "GL409");
    assertEquals((await kept()).zone, "Asia/Tokyo");
  },
);
