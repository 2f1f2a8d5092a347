/**
 * The gateway: one address in front of two environments. It splits traffic, keeps each visitor on one side, and lets the
 * load balancer's administrators change the split.
 *
 * @module
 */
import type { ErrorRate, Split, Traffic } from "../_shared/contract/http/traffic.ts";
import { trafficChange } from "../_shared/contract/http/traffic.ts";
import { GREEN_FLAG } from "../_shared/contract/traffic.ts";
import type { TrafficFigures } from "../_shared/contract/answers/traffic.ts";
import { cached } from "../_shared/db/cache.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import type { Config } from "../_shared/db/config.ts";
import { readJson } from "../_shared/http/body.ts";
import { type Environment, slugOf } from "../_shared/http/environment.ts";
import { Problem } from "../_shared/http/problem.ts";
import { addressOf, type Call, createRouter, ownPaths, type Route } from "../_shared/http/routes.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import { functionIn, rewritten } from "../_shared/traffic/addresses.ts";
import {
  answered,
  type ChoiceDeps,
  createChoice,
  ENVIRONMENT_HEADER,
  hasToken,
  passedHeaders,
} from "../_shared/traffic/choose.ts";
import { VISITOR_HEADER } from "../_shared/traffic/visit.ts";

/** Its own addresses; every other one leads to a function. */
export const ROUTES = [
  { method: "GET", path: "/api/traffic", auth: "traffic token", handler: "read" },
  { method: "POST", path: "/api/traffic", auth: "traffic token", handler: "change" },
  { method: "GET", path: "/api/metrics/error-rate", auth: "none", origins: "any", handler: "errorRate" },
  { method: "GET", path: "/choose", auth: "none", handler: "choose" },
  { method: "GET", path: "/split", auth: "traffic token", handler: "split" },
] as const satisfies readonly Route[];

/** Dependencies of the handler. */
export interface GatewayDeps extends ChoiceDeps {
  rpc: Rpc;
  /** URL of the project, without a trailing slash. */
  project(): string;
  fetch: typeof fetch;
}

/** Figures may be asked for by anybody, and the database should not notice. */
const FIGURES_MS = 1000;
/** Window of the error rate: what the plan's limits are about. */
const FIGURES_MINUTES = 5;
const MAX_BODY_BYTES = 4096;
const OWN = ownPaths("gateway");
const NO_STORE = { "cache-control": "no-store" };

