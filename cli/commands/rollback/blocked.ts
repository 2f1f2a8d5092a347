/** Reports what blocks a rollback in the database, and which rollback works instead. */
import { lockHolderInWords } from "../../../supabase/functions/_shared/contract/words/health.ts";
import { type Api, sqlState } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";

/**
 * The error of a rollback that could not complete, with the command that needs no database. If the database
 * does not answer in time, it is asked who holds a lock, which needs no lock itself.
 *
 * @param instead The command that rolls the flag back without the database.
 */
export async function refuseBlocked(
  api: Api,
  error: unknown,
  flag: string,
  instead: string,
): Promise<unknown> {
  if (!(error instanceof CliError)) return error;
  const waited = sqlState(error) === "55P03";
  if (error.code === "refused" && !waited && !error.hint?.includes("gatelink rollback")) return error;
  if (error.code === "refused" && !waited) {
    return new CliError("refused", error.message, named(error.hint!, flag, instead));
  }
  if (error.code !== "stack_unreachable" && !waited) return error;
  const holders = await api.rpc("who_blocks", {}).catch(() => []);
  if (holders.length === 0) {
    return new CliError(
      error.code,
      error.message,
      `${error.hint === undefined ? "" : `${error.hint} `}Without the database: ${instead}`,
    );
  }
  return new CliError(
    "refused",
    `${flag} can be neither read nor written, for a table is locked by ${
      holders.map(lockHolderInWords).join("; ")
    }.`,
    `Turn it off without the database: ${instead}. Or end that process: select pg_terminate_backend(${
      holders[0].pid
    }).`,
  );
}

/** A hint of the database or the API, with the complete command in place of its pattern. */
function named(hint: string, flag: string, instead: string): string {
  return hint.replace(`gatelink rollback 2 ${flag} --why "…"`, instead).replace(
    "gatelink rollback 2 --help",
    instead,
  );
}
