/**
 * What the command line prints as JSON and what the functions answer, beside what was recorded: keys, types and codes stay
 * as programs know them. `RECORD=1 deno task test tests/cli/answers_test.ts` records anew what was changed on purpose.
 */
import { assertEquals } from "../support/assert.ts";
import { dirname, join, ROOT } from "../../lib/paths.ts";
import { type Shape, shapeOf } from "../support/answer_shape.ts";
import { body, folder, gatelink, service, stack, stored, written } from "../support/cli.ts";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";

/** Answers that depend on the moment and the load: their keys alone. */
const OF_THE_MOMENT = /^(gatelink (status|diagnose|trace|reconcile)|GET (health|diagnostics))\b/;

const RECORDED = join(ROOT, "tests", "fixtures", "answers.json");

/** Command lines in their order; a later one works on what an earlier one made. */
const COMMANDS = [
  "allowlist add www.example.com --for redirect",
  "allowlist list",
  "destinations add orders {service}/orders",
  "destinations list",
  "destinations pause orders",
  "destinations resume orders",
  `routes add --to orders --name shop --when '{"type":"text","match":"keywords","values":["order"]}'`,
  "routes list",
  `routes explain --try '{"text":"an order","from":"16505551234"}'`,
  "routes explain {message}",
  "links add https://www.example.com/a --code spring --tag poster --utm campaign=spring",
  "links add --whatsapp Hello! --code chat",
  `links add --body '{"code":"rules","default_url":"https://www.example.com/","max_uses":5,"tags":["a"]}'`,
  "links list",
  "links show spring",
  "links stats spring",
  "links disable spring",
  "links export",
  "links import {links}",
  "flags list",
  "flags set shop off --new --client --description 'The shop' --why 'a test'",
  "flags show shop",
  "flags segments make beta --description 'Who tries it'",
  "flags segments add beta --user somebody --why 'a test'",
  "flags segments list",
  "flags targets add shop --segment beta --why 'a test'",
  "rollout create shop --template canary --why 'a test'",
  "rollout list",
  "rollout show shop",
  "rollout forecast shop --template canary",
  "flags set shop on --percentage 25 --why 'a test'",
  "flags history shop",
  "rollback 1 shop --why 'a test'",
  "deliveries list",
  "dead list",
  "status",
  "reconcile",
  "diagnose",
  "trace {message}",
  "conversations list",
  "contact export 16505551234",
  // Refusals.
  "links show nobody",
  "flags show nobody",
  `routes add --to nobody --when '{"type":"any"}'`,
  "destinations add bad http://example.com",
  "links add",
  "nonsense",
];

/** Requests of the functions, by method, path, body and key. */
const REQUESTS: readonly [method: string, path: string, body?: unknown, key?: "publishable" | "none"][] = [
  ["GET", "health", undefined, "none"],
  ["GET", "health/detailed"],
  ["GET", "health/detailed", undefined, "none"],
  ["GET", "diagnostics"],
  ["POST", "deeplinks", { code: "by-http", default_url: "https://www.example.com/" }],
  ["POST", "deeplinks", { code: "by-http", default_url: "https://www.example.com/other" }],
  ["POST", "deeplinks", { default_url: "https://nobody.example.org/", utm: { colour: 7 } }],
  ["POST", "deeplinks/bulk", {
    links: [{ code: "first", default_url: "https://www.example.com/1" }, { code: "!" }],
  }],
  ["GET", "deeplinks?limit=2"],
  ["GET", "deeplinks?limit=many"],
  ["GET", "deeplinks/by-http/stats"],
  ["PATCH", "deeplinks/by-http", { tags: ["a"] }],
  ["DELETE", "deeplinks/by-http"],
  ["GET", "deeplinks/by-http?explain=1"],
  ["GET", "deeplinks/by-http/stats", undefined, "none"],
  ["PUT", "deeplinks/by-http", {}],
  ["GET", "deeplinks/nobodys-code", undefined, "none"],
  ["POST", "deeplinks/claim", { token: "abcdefghijklmnop" }, "publishable"],
  ["POST", "flags/ofrep/v1/evaluate/flags", { context: { targetingKey: "a" } }],
  ["POST", "flags/ofrep/v1/evaluate/flags", { context: { targetingKey: "a" } }, "publishable"],
  ["POST", "flags/ofrep/v1/evaluate/flags/deeplinks.enabled", { context: { targetingKey: "a" } }],
  ["POST", "flags/ofrep/v1/evaluate/flags/nobody", { context: {} }],
  ["POST", "flags/outcomes", { outcomes: [{ flag: "shop.enabled", id: "a", failed: false }] }],
  ["POST", "wa-router"],
  ["POST", "wa-router/destinations/orders/test"],
  ["POST", "wa-send", { to: "16505551234", type: "text", text: { body: "Hi" } }],
  ["POST", "wa-send", { nonsense: true }],
  ["POST", "wa-send", {}, "none"],
  ["GET", "nobody"],
];

