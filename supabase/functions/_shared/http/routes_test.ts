import { assert, assertEquals, assertThrows } from "../../../../tests/support/assert.ts";
import { assertLinear } from "../../../../tests/support/growth.ts";
import { holds } from "../../../../tests/support/property.ts";
import fc from "fast-check";
import { Problem } from "./problem.ts";
import { addressOf, type Call, createRouter, ownPaths, type Route, type RouteDeps } from "./routes.ts";

const PANEL = "https://admin.example.com", OTHER = "https://app.example.net";
const ROUTES = [
  { method: "GET", path: "/", auth: "viewer", origins: "panel", handler: "list" },
  { method: "POST", path: "/", auth: "operator", origins: "panel", handler: "create" },
  { method: "POST", path: "/claim", auth: "none", origins: "any", handler: "claim" },
  { method: "GET", path: "/{code}", auth: "none", origins: { "x-preflight": "own" }, handler: "visit" },
  { method: "DELETE", path: "/{code}", auth: "operator", origins: "panel", handler: "remove" },
  { method: "GET", path: "/{code}/stats/{day}", auth: "none", handler: "stats" },
] as const satisfies Route[];
type Name = typeof ROUTES[number]["handler"];

/** A router that answers with what its handlers are given. */
function made(deps: Partial<RouteDeps<Name, string>> = {}) {
  const seen: unknown[] = [];
  const said = (name: Name) => ({ params, query, by, context }: Call<string>) => {
    seen.push(name);
    return Response.json([name, params, query, by, context], { headers: { "x-name": name } });
  };
  const handlers = Object.fromEntries(ROUTES.map(({ handler }) => [handler, said(handler)]));
  const router = createRouter("fn", ROUTES, {
    handlers: handlers as RouteDeps<Name, string>["handlers"],
    gates: { viewer: () => "a viewer", operator: () => Promise.resolve("an operator") },
    panelOrigins: () => Promise.resolve(new Set([PANEL])),
    ...deps,
  });
  const ask = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const request = new Request(`https://a.example${path}`, { method, headers });
    try {
      const response = await router(request, "context");
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text && JSON.parse(text) };
    } catch (error) {
      assert(error instanceof Problem, String(error));
      return { status: error.status, headers: new Headers(error.headers), body: error.code };
    }
  };
  return { ask, seen };
}

Deno.test("createRouter(): passes path parameters, the query and the gate's result to the handler", async () => {
  const { ask } = made();
  const cases: [method: string, path: string, body: unknown][] = [
    ["GET", "/?a=/claim", ["list", {}, "a=/claim", "a viewer", "context"]],
    ["POST", "//", ["create", {}, "", "an operator", "context"]],
    ["GET", "/a%2Fb/", ["visit", { code: "a%2Fb" }, "", "", "context"]],
    ["DELETE", "/x", ["remove", { code: "x" }, "", "an operator", "context"]],
    ["GET", "/x/stats/today?", ["stats", { code: "x", day: "today" }, "", "", "context"]],
  ];
  for (const [method, path, body] of cases) {
    const answer = await ask(method, path);
    assertEquals([answer.status, answer.body], [200, body], `${method} ${path}`);
  }
});

Deno.test("createRouter(): 404 for an unknown path, 405 with Allow for a wrong method, and HEAD is GET without its body", async () => {
  const { ask, seen } = made();
  for (const path of ["/x/stats", "/x/stats/", "//stats/y", "/x/stats/y/z", "/x/y", "/x/y/z"]) {
    assertEquals((await ask("GET", path)).body, "not_found", path);
  }
  const cases: [method: string, path: string, allow: string][] = [
    ["PUT", "/", "GET, HEAD, OPTIONS, POST"],
    ["GET", "/claim", "OPTIONS, POST"],
    ["POST", "/x", "DELETE, GET, HEAD, OPTIONS"],
    ["OPTIONS", "/x/stats/y", "GET, HEAD"],
  ];
  for (const [method, path, allow] of cases) {
    const { body, headers } = await ask(method, path);
    assertEquals([body, headers.get("allow")], ["method_not_allowed", allow], `${method} ${path}`);
  }
  assertEquals(seen, []);
  const head = await ask("HEAD", "/x/stats/y");
  assertEquals([head.status, head.headers.get("x-name"), head.body], [200, "stats", ""]);
});

