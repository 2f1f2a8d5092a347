/** Destinations: what they may be, who changes them, and their secrets. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message } from "../support/intake.ts";
import { claim, destination, route, settle, T0 } from "../support/deliveries.ts";

const change = (sql: Sql, version: number, changes: unknown, name = "d") =>
  sql`select public.set_destination(${name}, ${version}, ${sql.json(changes as never)}) as changed`;

databaseTest(
  "destinations: waiting deliveries follow a change, and concurrent changes do not undo each other",
  async (sql) => {
    const d = await destination(sql, "d", { rate_per_second: 0.001, rate_burst: 1, timeout_ms: 1000 });
    await ingest(sql, message({ phone: "1" }), message({ phone: "2" }));
    await route(sql, d);
    const first = await claim(sql, 0);
    await settle(sql, 0, first.deliveries, "delivered");
    assertEquals((await claim(sql, 1)).deliveries, []);
    const changes = {
      url: "http://localhost/moved",
      timeout_ms: 2000,
      rate_per_second: null,
      rate_burst: 3,
      retry_seconds: [1, 2],
      failure_policy: { else: "aside" },
      events: ["message.received", "template.*"],
      format: "meta",
      when_taken: "mark",
    };
    const [{ changed }] = await change(sql, 1, changes);
    const { id: _, ...rest } = changed;
    assertEquals(rest, { name: "d", state: "active", version: 2, ...changes });
    const { deliveries, destinations: [claimed] } = await claim(sql, 1);
    assertEquals(deliveries.length, 1);
    const { url, timeout_ms, retry_seconds, failure_policy } = claimed as unknown as Record<string, unknown>;
    assertEquals({ url, timeout_ms, retry_seconds, failure_policy }, {
      ...{ url: changes.url, timeout_ms: 2000, retry_seconds: [1, 2], failure_policy: { else: "aside" } },
    });
    assertEquals(await refusal(change(sql, 1, { timeout_ms: 500 })), "GL409");
    assertEquals(await refusal(change(sql, 2, { name: "other" })), "GL422");
    assertEquals(await refusal(change(sql, 2, [])), "GL422");
    assertEquals(await refusal(change(sql, 2, { url: "http://10.0.0.1/" })), "GL403");
    assertEquals(await refusal(change(sql, 2, { url: null })), "GL403");
    assertEquals(await refusal(change(sql, 2, { timeout_ms: 1 })), "23514");
    assertEquals(await refusal(change(sql, 2, {}, "nobody")), "GL404");
    const viewer = await signedIn(sql, "viewer"), operator = await signedIn(sql, "operator");
    const by = (caller: Parameters<typeof as>[1]) =>
      refusal(as(sql, caller, (tx) => change(tx as never, 2, { timeout_ms: 500 })));
    assertEquals([await by(viewer), await by(operator)], ["42501", undefined]);
  },
);

databaseTest(
  "destinations: one can be removed once no route uses it, with its queue if a reason is given",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...["1", "2", "3"].map((phone) => message({ phone })));
    await route(sql, d);
    const { deliveries: [delivered, dead, leased] } = await claim(sql, 0);
    await settle(sql, 0, [delivered], "delivered");
    await settle(sql, 0, [dead], "dead");
    const [{ added }] = await sql`select public.add_route('{d}', '{"type": "any"}') as added`;
    const remove = (reason: string | null = null) =>
      sql`select public.remove_destination('d', ${reason}) as removed`;
    assertEquals(await refusal(remove("moved")), "GL409");
    await sql`select public.remove_route(${added.id})`;
    assertEquals(await refusal(remove()), "GL409");
    const [{ removed }] = await remove("moved");
    assertEquals(removed, { id: d, name: "d", dropped: 2 });
    assertEquals((await settle(sql, 1, [leased], "delivered")).fenced, 1);
    assertEquals(await refusal(remove()), "GL404");
    assertEquals(await refusal(sql`select public.add_route('{d}', '{"type": "any"}')`), "GL404");
    await sql`insert into public.routes (name, condition) values ('by hand', '{"type": "any"}')`;
    const byHand = sql`insert into public.route_destinations (route_id, destination_id, position)
    select id, ${d}, 1 from public.routes`;
    assertEquals(await refusal(byHand), "GL404");
    assertEquals((await sql`select public.retry_deliveries(${[dead.delivery_id]}) as n`)[0].n, 0);
    assertEquals((await sql`select from private.destination_secrets`).length, 0);
    for (
      const list of [
        "public.destination_health()",
        "public.load_config() -> 'destinations'",
        "public.status() -> 'destinations'",
        "public.metrics() -> 'destinations'",
      ]
    ) {
      assertEquals((await sql.unsafe(`select ${list} as list`))[0].list, [], list);
    }
    const rows = await sql`select state, dropped_reason from public.deliveries order by seq`;
    assertEquals(rows.map(({ state, dropped_reason }) => [state, dropped_reason?.split(" (")[0]]), [
      ["delivered", undefined],
      ["dead", "moved"],
      ["dead", "moved"],
    ]);
    // The name is free, and what the old one had is not the new one's.
    const next = await destination(sql, "d");
    assert(next !== d);
    assertEquals(
      (await sql`select public.resend_deliveries('d', '2000-01-01', '2100-01-01') as n`)[0].n.resent,
      0,
    );
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "destinations: deliveries decided during the removal become dead letters instead of waiting",
  async (sql) => {
    const d = await destination(sql, "d");
    await sql`select public.remove_destination('d')`;
    await ingest(sql, message());
    await route(sql, d);
    await sql`select private.tidy_destinations(now())`;
    const [row] = await sql`select state, last_error from public.deliveries`;
    assertEquals([row.state, row.last_error], ["dead", "removed: the destination was removed"]);
  },
);

databaseTest(
  "secrets: deliveries are signed with both secrets until the overlap ends",
  async (sql) => {
    const d = await destination(sql, "d");
    const [{ rotated }] = await sql`select public.rotate_destination_secret('d', 24) as rotated`;
    await ingest(sql, message(), message());
    await route(sql, d);
    // The overlap is counted by the real clock.
    const now = (Date.now() - T0) / 1000;
    const { deliveries, destinations: [{ secrets }] } = await claim(sql, now);
    assertEquals(secrets.length, 2);
    assertEquals(secrets[0], rotated.secret);
    await settle(sql, now, deliveries, "delivered");
    const { destinations: [later] } = await claim(sql, now + 25 * 3600);
    assertEquals(later.secrets, [rotated.secret]);
    // An overlap that never ends, or has ended before it begins, is none.
    for (const hours of [null, -5, 169, 1e9]) {
      const refused = await refusal(sql`select public.rotate_destination_secret('d', ${hours})`);
      assertEquals(refused, "GL422", `${hours}`);
    }
    const [{ secrets: kept }] = await sql`select count(*)::int as secrets from private.destination_secrets`;
    assertEquals(kept, 2);
  },
);

databaseTest(
  "allowlist: a destination must be an https URL on an allowed host, without tricks; loopback only if the setting permits",
  async (sql) => {
    const add = (url: string) =>
      refusal(sql`select public.add_destination(${crypto.randomUUID().slice(0, 8)}, ${url})`);
    await sql`select public.allow_host('api.example.com', 'forward'), public.allow_host('*.svc.example.com', 'forward'),
    public.allow_host('localhost', 'forward'), public.allow_host('links.example.com', 'redirect')`;
    for (
      const url of [
        "https://api.example.com",
        "https://api.example.com/hook?x=1",
        "https://a.b.svc.example.com/",
      ]
    ) {
      assertEquals(await add(url), undefined, url);
    }
    for (
      const url of [
        "http://api.example.com/",
        "https://example.com/",
        "https://svc.example.com/",
        "https://links.example.com/",
        "https://api.example.com.evil.test/",
        "https://user@api.example.com/",
        "https://api.example.com@evil.test/",
        "https://api.example.com:8443/",
        "https://api.example.com\\@evil.test/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "http://localhost:9999/",
        "ftp://api.example.com/",
        "//api.example.com/",
        "https:api.example.com",
        "",
      ]
    ) {
      assertEquals(await add(url), "GL403", url);
    }
    await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
    assertEquals(await add("http://localhost:9999/hook"), undefined);
    assertEquals(await add("http://127.0.0.1:9999/hook"), "GL403", "loopback too must be on the list");
  },
);

databaseTest(
  "allowlist: also enforced for rows inserted and updated through the Data API",
  async (sql) => {
    await sql`select public.allow_host('hooks.example.com', 'forward')`;
    const write = (url: string) =>
      refusal(
        as(sql, SERVICE, (tx) =>
          tx`insert into public.destinations (name, url) values (${crypto.randomUUID()}, ${url})`),
      );
    const change = (url: string) =>
      refusal(as(sql, SERVICE, (tx) => tx`update public.destinations set url = ${url}`));
    assertEquals(await write("https://hooks.example.com/in"), undefined);
    for (
      const url of [
        "http://10.0.0.1",
        "http://10.0.0.1/",
        "https://other.example.com/",
        "http://hooks.example.com/",
        "",
      ]
    ) {
      assertEquals([await write(url), await change(url)], ["GL403", "GL403"], url);
    }
    assertEquals(await change("https://hooks.example.com/out"), undefined);
    // What was not touched is no reason to refuse: the host may have left the list since.
    await sql`select public.disallow_host('hooks.example.com', 'forward')`;
    assertEquals(
      await refusal(as(sql, SERVICE, (tx) => tx`update public.destinations set timeout_ms = 1000`)),
      undefined,
    );
  },
);

databaseTest(
  "people: operators manage destinations and routes, viewers may not, and nobody reads secrets",
  async (sql) => {
    await destination(sql, "d");
    const viewer = await signedIn(sql, "viewer"), operator = await signedIn(sql, "operator");
    const pause = (caller: Parameters<typeof as>[1]) =>
      refusal(as(sql, caller, (tx) => tx`select public.set_destination_state('d', 'paused')`));
    assertEquals([await pause(viewer), await pause(operator), await pause(SERVICE)], [
      "42501",
      undefined,
      undefined,
    ]);
    assertEquals(
      await refusal(as(sql, operator, (tx) => tx`select * from private.destination_secrets`)),
      "42501",
    );
  },
);
