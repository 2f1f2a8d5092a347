/** Who keeps a connection to the database waiting: seen from a second one, for the first cannot ask while it waits. */
import { lockHolderInWords } from "../../../supabase/functions/_shared/contract/words/health.ts";
import type { LockHolder } from "../../../supabase/functions/_shared/contract/answers/operations.ts";
import postgres, { type Sql } from "postgres";
import { CliError } from "../../core/errors.ts";

/** Longest wait for a lock, in milliseconds: rather fail and be run again than queue everybody behind it. */
export const LOCK_MS = 3000;
const LOOK_EVERY_MS = 500;

/**
 * Runs work on a connection, which waits {@linkcode LOCK_MS} for a lock at most.
 *
 * Failure policy: the holder's name is a help. If it cannot be read, the work's error is thrown without it.
 *
 * @param sql One connection.
 * @param instead What to do without this database, as a sentence; added to the hint.
 * @throws {CliError} refused, naming who holds a lock (process, age, beginning of its statement), or saying that the
 *   database is read-only; any other error of the work as it is
 */
export async function watched<T>(url: string, sql: Sql, instead: string, work: () => Promise<T>): Promise<T> {
  const pid = await sql<{ pid: number }[]>`
    select pg_backend_pid() as pid, set_config('lock_timeout', ${String(LOCK_MS)}, false)`
    .then(([row]) => row.pid, () => undefined);
  // The database does not answer: the work says so in its own words.
  if (pid === undefined) return await work();
  const other = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  let holders: LockHolder[] = [], looking: Promise<void> | undefined;
  const timer = setInterval(() => {
    looking ??= blockersOf(other, pid).then((found) => {
      if (found.length > 0) holders = found;
    }).catch(() => {}).finally(() => looking = undefined);
  }, LOOK_EVERY_MS);
  try {
    return await work();
  } catch (error) {
    const code = codeOf(error);
    if (code === "55P03") {
      await looking;
      throw locked(error as Error, holders, instead);
    }
    if (code === "25006") throw await readOnly(other, error as Error, instead);
    throw error;
  } finally {
    clearInterval(timer);
    await looking;
    await other.end({ timeout: 1 });
  }
}

function bare({ message }: Error): string {
  return message.replace(/\.$/, "");
}

/** SQLSTATE of an error or of its cause. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return (error as { code?: string }).code?.match(/^[0-9A-Z]{5}$/)?.[0] ?? codeOf(error.cause);
}

/** The transactions that a process waits for. Statements are in brief, without values. */
async function blockersOf(sql: Sql, pid: number): Promise<LockHolder[]> {
  return await sql<LockHolder[]>`
    select a.pid, a.usename as role, a.state, floor(extract(epoch from clock_timestamp() - a.xact_start))::integer as seconds,
      private.statement_in_brief(a.query) as statement
    from pg_stat_activity a where a.pid = any (pg_blocking_pids(${pid})) order by a.xact_start, a.pid`;
}

function locked(error: Error, holders: LockHolder[], instead: string): CliError {
  return new CliError(
    "refused",
    `${bare(error)}: locked by ${holders.map(lockHolderInWords).join("; ") || "another transaction"}.`,
    `Nothing was changed. Try again when it has ended${
      holders.length === 0 ? "" : `, or end it: select pg_terminate_backend(${holders[0].pid})`
    }. ${instead}`,
    { cause: error },
  );
}

async function readOnly(sql: Sql, error: Error, instead: string): Promise<CliError> {
  const standby = await sql<{ standby: boolean }[]>`select pg_is_in_recovery() as standby`
    .then(([row]) => row.standby, () => false);
  return new CliError(
    "refused",
    `${
      standby
        ? "This is a standby, which accepts no writes"
        : "The database accepts no writes: it is read-only"
    } (${bare(error)}).`,
    `Nothing was changed. ${
      standby
        ? "Use the address of the primary."
        : "Make it writable first: docs/runbooks/2-environment.md has the statements."
    } ${instead}`,
    { cause: error },
  );
}
