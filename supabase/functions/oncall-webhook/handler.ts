/**
 * On call: what the clock starts, and a check of the providers.
 *
 * | address | who | answers |
 * |---|---|---|
 * | `POST /work` | the clock, with a secret key | 202; cards mention who is on call |
 * | `GET /check` | the team, with a secret key | whether each schedule's provider answers, and what it says |
 *
 * @module
 */
import type { OnCallCheck } from "../_shared/contract/http/oncall.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { createRouter, type Route } from "../_shared/http/routes.ts";
import type { OnCallProvider, OnCallProviderName } from "../_shared/oncall/provider.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";

/** The routes of the function. */
export const ROUTES = [
  { method: "POST", path: "/work", auth: "secret", handler: "work" },
  { method: "GET", path: "/check", auth: "secret", handler: "check" },
] as const satisfies readonly Route[];

type Name = (typeof ROUTES)[number]["handler"];

/** Dependencies of the handler. */
export interface OnCallWebhookDeps {
  killed(feature: string): boolean;
  requireSecretKey(headers: Headers): { name: string };
  rpc: Rpc;
  provider(name: OnCallProviderName): OnCallProvider | string;
  work(): Promise<void>;
  waitUntil(work: Promise<unknown>): void;
}

/** Kill switch of the function: `ONCALL_WEBHOOK_ENABLED`. */
const FEATURE = "oncall_webhook";

/** The handler of `oncall-webhook`. */
export function createHandler(deps: OnCallWebhookDeps): Handler {
  return createRouter<Name, Context>("oncall-webhook", ROUTES, {
    killed: () => deps.killed(FEATURE),
    gates: { secret: (headers) => deps.requireSecretKey(headers).name },
    handlers: { work, check },
  });

  function work(): Response {
    deps.waitUntil(deps.work());
    return Response.json({ status: "looking" }, { status: 202 });
  }

  /** Asks each schedule's provider now, past the cache and the circuit, and keeps nothing of it. */
  async function check(): Promise<Response> {
    const schedules = await deps.rpc("list_oncall", {});
    const result: OnCallCheck = {
      routing_killed: deps.killed("dynamic_routing"),
      schedules: await Promise.all(
        schedules.map(async ({ name, source, external_id }) => {
          const facts = { name, source };
          if (source === "rota") return { ...facts, people: null, fault: null };
          const provider = deps.provider(source);
          if (typeof provider === "string") return { ...facts, people: null, fault: provider };
          const found = await provider.whoIsOnCall(external_id ?? "");
          return found.ok
            ? { ...facts, people: found.people.length, fault: null }
            : { ...facts, people: null, fault: found.fault };
        }),
      ),
    };
    return Response.json(result);
  }
}
