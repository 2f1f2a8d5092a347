/** The circuit of a destination: when it opens, what probes it, when it closes. */
import { assert, assertEquals } from "../support/assert.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message } from "../support/intake.ts";
import { at, claim, destination, route, settle } from "../support/deliveries.ts";

databaseTest(
  "circuit: ten consecutive failures pause a destination, one probe is sent, and its success closes the circuit",
  async (sql) => {
    const d = await destination(sql, "d"), healthy = await destination(sql, "healthy");
    await ingest(sql, ...Array.from({ length: 12 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d, healthy);
    const all = await claim(sql, 0);
    const of = (id: string) => all.deliveries.filter((delivery) => delivery.destination_id === id);
    await settle(sql, 0, of(healthy), "delivered");
    await settle(sql, 0, of(d), "retry", { retry_after_ms: 1000 });
    assertEquals((await claim(sql, 20)).deliveries.length, 0);
    const probe = await claim(sql, 31);
    assertEquals(probe.deliveries.length, 1);
    assertEquals((await claim(sql, 32)).deliveries.length, 0, "the others wait for the probe");
    await settle(sql, 32, probe.deliveries, "retry", { retry_after_ms: 1000 });
    assertEquals((await claim(sql, 32 + 59)).deliveries.length, 0, "a failed probe doubles the wait");
    const second = await claim(sql, 32 + 61);
    await settle(sql, 32 + 61, second.deliveries, "delivered");
    assertEquals((await claim(sql, 32 + 62)).deliveries.length, 11);
  },
);

databaseTest(
  "circuit: deliveries in progress when it opened do not extend the pause",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...Array.from({ length: 40 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d);
    const { deliveries } = await claim(sql, 0);
    assertEquals(deliveries.length, 40);
    for (let i = 0; i < 40; i += 5) {
      await settle(sql, 0, deliveries.slice(i, i + 5), "retry", { retry_after_ms: 1000 });
    }
    assertEquals((await claim(sql, 29)).deliveries.length, 0);
    const probe = await claim(sql, 30);
    assertEquals(probe.deliveries.length, 1);
    // Nor does one whose function died, and that is settled only now.
    const late = deliveries.slice(-1).map((one) => ({ ...one, lease: crypto.randomUUID() }));
    await settle(sql, 31, late, "retry");
    await settle(sql, 31, probe.deliveries, "retry", { retry_after_ms: 1000 });
    assertEquals((await claim(sql, 31 + 59)).deliveries.length, 0);
    assertEquals((await claim(sql, 31 + 60)).deliveries.length, 1);
  },
);

databaseTest("circuit: a probe that could not be claimed does not block later ones", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, message());
  await route(sql, d);
  await sql`update public.destinations set circuit_open_until = ${at(0)}, circuit_trips = 1`;
  const other = await sql.reserve();
  await other`begin`;
  await other`select from private.delivery_lanes for update`;
  assertEquals((await claim(sql, 1)).deliveries, []);
  await other`rollback`;
  other.release();
  assertEquals((await claim(sql, 2)).deliveries.length, 1);
});

databaseTest(
  "circuit: opening and closing changes the configuration's revision, so that routers notice",
  async (sql) => {
    const d = await destination(sql, "d");
    const seen = async () => {
      const [{ config }] = await sql`select public.load_config() as config`;
      return [config.revision, config.destinations[0].circuit_open];
    };
    await ingest(sql, ...Array.from({ length: 10 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d);
    const [before] = await seen();
    const { deliveries } = await claim(sql, 0);
    await settle(sql, 0, deliveries.slice(0, 9), "retry", { status: 503, retry_after_ms: 1000 });
    assertEquals(await seen(), [before, false]);
    await settle(sql, 0, deliveries.slice(9), "retry", { status: 503, retry_after_ms: 1000 });
    const [opened, open] = await seen();
    assert(opened > before && open);
    const probe = await claim(sql, 31);
    assertEquals(probe.deliveries.length, 1);
    await settle(sql, 31, probe.deliveries, "retry", { status: 503, retry_after_ms: 1e9 });
    assertEquals(await seen(), [opened, true]);
    await settle(sql, 95, (await claim(sql, 95)).deliveries, "delivered");
    const [closed, still] = await seen();
    assert(closed > opened && !still);
    assertEquals((await claim(sql, 95)).deliveries.length, 9, "what failed before is due");
  },
);

databaseTest(
  "circuit: after the pause one delivery probes, even if all others wait for hours",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...Array.from({ length: 10 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d);
    await settle(sql, 0, (await claim(sql, 0)).deliveries, "retry", { status: 503, retry_after_ms: 1e9 });
    const tidied = async (seconds: number) => {
      await sql`select private.tidy_destinations(${at(seconds)})`;
      return (await claim(sql, seconds)).deliveries;
    };
    assertEquals(await tidied(29), []);
    const [probe, ...others] = await tidied(31);
    assertEquals([probe.attempt, others], [2, []]);
    await settle(sql, 31, [probe], "retry", { status: 503, retry_after_ms: 1e9 });
    assertEquals(await tidied(60), [], "it rests again, for longer");
    const [next] = await tidied(92);
    assert(next.delivery_id !== probe.delivery_id, "no delivery uses up its attempts by probing");
    await settle(sql, 92, [next], "delivered");
    // The one that has just probed keeps its wait; what failed once goes at once.
    assertEquals((await claim(sql, 92)).deliveries.length, 8);
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "circuit: without any delivery to probe with, it closes after the pause",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...Array.from({ length: 10 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d);
    await settle(sql, 0, (await claim(sql, 0)).deliveries, "retry", { status: 400, retry_after_ms: 1000 });
    const open = async (seconds: number) => {
      await sql`select private.tidy_destinations(${at(seconds)})`;
      return (await sql`select circuit_open_until is not null as open from public.destinations`)[0].open;
    };
    assertEquals(await open(31), true, "what waits probes it");
    await sql`update public.deliveries set state = 'dead'`;
    assertEquals([await open(29), await open(31)], [true, false]);
    const [row] = await sql`select circuit_trips, circuit_open_until from public.destinations`;
    assertEquals([row.circuit_trips, row.circuit_open_until], [0, null]);
  },
);
