/**
 * Judges opens and clicks once more, with all that is known of their mail: a burst and the hidden link are seen only
 * together, and when a mail was delivered is told afterwards.
 *
 * @module
 */
import type { Rpc } from "../db/client.ts";
import { judgeSigned, readSigns, type SignedAccess } from "../mail/tracking/verdict.ts";

/** Mails of one round. */
const MAILS = 200;

/** What judging has led to. */
export interface JudgedDue {
  /** How many verdicts were written. */
  readonly written: number;
  /** Whether more may be due. */
  readonly more: boolean;
}

/**
 * Judges what is due, in so many rounds at most.
 *
 * Two that judge the same at once do no harm: from the same facts they make the same verdicts.
 */
export async function judgeDue(rpc: Rpc, rounds: number): Promise<JudgedDue> {
  let written = 0;
  for (let round = 0; round < rounds; round++) {
    const mails = await rpc("accesses_to_judge", { p_limit: MAILS });
    const verdicts = mails.flatMap(({ ticket, delivered_at, accesses }) => {
      const signed = accesses.map(({ kind, at, link, signs }): SignedAccess => ({
        kind,
        at,
        signs: readSigns(signs),
        ...(link === null ? {} : { link: String(link), trap: link === 0 }),
      }));
      const judged = judgeSigned(signed, delivered_at === null ? {} : { deliveredAt: delivered_at });
      return accesses.flatMap(({ kind, id, verdict, reasons, judged: before }, i) => {
        const now = {
          kind,
          id,
          ticket,
          delivered_at,
          verdict: judged[i].verdict,
          reasons: judged[i].reasons.join(" "),
        };
        return before && now.verdict === verdict && now.reasons === reasons ? [] : [now];
      });
    });
    if (verdicts.length > 0) written += await rpc("settle_accesses", { p_verdicts: verdicts });
    if (mails.length < MAILS) return { written, more: false };
  }
  return { written, more: true };
}
