/** The gateway in front of a platform that lacks a function in green, as a deployment of some functions leaves it. */
import { assert, assertEquals } from "../../../tests/support/assert.ts";
import { Problem, problemResponse } from "../_shared/http/problem.ts";
import { log } from "../_shared/log/log.ts";
import type { Context } from "../_shared/serve/serve.ts";
import { GREEN_FLAG } from "../_shared/contract/traffic.ts";
import { createHandler } from "./handler.ts";

/** The gateway with everybody on green, and what the platform was asked for. */
function gateway(green: () => Response) {
  const asked: string[] = [];
  const handler = createHandler({
    tokens: () => ["token"],
    loadConfig: () =>
      Promise.resolve({
        revision: 1,
        settings: [{ key: GREEN_FLAG, value: "true", metadata: { rollout_percentage: 100 }, version: 1 }],
        segments: {},
        routes: [],
        destinations: [],
        allowlist: [],
        unreadable: [],
      }),
    killed: () => false,
    rpc: () => Promise.reject(new Error("no database")),
    project: () => "https://project.example",
    fetch: (input) => {
      const { pathname } = new URL(String(input));
      asked.push(pathname.split("/")[3]);
      return Promise.resolve(pathname.includes("-green") ? green() : new Response("blue"));
    },
  });
  const context: Context = { fn: "gateway", requestId: "1", traceparent: undefined, log, takeId: () => "1" };
  const ask = async (path: string, init?: RequestInit): Promise<Response> => {
    const request = new Request(`https://project.example/functions/v1/gateway${path}`, init);
    try {
      return await handler(request, context);
    } catch (error) {
      if (error instanceof Problem) return problemResponse(error, "1");
      throw error;
    }
  };
  return { asked, ask };
}

const mail = { method: "POST", body: "a mail" };

Deno.test("gateway: a mail for a function that green lacks comes again, since a 4xx would drop it", async () => {
  const { ask, asked } = gateway(() => new Response("Function not found", { status: 404 }));
  const response = await ask("/sendgrid/inbound", mail);
  assertEquals([response.status, asked], [503, ["email-webhook-green"]]);
  assert(Number(response.headers.get("retry-after")) > 0);
  await response.body?.cancel();
  const pixel = await ask("/pixel/ticket-ticket.png");
  assertEquals([pixel.status, await pixel.text(), pixel.headers.get("x-environment")], [200, "blue", "blue"]);
});

Deno.test("gateway: a function's own 404 stays what it is", async () => {
  const own = { status: 404, headers: { "x-request-id": "1" } };
  const { ask, asked } = gateway(() => new Response("its own", own));
  const response = await ask("/api/messages", mail);
  assertEquals([response.status, await response.text(), asked], [404, "its own", ["messages-green"]]);
});
