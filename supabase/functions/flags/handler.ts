/**
 * Flags for other systems: OpenFeature's Remote Evaluation Protocol (OFREP 0.3) for apps and services,
 * outcomes from services, and the clock's endpoint for notifications.
 *
 * Hot: thousands of evaluations a second. Everything that depends only on the configuration is computed once,
 * only the body is awaited, and the database is never called.
 *
 * @module
 */
import { limitOf, LIMITS } from "../_shared/contract/limits.ts";
import type { FlagErrorCode, OutcomesAccepted } from "../_shared/contract/http/flags.ts";
import type { Config } from "../_shared/db/config.ts";
import { type Flag, prepareFlags } from "../_shared/flags/evaluate.ts";
import { murmur3 } from "../_shared/crypto/murmur3.ts";
import {
  answer,
  forApps,
  prepareRemote,
  readContext,
  type RemoteFlag,
  saysWho,
  statusOf,
  withoutTargets,
} from "../_shared/flags/ofrep.ts";
import type { Pace } from "../_shared/flags/rate_limit.ts";
import { isSignedAudience } from "../_shared/gates/audience.ts";
import type { ApiKey, KeyOptions } from "../_shared/gates/keys.ts";
import { parseJson, readBody, readJson } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import { addressOf, type Call, createRouter, ownPaths, type Route } from "../_shared/http/routes.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import type { Outcomes } from "../_shared/rollouts/outcomes.ts";
import { createAnswers } from "./answers.ts";
import { recordReports } from "./reports.ts";
import { MAX_SIGNALS_BYTES, type Signals } from "./signals.ts";

/** A context is a handful of attributes. */
export const MAX_BODY_BYTES = 64 * 1024;

/** Dependencies of the handler. */
export interface FlagsDeps {
  /** Throws while the database refuses this code as too old. @default {never} */
  requireSchema?(): void;
  killed(feature: string): boolean;
  requireKey(headers: Headers, options: KeyOptions): ApiKey;
  loadConfig(): Promise<Config>;
  /** Secrets of the services that may sign ids. */
  audienceSecrets(): readonly string[];
  pace: Pace;
  outcomes: Pick<Outcomes, "outcome" | "evaluated">;
  /** Writes feedback and business metrics down. */
  signals: Signals;
  /** Delivers the notifications that are due. */
  notify(): Promise<unknown>;
  /** Tells the database which kill switches are set. */
  reportSwitches(): Promise<void>;
  waitUntil(work: Promise<unknown>): void;
  /** Called for each evaluated flag with its reason, or with the error code. */
  onFlag(key: string, reason: string): void;
}

/** Browsers call from other origins. A publishable key is not a secret, and nothing here uses cookies. */
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "ETag, Retry-After, X-Request-Id",
};
const PREFLIGHT = {
  ...CORS,
  "access-control-allow-methods": "POST",
  "access-control-allow-headers":
    "Authorization, X-API-Key, apikey, Content-Type, If-None-Match, X-Request-Id, traceparent",
  "access-control-max-age": "86400",
};
const JSON_HEADERS = { ...CORS, "content-type": "application/json", "cache-control": "no-store" };

/** The parts of a configuration used here, computed once per revision. */
interface CompiledConfig {
  flags: ReadonlyMap<string, Flag>;
  remote: ReadonlyMap<string, RemoteFlag>;
  /** For publishable keys: the flags that they may read, and their values for an id on no list. */
  forApps: ReadonlyMap<string, RemoteFlag>;
  unlisted: ReadonlyMap<string, Flag>;
  perSecond: number;
}

const OWN = ownPaths("flags");
const EVALUATE = "/ofrep/v1/evaluate/flags";

/** Each address and method, and who may call it. */
export const ROUTES = [
  {
    method: "POST",
    path: EVALUATE,
    auth: "any key bearer",
    origins: PREFLIGHT,
    checksItself: true,
    handler: "evaluateAll",
  },
  {
    method: "POST",
    path: `${EVALUATE}/{key}`,
    auth: "any key bearer",
    origins: PREFLIGHT,
    checksItself: true,
    handler: "evaluateOne",
  },
  { method: "POST", path: "/outcomes", auth: "secret bearer", handler: "report" },
  { method: "POST", path: "/feedback", auth: "secret bearer", handler: "feedback" },
  { method: "POST", path: "/metrics", auth: "secret bearer", handler: "metrics" },
  { method: "POST", path: "/", auth: "secret", handler: "tick" },
] as const satisfies readonly Route[];

