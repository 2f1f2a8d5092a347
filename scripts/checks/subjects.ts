/** What the checks ask, by subject. None of them changes anything, or sends anything to anybody. */
import { probes } from "../../cli/commands/traffic/probe.ts";
import { functionNames } from "../../cli/core/functions_state.ts";
import { FUNCTIONS } from "../../lib/paths.ts";
import { slugOf } from "../../supabase/functions/_shared/http/environment.ts";
import { STATE_HEADER } from "../../supabase/functions/_shared/serve/state.ts";
import { ask, call, type Check, expects, type Target } from "./check.ts";

const HOUR_S = 3600;
/** Share of the connections that may be in use, and of requests that may fail. */
const CONNECTIONS = 0.8, ERRORS = 0.001, ERRORS_AFTER_ROLLBACK = 0.01;

const keyed = ({ stack }: Target): RequestInit => ({ headers: { apikey: stack.secretKey } });
const posted = (target: Target, body: unknown): RequestInit => ({
  method: "POST",
  headers: { apikey: target.stack.secretKey, "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** Nothing is lost, and nothing waits for too long. */
export async function business({ api }: Target): Promise<Check[]> {
  const [reconciled, { queue, dead }] = await Promise.all([api.rpc("reconcile", {}), waiting(api)]);
  return [
    ...reconciled.checks.map(({ name, ok, expected, found }) => ({
      what: `counts agree: ${name}`,
      ok,
      detail: `${found} of ${expected}`,
    })),
    ...queue.map(({ name, n, oldest }) => ({
      what: `nothing waits for an hour: ${name}`,
      ok: (oldest ?? 0) < HOUR_S,
      detail: n === 0 ? "none wait" : `${n} wait, the oldest for ${Math.round(oldest ?? 0)} s`,
    })),
    { what: "no delivery was given up today", ok: dead === 0, detail: `${dead} dead letters` },
  ];
}

async function waiting(api: Target["api"]) {
  const since = new Date(Date.now() - 24 * HOUR_S * 1000).toISOString();
  const [{ queue }, dead] = await Promise.all([
    api.rpc("health", {}),
    api.rows<{ id: string }>((client) =>
      client.from("deliveries").select("id").eq("state", "dead").gte("updated_at", since).order("id").limit(
        1000,
      )
    ),
  ]);
  return {
    queue: Object.entries(queue).map(([name, { n, oldest_seconds: oldest }]) => ({ name, n, oldest })),
    dead: dead.length,
  };
}

/** Each component is up, as health tells a secret key. */
export async function health(target: Target): Promise<Check[]> {
  const { status, body, text } = await call(target, "health/detailed", keyed(target));
  if (body?.components === undefined) {
    return [{ what: "health answers", ok: false, detail: `${status} ${text.slice(0, 200)}` }];
  }
  // deno-lint-ignore no-explicit-any
  return body.components.map(({ component, status, why }: any) => ({
    what: `${component} is not down`,
    ok: status !== "down",
    detail: `${status}: ${why}`,
  }));
}

/** Everybody gets the environment that everybody should get. */
export async function everybody(target: Target): Promise<Check[]> {
  const { green } = await target.api.rpc("traffic_split", {});
  const only = green === 100 ? "green" : "blue";
  const seen = await probes(target.gateway).catch((error) => [(error as Error).message]);
  return [{
    what: `ten visitors get ${only}`,
    ok: (green === 0 || green === 100) && seen.length === 10 && seen.every((one) => one === only),
    detail: green === 0 || green === 100 ? seen.join(", ") : `traffic is split: ${green} % to green`,
  }];
}

/** The database is there for the environment, and has what its code needs. */
export async function database(target: Target): Promise<Check[]> {
  const plain = await call(target, "health/plain/detailed");
  const { body } = await call(target, "health/detailed", keyed(target));
  // deno-lint-ignore no-explicit-any
  const part = body?.components?.find(({ component }: any) => component === "database");
  const { connections } = await target.api.rpc("environment_watch", {});
  return [
    {
      what: `${target.environment} answers as ${target.environment}`,
      ok: plain.body?.environment === target.environment,
      detail: plain.body?.environment ?? `${plain.status}`,
    },
    {
      what: "the database is healthy",
      ok: plain.body?.components?.database?.status === "healthy",
      detail: part === undefined ? `${plain.status}` : `${part.status}: ${part.why} (${part.latency_ms} ms)`,
    },
    {
      what: "every migration that the code needs is applied",
      ok: part?.missing?.length === 0,
      detail: `needs ${part?.needs}, has ${part?.has}`,
    },
    {
      what: "no migration is too new for the code",
      ok: part !== undefined && (part.breaks === null || part.breaks <= part.needs),
      detail: part?.breaks ?? "none breaks older code",
    },
    {
      what: "fewer than 80 % of the connections are in use",
      ok: connections.share < CONNECTIONS,
      detail: `${connections.used} of ${connections.most}`,
    },
  ];
}

/** What visitors, services and providers call answers as it should, under the slugs of the environment. */
export async function criticalPaths(target: Target): Promise<Check[]> {
  const empty = (name: string) => call(target, name, posted(target, {}));
  const flags = await call(
    target,
    "flags/ofrep/v1/evaluate/flags",
    posted(target, { context: { targetingKey: "check" } }),
  );
  return [
    expects("health", await call(target, "health/plain"), 200),
    expects("the pixel", await call(target, "email-track/pixel/test.png"), 200),
    expects("flags are evaluated", flags, 200),
    expects("a mail is checked", await empty("email-send"), 422),
    expects("a WhatsApp message is checked", await empty("wa-send"), 422),
    expects("a text is checked", await empty("sms-send"), 422),
    expects("a link that is not there", await call(target, "deeplinks/not-a-link-of-anybody"), 404),
    expects(
      "a webhook of Meta without a signature",
      await call(target, "wa-webhook", { method: "POST", body: "{}" }),
      401,
    ),
    expects(
      "events of mails without a signature",
      await call(target, "email-webhook/events", { method: "POST", body: "[]" }),
      401,
    ),
    expects(
      "a text without a signature",
      await call(target, "sms-webhook", { method: "POST", body: "Body=x" }),
      401,
    ),
    expects("metrics", await call(target, "metrics", keyed(target)), 200),
    expects("diagnostics", await call(target, "diagnostics", keyed(target)), 200),
  ];
}

/** Doors that have to be closed. */
export async function security(target: Target): Promise<Check[]> {
  const { stack, gateway, api } = target;
  const isLocal = /^http:\/\/(127\.0\.0\.1|localhost)\b/.test(stack.url);
  const closed = [
    "metrics",
    "diagnostics",
    "health/detailed",
    "flags/outcomes",
    "wa-send",
    "email-send",
    "sms-send",
  ];
  const wrong = { headers: { apikey: "sb_secret_wrong" } };
  const table = (key?: string) =>
    ask(`${stack.url}/rest/v1/messages?select=id&limit=1`, {
      headers: key === undefined ? {} : { apikey: key },
    });
  const tables = [
    await table(),
    ...(stack.publishableKey === undefined ? [] : [await table(stack.publishableKey)]),
  ];
  const facts = await api.rpc("launch_facts", { p_flag_key: "wa_router.enabled" });
  const open = [...facts.without_rls, ...facts.open_to_anon, ...facts.policies_for_anon];
  return [
    { what: "the address is encrypted", ok: isLocal || stack.url.startsWith("https:"), detail: stack.url },
    ...await Promise.all(closed.flatMap((path) =>
      [{}, wrong].map(async (init) => {
        const isPost = !/^(metrics|diagnostics|health)/.test(path);
        const answer = await call(target, path, {
          ...init,
          ...(isPost ? { method: "POST", body: "{}" } : {}),
        });
        return expects(`${path} ${init === wrong ? "with a wrong key" : "without a key"}`, answer, 401);
      })
    )),
    expects(
      "an unsigned webhook of Meta",
      await call(target, "wa-webhook", { method: "POST", body: "{}" }),
      401,
    ),
    expects(
      "traffic without the token",
      await ask(`${gateway}/api/traffic`, { method: "POST", body: "{}" }),
      401,
    ),
    expects(
      "an environment without the token",
      await ask(`${gateway}/health/detailed`, { headers: { "x-environment": "green" } }),
      401,
    ),
    {
      what: "messages cannot be read without a secret key",
      ok: tables.every(({ status, body }) => status >= 400 || Array.isArray(body) && body.length === 0),
      detail: tables.map(({ status }) => status).join(", "),
    },
    { what: "no door of the database stands open", ok: open.length === 0, detail: open.join(", ") || "none" },
  ];
}

/** Every integration that is set up works. */
export async function integration(target: Target): Promise<Check[]> {
  const { body } = await call(target, "health");
  const faults = (body?.config ?? []) as { variable: string; fault: string }[];
  return [
    ...await health(target),
    {
      what: "every variable can be used",
      ok: body !== undefined && faults.length === 0,
      detail: faults.map(({ variable, fault }) => `${variable}: ${fault}`).join(", ") || "no faults",
    },
    ...await criticalPaths(target),
    ...await business(target),
  ];
}

/** Every function answers, with its state. */
export async function functions(target: Target): Promise<Check[]> {
  const names = functionNames({ ...target.stack, functions: target.stack.functions ?? FUNCTIONS })
    .filter((name) => target.environment === "blue" || name !== "gateway");
  return await Promise.all(names.map(async (name) => {
    const { status, body, text } = await ask(
      `${target.stack.url}/functions/v1/${slugOf(name, target.environment)}`,
      { headers: { apikey: target.stack.secretKey, [STATE_HEADER]: "wa_router.enabled" } },
    );
    return {
      what: `${slugOf(name, target.environment)} runs`,
      ok: status === 200 && body?.function === name,
      detail: status === 200 ? `version ${body?.version}` : `${status} ${text.slice(0, 100)}`,
    };
  }));
}

/** Share of failures of the last minutes, and what a number of requests takes. */
export async function performance(target: Target, errors = ERRORS): Promise<Check[]> {
  const { gateway, apiP99, trackingP99 } = target;
  const checks = [
    await measured("API", `${gateway}/health`, apiP99, target.requests, errors),
    await measured("tracking", `${gateway}/pixel/test.png`, trackingP99, target.requests, errors),
  ];
  const { body } = await ask(`${gateway}/api/metrics/error-rate`);
  const rate = body?.error_rate as number | null | undefined;
  return [...checks, {
    what: `fewer than ${errors * 100} % of requests failed in the last five minutes`,
    ok: rate === null || (rate ?? 1) < errors,
    detail: rate === null
      ? "there were none"
      : rate === undefined
      ? "not known"
      : `${+(rate * 100).toFixed(3)} %`,
  }];
}

/** The same after a rollback, while what went wrong before still counts. */
export const performanceAfterRollback = (target: Target): Promise<Check[]> =>
  performance(target, ERRORS_AFTER_ROLLBACK);

const AT_ONCE = 10;

async function measured(
  what: string,
  url: string,
  limitMs: number,
  requests: number,
  errors: number,
): Promise<Check> {
  const times: number[] = [];
  let failed = 0, next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next++ < requests) {
      const began = globalThis.performance.now();
      const { status } = await ask(url);
      times.push(globalThis.performance.now() - began);
      if (status !== 200) failed++;
    }
  }));
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  const p99 = at(0.99);
  return {
    what: `${what}: p99 below ${limitMs} ms, fewer than ${errors * 100} % failed`,
    ok: times.length > 0 && p99 < limitMs && failed / requests < errors,
    detail: `${requests} requests: p50 ${at(0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${failed} failed`,
  };
}