async function ask(
  method: string,
  path: string,
  sent: unknown,
  key: "publishable" | "none" | undefined,
  headers: Record<string, string> = {},
): Promise<Shape> {
  const apikey = key === "none" ? undefined : key === "publishable" ? stack.publishableKey : stack.secretKey;
  const response = await fetch(`${stack.url}/functions/v1/${path}`, {
    method,
    redirect: "manual",
    headers: {
      accept: "application/json",
      "content-type": "application/json",
      ...(apikey === undefined ? {} : { apikey }),
      ...headers,
    },
    body: sent === undefined ? undefined : typeof sent === "string" ? sent : JSON.stringify(sent),
  });
  const text = await response.text();
  const isJson = /\bjson\b/.test(response.headers.get("content-type") ?? "");
  return { status: String(response.status), body: isJson ? shapeOf(JSON.parse(text)) : shapeOf(text) };
}

Deno.test("the JSON of the command line and the functions matches the recording: keys, types and codes", async () => {
  const links = await written("links.csv", "code,default_url\nfrom-file,https://www.example.com/f\n");
  const { id } = await stored("wamid.recorded", "an order");
  const given = { service, links, message: id };
  const answers: Record<string, Shape> = {};
  for (const line of COMMANDS) {
    const filled = line.replace(
      /\{(service|links|message)\}/g,
      (_, name) => given[name as keyof typeof given],
    );
    const ran = await gatelink(`${filled} --json`, { cwd: dirname(folder) });
    answers[`gatelink ${line}`] = {
      exit: String(ran.code),
      out: shapeOf(ran.out.startsWith("{") || ran.out.startsWith("[") ? ran.json() : ran.out),
    };
  }
  for (const [method, path, sent, key] of REQUESTS) {
    const name = [method, path, key, sent === undefined ? undefined : JSON.stringify(sent)].filter(Boolean)
      .join(" ");
    answers[name] = await ask(method, path, sent, key);
  }
  const webhook = body("wamid.recorded-by-http", "Hello");
  answers["POST wa-webhook, signed"] = await ask("POST", "wa-webhook", webhook, "none", {
    "x-hub-signature-256": sign(new TextEncoder().encode(webhook), stack.whatsapp.appSecret),
  });
  answers["POST wa-webhook, not signed"] = await ask("POST", "wa-webhook", webhook, "none");

  for (const [name, answer] of Object.entries(answers)) {
    if (!OF_THE_MOMENT.test(name)) continue;
    const { out, body } = answer as Record<string, Shape>;
    answers[name] = Object.keys(out ?? body);
  }
  if (Deno.env.get("RECORD")) {
    await Deno.writeTextFile(RECORDED, `${JSON.stringify(answers, null, 2)}\n`);
  }
  assertEquals(answers, JSON.parse(await Deno.readTextFile(RECORDED)));
});
