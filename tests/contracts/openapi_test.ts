/** docs/openapi.yaml by itself, and beside the routes of the code: neither has one that the other has not. */
import { assert, assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import type { Context } from "../../supabase/functions/_shared/serve/serve.ts";
import { type ProblemCode, PROBLEMS } from "../../supabase/functions/_shared/http/problem.ts";
import { newLink } from "../../supabase/functions/_shared/links/model/schema.ts";
import { checkMessage } from "../../supabase/functions/_shared/channels/whatsapp/outbound/outbound.ts";
import { createHandler, type Routes } from "../../supabase/functions/deeplinks/handler.ts";
import { createRoutes } from "../../supabase/functions/deeplinks/routes.ts";
import { assertFits, DESCRIBED, openapi, operations, resolve, validity } from "../support/openapi.ts";

Deno.test("openapi.yaml: a valid OpenAPI document whose examples fit", () => {
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

Deno.test("openapi.yaml: every reference leads somewhere, every component is referred to, every name is declared", () => {
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

Deno.test("openapi.yaml: the functions that are deployed, and codes that are registered, each with its status", async () => {
  const config = await Deno.readTextFile(join(ROOT, "supabase", "config.toml"));
  const deployed = [...config.matchAll(/^\[functions\.([\w-]+)\]/gm)].map(([, name]) => name);
  const described = new Set(Object.keys(openapi.paths).map((path) => path.split("/")[1]));
  assertEquals([...described].sort(), deployed.sort());
  for (const { path, status, what } of DESCRIBED) {
    if (what in PROBLEMS) {
      assertEquals(PROBLEMS[what as ProblemCode].status, Number(status), `${path} ${status} ${what}`);
    }
  }
  assert(DESCRIBED.length > 200, String(DESCRIBED.length));
});

Deno.test("openapi.yaml: each route of deeplinks is described, and each description is a route", async () => {
  const reached = new Set<string>();
  let now: string[] = [];
  const routes = new Proxy({}, {
    get: (_, name) => () => {
      now.push(String(name));
      return new Response();
    },
  }) as unknown as Routes;
  const handler = createHandler(routes);
  for (const { path, method } of operations) {
    if (!path.startsWith("/deeplinks") || method === "options") continue;
    now = [];
    const url = `https://ref.example.co/functions/v1${path.replace("{code}", "spring")}`;
    await handler(new Request(url, { method: method.toUpperCase() }), {} as Context);
    assertEquals(now.length, 1, `${method} ${path}: ${now}`);
    reached.add(now[0]);
  }
  const { flush: _, store: __, panelOrigins: ___, ...served } = createRoutes();
  assertEquals([...reached].sort(), Object.keys(served).sort());
});

/** Functions that tell paths apart by themselves. What answers each path of the others stands in `serve`. */
const ROUTERS = ["flags/handler.ts", "health/index.ts"];

Deno.test("openapi.yaml: each path that the code of the other functions names is described", async () => {
  for (const file of ROUTERS) {
    const source = await Deno.readTextFile(join(ROOT, "supabase", "functions", file));
    const code = source.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
    const named = [...code.matchAll(/"(\/[a-z][\w./-]*)"/g)].map(([, path]) => path);
    assert(named.length > 0, file);
    const own = `/${file.split("/")[0]}`;
    for (const path of named) {
      assert(path in openapi.paths || own + path in openapi.paths, `${file} names ${path}`);
    }
  }
});
