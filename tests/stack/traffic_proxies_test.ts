/** The examples of ops/traffic in front of a stack with two environments: each splits as the local gateway does. */
import { assert, assertEquals } from "../support/assert.ts";
import postgres, { type Sql } from "postgres";
import { join, ROOT } from "../../lib/paths.ts";
import { freePort } from "../../lib/postgres/postgres.ts";
import { greenOn } from "../support/green.ts";
import { hasProgram } from "../support/program.ts";
import { type RunningStack, startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";

const NGINX = await hasProgram("nginx", "the proxy of ops/traffic (Debian: nginx)", "-v");
const FOLDER = join(ROOT, "ops", "traffic");

/** A new visitor, or one with a cookie. */
async function visit(front: string, headers: Record<string, string> = {}, path = "/health") {
  const response = await fetch(front + path, { headers });
  const text = await response.text();
  return {
    status: response.status,
    shown: response.headers.get("x-environment"),
    cookie: response.headers.get("set-cookie")?.split(";")[0],
    environment: /"environment":"(\w+)"/.exec(text)?.[1],
  };
}

/** What every gateway does, at this address. */
async function behavesAsGateway(front: string, stack: RunningStack, sql: Sql): Promise<void> {
  const token = { authorization: `Bearer ${stack.stack.traffic.token}` };
  const split = async (green: number) => {
    const response = await fetch(`${front}/api/traffic`, {
      method: "POST",
      headers: token,
      body: JSON.stringify({ environment: "green", percentage: green }),
    });
    assertEquals([response.status, (await response.json()).green], [200, green]);
  };
  const refused = await fetch(`${front}/api/traffic`, { method: "POST", body: "{}" });
  assertEquals([refused.status, (await refused.json()).code], [401, "unauthorized"]);

  await split(0);
  await until("all to blue", async () => (await visit(front)).shown === "blue");
  assertEquals((await visit(front, { "x-environment": "green" })).environment, "green");
  assertEquals((await visit(front, { "x-environment": "green" }, "/health/detailed")).status, 401);
  const pinned = await visit(front, { "x-environment": "green", ...token }, "/health/detailed");
  assertEquals([pinned.status, pinned.environment], [200, "green"]);
  assertEquals((await visit(front, {}, "/nothing")).status, 404);

  await split(40);
  await until("green is seen", async () => (await visit(front)).environment === "green");
  await until("the stack sees it", async () => (await visit(stack.url)).environment === "green");
  const visitors: { cookie: string; environment: string }[] = [];
  for (let i = 0; i < 60; i++) {
    const { status, shown, cookie, environment } = await visit(front);
    assertEquals([status, shown], [200, environment]);
    visitors.push({ cookie: cookie!, environment: environment! });
  }
  const green = visitors.filter(({ environment }) => environment === "green").length;
  assert(green > 8 && green < 42, `${green} of 60 at 40 %`);
  for (const { cookie, environment } of visitors.slice(0, 20)) {
    // The same side at every gateway.
    for (const at of [front, stack.url]) {
      const again = await visit(at, { cookie });
      assertEquals([again.environment, again.cookie], [environment, undefined]);
    }
  }
  // The users of an app share its key: it says nothing of one.
  const user = { apikey: "sb_publishable_1", authorization: "Bearer eyJhbGciOiJub25lIn0.e30.x" };
  const users = [await visit(front, user), await visit(front, user)].map(({ cookie }) => cookie);
  assert(users[0] !== undefined && users[1] !== undefined && users[0] !== users[1], users.join());
  const service = { apikey: "a service's key" };
  const side = (await visit(stack.url, service)).environment;
  for (let i = 0; i < 3; i++) assertEquals((await visit(front, service)).environment, side);

  const sent = await fetch(`${front}/api/sendgrid/send`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.stack.email.apiToken}`, "content-type": "application/json" },
    body: JSON.stringify({ to: "nobody" }),
  });
  assertEquals([sent.status, (await sent.json()).code], [422, "invalid_request"]);
  await until("outcomes of both arms are counted", async () => {
    const [{ arms }] = await sql`
      select count(distinct arm)::int as arms from public.flag_metrics where flag_key = 'green.enabled'`;
    return arms === 2;
  });

  await split(0);
  await until("everybody is back", async () => {
    const all = await Promise.all(visitors.slice(0, 10).map(({ cookie }) => visit(front, { cookie })));
    return all.every(({ environment }) => environment === "blue");
  });
}

/** Passes requests on to a stack, except those that `instead` answers. */
function between(stackUrl: string, instead: (path: string) => Response | undefined) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const own = instead(pathname);
    if (own !== undefined) {
      await request.body?.cancel();
      return own;
    }
    const { method, headers, body } = request;
    return await fetch(stackUrl + pathname + search, { method, headers, body, redirect: "manual" });
  });
}

/** Starts nginx with the example's configuration, uses it, and ends it. */
async function withNginx(upstream: string, use: (front: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const port = freePort();
  await Deno.writeTextFile(join(dir, "nginx.conf"), await configuration(upstream, port, dir));
  const nginx = new Deno.Command("nginx", {
    args: ["-p", dir, "-c", join(dir, "nginx.conf"), "-e", join(dir, "error.log")],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const front = `http://127.0.0.1:${port}`;
  try {
    await until("nginx serves", async () => (await visit(front)).status === 200);
    await use(front);
  } catch (error) {
    console.error((await Deno.readTextFile(join(dir, "error.log")).catch(() => "")).slice(-2000));
    throw error;
  } finally {
    nginx.kill("SIGTERM");
    await nginx.status;
    await Deno.remove(dir, { recursive: true });
  }
}

/** The status and `Retry-After` of a mail that SendGrid would send, of which only the length is sent. */
async function announce(front: string, length: number): Promise<(string | undefined)[]> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(front).port) });
  try {
    await connection.write(new TextEncoder().encode(
      `POST /sendgrid/inbound HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`,
    ));
    const buffer = new Uint8Array(4096);
    const text = new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
    return [/^HTTP\/1.1 (\d+)/.exec(text)?.[1], /^retry-after: (\d+)/im.exec(text)?.[1]];
  } finally {
    connection.close();
  }
}