/**
 * - `POST …/ofrep/v1/evaluate/flags/{key}` and `POST …/ofrep/v1/evaluate/flags`, with any key of the project
 *   (`apikey`, `X-API-Key` or `Authorization: Bearer`): OFREP. Secret keys also get metadata. A publishable
 *   key, which anybody can have, reads only the flags that are marked for apps (`client: true`), and cannot
 *   find out whether an e-mail address or phone number is on a list: such an id counts as on none unless the
 *   context contains a `sig` by one of the team's services.
 * - `POST …/outcomes` with a secret key: people's outcomes, from services.
 * - `POST …/feedback` and `POST …/metrics` with a secret key: what people say of features, and business metrics.
 * - `POST` on the function itself with a secret key: delivers due notifications, 202.
 *
 * Failure policy: closed, like all flags; while the database is unavailable the last known configuration is
 * used.
 */
export function createHandler(deps: FlagsDeps): Handler {
  const compiledConfigs = new WeakMap<Config, CompiledConfig>();

  function compiledOf(config: Config): CompiledConfig {
    let compiled = compiledConfigs.get(config);
    if (compiled === undefined) {
      const { evaluations } = LIMITS;
      const set = config.settings.find(({ key }) => key === evaluations.setting.key)?.value;
      const remote = prepareRemote(config.settings);
      compiled = {
        flags: prepareFlags(config.settings, config.segments),
        remote,
        forApps: forApps(remote),
        unlisted: withoutTargets(config.settings),
        perSecond: limitOf(evaluations, set).perSecond,
      };
      compiledConfigs.set(config, compiled);
    }
    return compiled;
  }

  const answers = createAnswers();

  /** Evaluates one flag, by its key as in the address, or all. */
  async function evaluateFlags(request: Request, encoded?: string): Promise<Response> {
    const key = deps.requireKey(request.headers, { kind: "any", bearer: true });
    const config = await deps.loadConfig();
    const compiled = compiledOf(config);
    const waitMs = deps.pace(`${key.kind}:${key.name}`, compiled.perSecond);
    if (waitMs > 0) {
      throw new Problem("rate_limited", { headers: { "retry-after": String(Math.ceil(waitMs / 1000)) } });
    }
    const options = { killed: deps.killed, metadata: key.kind === "secret" };
    const one = encoded === undefined ? undefined : decodeKey(encoded);
    let body: unknown;
    try {
      const bytes = await readBody(request, MAX_BODY_BYTES);
      body = bytes.byteLength === 0 ? undefined : parseJson(bytes);
    } catch (error) {
      if (!(error instanceof Problem) || !/^invalid_/.test(error.code)) throw error;
      return failure(one, "PARSE_ERROR", error.detail ?? "The body is not valid JSON.");
    }
    const context = readContext(body);
    if (!context.ok) return failure(one, context.errorCode, context.errorDetails);
    const { targetingKey } = context;
    const remote = key.kind === "secret" ? compiled.remote : compiled.forApps;
    const flags = key.kind === "secret" || !saysWho(targetingKey) ||
        isSignedAudience(deps.audienceSecrets(), targetingKey, context.signature)
      ? compiled.flags
      : compiled.unlisted;
    if (one !== undefined) {
      if (remote.has(one)) deps.outcomes.evaluated(one);
      const single = answer(remote, flags, one, targetingKey, options);
      // A key that no flag has is whatever the caller sent.
      deps.onFlag(remote.has(one) ? one : "unknown", single.reason ?? single.errorCode ?? "");
      // Only services report outcomes, and what anybody may ask would push their answers out.
      if (key.kind === "secret") answers.told(targetingKey, single);
      return new Response(JSON.stringify(single), { status: statusOf(single), headers: JSON_HEADERS });
    }
    const etag = etagOf(config, body, [...remote.keys()].map(deps.killed), options.metadata);
    const headers = { ...JSON_HEADERS, "cache-control": "no-cache", etag };
    if (matches(request.headers.get("if-none-match"), etag)) {
      return new Response(null, { status: 304, headers });
    }
    const all = [...remote.keys()].map((key) => answer(remote, flags, key, targetingKey, options));
    for (const single of all) {
      deps.onFlag(single.key, single.reason ?? single.errorCode ?? "");
      if (key.kind === "secret") answers.told(targetingKey, single);
    }
    return new Response(
      JSON.stringify({
        flags: all,
        ...(options.metadata ? { metadata: { revision: config.revision } } : {}),
      }),
      { headers },
    );
  }

  async function report({ request }: Call): Promise<Response> {
    const { flags } = compiledOf(await deps.loadConfig());
    const body = await readJson(request, MAX_BODY_BYTES);
    const accepted = recordReports(body, flags, deps.outcomes, answers);
    return Response.json({ accepted } satisfies OutcomesAccepted, { status: 202 });
  }

  async function signal(kind: keyof Signals, { request }: Call): Promise<Response> {
    const accepted = await deps.signals[kind](await readJson(request, MAX_SIGNALS_BYTES));
    return Response.json(accepted, { status: 202 });
  }

  async function tick({ request }: Call): Promise<Response> {
    await request.body?.cancel();
    deps.waitUntil(deps.notify());
    deps.waitUntil(deps.reportSwitches());
    return Response.json({ status: "notifying" }, { status: 202 });
  }

  const router = createRouter<typeof ROUTES[number]["handler"], Context>("flags", ROUTES, {
    gates: {
      "secret": (headers) => deps.requireKey(headers, {}).name,
      "secret bearer": (headers) => deps.requireKey(headers, { bearer: true }).name,
    },
    handlers: {
      evaluateAll: ({ request }) => evaluateFlags(request),
      evaluateOne: ({ request, params }) => evaluateFlags(request, params.key),
      report,
      feedback: (call) => signal("feedback", call),
      metrics: (call) => signal("metrics", call),
      tick,
    },
  });

  return async (request, context) => {
    const address = addressOf(request.url, OWN);
    if (!address.path.startsWith(EVALUATE)) {
      deps.requireSchema?.();
      return await router(request, context, address);
    }
    try {
      if (request.method !== "OPTIONS") deps.requireSchema?.();
      return await router(request, context, address);
    } catch (error) {
      throw forBrowsers(error);
    }
  };
}

function decodeKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch (cause) {
    throw new Problem("not_found", { cause });
  }
}

/** A request that cannot be evaluated, as OFREP says it: with the key for one flag, without for all. */
function failure(key: string | undefined, errorCode: FlagErrorCode, errorDetails: string): Response {
  return new Response(JSON.stringify({ key, errorCode, errorDetails }), {
    status: 400,
    headers: JSON_HEADERS,
  });
}

/** Refusals must be readable from another origin too; OFREP's clients read `errorDetails`. */
function forBrowsers(error: unknown): Problem {
  const { code, detail, headers, extensions, message, cause } = error instanceof Problem
    ? error
    : new Problem("internal_error", { cause: error });
  return new Problem(code, {
    ...(detail === undefined ? {} : { detail }),
    headers: { ...headers, ...CORS },
    extensions: { ...extensions, errorDetails: message },
    cause,
  });
}

const utf8 = new TextEncoder();

/**
 * The ETag of everything that a response depends on: the configuration, the whole context (a client keeps its
 * ETag when only the context changes), the kill switches, and whether metadata is shown.
 */
function etagOf(config: Config, body: unknown, killed: boolean[], metadata: boolean): string {
  const bytes = utf8.encode(JSON.stringify([body ?? {}, killed]));
  const hash = [0, 0x9747b28c].map((seed) => murmur3(bytes, seed).toString(36)).join(".");
  return `"${config.revision.toString(36)}.${hash}${metadata ? ".m" : ""}"`;
}

/** Whether an `If-None-Match` contains this tag; weak and strong tags match (RFC 9110, 13.1.2). */
function matches(header: string | null, etag: string): boolean {
  if (header === null) return false;
  return header.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}
