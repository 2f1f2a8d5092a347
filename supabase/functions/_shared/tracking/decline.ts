/**
 * What the recipient of a mail declines by the address in it, `/u/{token}`: mails to many, or being tracked.
 *
 * @module
 */
import type { ResolvedMail } from "../contract/answers/mail.ts";
import type { Rpc } from "../db/client.ts";

/** Dependencies of {@linkcode createDecline}. */
export interface DeclineDeps {
  rpc: Rpc;
  /** Finds the message of a reply token, or of its id. */
  resolve(question: Record<string, unknown>): Promise<ResolvedMail>;
}

/** See the module. Each resolves also if the token stands for nothing. */
export interface Decline {
  /** Ends mails to many to whom a message was sent; whoever has the address of it may do so. */
  unsubscribe(token: string): Promise<void>;
  /** Ends tracking of whom it was sent to, also for mails that were sent before. */
  withdraw(token: string): Promise<void>;
}

/** Creates a {@linkcode Decline}. Tokens are 16 characters of base32, or a message's id. */
export function createDecline({ rpc, resolve }: DeclineDeps): Decline {
  async function messageOf(token: string): Promise<ResolvedMail["message"]> {
    const named = token.length === 16 ? { tokens: [token] } : { legacy: [{ message: token }] };
    const { message } = await resolve({ tokens: [], legacy: [], references: [], ...named });
    return message?.direction === "out" ? message : null;
  }

  return {
    async unsubscribe(token) {
      const message = await messageOf(token);
      if (message === null) return;
      await rpc("ingest_mail_events", {
        p_events: [{
          provider: "gatelink",
          // A repetition changes nothing, and one after the person has subscribed again counts.
          key: `unsubscribe:${crypto.randomUUID()}`,
          event: "unsubscribe",
          at: new Date().toISOString(),
          message: message.id,
          delivery: null,
          provider_id: null,
          address: message.contact ?? message.to,
          error: null,
          suppress: { reason: "unsubscribe", scope: "bulk" },
          metadata: { by: "link" },
          raw: {},
        }],
      });
    },
    async withdraw(token) {
      const message = await messageOf(token);
      if (message !== null) await rpc("withdraw_tracking", { p_message_id: message.id });
    },
  };
}