Deno.test("createRouter(): which origins may read an answer and its refusals, and the answer to OPTIONS", async () => {
  const { ask } = made({
    gates: { viewer: () => "", operator: () => Promise.reject(new Problem("forbidden")) },
  });
  const seen = async (method: string, path: string, origin?: string, wanted = "") => {
    const { status, headers } = await ask(method, path, {
      ...(origin === undefined ? {} : { origin }),
      "access-control-request-method": wanted,
    });
    const of = (name: string) => headers.get(name);
    return [
      status,
      of("access-control-allow-origin"),
      of("access-control-allow-methods"),
      of("vary"),
      of("x-preflight"),
    ];
  };
  const cases: [Parameters<typeof seen>, unknown[]][] = [
    [["GET", "/", PANEL], [200, PANEL, null, "Origin", null]],
    [["GET", "/", OTHER], [200, null, null, "Origin", null]],
    [["GET", "/"], [200, null, null, "Origin", null]],
    [["POST", "/", PANEL], [403, PANEL, null, "Origin", null]],
    [["POST", "/", OTHER], [403, null, null, "Origin", null]],
    [["POST", "/"], [403, null, null, "Origin", null]],
    [["OPTIONS", "/", PANEL], [204, PANEL, "GET, POST", "Origin", null]],
    [["OPTIONS", "/", OTHER], [204, null, null, "Origin", null]],
    [["POST", "/claim", OTHER], [200, "*", null, null, null]],
    [["OPTIONS", "/claim", OTHER, "POST"], [204, "*", "POST", null, null]],
    [["GET", "/x", OTHER], [200, null, null, null, null]],
    [["OPTIONS", "/x", OTHER, "GET"], [204, null, null, null, "own"]],
    [["OPTIONS", "/x", OTHER, "DELETE"], [204, null, null, "Origin", null]],
    [["OPTIONS", "/x", PANEL, "DELETE"], [204, PANEL, "DELETE", "Origin", null]],
  ];
  for (const [asked, answer] of cases) assertEquals(await seen(...asked), answer, asked.join(" "));
});

Deno.test("createRouter(): a caller whom the gate refuses reaches nothing, and nobody does while it is switched off", async () => {
  let asked = 0;
  const { ask, seen } = made({
    gates: {
      viewer: () => {
        throw new Problem("unauthorized");
      },
      operator: () => Promise.reject(new Problem("forbidden")),
    },
  });
  assertEquals([(await ask("GET", "/")).status, (await ask("POST", "/")).status], [401, 403]);
  assertEquals([(await ask("HEAD", "/")).status, (await ask("DELETE", "/x")).status], [401, 403]);
  const off = made({
    killed: () => true,
    gates: { viewer: () => `${asked++}`, operator: () => `${asked++}` },
  });
  assertEquals((await off.ask("DELETE", "/x")).body, "disabled_by_environment");
  assertEquals((await off.ask("GET", "/x")).status, 200);
  assertEquals([seen, asked], [[], 0]);
});

Deno.test("createRouter(): refuses a route without a gate when the table is created", () => {
  const error = assertThrows(() => made({ gates: { viewer: () => "" } }), Error);
  assertEquals(error.message, "nothing lets callers in: POST /");
});

Deno.test("addressOf(): removes the prefix before the function's own paths, and trailing slashes", () => {
  const cases: [url: string, path: string, query: string][] = [
    ["https://a.example/functions/v1/flags", "/", ""],
    ["https://a.example/functions/v1/flags/?a=b?c/", "/", "a=b?c/"],
    ["http://flags/flags/outcomes//", "/outcomes", ""],
    ["https://a.example/flagship/x", "/flagship/x", ""],
    ["https://a.example/x?y=/flags", "/x", "y=/flags"],
    ["https://a.example/", "/", ""],
  ];
  for (const [url, path, query] of cases) {
    assertEquals(addressOf(url, ownPaths("flags")), { path, query }, url);
  }
});

const parts = fc.array(fc.constantFrom("", "stats", "claim", "x", "a%20b", "{code}", "__proto__"), {
  maxLength: 5,
});

Deno.test("createRouter(): matches by pattern only, whatever the parameters contain", () => {
  const { ask } = made();
  const wanted = (path: string) => {
    if (path === "/") return "list";
    if (path === "/claim") return "method_not_allowed";
    if (/^\/[^/]+$/.test(path)) return "visit";
    return /^\/[^/]+\/stats\/[^/]+$/.test(path) ? "stats" : "not_found";
  };
  return holds(fc.asyncProperty(parts, async (parts) => {
    const path = `/${parts.join("/")}`.replace(/(?<=.)\/+$/, "");
    const { body } = await ask("GET", path);
    assertEquals(Array.isArray(body) ? body[0] : body, wanted(path.replace(/^\/+$/, "/")));
  }));
});

Deno.test("createRouter(): a path of any length takes linear time", async () => {
  const router = createRouter("fn", ROUTES, {
    handlers: new Proxy({}, { get: () => () => new Response() }) as RouteDeps<Name, string>["handlers"],
    gates: { viewer: () => "", operator: () => "" },
  });
  for (const part of ["/", "a", "a/", "/stats", "?", "%2F"]) {
    await assertLinear(20_000, (size) => {
      const url = `https://a.example/${part.repeat(size)}`;
      const request = { method: "GET", url, headers: new Headers() } as Request;
      for (let n = 0; n < 20; n++) {
        try {
          router(request, "");
        } catch {
          // There may be nothing.
        }
      }
    });
  }
});
