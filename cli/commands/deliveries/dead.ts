/** `gatelink dead`: deliveries that were given up. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import { type Api, PAGE } from "../../core/api.ts";
import { destinationNamed, listDestinations } from "../../core/config.ts";
import { CliError } from "../../core/errors.ts";
import { table, time } from "../../core/output.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { id, several, whole } from "../../core/values.ts";

/** Ids per call. */
const CHUNK = 100;

/** The kind of deliveries to change. */
export type Kind = "dead" | "waiting";

/** The selection of deliveries. */
export interface Which {
  all?: boolean;
  destination?: string;
}

/** Defines the commands of the group. */
export function dead(group: Command, run: Run): void {
  group.command("list").description("list dead deliveries, newest first, except dropped ones")
    .option("--destination <name>", "only those to this destination")
    .option("--limit <n>", "show at most N", whole(1, PAGE), 50)
    .addHelpText(
      "after",
      `
Example:
  gatelink dead list --destination orders`,
    )
    .action((options: { destination?: string; limit: number }) =>
      run(async (session) => await list(await session.api(), options))
    );

  group.command("retry").description(
    "retry dead deliveries now, with a full schedule and the same webhook-id",
  )
    .argument("[ids...]", "deliveries", several(id))
    .option("--all", "all dead deliveries")
    .option("--destination <name>", "all those to this destination")
    .addHelpText(
      "after",
      `
Exit code 1 if some of the ids are not dead deliveries.

Examples:
  gatelink dead retry 01968f00-0000-7000-8000-000000000001
  gatelink dead retry --destination orders`,
    )
    .action((ids: string[] | undefined, options: Which) =>
      run((session) =>
        change(
          session,
          "dead",
          ids,
          options,
          "retried",
          (api, some) => api.rpc("retry_deliveries", { p_ids: some }),
        )
      )
    );

  group.command("drop").description("close dead deliveries permanently; the rows are kept with the reason")
    .argument("[ids...]", "deliveries", several(id))
    .option("--all", "all dead deliveries")
    .option("--destination <name>", "all those to this destination")
    .requiredOption("--reason <text>", "the reason, which is recorded")
    .addHelpText(
      "after",
      `
Exit code 1 if some of the ids are not dead deliveries.

Example:
  gatelink dead drop --destination old-crm --reason "service was shut down in May"`,
    )
    .action((ids: string[] | undefined, options: Which & { reason: string }) =>
      run((session) =>
        change(
          session,
          "dead",
          ids,
          options,
          "dropped",
          (api, some) => api.rpc("drop_deliveries", { p_ids: some, p_reason: options.reason }),
        )
      )
    );
}

/** Waiting deliveries, or dead ones that were not dropped, latest first; of one destination or of all. */
function rowsOf(
  api: Api,
  kind: Kind,
  destinationId: string | undefined,
  first: number,
  limit: number,
): Promise<
  Pick<Row<"deliveries">, "id" | "destination_id" | "message_id" | "attempt" | "last_error" | "updated_at">[]
> {
  return api.rows((client) => {
    const query = client.from("deliveries").select(
      "id,destination_id,message_id,attempt,last_error,updated_at",
    )
      .eq("state", stateOf(kind)).is("dropped_reason", null);
    return (destinationId === undefined ? query : query.eq("destination_id", destinationId))
      .order("updated_at", { ascending: false }).order("id").range(first, first + limit - 1);
  });
}

async function list(api: Api, options: { destination?: string; limit: number }): Promise<Result> {
  const destinations = await listDestinations(api);
  const chosen = options.destination === undefined
    ? undefined
    : await destinationNamed(api, options.destination);
  const names = new Map(destinations.map(({ id, name }) => [id, name]));
  const rows = (await rowsOf(api, "dead", chosen?.id, 0, options.limit + 1))
    .map(({ destination_id, ...row }) => ({
      ...row,
      destination: names.get(destination_id) ?? destination_id,
    }));
  const shown = rows.slice(0, options.limit);
  return {
    document: { deliveries: shown, more: rows.length > shown.length },
    text: table(
      ["delivery", "to", "since", "attempts", "last error", "message"],
      shown.map((
        row,
      ) => [row.id, row.destination, time(row.updated_at), row.attempt, row.last_error, row.message_id]),
      "There are no dead deliveries.",
    ) + (rows.length > shown.length ? `\nThere are more: --limit ${Math.min(options.limit * 10, PAGE)}` : ""),
  };
}

/** Changes the named deliveries, all, or those of a destination. */
export async function change(
  session: Session,
  kind: Kind,
  ids: string[] | undefined,
  which: Which,
  verb: "retried" | "skipped" | "dropped",
  call: (api: Api, ids: string[]) => Promise<number>,
): Promise<Result> {
  if ([ids?.length, which.all, which.destination].filter(Boolean).length !== 1) {
    throw new CliError(
      "usage",
      "Give ids, or --all, or --destination.",
      kind === "dead" ? "gatelink dead list shows them." : "gatelink deliveries list shows them.",
    );
  }
  const api = await session.api();
  const chosen = ids?.length ? [...new Set(ids)] : await every(api, kind, which.destination);
  let done = 0;
  for (let first = 0; first < chosen.length; first += CHUNK) {
    const those = await ofKind(api, kind, chosen.slice(first, first + CHUNK));
    if (those.length > 0) done += await call(api, those);
    session.progress(`${done} of ${chosen.length} ${verb}`);
  }
  const others = chosen.length - done;
  return {
    document: { [verb]: done, [kind === "dead" ? "not_dead" : "not_waiting"]: others },
    text: `${counted(done, "delivery", "deliveries")} ${verb}` +
      (others === 0
        ? "."
        : `; ${counted(others, "other")} not: no ${
          kind === "dead" ? "dead delivery" : "delivery that waits"
        } of that id.`),
    failed: others > 0 && Boolean(ids?.length),
  };
}

/** The given ids of this kind: the database changes waiting and dead deliveries alike. */
async function ofKind(api: Api, kind: Kind, ids: string[]): Promise<string[]> {
  const rows = await api.rows((client) =>
    client.from("deliveries").select("id").eq("state", stateOf(kind)).in("id", ids)
  );
  return rows.map(({ id }) => id);
}

const stateOf = (kind: Kind) => kind === "dead" ? "dead" : "pending";

/** Ids of all of them, read before any change. */
async function every(api: Api, kind: Kind, destination: string | undefined): Promise<string[]> {
  const chosen = destination === undefined ? undefined : await destinationNamed(api, destination);
  const all: string[] = [];
  for (;;) {
    const page = await rowsOf(api, kind, chosen?.id, all.length, PAGE);
    all.push(...page.map((row) => row.id));
    if (page.length < PAGE) return all;
  }
}
