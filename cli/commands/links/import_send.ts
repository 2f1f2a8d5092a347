/** Sends the links of a file in calls of a thousand. */
import { MAX_BULK, MAX_BULK_PASSWORDS } from "../../../supabase/functions/_shared/contract/link_limits.ts";
import type { BulkResult } from "../../../supabase/functions/_shared/contract/links.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { CliError } from "../../core/errors.ts";
import type { Session } from "../../core/session.ts";
import type { LinksApi } from "./api.ts";
import type { Outcome } from "./import_report.ts";
import { UNSEEN_MS } from "./rules.ts";

/** Maximum bytes of links in one call, below the function's limit (`MAX_BULK_BYTES`). */
const BYTES = 3_500_000;

/** A link to create, and the record of its result. */
export interface Pending {
  outcome: Outcome;
  link: Record<string, unknown>;
  bytes: number;
}

/** Creates the links, and records the result of each. */
export async function make(
  session: Session,
  api: LinksApi,
  pending: readonly Pending[],
  again = false,
): Promise<void> {
  let done = 0;
  for (const batch of batches(pending)) {
    let results: BulkResult[];
    try {
      results = await api.createMany(batch.map(({ link }) => link));
    } catch (error) {
      if (!(error instanceof CliError) || done === 0) throw error;
      const hint = `${
        counted(done, "row")
      } of ${pending.length} are done. Run the command again: it goes on from there.`;
      throw new CliError(error.code, error.message, hint, { cause: error });
    }
    batch.forEach(({ outcome }, index) => {
      const result = results[index];
      if ("code" in result) {
        Object.assign(outcome, { status: result.status === 201 ? "made" : "exists", code: result.code });
      } else if ("error" in result) {
        const { error, detail } = result;
        Object.assign(outcome, { status: "refused", error, why: detail ?? WHY[error] ?? error });
      }
    });
    done += batch.length;
    session.progress(`${done} of ${pending.length} links sent`);
  }
  // The current rules allow every link that was sent: the function had not yet seen the latest change of the allowlist.
  const unseen = pending.filter(({ outcome }) => outcome.error === "url_not_allowed");
  if (unseen.length === 0 || again) return;
  session.progress("waiting until the function has seen the allowlist");
  await new Promise((resolve) => setTimeout(resolve, UNSEEN_MS));
  for (const { outcome } of unseen) outcome.error = outcome.why = undefined;
  await make(session, api, unseen, true);
}

const WHY: Record<string, string> = {
  code_taken: "this code is or was used by another link",
  code_reserved: "this code is reserved",
  external_id_taken: "it exists with other values; change it with PATCH, or delete it first",
  no_code_found: "no free code was found; run the command again",
};

/** Batches of the maximum size that the function accepts. */
function* batches(pending: readonly Pending[]): Generator<Pending[]> {
  let batch: Pending[] = [], bytes = 0, passwords = 0;
  for (const item of pending) {
    const hasPassword = item.link.password !== undefined;
    if (
      batch.length === MAX_BULK || bytes + item.bytes > BYTES ||
      (hasPassword && passwords === MAX_BULK_PASSWORDS)
    ) {
      yield batch;
      batch = [], bytes = 0, passwords = 0;
    }
    batch.push(item);
    bytes += item.bytes + 1;
    if (hasPassword) passwords++;
  }
  if (batch.length > 0) yield batch;
}
