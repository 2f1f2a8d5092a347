/** Lists and forms of names that the database has too are those of the contract. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import type { Sql } from "postgres";
import { ROOT } from "../../lib/paths.ts";
import { DESTINATION_NAME, SEGMENT_KEY } from "../../supabase/functions/_shared/contract/names.ts";
import {
  APPROVER_ROLES,
  DELIVERY_STATES,
  DESTINATION_STATES,
  OUTBOUND_STATES,
  ROLLOUT_STATES,
  ROUTE_MODES,
  ROUTING_REASONS,
  SHOWN_DESTINATION_STATES,
  shownDestinationState,
  TEAM_ROLES,
} from "../../supabase/functions/_shared/contract/states.ts";
import { databaseTest } from "../support/database.ts";

/** The text constants of the check that stands on this column alone. */
async function checked(sql: Sql, column: string): Promise<string[]> {
  const [table, name] = column.split(".");
  const rows = await sql<{ definition: string }[]>`
    select pg_get_constraintdef(c.oid) as definition
    from pg_constraint c
    join pg_attribute a on a.attrelid = c.conrelid and a.attname = ${name} and c.conkey = array[a.attnum]
    where c.contype = 'c' and c.conrelid = ${`public.${table}`}::regclass`;
  assertEquals(rows.length, 1, column);
  return [...rows[0].definition.matchAll(/'((?:[^']|'')*)'::text/g)].map(([, text]) => text);
}

databaseTest("contract: its states, roles and reasons are those of the database", async (sql) => {
  const lists: Record<string, readonly string[]> = {
    "team_members.role": TEAM_ROLES,
    "gate_approvals.role": APPROVER_ROLES,
    "destinations.state": DESTINATION_STATES,
    "routes.mode": ROUTE_MODES,
    "routing_decisions.reason": ROUTING_REASONS,
    "deliveries.state": DELIVERY_STATES,
    "outbound_messages.state": OUTBOUND_STATES,
    "rollouts.state": ROLLOUT_STATES,
  };
  for (const [column, list] of Object.entries(lists)) assertEquals(await checked(sql, column), list, column);
});

databaseTest("contract: its name patterns are those of the database", async (sql) => {
  assertEquals(await checked(sql, "destinations.name"), [DESTINATION_NAME.source]);
  assertEquals(await checked(sql, "segments.key"), [SEGMENT_KEY.source]);
});

databaseTest(
  "shown_state: the database shows a destination's state as the contract does",
  async (sql) => {
    const shown = new Set<string>();
    for (const state of DESTINATION_STATES) {
      for (const circuit_open_until of [null, "2026-03-02T10:00:00Z"]) {
        const [{ said }] = await sql`select private.shown_state(${state}, ${circuit_open_until}) as said`;
        assertEquals(
          said,
          shownDestinationState({ state, circuit_open_until }),
          `${state}, ${circuit_open_until}`,
        );
        shown.add(said);
      }
    }
    assertEquals([...shown].toSorted(), SHOWN_DESTINATION_STATES.toSorted());
  },
);

databaseTest("docs: the documented clock intervals are those of the database", async (sql) => {
  const [{ every_seconds: seconds }] =
    await sql`select every_seconds from private.clock_jobs() where name = 'gatelink_drain'`;
  for (const page of ["operations.md", "adr/0003-the-receiver-drains.md"]) {
    assertMatch(
      await Deno.readTextFile(`${ROOT}/docs/${page}`),
      new RegExp(`[Ee]very ${seconds} seconds`),
      page,
    );
  }
});
