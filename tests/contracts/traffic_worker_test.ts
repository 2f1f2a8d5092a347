/** The Worker of ops/traffic in isolates of its own, before functions that say only which they are. */
import { assertEquals } from "../support/assert.ts";
import { bucket } from "../../supabase/functions/_shared/flags/bucket.ts";
import { signVisitor, VISITOR_COOKIE } from "../../supabase/functions/_shared/traffic/visitor.ts";

/** A fresh isolate of the Worker; `instead` answers what the functions do not. */
async function isolate(
  instead: (path: string, request: Request) => Response | Promise<Response> | undefined,
) {
  const upstream = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const path = new URL(request.url).pathname.slice("/functions/v1/".length);
    await request.body?.cancel();
    return await instead(path, request) ??
      new Response(path.split("/")[0], { headers: { "x-request-id": "1" } });
  });
  const fresh = `../../ops/traffic/cloudflare-worker.js?${crypto.randomUUID()}`;
  const { default: worker } = await import(fresh) as {
    default: { fetch(request: Request, env: Record<string, string>): Promise<Response> };
  };
  const env = { UPSTREAM: `http://127.0.0.1:${upstream.addr.port}`, LB_ADMIN_TOKEN: "new, old" };
  return {
    ask: async (path: string, init?: RequestInit) => {
      const response = await worker.fetch(new Request(`https://api.example.com${path}`, init), env);
      const { status, headers } = response;
      return { status, headers, text: await response.text() };
    },
    stop: () => upstream.shutdown(),
  };
}

const GREEN = { green: 100, salt: "green.enabled", revision: 1 };

Deno.test("Worker: the first requests of an isolate wait for the split, and go to green", async () => {
  const { ask, stop } = await isolate((path) => path === "gateway/split" ? Response.json(GREEN) : undefined);
  try {
    const answers = await Promise.all([1, 2, 3].map(() => ask("/health")));
    assertEquals(answers.map(({ text }) => text), ["health-green", "health-green", "health-green"]);
  } finally {
    await stop();
  }
});

Deno.test("Worker: without a split the function gateway chooses, and without that it is blue", async () => {
  let away = false;
  const { ask, stop } = await isolate((path, request) => {
    if (path === "gateway/split") return new Response("", { status: 503 });
    if (path !== "gateway/choose") return undefined;
    const seen = [request.headers.get("x-original-uri"), request.headers.get("cookie")];
    assertEquals(seen, ["/health", "a=b"]);
    const said = { "x-environment": "green", "set-cookie": "gl_visitor=x" };
    return away ? new Response("", { status: 503 }) : new Response(null, { status: 204, headers: said });
  });
  try {
    const cookie = { headers: { cookie: "a=b" } };
    const { text, headers } = await ask("/health", cookie);
    assertEquals([text, headers.get("set-cookie")], ["health-green", "gl_visitor=x"]);
    away = true;
    assertEquals((await ask("/health", cookie)).text, "health");
  } finally {
    await stop();
  }
});

Deno.test("Worker: each of two tokens is accepted, and a cookie of the older is signed again", async () => {
  const { ask, stop } = await isolate((path, { headers }) =>
    path !== "gateway/split"
      ? undefined
      : headers.get("authorization") === "Bearer new"
      ? Response.json(GREEN)
      : new Response("", { status: 401 })
  );
  try {
    for (const [token, status] of [["new", 200], ["old", 200], ["new, old", 401]] as const) {
      const headers = { authorization: `Bearer ${token}`, "x-environment": "green" };
      assertEquals((await ask("/health/detailed", { headers })).status, status, token);
    }
    const cookie = `${VISITOR_COOKIE}=${signVisitor("abc", "old")}`;
    const again = (await ask("/health", { headers: { cookie } })).headers.get("set-cookie");
    assertEquals(again?.split(";")[0], `${VISITOR_COOKIE}=${signVisitor("abc", "new")}`);
  } finally {
    await stop();
  }
});

Deno.test("Worker: a mail for a function that green lacks comes again, other requests go to blue", async () => {
  const { ask, stop } = await isolate((path) => {
    if (path === "gateway/split") return Response.json(GREEN);
    return /^[\w-]+-green\//.test(path) ? new Response("no such function", { status: 404 }) : undefined;
  });
  try {
    const mail = await ask("/sendgrid/inbound", { method: "POST", body: "a mail" });
    assertEquals([mail.status, mail.headers.get("retry-after")], [503, "30"]);
    const pixel = await ask("/pixel/ticket-ticket.png");
    assertEquals([pixel.text, pixel.headers.get("x-environment")], ["email-track", "blue"]);
  } finally {
    await stop();
  }
});

Deno.test("the Worker's hash is that of flags, for any text", async () => {
  const { bucket: own } = await import("../../ops/traffic/cloudflare-worker.js");
  for (
    const id of [
      "",
      "a",
      "ab",
      "abc",
      "abcd",
      "abcde",
      "ππππππππ",
      "My 🚀 is full of 🦎.",
      "ejOoVL",
      "ceQdGm",
    ]
  ) {
    for (const salt of ["", "green.enabled", "x"]) assertEquals(own(salt + id), bucket(salt, id), salt + id);
  }
  for (let i = 0; i < 1000; i++) {
    const id = crypto.randomUUID().slice(0, i % 37);
    assertEquals(own(`green.enabled${id}`), bucket("green.enabled", id));
  }
});
