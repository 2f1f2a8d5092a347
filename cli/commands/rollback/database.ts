/** Rollback 4: reverts migrations with their reverse files, newest first, each in one transaction. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import postgres, { type JSONValue, type Sql } from "postgres";
import { listMigrations, type Migration } from "../../../lib/migrate.ts";
import { MIGRATIONS } from "../../../lib/paths.ts";
import { CliError } from "../../core/errors.ts";
import { irreversible, refuseInVain } from "./irreversible.ts";
import { describeLoss, lossy, rehearseAll, reverse, reversePath } from "./reverse.ts";
import { healthy } from "./code.ts";
import type { Session } from "../../core/session.ts";
import type { RollbackEvent } from "../../../supabase/functions/_shared/contract/arguments.ts";
import type { Step, WayBack } from "./steps.ts";
import { watched } from "./watched.ts";

export interface DatabaseOptions {
  why: string;
  /** Version that remains the newest; `0` for none. Either this or `steps`. */
  to?: string;
  /** Number of migrations to revert. */
  steps?: number;
  /** @default the stack's */
  dbUrl?: string;
  acceptLoss?: boolean;
  /** Folder to save lost rows to first. @default not saved */
  save?: string;
  anyway?: boolean;
  /** @default those of this checkout */
  migrations?: string;
}

/**
 * Plans it: reads the applied migrations, rehearses the reverses in a transaction that is rolled back, and
 * changes nothing.
 */
export async function databaseWayBack(session: Session, options: DatabaseOptions): Promise<WayBack> {
  const api = options.dbUrl === undefined ? await session.api() : undefined;
  const url = options.dbUrl ?? api?.stack.dbUrl;
  if (url === undefined) {
    throw new CliError(
      "usage",
      "The address of the database is required.",
      'gatelink rollback 4 … --db-url "$SUPABASE_DB_URL" (dashboard: Connect > Session pooler)',
    );
  }
  const sql = connect(url);
  const within = <T>(work: () => Promise<T>) => watched(url, sql, INSTEAD, work);
  try {
    return await within(plan);
  } catch (error) {
    await sql.end({ timeout: 2 });
    throw error;
  }

  async function plan(): Promise<WayBack> {
    const folder = options.migrations ?? MIGRATIONS;
    const { back, to, others } = await chosen(sql, folder, options);
    const marked = (await irreversible(folder)).filter(({ version }) =>
      back.some((migration) => migration.version === version)
    );
    refuseInVain(marked, 4, options.anyway ?? false);
    const needs = api && await neededSchema(api.stack.url);
    if (needs !== undefined && needs > to && !options.anyway) {
      throw new CliError(
        "refused",
        `The deployed functions need the migration ${needs}.`,
        "Roll them back first: gatelink rollback 3 <commit>. --anyway proceeds, and health answers 503 until then.",
      );
    }
    const losses = await rehearseAll(sql, back);
    if (losses.size > 0 && !options.acceptLoss) throw lossy(losses);
    const sound = await unsound(sql).then((found) => found.length === 0);
    return {
      level: 4,
      target: to,
      reason: options.why,
      notes: [
        "Take a backup first if you have none: this is the last resort.",
        ...[...losses].map(([{ version, name }, loss]) =>
          `${version}_${name} destroys ${loss.map(describeLoss).join(", ")}`
        ),
        ...(others.length === 0 ? [] : [
          `Not Gatelink's, so left as they are: ${others.slice(0, 5).join(", ")}${
            others.length > 5 ? ` and ${others.length - 5} more` : ""
          }`,
        ]),
      ],
      forward: "To undo: supabase db push, or restart the local stack.",
      cleanUp: () => sql.end({ timeout: 2 }),
      record: (event) => record(sql, event),
      steps: [
        ...back.map((migration) => step(within, sql, migration, options)),
        {
          what: `check that ${to === "0" ? "no migration" : to} is the newest on record`,
          run: () => within(() => checkHistory(sql, folder, to)),
        },
        {
          what: "check the data",
          run: async () => {
            const found = await within(() => unsound(sql));
            if (sound && found.length > 0) {
              throw new CliError("refused", `Failed checks: ${found.join(", ")}.`);
            }
            return found.length === 0 ? "all checks passed" : `failed as before: ${found.join(", ")}`;
          },
        },
        ...(api === undefined || to === "0" || options.anyway
          ? []
          : [{ what: "check with health that the functions can serve on it", run: () => healthy(api) }]),
      ],
    };
  }
}

type Within = <T>(work: () => Promise<T>) => Promise<T>;

/** What stops a feature without this database. */
const INSTEAD =
  "Meanwhile, what needs no database: gatelink rollback 2 <flag> turns a feature off, gatelink rollback 3 <commit> deploys earlier code.";

function connect(url: string): Sql {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new CliError(
      "usage",
      "--db-url is not an address like postgresql://user:password@host:5432/postgres.",
      "The dashboard shows it under Connect.",
    );
  }
  return postgres(url, { max: 1, connect_timeout: 10, onnotice: () => {} });
}

