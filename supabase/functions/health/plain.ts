/**
 * Health for load balancers and scripts: statuses alone, for everybody, and nothing that tells of the inside.
 *
 * @module
 */
import type { HealthPlain, HealthPlainDetailed } from "../_shared/contract/http/operation.ts";
import type { HealthState } from "../_shared/contract/states.ts";
import { cached } from "../_shared/db/cache.ts";
import { Problem } from "../_shared/http/problem.ts";
import { anyOrigin } from "../_shared/http/cors.ts";
import { environmentOf } from "../_shared/http/environment.ts";
import type { Call } from "../_shared/http/routes.ts";
import type { Component } from "./components.ts";

/** Teams whose scripts ask for Redis get an answer, and what stands in its place. */
const REDIS = { status: "healthy", why: "not used: Postgres is queue and cache" } as const;

/** For how long a process answers from memory: anybody may ask, and the database should not notice. */
const TTL_MS = 1000;

/** The request tells by its slug which environment answers. */
type Asked = Pick<Call, "request">;

/** What a handler of health for people says, and whether it says that traffic may come here. */
interface Found {
  readonly serves: boolean;
  readonly status: HealthState;
  readonly components?: readonly Component[];
}

async function look(answer: () => Promise<Response>): Promise<Found> {
  try {
    const { status, components } = await (await answer()).json();
    return { serves: true, status: status === "ok" ? "healthy" : status, components };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const components = error.extensions?.components as readonly Component[] | undefined;
    return { serves: false, status: "down", components };
  }
}

function respond(body: HealthPlain | HealthPlainDetailed, { serves }: Found): Response {
  return Response.json(body, { status: serves ? 200 : 503, headers: { "cache-control": "no-store" } });
}

/**
 * Handler of `GET /functions/v1/health/plain`, which a proxy may show as `/health`, and the local stack does.
 *
 * 200 `{"status":"healthy"|"degraded","environment":"blue"|"green"}`; 503 with `down` where `GET health` answers a
 * problem. Any page may read it.
 *
 * @param answer The handler of `GET health`.
 */
export function plain(answer: () => Promise<Response>): (call: Asked) => Promise<Response> {
  const found = cached({ ttlMs: TTL_MS, load: () => look(answer) });
  return ({ request }) =>
    anyOrigin(async () => {
      const now = await found.get();
      return respond({ status: now.status, environment: environmentOf("health", request.url) }, now);
    });
}

/**
 * Handler of `GET /functions/v1/health/plain/detailed`, which a proxy may show as `/health/detailed`.
 *
 * 200 `{"status","environment","components":{"database":{"status"},…,"redis":{"status","why"}}}`: status is the
 * worst of the components. 503 with `down` where `GET health/detailed` answers a problem; `components` then has
 * what is known, `database` in any case.
 *
 * @param answer The handler of `GET health/detailed`.
 */
export function plainDetailed(answer: () => Promise<Response>): (call: Asked) => Promise<Response> {
  const found = cached({ ttlMs: TTL_MS, load: () => look(answer) });
  return ({ request }) =>
    anyOrigin(async () => {
      const now = await found.get();
      const parts = now.components ?? [{ component: "database" as const, status: now.status }];
      const components = {
        ...Object.fromEntries(parts.map(({ component, status }) => [component, { status }])),
        redis: REDIS,
      };
      return respond(
        { status: now.status, environment: environmentOf("health", request.url), components },
        now,
      );
    });
}
