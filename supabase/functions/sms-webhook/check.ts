/**
 * Compares what a provider has with what we have: texts whose webhook was lost, statuses that were never reported, and
 * texts of which nobody knows whether they went.
 *
 * @module
 */
import { type SmsUpdate } from "../_shared/channels/sms/inbound/update.ts";
import type { SmsProvider } from "../_shared/channels/sms/providers/provider.ts";
import type { SendDeps, SendFailure } from "../_shared/channels/channel.ts";
import type { Rpc } from "../_shared/db/client.ts";
import type { Fields } from "../_shared/log/log.ts";
import type { Ingest } from "../_shared/pipeline/ingest.ts";

/** Dependencies of {@linkcode createCheck}. */
export interface CheckDeps {
  rpc: Rpc;
  provider(name: SmsProvider["name"]): SmsProvider | SendFailure;
  fetch: SendDeps["fetch"];
  ingest: Ingest;
  /** Routes waiting messages. */
  decide(): Promise<unknown>;
  /** Counts comparisons by outcome: done, cut, failed. */
  count(outcome: string): void;
  /** Counts updates that no webhook had brought, by kind. */
  recovered(kind: string, n: number): void;
  log: { warn(message: string, fields: Fields): void };
  /** Milliseconds since 1970. */
  now(): number;
}

const AT_ONCE = 200;
/** Whose webhook may still be on its way, in milliseconds: not counted as recovered. */
const ON_ITS_WAY_MS = 60_000;

/**
 * Creates the comparison; each call makes one, if the database says that one is due.
 *
 * Failure policy: what cannot be read now is read later; the database keeps how far the list was read. Each update has
 * the key of its webhook, so what came by both ways is stored once.
 */
export function createCheck(deps: CheckDeps): () => Promise<void> {
  return async () => {
    const claimed = await deps.rpc("claim_text_check", {});
    if (claimed === null) return;
    const { provider: name, since, numbers, began } = claimed;
    try {
      const { error, ...result } = await compare(name, Date.parse(since), new Set(numbers));
      if (error !== undefined) {
        deps.count("failed");
        deps.log.warn("the list of one of a provider's accounts could not be read", {
          provider: name,
          error,
        });
      }
      await deps.rpc("settle_text_check", {
        p_result: { provider: name, began, ...result, ...(error === undefined ? {} : { error }) },
      });
    } catch (error) {
      deps.count("failed");
      deps.log.warn("a provider's list of texts could not be read", { provider: name, error });
      const words = error instanceof Error ? error.message : String(error);
      await deps.rpc("settle_text_check", { p_result: { provider: name, began, error: words } });
    }
  };

  async function compare(
    name: SmsProvider["name"],
    since: number,
    ours: ReadonlySet<string>,
  ): Promise<{ recovered: number; cut: boolean; error?: string }> {
    const provider = deps.provider(name);
    if ("ok" in provider) throw new Error(provider.message);
    if (provider.list === undefined) return { recovered: 0, cut: false };
    const { updates, sent, complete, error } = await provider.list(
      {
        since,
        isOurs: (number) => ours.has(number),
        known: async (ids) => new Set(await deps.rpc("known_texts", { p_ids: [...ids] })),
      },
      { fetch: deps.fetch },
    );
    // Before the statuses, which find their message by the id that it gets here.
    const { found } = await deps.rpc("find_sent_texts", {
      p_texts: sent.map((text) => ({ ...text })),
      p_since: new Date(since).toISOString(),
      p_complete: complete,
      p_provider: name,
    });
    // Their statuses may have been stored before, when they were about no message of ours.
    const known = new Set(found);
    const telling = updates.filter(isTelling).map((update) =>
      known.has(update.provider_id ?? "") ? { ...update, key: `${update.key}:found` } : update
    );
    let recovered = 0, messages = 0;
    for (let from = 0; from < telling.length; from += AT_ONCE) {
      // Oldest first, so that the messages of a conversation keep their order.
      const part = telling.slice(Math.max(0, telling.length - from - AT_ONCE), telling.length - from)
        .reverse();
      const outcomes = await deps.ingest({ updates: part, bytes: part.length * 1000 });
      part.forEach((update, i) => {
        if (outcomes[i] !== "s") return;
        if (update.kind === "message") messages++;
        if (deps.now() - Date.parse(update.at ?? "") < ON_ITS_WAY_MS) return;
        recovered++;
        deps.recovered(update.kind, 1);
      });
    }
    if (messages > 0) await deps.decide();
    if (error !== undefined) return { recovered, cut: true, error };
    if (!complete) {
      deps.log.warn("a provider's list of texts was longer than what is read at once", { provider: name });
    }
    deps.count(complete ? "done" : "cut");
    return { recovered, cut: !complete };
  }
}

/** What a webhook would have said too. That a text is on its way says something only of one that may never have gone. */
function isTelling({ kind, rank }: SmsUpdate): boolean {
  return kind === "message" || (kind === "status" && rank !== undefined && rank > 0);
}