function step(
  within: Within,
  sql: Sql,
  migration: Migration,
  { acceptLoss = false, save }: DatabaseOptions,
): Step {
  return {
    what: `reverse ${migration.version}_${migration.name}`,
    run: async () => {
      const { loss, saved } = await within(() => reverse(sql, migration, { acceptLoss, save }));
      const lost = loss.length === 0 ? "no rows lost" : `lost ${loss.map(describeLoss).join(", ")}`;
      return saved.length === 0 ? lost : `${lost}; saved in ${saved.join(", ")}`;
    },
  };
}

/**
 * Recorded versions, newest first: ours, which are those that the database lists and the files of the
 * checkout, and those of others in the same project, which are never reverted here.
 *
 * @throws {CliError} stack_unreachable, or invalid if there is no record
 */
async function applied(sql: Sql, files: ReadonlySet<string>): Promise<{ ours: string[]; others: string[] }> {
  try {
    const rows = await sql<{ version: string }[]>`
      select version from supabase_migrations.schema_migrations order by version desc`;
    const [{ kept }] = await sql`select to_regclass('private.own_migrations') is not null as kept`;
    const own = new Set(
      kept ? (await sql`select version from private.own_migrations`).map(({ version }) => version) : [],
    );
    const versions = rows.map(({ version }) => version);
    const isOurs = (version: string) => own.has(version) || files.has(version);
    return { ours: versions.filter(isOurs), others: versions.filter((version) => !isOurs(version)) };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === "42P01" || code === "3F000") {
      throw new CliError(
        "invalid",
        "This database has no record of migrations.",
        "supabase db push or the local stack applies migrations.",
      );
    }
    if (/^[0-9A-Z]{5}$/.test(code ?? "") && !code!.startsWith("08") && !code!.startsWith("28")) throw error;
    throw new CliError(
      "stack_unreachable",
      `The database does not answer: ${message}`,
      "Check the address and the password.",
      { cause: error },
    );
  }
}

/** The migrations to revert, newest first, and the version that remains. @throws {CliError} */
async function chosen(
  sql: Sql,
  folder: string,
  { to: wanted, steps }: DatabaseOptions,
): Promise<{ back: Migration[]; to: string; others: string[] }> {
  const files = new Map(listMigrations(folder).map((migration) => [migration.version, migration]));
  const { ours: versions, others } = await applied(sql, new Set(files.keys()));
  const to = wanted ?? versions[steps ?? 1] ?? "0";
  if (to !== "0" && !versions.includes(to)) {
    throw new CliError(
      "not_found",
      `${to} is not applied here.`,
      `The newest are ${versions.slice(0, 5).join(", ")}.`,
    );
  }
  const newer = versions.filter((version) => version > to);
  if (newer.length === 0) {
    throw new CliError("conflict", `${to} is already the newest.`, "There is nothing to revert.");
  }
  const back = newer.map((version) => {
    const migration = files.get(version);
    if (migration === undefined) {
      throw new CliError(
        "refused",
        `${version} is applied, but missing in this checkout.`,
        "Check out the deployed commit.",
      );
    }
    return migration;
  });
  for (const migration of back) {
    await Deno.stat(reversePath(migration)).catch(() => {
      throw new CliError(
        "refused",
        `${migration.version}_${migration.name} has no reverse.`,
        "Restore a backup from before it.",
      );
    });
  }
  return { back, to, others: others.filter((version) => version > to) };
}

async function checkHistory(sql: Sql, folder: string, to: string): Promise<string> {
  const { ours: left } = await applied(sql, new Set(listMigrations(folder).map(({ version }) => version)));
  if ((left[0] ?? "0") !== to) throw new CliError("refused", `${left[0]} is still on record.`);
  return counted(left.length, "migration");
}

/** Faults in the data: unvalidated references, and what `reconcile` finds. */
async function unsound(sql: Sql): Promise<string[]> {
  const references = await sql<{ name: string }[]>`
    select format('%s of %s', k.conname, k.conrelid::regclass) as name
    from pg_constraint k join pg_namespace n on n.oid = k.connamespace
    where n.nspname in ('public', 'private') and k.contype = 'f' and not k.convalidated`;
  const [{ exists }] = await sql`select to_regprocedure('public.reconcile()') is not null as exists`;
  const checks: { name: string; ok: boolean }[] = exists
    ? (await sql`select public.reconcile() as found`)[0].found.checks
    : [];
  return [...references, ...checks.filter(({ ok }) => !ok)].map(({ name }) => name);
}

/** The migration that the deployed functions require; undefined if unknown. */
async function neededSchema(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${url}/functions/v1/health`, { signal: AbortSignal.timeout(10_000) });
    return (await response.json()).database?.needs;
  } catch {
    // Functions that do not answer cannot be cut off.
    return undefined;
  }
}

/** Records the event, unless the events table was reverted itself. */
async function record(sql: Sql, event: RollbackEvent): Promise<string> {
  const [{ exists }] =
    await sql`select to_regprocedure('public.record_rollback(jsonb)') is not null as exists`;
  if (!exists) throw new CliError("refused", "the table of these events was reverted too.");
  const [{ id }] = await sql`select public.record_rollback(${sql.json(event as unknown as JSONValue)}) as id`;
  return id;
}
