/**
 * What each address answers to each method, for somebody without a key: status, code, and the headers that say which
 * methods, keys and origins are taken. `tests/cases/addresses.json` has the answers, by address, each with the requests
 * that get it: a method; `of` a page of the panel's origin or another; for OPTIONS, the method that it asks `for`.
 */
import { assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { edgeTest } from "../support/edge.ts";

const ORIGINS = { panel: "https://admin.example.com", other: "https://app.example.net" };

/** Addresses of each function: all that there are, and some that are not. */
const ADDRESSES: Record<string, string[]> = {
  "wa-webhook": ["", "/anything"],
  "wa-send": ["", "/"],
  "metrics": ["", "/"],
  "diagnostics": ["", "/"],
  "gateway": [
    "",
    "/api/traffic",
    "/api/metrics/error-rate",
    "/choose",
    "/split",
    "/nothing",
    "/health",
    "/functions/v1/gateway",
  ],
  "health": ["", "/", "/detailed", "/detailed/", "/status", "/nothing", "?a=/detailed"],
  "flags": [
    ...["", "/", "/outcomes", "/nothing", "/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/a.enabled"],
    "?a=/ofrep/v1/evaluate/flags",
  ],
  "wa-router": [
    ...["", "/", "/nothing", "/destinations", "/destinations/shop", "/destinations/reseal"],
    ...["/destinations/shop/test", "/destinations/shop/test/", "/destinations/shop/headers"],
    ...["/destinations//test", "/destinations/shop/test/more", "?a=/destinations/shop/test"],
  ],
  "deeplinks": [
    ...[
      "",
      "/",
      "/bulk",
      "/claim",
      "/spring",
      "/spring/",
      "/spring/stats",
      "/spring/qr.svg",
      "/spring/qr.png",
    ],
    ...["/spring/nothing", "/spring/stats/more", "/.well-known/assetlinks.json"],
    ...["/.well-known/apple-app-site-association", "?a=/spring/stats", "/spring?a=/bulk"],
  ],
};

const REQUESTS: { method: string; origin?: "panel" | "other"; wanted?: string }[] = [
  ...["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"].map((method) => ({ method })),
  ...(["panel", "other"] as const).flatMap((origin) => [
    { method: "POST", origin },
    ...["GET", "POST", "PATCH", "PUT"].map((wanted) => ({ method: "OPTIONS", origin, wanted })),
  ]),
];

const SHOWN = {
  "allow": "allow",
  "origin": "access-control-allow-origin",
  "methods": "access-control-allow-methods",
  "vary": "vary",
  "key": "www-authenticate",
};

edgeTest(
  "addresses: each answers each method as documented, without a key and for pages of other origins",
  async (edge) => {
    await edge.set({ "deeplinks.enabled": "true", "panel.origins": ORIGINS.panel });
    const seen: Record<string, Record<string, string>> = {};
    for (const [name, paths] of Object.entries(ADDRESSES)) {
      for (const path of paths) {
        const answers: Record<string, string> = seen[`${name}${path}`] = {};
        for (const { method, origin, wanted } of REQUESTS) {
          const { status, headers, body } = await edge.call(`${name}${path}` as "flags", {
            method,
            headers: {
              ...(origin === undefined ? {} : { origin: ORIGINS[origin] }),
              ...(wanted === undefined ? {} : { "access-control-request-method": wanted }),
            },
          });
          const answer = [
            status,
            body?.code,
            ...Object.entries(SHOWN).map(([word, header]) =>
              headers.has(header) ? `${word}: ${headers.get(header)}` : undefined
            ),
          ];
          const request = [method, wanted && `for ${wanted}`, origin && `of ${origin}`];
          const joined = (parts: unknown[], mark: string) =>
            parts.filter((part) => part !== undefined).join(mark);
          const key = joined(answer, "; ");
          answers[key] = joined([answers[key], joined(request, " ")], ", ");
        }
      }
    }
    const known = await Deno.readTextFile(join(ROOT, "tests", "cases", "addresses.json"));
    assertEquals(seen, JSON.parse(known));
  },
);