/** nginx while the gateway is away, or green lacks a function. */
async function nginxAlone(stack: RunningStack): Promise<void> {
  let away = false, lacking = false, asked = 0;
  const upstream = between(stack.url, (path) => {
    if (path.endsWith("/gateway/choose")) {
      asked++;
      if (away) return new Response("away", { status: 503 });
    }
    if (path.includes("/email-webhook-green/")) return new Response("no such function", { status: 404 });
    if (path.includes("/email-track-green/")) return new Response("no such function", { status: 404 });
    if (lacking && path.includes("/health-green/")) return new Response("gateway timeout", { status: 504 });
  });
  try {
    await withNginx(`http://127.0.0.1:${upstream.addr.port}`, async (front) => {
      const on = async (environment: string) =>
        (await until(`somebody is on ${environment}`, async () => {
          const one = await visit(front);
          return one.environment === environment && one;
        })).cookie!;
      const [green, blue] = [await on("green"), await on("blue")];
      for (const [cookie, environment] of [[green, "green"], [blue, "blue"]]) {
        assertEquals((await visit(front, { cookie })).environment, environment);
      }
      const before = asked;
      for (let i = 0; i < 20; i++) await visit(front, { cookie: green });
      assert(asked - before < 20, "each request of a known visitor asks");

      // Asked for an environment at the address where everybody may, and nowhere else.
      const pinned = { cookie: blue, "x-environment": "green" };
      assertEquals((await visit(front, pinned)).environment, "green");
      assertEquals((await visit(front, pinned, "/health/detailed")).status, 401);
      assertEquals((await visit(front, { cookie: blue }, "/health/detailed")).environment, "blue");

      const mail = await fetch(`${front}/sendgrid/inbound`, {
        method: "POST",
        headers: { cookie: green },
        body: "a mail",
      });
      await mail.body?.cancel();
      assertEquals([mail.status, Number(mail.headers.get("retry-after")) > 0], [503, true]);
      assertEquals(await announce(front, 70 * 1024 * 1024), ["503", "30"]);

      // What is read comes from blue where green lacks the function, and what is written does not.
      const read = async (path: string, init: RequestInit = {}) => {
        const response = await fetch(front + path, { ...init, headers: { cookie: green } });
        await response.body?.cancel();
        return [response.status, response.headers.get("x-environment")];
      };
      assertEquals(await read("/pixel/test.png"), [200, "blue"]);
      assertEquals(await read("/pixel/test.png", { method: "POST" }), [404, "green"]);
      assertEquals(await read("/health"), [200, "green"]);
      lacking = true;
      assertEquals(await read("/health"), [200, "blue"]);
      lacking = false;

      away = true;
      for (const path of ["/health", "/health/detailed"]) {
        assertEquals((await visit(front, { cookie: green }, path)).environment, "green");
      }
      assertEquals((await visit(front)).environment, "blue");
    });
  } finally {
    await upstream.shutdown();
  }
}

/** The configuration of the example, for this stack instead of a project, without TLS. */
async function configuration(stackUrl: string, port: number, dir: string): Promise<string> {
  const own = (await Deno.readTextFile(join(FOLDER, "nginx.conf")))
    .replace("listen 443 ssl;", `listen 127.0.0.1:${port};`)
    .replace("/var/cache/nginx/gatelink", `${dir}/cache`)
    .replaceAll("https://<ref>.supabase.co", stackUrl)
    .replaceAll("<ref>.supabase.co", new URL(stackUrl).host);
  assert(own.includes(`listen 127.0.0.1:${port}`) && !own.includes("<ref>"), own);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) =>
    `${of}_temp_path ${dir}/${of};`
  );
  return `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log;
    events {} http { access_log off; ${temporary.join(" ")} ${own} }`;
}

Deno.test("gateways: nginx and a Cloudflare Worker split as the stack does", async (t) => {
  const stack = await startStack({ args: ["--no-seed"] });
  const sql = postgres(stack.stack.dbUrl, { max: 1, onnotice: () => {} });
  try {
    await greenOn(stack);
    await t.step({
      name: "nginx",
      ignore: !NGINX,
      async fn() {
        await withNginx(stack.url, (front) => behavesAsGateway(front, stack, sql));
        const split = await fetch(`${stack.url}/api/traffic`, {
          method: "POST",
          headers: { authorization: `Bearer ${stack.stack.traffic.token}` },
          body: JSON.stringify({ environment: "green", percentage: 50 }),
        });
        await split.body?.cancel();
        assertEquals(split.status, 200);
        await until("green is seen", async () => (await visit(stack.url)).environment === "green");
        await nginxAlone(stack);
      },
    });
    await t.step("Cloudflare Worker", async () => {
      const worker = await startWorker(join(FOLDER, "cloudflare-worker.js"), {
        UPSTREAM: stack.url,
        LB_ADMIN_TOKEN: stack.stack.traffic.token,
      });
      if (worker === undefined) return;
      try {
        await behavesAsGateway(worker.url, stack, sql);
      } finally {
        await worker.stop();
      }
    });
  } finally {
    await sql.end();
    await stack.stop();
  }
});
