/**
 * On call: what the clock starts, and a check of the providers.
 *
 * | address | who | answers |
 * |---|---|---|
 * | `POST /work` | the clock, with a secret key | 202; cards mention who is on call |
 * | `POST /pagerduty` | PagerDuty, which signs | 200 once the card has followed |
 * | `POST /atlassian` | Opsgenie and Jira Service Management, with a word in a header | the same |
 * | `GET /check` | the team, with a secret key | whether each schedule's provider answers, and what it says |
 *
 * @module
 */
import { ATLASSIAN_TOKEN, atlassianProved, readAtlassian } from "../_shared/oncall/atlassian.ts";
import { PAGERDUTY_SIGNATURE, pagerDutySigned, readPagerDuty } from "../_shared/oncall/pagerduty.ts";
import type { OnCallCheck, OnCallHeard } from "../_shared/contract/http/oncall.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { readBody } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import { decode } from "../_shared/json/json.ts";
import { type Call, createRouter, type Route } from "../_shared/http/routes.ts";
import type { OnCallNews, OnCallProvider, OnCallProviderName } from "../_shared/oncall/provider.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";

/** The routes of the function. */
export const ROUTES = [
  { method: "POST", path: "/work", auth: "secret", handler: "work" },
  { method: "POST", path: "/pagerduty", auth: "none", handler: "pagerduty" },
  { method: "POST", path: "/atlassian", auth: "none", handler: "atlassian" },
  { method: "GET", path: "/check", auth: "secret", handler: "check" },
] as const satisfies readonly Route[];

type Name = (typeof ROUTES)[number]["handler"];

/** Dependencies of the handler. */
export interface OnCallWebhookDeps {
  killed(feature: string): boolean;
  requireSecretKey(headers: Headers): { name: string };
  rpc: Rpc;
  provider(name: OnCallProviderName): OnCallProvider | string;
  work(): Promise<unknown>;
  /** The secrets of PagerDuty's webhooks, and the words of Atlassian's. */
  pagerDutySecrets(): readonly string[];
  atlassianSecrets(): readonly string[];
  /** Milliseconds since 1970. */
  now(): number;
  /** Counts a webhook by source and what became of it. */
  count(source: string, outcome: string): void;
  waitUntil(work: Promise<unknown>): void;
}

/** Kill switch of the function: `ONCALL_WEBHOOK_ENABLED`. */
const FEATURE = "oncall_webhook";
/** Kill switch of all that is on call: `DYNAMIC_ROUTING`. */
const ROUTING = "dynamic_routing";
const BODY_BYTES = 256 * 1024;

/** The handler of `oncall-webhook`. */
export function createHandler(deps: OnCallWebhookDeps): Handler {
  return createRouter<Name, Context>("oncall-webhook", ROUTES, {
    killed: () => deps.killed(FEATURE),
    gates: { secret: (headers) => deps.requireSecretKey(headers).name },
    handlers: { work, pagerduty, atlassian, check },
  });

  function work(): Response {
    deps.waitUntil(deps.work());
    return Response.json({ status: "looking" }, { status: 202 });
  }

  /** These two have no gate before them that would ask. What is refused meanwhile comes again for a day. */
  function requireOn(): void {
    if (deps.killed(FEATURE) || deps.killed(ROUTING)) throw new Problem("disabled_by_environment");
  }

  async function pagerduty({ request }: Call<Context>): Promise<Response> {
    requireOn();
    const given = request.headers.get(PAGERDUTY_SIGNATURE);
    if (given === null) throw new Problem("signature_missing");
    const bytes = await readBody(request, BODY_BYTES);
    if (!pagerDutySigned(bytes, given, deps.pagerDutySecrets())) throw refused("pagerduty");
    return await hear("pagerduty", readPagerDuty(parsed(bytes)));
  }

  async function atlassian({ request }: Call<Context>): Promise<Response> {
    requireOn();
    const given = request.headers.get(ATLASSIAN_TOKEN);
    if (given === null) throw new Problem("signature_missing");
    if (!atlassianProved(given, deps.atlassianSecrets())) throw refused("opsgenie");
    return await hear("opsgenie", readAtlassian(parsed(await readBody(request, BODY_BYTES)), deps.now()));
  }

  function refused(source: string): Problem {
    deps.count(source, "unsigned");
    return new Problem("signature_invalid");
  }

  /** Failure policy: 200 is committed, or says nothing of ours. A provider repeats everything else for a day. */
  async function hear(source: "pagerduty" | "opsgenie", news: OnCallNews | undefined): Promise<Response> {
    const outcome = news === undefined
      ? "ignored"
      : await deps.rpc("hear_oncall", { p_source: source, p_news: { ...news } });
    deps.count(source, outcome);
    return Response.json({ outcome } satisfies OnCallHeard);
  }

  /** Asks each schedule's provider now, past the cache and the circuit, and keeps nothing of it. */
  async function check(): Promise<Response> {
    const schedules = await deps.rpc("list_oncall", {});
    const result: OnCallCheck = {
      routing_killed: deps.killed(ROUTING),
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

function parsed(bytes: Uint8Array): unknown {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}
