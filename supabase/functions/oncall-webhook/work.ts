/**
 * Who is on call, behind the cards: looks it up, has the card mention the person, and calls the person by a short message.
 *
 * @module
 */
import type { Claim, OnCallAnswer } from "../_shared/contract/answers/oncall.ts";
import type { Rpc } from "../_shared/db/client.ts";
import type { Bot, BotAnswer, CallChat } from "../_shared/channels/telegram/api.ts";
import { callParts, troubleInWords } from "../_shared/channels/telegram/oncall.ts";
import { format } from "../_shared/channels/telegram/text.ts";
import type { OnCallProvider, OnCallProviderName } from "../_shared/oncall/provider.ts";
import type { JsonObject } from "../_shared/json/json.ts";
import { sharedRun } from "../_shared/http/shared_run.ts";

/** Dependencies of {@linkcode createOnCallWork}. */
export interface OnCallWorkDeps {
  rpc: Rpc;
  /** Whether the environment stops dynamic routing. */
  isKilled(): boolean;
  /** A provider; what is missing, if something is. */
  provider(name: OnCallProviderName): OnCallProvider | string;
  /** The bot; why there is none, if so. */
  bot(): Bot | string;
  callChat: CallChat;
  /** Counts a lookup by source and outcome. */
  count(source: string, outcome: string): void;
  onError(message: string, error: unknown): void;
}

const AT_ONCE = 50;
/** Batches of one run: the clock comes back for the rest. */
const BATCHES = 40;
const RETRY_MS = 30_000;

/**
 * Creates the work: does all that is due. Concurrent calls share a run.
 *
 * Failure policy: the card is in its chat before any of this begins and waits for none of it. A provider that fails or is
 * slower than two seconds is answered for by its last answer, however old; without one the card says that nobody knows. After
 * five failures it is left alone for a while. Never throws.
 */
export function createOnCallWork(deps: OnCallWorkDeps): () => Promise<void> {
  async function all(): Promise<void> {
    try {
      for (let batch = 0; batch < BATCHES; batch++) {
        const claims = await deps.rpc("claim_oncall_pages", {
          p_limit: AT_ONCE,
          p_is_on: !deps.isKilled(),
        });
        if (claims.length === 0) break;
        await pages(claims);
      }
    } catch (error) {
      deps.onError("who is on call could not be looked up", error);
    }
  }

  /** One question a schedule, however many cards wait for it. */
  async function pages(claims: readonly Claim[]): Promise<void> {
    const asked = new Map<string, Promise<OnCallAnswer | null>>();
    await Promise.all(claims.map(async (claim) => {
      if (claim.state === "paging") return await call(claim, claim.people);
      let answer = claim.answer;
      if (answer === null) {
        const { id } = claim.schedule;
        let looking = asked.get(id);
        if (looking === undefined) asked.set(id, looking = lookUp(claim.schedule));
        answer = await looking;
      }
      await settle(claim, answer);
    }));
  }

  async function lookUp({ id, source, external_id }: Claim["schedule"]): Promise<OnCallAnswer | null> {
    if (source === "rota") return null;
    if (!await deps.rpc("begin_oncall_lookup", { p_source: source })) {
      return await deps.rpc("settle_oncall_lookup", { p_schedule_id: id, p_fault: "circuit_open" });
    }
    const provider = deps.provider(source);
    const found = typeof provider === "string"
      ? { ok: false as const, fault: provider }
      : await provider.whoIsOnCall(external_id ?? "");
    return await deps.rpc(
      "settle_oncall_lookup",
      found.ok
        ? {
          p_schedule_id: id,
          p_people: found.people,
          ...(found.endsAt === null ? {} : { p_ends_at: found.endsAt }),
        }
        : { p_schedule_id: id, p_fault: found.fault },
    );
  }

  async function settle(claim: Claim, answer: OnCallAnswer | null): Promise<void> {
    const settled = await deps.rpc("settle_oncall_page", {
      p_delivery_id: claim.delivery_id,
      p_lease: claim.lease,
      ...(answer === null ? {} : { p_answer: answer }),
    });
    if (settled === null) return;
    deps.count(claim.schedule.source, settled.outcome);
    await Promise.all([
      settled.pages ? call(claim, settled.people) : undefined,
      settled.owner === null
        ? undefined
        : tellOwner(settled.owner.telegram_id, troubleInWords(settled.owner)),
    ]);
  }

  /** A short message: Telegram notifies nobody of an edit. Twice is less harm than never. */
  async function call(claim: Claim, people: Claim["people"]): Promise<void> {
    const answer = await say({
      chat_id: claim.chat_id,
      ...(claim.topic_id === null ? {} : { message_thread_id: claim.topic_id }),
      ...format(callParts(people)),
      reply_parameters: { message_id: claim.message_id, allow_sending_without_reply: true },
    });
    const retryMs = retryAfter(answer);
    await deps.rpc("settle_oncall_ping", {
      p_delivery_id: claim.delivery_id,
      p_lease: claim.lease,
      ...(retryMs === undefined ? {} : { p_retry_ms: retryMs }),
    });
  }

  /** Endpoints for failures are told too, by a queue: this is the faster way, tried once. */
  async function tellOwner(chat: number, text: string): Promise<void> {
    const answer = await say({ chat_id: chat, text });
    if (answer?.ok === false) deps.onError("the owner of a schedule could not be told", answer.fault);
  }

  async function say(body: JsonObject & { chat_id: number }): Promise<BotAnswer | undefined> {
    const bot = deps.bot();
    return typeof bot === "string" ? undefined : await deps.callChat(bot, "sendMessage", body);
  }

  return sharedRun(all);
}

/** When a message is tried again; undefined for never. */
function retryAfter(answer: BotAnswer | undefined): number | undefined {
  if (answer === undefined) return RETRY_MS;
  if (answer.ok) return undefined;
  switch (answer.fault) {
    case "throttled":
      return answer.retryAfterMs ?? RETRY_MS;
    case "unavailable":
    case "unauthorised":
      return RETRY_MS;
    default:
      return undefined;
  }
}
