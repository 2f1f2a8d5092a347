/** docs/openapi.yaml by itself, and beside the routes of the code: neither has one that the other has not. */
import { assert, assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import type { Auth, Route } from "../../supabase/functions/_shared/http/routes.ts";
import { whatsapp } from "../../supabase/functions/_shared/channels/whatsapp/index.ts";
import { inbound, type InboundDeps } from "../../supabase/functions/_shared/pipeline/inbound.ts";
import { ROUTES as SEND } from "../../supabase/functions/_shared/pipeline/outbound.ts";
import { ROUTES as DEEPLINKS } from "../../supabase/functions/deeplinks/routes.ts";
import { ROUTES as DIAGNOSTICS } from "../../supabase/functions/diagnostics/handler.ts";
import { ROUTES as TELEGRAM_WEBHOOK } from "../../supabase/functions/telegram-webhook/handler.ts";
import { ROUTES as SMS_WEBHOOK } from "../../supabase/functions/sms-webhook/handler.ts";
import { ROUTES as EMAIL_SEND } from "../../supabase/functions/email-send/handler.ts";
import { ROUTES as EMAIL_TRACK } from "../../supabase/functions/email-track/handler.ts";
import { ROUTES as EMAIL_WEBHOOK } from "../../supabase/functions/email-webhook/handler.ts";
import { SHOWN_ROUTES } from "../../supabase/functions/email-webhook/shown.ts";
import { ROUTES as FLAGS } from "../../supabase/functions/flags/handler.ts";
import { ROUTES as GATEWAY } from "../../supabase/functions/gateway/handler.ts";
import { ROUTES as HEALTH } from "../../supabase/functions/health/handler.ts";
import { ROUTES as GRAPH } from "../../supabase/functions/wa-graph/handler.ts";
import { ROUTES as MAILBOXES } from "../../supabase/functions/mailboxes/handler.ts";
import { ROUTES as MEDIA } from "../../supabase/functions/wa-media/handler.ts";
import { ROUTES as MASKED } from "../../supabase/functions/messages/handler.ts";
import { ROUTES as METRICS } from "../../supabase/functions/metrics/handler.ts";
import { ROUTES as ROUTER } from "../../supabase/functions/wa-router/handler.ts";
import { type ProblemCode, PROBLEMS } from "../../supabase/functions/_shared/http/problem.ts";
import { newLink } from "../../supabase/functions/_shared/contract/links.ts";
import { checkMessage } from "../../supabase/functions/_shared/channels/whatsapp/outbound/outbound.ts";
import { assertFits, DESCRIBED, openapi, operations, resolve, validity } from "../support/openapi.ts";

Deno.test("openapi.yaml: is a valid OpenAPI document with valid examples", () => {
  assertEquals(validity, { valid: true });
  let examples = 0;
  for (const { path, method, operation: { operationId, requestBody } } of operations) {
    if (requestBody === undefined) continue;
    const [body, keys] = resolve(requestBody, ["paths", path, method, "requestBody"]);
    for (const [type, content] of Object.entries(body.content)) {
      for (const { value } of Object.values(content.examples ?? {})) {
        assertFits(value, ...keys, "content", type, "schema");
        if (operationId === "send") assert(checkMessage(value).ok, JSON.stringify(value));
        if (operationId === "createLink") assert(newLink.safeParse(value).success, JSON.stringify(value));
        examples++;
      }
    }
  }
  assert(examples > 8, String(examples));
});

/** Every place that is referred to. */
const references = new Set(
  [...JSON.stringify(openapi).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, at]) => at),
);

Deno.test("openapi.yaml: every reference resolves, every component is used, every name is declared", () => {
  for (const at of references) {
    const place = at.split("/").map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    // deno-lint-ignore no-explicit-any
    assert(place.reduce((found: any, key) => found?.[key], openapi) !== undefined, at);
  }
  const { securitySchemes, ...others } = openapi.components;
  for (const [kind, components] of Object.entries(others)) {
    for (const name of Object.keys(components)) {
      const at = `components/${kind}/${name}`;
      assert([...references].some((used) => used === at || used.startsWith(`${at}/`)), `${at} is not used`);
    }
  }
  const ids = operations.map(({ operation }) => operation.operationId);
  assertEquals(ids.length, new Set(ids).size, String(ids));
  const schemes = new Set<string>();
  for (const { path, operation } of operations) {
    for (const option of operation.security ?? openapi.security) {
      for (const scheme of Object.keys(option)) schemes.add(scheme);
    }
    const shared =
      (openapi.paths[path] as unknown as { parameters?: typeof operation.parameters }).parameters;
    const declared = [...shared ?? [], ...operation.parameters ?? []].map((parameter) =>
      resolve(parameter, [])[0]
    );
    assertEquals(
      declared.filter((parameter) => parameter.in === "path").map(({ name }) => `{${name}}`),
      path.match(/\{\w+\}/g) ?? [],
      path,
    );
  }
  assertEquals([...schemes].sort(), Object.keys(securitySchemes).sort());
});

