/**
 * Judges opens and clicks once more, with all that is known of their mail: a burst and the hidden link are seen only
 * together, and when a mail was delivered is told afterwards.
 *
 * @module
 */
import type { Rpc } from "../db/client.ts";
import { judgeSigned, readSigns, type SignedAccess } from "../mail/tracking/verdict.ts";

/** Mails of one round, and rounds of one call. */
const MAILS = 200;
const ROUNDS = 50;

/**
 * Judges what is due. Returns how many verdicts it wrote.
 *
 * Two that judge the same at once do no harm: from the same facts they make the same verdicts.
 */
export async function judgeDue(rpc: Rpc): Promise<number> {
  let written = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const mails = await rpc("accesses_to_judge", { p_limit: MAILS });
    const verdicts = mails.flatMap(({ delivered_at, accesses }) => {
      const signed = accesses.map(({ kind, at, link, signs }): SignedAccess => ({
        kind,
        at,
        signs: readSigns(signs),
        ...(link === null ? {} : { link: String(link), trap: link === 0 }),
      }));
      const judged = judgeSigned(signed, delivered_at === null ? {} : { deliveredAt: delivered_at });
      return accesses.flatMap(({ kind, id, verdict, reasons, judged: before }, i) => {
        const now = { kind, id, verdict: judged[i].verdict, reasons: judged[i].reasons.join(" ") };
        return before && now.verdict === verdict && now.reasons === reasons ? [] : [now];
      });
    });
    if (verdicts.length > 0) written += await rpc("settle_accesses", { p_verdicts: verdicts });
    if (mails.length < MAILS) break;
  }
  return written;
}
