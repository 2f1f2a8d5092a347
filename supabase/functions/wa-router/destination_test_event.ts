/**
 * A person's test of a destination: one signed event, sent with the same code and rules as messages. It
 * concerns no message, so it has no flag and affects neither queue nor circuit: a service can be tested
 * before it receives messages, and while it is paused.
 *
 * @module
 */
import type { OwnWebhook } from "../_shared/channels/channel.ts";
import type { Tested } from "../_shared/contract/http/destinations.ts";
import { MAX_SHOWN } from "../_shared/contract/http/limits.ts";
import { DESTINATION_NAME } from "../_shared/contract/names.ts";
import type { DeliveryError } from "../_shared/contract/states.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import type { Counters } from "../_shared/db/counters.ts";
import { deliver, type DeliveryDeps, type DeliveryResult } from "../_shared/delivery/deliver.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Logger } from "../_shared/log/log.ts";
import { repliesInWords } from "../_shared/contract/words/replies.ts";

/** Dependencies of the test. */
export interface TestDeps {
  rpc: Rpc;
  /** Takes one test from the limit of a key or person and returns the rate headers; throws `rate_limited`. */
  limit(actor: string): Promise<Record<string, string>>;
  /** The dependencies with the current configuration, so that a host that was just allowed works. */
  world(): Promise<DeliveryDeps>;
  /** The provider's own webhooks, for a destination that takes them. */
  ownWebhook: OwnWebhook | undefined;
  count: Counters["count"];
}

/** Tests one destination, `name` as it stands in the address, for the key or person `actor`. */
export type TestDestination = (name: string, actor: string, log: Logger) => Promise<Response>;

/**
 * Creates a {@linkcode TestDestination}. It answers 200 with {@linkcode Tested} whatever the service did,
 * because the test itself succeeded; the person and the outcome are logged.
 *
 * Refusals: `destination_not_found`, `rate_limited`, `database_unavailable`.
 */
export function createTest({ rpc, limit, world, ownWebhook, count }: TestDeps): TestDestination {
  return async (name, actor, log) => {
    if (!DESTINATION_NAME.test(name)) throw new Problem("destination_not_found");
    const left = await limit(actor);
    const target = await rpc("destination_to_test", { p_name: name }).catch((error) => {
      throw error instanceof DbError && error.code === "GL404"
        ? new Problem("destination_not_found", { detail: `There is no destination named ${name}.` })
        : error;
    });
    const webhook_id = crypto.randomUUID();
    const result = await deliver(await world(), {
      id: webhook_id,
      url: target.url,
      secrets: target.secrets,
      headers: target.headers,
      destinationId: target.id,
      timeoutMs: target.timeout_ms,
      ...(target.format === "meta" && ownWebhook !== undefined
        ? { event: ownWebhook.emptyBody, headersOf: ownWebhook.headersOf }
        : {
          event: {
            type: "gatelink.test",
            timestamp: new Date().toISOString(),
            data: { note: "A test of this destination by a person. It concerns no message." },
          },
        }),
    });
    const { ok, status, latencyMs: latency_ms, error, detail, answer } = result;
    const { replies, repliesIgnored: replies_ignored } = result;
    count("destination_tests", error ?? "delivered");
    log.info("a destination was tested", { destination: name, actor, webhook_id, status, latency_ms, error });
    const tested: Tested = {
      destination: name,
      url: target.url,
      webhook_id,
      ok,
      status,
      latency_ms,
      error,
      detail,
      // The cut may have gone through a character.
      answer: answer?.slice(0, MAX_SHOWN).toWellFormed(),
      replies: replies?.length,
      replies_ignored,
      advice: adviceOn(result),
    };
    return Response.json(tested, { headers: left });
  };
}

const ADVICE: Record<DeliveryError, string> = {
  not_permitted:
    "An admin allows its host for deliveries: Settings, Allowlist, or gatelink allowlist add HOST --for forward.",
  unsendable:
    "Give the destination a valid secret (gatelink destinations rotate-secret NAME), or set the undecryptable header again.",
  platform_limit: "Try again in a minute: the platform currently allows no more calls to its functions.",
  dns: "Check the host name.",
  address: "The service must be reachable from the internet under this name.",
  timeout: "The service must answer sooner, or the destination needs a longer timeout.",
  tls: "Check the service's certificate.",
  connect: "Start the service, and check host and port.",
  connection: "Check the service's log.",
  redirect: "Redirects are not followed: add the address that it leads to.",
  unknown_outcome: "Look into the inbox: the mail may have arrived.",
  status: "Check the service's log.",
};

function adviceOn({ error, status, repliesIgnored }: DeliveryResult): string | undefined {
  if (repliesIgnored !== undefined) {
    return `Its replies would not be used: ${repliesInWords(repliesIgnored)}. See docs/routing.md, Replies.`;
  }
  if (error === undefined) return undefined;
  return status === 401 || status === 403
    ? "The service refuses the signature: does it have this destination's secret?"
    : ADVICE[error];
}
