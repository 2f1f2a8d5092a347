/**
 * Tells owners and sitters that a part of messaging has begun or ended for their organisation: those whom the database
 * names, in the words of `member_words.ts`.
 *
 * @module
 */
import type { Rpc } from "../_shared/db/client.ts";
import { memberNotice } from "../_shared/masking/member_words.ts";
import { noticeLanguage } from "../_shared/masking/words.ts";
import { textMessage } from "../_shared/pipeline/relaying.ts";

/** Dependencies of {@linkcode createTellMembers}. */
export interface TellDeps {
  rpc: Rpc;
  /** Starts sending. */
  send(): Promise<unknown>;
  /** Called for each member that was told, or cannot be; without personal data. */
  onTold(fields: Readonly<Record<string, unknown>>): void;
}

/** Members that are told at once. */
const ROUND = 100;

/**
 * Creates the work of the clock's call: tells everybody who is to be told now.
 *
 * Failure policy: the database decides again for each member in the transaction that queues, so nobody is told twice, and
 * who cannot be told now is told later, for a day.
 */
export function createTellMembers({ rpc, send, onTold }: TellDeps): () => Promise<void> {
  return async () => {
    const due = await rpc("org_notices_due", { p_limit: ROUND });
    if (due.length === 0) return;
    const told = await rpc("tell_members", {
      p_notices: due.map(({ member_id, topic, since, begins, org, prefix }) => {
        const { subject, mail, text } = memberNotice(topic, begins, noticeLanguage(prefix), org);
        return { member_id, topic, since, subject, mail, message: textMessage(text) };
      }),
    });
    for (const { org_id, member_id, topic, way, why } of told) {
      onTold({ orgId: org_id, memberId: member_id, topic, way, ...(why === null ? {} : { why }) });
    }
    if (told.some(({ way }) => way === "text" || way === "mail")) await send();
  };
}
