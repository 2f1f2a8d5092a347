/** What the local stack makes of functions, and of the paths that are none. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { join } from "../../lib/paths.ts";
import { functionsFolder, startStack, temporaryFolder } from "../support/stack.ts";
import { until } from "../support/until.ts";

Deno.test("functions: served as on the platform, and a failing one affects no others", async () => {
  await using folder = await temporaryFolder();
  const functions = await functionsFolder(folder.path, {
    seen: `export default { fetch: (request) => Response.json({
      url: new URL(request.url).pathname + new URL(request.url).search,
      forwarded: request.headers.get("x-forwarded-for"),
      listed: [...request.headers.keys()].includes("x-forwarded-for"),
      names: Object.keys(Deno.env.toObject()).filter((name) => name.startsWith("SUPABASE_")).sort(),
      keys: [Deno.env.get("SUPABASE_PUBLISHABLE_KEYS"), Deno.env.get("SUPABASE_SECRET_KEYS")].map((k) => JSON.parse(k)),
      own: Deno.env.get("MY_SECRET"),
    }) };`,
    html:
      `export default { fetch: () => new Response("<b>x</b>", { headers: { "content-type": "text/html; charset=utf-8" } }) };`,
    echo:
      `export default { fetch: async (request) => new Response(await request.bytes(), { status: 201 }) };`,
    throws: `export default { fetch() { throw new Error("the secret of the house"); } };`,
    rejects:
      `export default { fetch() { Promise.reject(new Error("behind")); setTimeout(() => { throw new Error("later"); });
      EdgeRuntime.waitUntil(Promise.reject(new Error("after"))); return new Response("fine"); } };`,
    exits: `export default { fetch() { Deno.exit(3); } };`,
    deeplinks: `export default { fetch: (request) => new Response(request.url.replace(/.*?:.*?:\\d+/, ""),
      { headers: { "content-type": "text/html" } }) };`,
    nothing: `export default { fetch() {} };`,
    broken: `import "./missing.ts"; export default { fetch: () => new Response() };`,
    _shared: `throw new Error("not a function");`,
  });
  await Deno.writeTextFile(join(functions, ".env"), `MY_SECRET="a b"\n`);
  const stack = await startStack({ functions, args: ["--no-seed"] });
  const call = (path: string, init?: RequestInit) => fetch(`${stack.url}/functions/v1/${path}`, init);
  try {
    const host = stack.pids().functions;
    const seen = await (await call("seen/a/b?c=d", { headers: { "x-forwarded-for": "192.0.2.1" } })).json();
    const { publishableKey, secretKey } = stack.stack;
    assertEquals(seen, {
      url: "/seen/a/b?c=d",
      forwarded: "192.0.2.1, 127.0.0.1",
      listed: true,
      names: [
        "SUPABASE_DB_URL",
        "SUPABASE_JWKS",
        "SUPABASE_PUBLISHABLE_KEYS",
        "SUPABASE_SECRET_KEYS",
        "SUPABASE_URL",
      ],
      keys: [{ default: publishableKey }, { default: secretKey }],
      own: "a b",
    });

    for (
      const [method, type] of [["GET", "text/plain; charset=utf-8"], ["POST", "text/html; charset=utf-8"]]
    ) {
      const response = await call("html", { method });
      assertEquals([response.headers.get("content-type"), await response.text()], [type, "<b>x</b>"]);
    }
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const echo = await call("echo", { method: "POST", body: bytes });
    assertEquals([echo.status, await echo.bytes()], [201, bytes]);

    // As on a domain for links, which is a custom one: pages stay pages.
    for (const path of ["/l/AbC/x?y=z", "/.well-known/a.json"]) {
      const response = await fetch(stack.url + path);
      assertEquals([response.headers.get("content-type"), await response.text()], ["text/html", path]);
    }
    for (const name of ["throws", "exits", "nothing", "broken"]) {
      const response = await call(name);
      assertEquals(response.headers.get("content-type"), "application/problem+json", name);
      const { request_id, ...problem } = await response.json();
      assertMatch(request_id, /./);
      assertEquals(problem, {
        type: "urn:gatelink:problem:internal_error",
        title: "An internal error occurred.",
        status: 500,
        code: "internal_error",
      });
    }
    assertEquals(await (await call("rejects")).text(), "fine");
    await until(
      "what happened behind the answer is logged",
      () =>
        ["behind", "later", "after", "the secret of the house", "missing.ts"].every((word) =>
          stack.output().includes(word)
        ),
    );
    for (const name of ["_shared", "unknown", "", "seen-not"]) {
      const response = await call(name);
      assertEquals([response.status, (await response.json()).code], [404, "not_found"], name);
    }
    assertEquals((await fetch(`${stack.url}/nowhere`)).status, 404);
    assertEquals((await call("health")).status, 200);
    assertEquals(stack.pids().functions, host, "one process served all of that");
  } finally {
    await stack.stop();
  }
});

Deno.test("functions: a stop waits for background work after the answer", async () => {
  await using folder = await temporaryFolder();
  const functions = await functionsFolder(folder.path, {
    late: `export default { fetch(request) {
      const file = new URL(request.url).searchParams.get("file");
      // Goes on when the stop has begun, and takes a while then.
      EdgeRuntime.waitUntil(new Promise((done) => addEventListener("beforeunload", done))
        .then(() => new Promise((done) => setTimeout(done, 50))).then(() => Deno.writeTextFile(file, "done")));
      return new Response();
    } };`,
    last: `addEventListener("beforeunload", ({ detail }) => EdgeRuntime.waitUntil(
      new Promise((done) => setTimeout(done, 50)).then(() => Deno.writeTextFile(Deno.env.get("LAST"), detail.reason))));
      export default { fetch: () => new Response() };`,
  });
  const file = join(folder.path, "file"), last = join(folder.path, "last");
  const stack = await startStack({ functions, args: ["--no-seed"], env: { LAST: last } });
  await (await fetch(`${stack.url}/functions/v1/last`)).body?.cancel();
  await (await fetch(`${stack.url}/functions/v1/late?file=${file}`)).body?.cancel();
  assertEquals(await stack.stop(), 0);
  assertEquals([await Deno.readTextFile(file), await Deno.readTextFile(last)], ["done", "termination"]);
});

Deno.test("the simulator is reachable from this machine only, and an open page does not block a stop", async () => {
  const stack = await startStack();
  const page = await fetch(`${stack.url}/simulator/api/events`);
  const reader = page.body!.getReader();
  assertMatch(new TextDecoder().decode((await reader.read()).value), /^data: /);
  const client = Deno.createHttpClient({ allowHost: true });
  // A page of another site whose name was made to lead to this machine.
  const foreign = await fetch(`${stack.url}/simulator/outbox`, { headers: { host: "example.com" }, client });
  await foreign.body?.cancel();
  assertEquals(foreign.status, 403);
  client.close();
  const stopped = stack.stop();
  // The stream is ended, and not cut off when the time for work in hand is over: that would be an error here.
  while (!(await reader.read()).done);
  assertEquals(await stopped, 0);
});