/** The handler of `gateway`. */
export function createHandler(deps: GatewayDeps): Handler {
  const { rpc, tokens, loadConfig } = deps;
  const choice = createChoice(deps);
  const figures = cached<TrafficFigures>({
    ttlMs: FIGURES_MS,
    load: () => rpc("traffic_figures", { p_minutes: FIGURES_MINUTES }),
    // Old figures would tell that all is well while nobody knows.
    isFinal: () => true,
  });

  /** @param asked What the caller wrote; the larger side if nothing. */
  function shown(split: Omit<Traffic, "environment" | "percentage">, asked?: Environment): Response {
    const environment = asked ?? (split.green > split.blue ? "green" : "blue");
    const body: Traffic = { environment, percentage: split[environment], ...split };
    return Response.json(body, { headers: NO_STORE });
  }

  /** Green must answer before visitors are sent there. @throws {Problem} `conflict` */
  async function requireGreen(): Promise<void> {
    const response = await deps.fetch(`${deps.project()}/functions/v1/${slugOf("health", "green")}/plain`, {
      signal: AbortSignal.timeout(10_000),
    }).catch(() => undefined);
    const body = await response?.json().catch(() => undefined) as { environment?: string } | undefined;
    if (body?.environment === "green") return;
    throw new Problem("conflict", {
      detail: "Green does not answer: deploy it first (gatelink traffic deploy).",
    });
  }

  async function change({ request }: Call): Promise<Response> {
    const read = trafficChange.safeParse(await readJson(request, MAX_BODY_BYTES));
    if (!read.success) {
      throw new Problem("invalid_request", {
        detail: read.error.issues.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`).join(
          "; ",
        ),
      });
    }
    const { environment, percentage, reason } = read.data;
    if (percentage > 0 && environment === "green" || percentage < 100 && environment === "blue") {
      await requireGreen();
    }
    try {
      return shown(
        await rpc("set_traffic", {
          p_environment: environment,
          p_percentage: percentage,
          p_reason: reason ?? null,
        }),
        environment,
      );
    } catch (error) {
      if (!(error instanceof DbError)) throw error;
      if (error.code === "GL422") throw new Problem("invalid_request", { detail: error.message });
      if (error.code === "GL409" || error.code === "GL423") {
        throw new Problem("conflict", { detail: error.message });
      }
      throw error;
    }
  }

  async function errorRate({ request }: Call): Promise<Response> {
    const all = await figures.get();
    const of = ({ error_rate }: { error_rate: number | null }) => ({ error_rate });
    const { blue, green } = all.environments;
    const body: ErrorRate = hasToken(request.headers, tokens()) ? all : {
      error_rate: all.error_rate,
      window_minutes: all.window_minutes,
      environments: { blue: of(blue), green: of(green) },
    };
    return Response.json(body, { headers: NO_STORE });
  }

  /** For a proxy that asks before it passes a request on: nginx's auth_request takes headers alone. */
  async function choose({ request: { headers } }: Call): Promise<Response> {
    const asked = headers.get("x-original-uri") ?? "/";
    const path = asked.split("?", 1)[0];
    const { environment, visit, cookie } = await choice(headers, path, path === "/health");
    const said = new Headers({ ...NO_STORE, [ENVIRONMENT_HEADER]: environment });
    if (visit !== undefined) said.set(VISITOR_HEADER, visit);
    if (cookie !== undefined) said.set("set-cookie", cookie);
    return new Response(null, { status: 204, headers: said });
  }

  /** For a proxy that chooses itself. */
  async function split(): Promise<Response> {
    const { green } = await rpc("traffic_split", {});
    const config: Config = await loadConfig();
    const salt = config.settings.find(({ key }) => key === GREEN_FLAG)?.metadata.salt;
    const body: Split = {
      green: deps.killed(GREEN_FLAG) ? 0 : green,
      salt: typeof salt === "string" ? salt : GREEN_FLAG,
      revision: config.revision,
    };
    return Response.json(body, { headers: NO_STORE });
  }

  /** Passes a request on to its function in the visitor's environment. */
  async function pass(request: Request, path: string): Promise<Response> {
    const { url, headers, method, body } = request;
    const target = targetOf(url, url.indexOf(path, url.indexOf("://") + 3));
    if (target === undefined) throw new Problem("not_found");
    const chosen = await choice(headers, path, path === "/health");
    const send = (environment: Environment) => {
      const name = functionIn(target);
      return deps.fetch(
        `${deps.project()}/functions/v1/${slugOf(name, environment)}${target.slice(name.length)}`,
        {
          method,
          headers: passedHeaders(headers, { ...chosen, environment }, tokens()),
          body,
          redirect: "manual",
        },
      );
    };
    const response = await send(chosen.environment);
    // Every function of ours stamps its answers; the platform's own 404 means that this one is not deployed in green.
    if (chosen.environment === "green" && response.status === 404 && !response.headers.has("x-request-id")) {
      await response.body?.cancel();
      if (body !== null) {
        // The body is read already, and SendGrid drops a mail for good at any 4xx: it comes again after a 503.
        throw new Problem("not_found", {
          status: 503,
          detail: "Green does not have this function.",
          headers: { "retry-after": "30" },
        });
      }
      const blue = { environment: "blue", ...(chosen.cookie && { cookie: chosen.cookie }) } as const;
      return answered(await send("blue"), blue);
    }
    return answered(response, chosen);
  }

  const router = createRouter<(typeof ROUTES)[number]["handler"], Context>("gateway", ROUTES, {
    gates: {
      "traffic token": (headers) => {
        if (hasToken(headers, tokens())) return "load balancer";
        throw new Problem("unauthorized", {
          detail: tokens().length === 0 ? "LB_ADMIN_TOKEN is not set." : "LB_ADMIN_TOKEN is needed.",
          headers: { "www-authenticate": 'Bearer realm="load balancer"' },
        });
      },
    },
    handlers: {
      read: async () => shown(await rpc("traffic_split", {})),
      change,
      errorRate,
      choose,
      split,
    },
  });
  const own = new Set<string>(ROUTES.map(({ path }) => path));

  return (request, context) => {
    const address = addressOf(request.url, OWN);
    return own.has(address.path) ? router(request, context, address) : pass(request, address.path);
  };
}

/**
 * The function's address that a path at the gateway leads to: a rewritten one, or `/functions/v1/<function>/…`. Never
 * the gateway itself.
 *
 * @param path Index of the path's first slash in the URL.
 */
function targetOf(url: string, path: number): string | undefined {
  const prefix = "/functions/v1/";
  const target = url.startsWith(prefix, path) ? url.slice(path + prefix.length) : rewritten(url, path);
  if (target === undefined || !/^[a-z][\w-]*$/.test(functionIn(target))) return undefined;
  return /^gateway\b|-green$/.test(functionIn(target)) ? undefined : target;
}