Deno.test("openapi.yaml: covers the deployed functions, and registered error codes with their status", async () => {
  const config = await Deno.readTextFile(join(ROOT, "supabase", "config.toml"));
  const deployed = [...config.matchAll(/^\[functions\.([\w-]+)\]/gm)].map(([, name]) => name);
  const described = new Set(Object.keys(openapi.paths).map((path) => path.split("/")[1]));
  assertEquals([...described].sort(), deployed.sort());
  for (const { path, status, what } of DESCRIBED) {
    if (what in PROBLEMS) {
      // Whoever brings mail drops it for good at a 4xx.
      const usual = PROBLEMS[what as ProblemCode].status;
      const keeps = /^\/email-webhook\/(?:inbound|cloudflare$|mailgun)/.test(path);
      const expected = keeps && usual < 500 && usual !== 405 ? 503 : usual;
      assertEquals(expected, Number(status), `${path} ${status} ${what}`);
    }
  }
  assert(DESCRIBED.length > 200, String(DESCRIBED.length));
});

/** The routes of each function that has a table of them. */
const TABLES: Record<string, readonly Route[]> = {
  deeplinks: DEEPLINKS,
  diagnostics: DIAGNOSTICS,
  "email-send": EMAIL_SEND,
  "email-track": EMAIL_TRACK,
  "email-webhook": [...EMAIL_WEBHOOK, ...SHOWN_ROUTES],
  flags: FLAGS,
  gateway: GATEWAY,
  health: HEALTH,
  mailboxes: MAILBOXES,
  messages: MASKED,
  metrics: METRICS,
  "sms-send": SEND,
  "sms-webhook": SMS_WEBHOOK,
  "telegram-webhook": TELEGRAM_WEBHOOK,
  "wa-graph": GRAPH,
  "wa-media": MEDIA,
  "wa-router": ROUTER,
  "wa-send": SEND,
};

const TEAM = [{ secretKey: [] }, { teamToken: [] }];
/** How the document says who may call. */
const SECURITY: Record<Auth, Record<string, unknown>[]> = {
  "none": [],
  "none or secret": [{}, { secretKey: [] }],
  "secret": [{ secretKey: [] }],
  "secret bearer": [{ secretKey: [] }, { ofrepKey: [] }, { bearerKey: [] }],
  "any key bearer": [{ anyKey: [] }, { ofrepKey: [] }, { bearerKey: [] }],
  "viewer": TEAM,
  "operator": TEAM,
  "admin": TEAM,
  "traffic token": [{ trafficToken: [] }],
  "org owner": [{ secretKey: [] }, { orgToken: [] }],
  "org member": [{ secretKey: [] }, { orgToken: [] }],
  "org person": [{ orgToken: [] }],
};

Deno.test("openapi.yaml: describes exactly the routes, each with its callers", () => {
  const routes: Record<string, unknown> = {};
  for (const [fn, table] of Object.entries(TABLES)) {
    for (const { method, path, auth, origins } of table) {
      const at = `/${fn}${path === "/" ? "" : path}`;
      const name = `${method} ${at}`;
      assert(!(name in routes), `${name} is there twice`);
      routes[name] = SECURITY[auth];
      if (origins !== undefined) routes[`OPTIONS ${at}`] = [];
    }
  }
  // Hot, and of one address whatever stands after it: it has no table.
  for (const method of Object.keys(inbound(whatsapp, {} as InboundDeps))) {
    routes[`${method} /wa-webhook`] = method === "GET" ? [] : [{ metaSignature: [] }];
  }
  const described: Record<string, unknown> = {};
  for (const { path, method, operation: { security = openapi.security } } of operations) {
    // HEAD is answered wherever GET is.
    if (method === "head" && `GET ${path}` in routes) continue;
    described[`${method.toUpperCase()} ${path}`] = security;
  }
  assertEquals(described, routes);
});
