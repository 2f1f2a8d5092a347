/** `gatelink allowlist` and `gatelink destinations` on a real stack. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Webhook } from "standardwebhooks";
import {
  document,
  fails,
  gatelink,
  NOBODY,
  received,
  service,
  sql,
  stack,
  unique,
  written,
} from "../support/cli.ts";

// The function lets a key test ten times at once, which is less than this file does.
Deno.test.beforeEach(async () => {
  await sql`delete from public.rate_limits where key like 'destination_test:%'`;
});

Deno.test("gatelink allowlist: add, list, remove and its history", async () => {
  const host = `${unique("hooks")}.example.com`;
  const added = await document(`allowlist add ${host.toUpperCase()} --for redirect`);
  assertEquals([added.pattern, added.purpose], [host, "redirect"]);
  await document(`allowlist add ${host} --for redirect`);
  assertEquals(
    (await gatelink(`allowlist add ${host} --for forward`)).out,
    `${host} is allowed for forward.\n`,
  );

  const listed = await document<{ pattern: string; purpose: string }[]>("allowlist list");
  assertEquals(listed.filter(({ pattern }) => pattern === host).map(({ purpose }) => purpose), [
    "forward",
    "redirect",
  ]);
  assert(!(await gatelink("allowlist list --for forward")).out.includes("redirect"));

  assertEquals(await document(`allowlist remove ${host}:443 --for redirect`), {
    pattern: host,
    purpose: "redirect",
    removed: true,
  });
  await fails(`allowlist remove ${host} --for redirect`, 4, "not_found", /allowlist list/);

  const history = await document<{ pattern: string; purpose: string; change: string; by: string }[]>(
    "allowlist history",
  );
  assertEquals(
    history.filter(({ pattern }) => pattern === host).map(({ change, purpose, by }) => [change, purpose, by]),
    [
      ["removed", "redirect", "service_role"],
      ["added", "forward", "service_role"],
      ["added", "redirect", "service_role"],
    ],
  );
  assert(!(await gatelink("allowlist history --for redirect")).out.includes("forward"));
});

Deno.test("gatelink: a newcomer's first two commands work as documented", async () => {
  const demo = await gatelink("destinations add demo http://127.0.0.1:9999/hook");
  assertEquals([demo.code, demo.err], [0, ""]);
  assertMatch(demo.out, /secret +whsec_\S+\n/);
  const route = await gatelink(`routes add --to demo --when '{"type":"any"}'`);
  assertEquals([route.code, route.err], [0, ""]);
  const [row] = await sql`
    select r.condition, d.url from public.routes r join public.route_destinations on route_id = r.id
    join public.destinations d on d.id = destination_id where d.name = 'demo'`;
  assertEquals(row, { condition: { type: "any" }, url: "http://127.0.0.1:9999/hook" });
});

Deno.test("gatelink destinations: add with all options, list, pause, resume, rotate-secret", async () => {
  const name = unique("orders");
  const secret = `whsec_${btoa(crypto.randomUUID().slice(0, 32))}`;
  const options = `--timeout 1500ms --rate 2.5 --burst 3 --retry 500ms,1m,2h --secret ${secret}`;
  const added = await document(`destinations add ${name} ${service}/hook ${options}`);
  assertEquals([added.name, added.url, added.state, added.secret], [
    name,
    `${service}/hook`,
    "active",
    secret,
  ]);

  const row = async () =>
    (await document("destinations list")).find((row: { name: string }) => row.name === name);
  const { timeout_ms, rate_per_second, rate_burst, retry_seconds } = await row();
  assertEquals([timeout_ms, rate_per_second, rate_burst, retry_seconds], [1500, 2.5, 3, [0.5, 60, 7200]]);
  assert(!JSON.stringify(await row()).includes("whsec_"), "the list shows a secret");

  assertMatch((await gatelink(`destinations pause ${name}`)).out, /is paused/);
  assertEquals((await row()).state, "paused");
  await sql`update public.destinations set circuit_open_until = now() + interval '1 hour' where name = ${name}`;
  await document(`destinations resume ${name}`);
  assertEquals([(await row()).state, (await row()).circuit_open_until], ["active", null]);

  const rotated = await document(`destinations rotate-secret ${name} --overlap 48`);
  assertMatch(rotated.secret, /^whsec_/);
  const hours = (Date.parse(rotated.old_secret_signs_until) - Date.now()) / 3_600_000;
  assert(hours > 47.9 && hours < 48.1, `${hours}`);
});

Deno.test("gatelink destinations: set changes only the named settings, and remove deletes the destination", async () => {
  const name = unique("changes");
  await document(`destinations add ${name} ${service}/hook --timeout 1s --rate 2 --retry 1s`);
  const row = async () =>
    (await document("destinations list")).find((row: { name: string }) => row.name === name);
  await document(
    `destinations set ${name} --url ${service}/moved --rate none --on-failure 404=aside,else=hold`,
  );
  const { url, timeout_ms, rate_per_second, retry_seconds, failure_policy } = await row();
  assertEquals({ url, timeout_ms, rate_per_second, retry_seconds, failure_policy }, {
    url: `${service}/moved`,
    timeout_ms: 1000,
    rate_per_second: null,
    retry_seconds: [1],
    failure_policy: { "404": "aside", else: "hold" },
  });
  await document(`destinations set ${name} --retry none --on-failure none`);
  assertEquals([(await row()).retry_seconds, (await row()).failure_policy], [null, {}]);
  await fails(`destinations set ${name}`, 2, "usage", /at least one change/);
  await fails(`destinations set ${name} --on-failure 200=hold`, 2, "usage", /a status or else/);
  await fails(`destinations set ${name} --url https://not-allowed.example.org/`, 4, "forbidden", /allowlist/);
  const { name: route } = await document(
    `routes add --to ${name} --when '{"type":"default"}' --priority 100000`,
  );
  await fails(`destinations remove ${name}`, 4, "conflict", new RegExp(route));
  await document(`routes remove ${route}`);
  assertMatch((await gatelink(`destinations remove ${name}`)).out, /was removed\.\n/);
  assertEquals(await row(), undefined);
});

Deno.test("gatelink destinations set-header: reads the value from stdin, sends it, and never prints it", async () => {
  const name = unique("headers");
  await document(`destinations add ${name} ${service}/${name}`);
  const made = await gatelink(`destinations set-header ${name} Authorization`, {
    stdin: "Bearer abcdef123456\n",
  });
  assertEquals([made.code, made.out], [0, `${name} gets authorization.\n`]);
  await document(`destinations test ${name}`);
  const { headers } = received.findLast(({ path }) => path === `/${name}`)!;
  assertEquals(headers.get("authorization"), "Bearer abcdef123456");
  assertEquals((await document("destinations reseal")).left, 0);
  await fails(`destinations set-header ${name} host`, 4, "invalid", /cannot be set for a destination/, {
    stdin: "x",
  });
  const removed = await gatelink(`destinations set-header ${name} authorization --remove`);
  assertEquals(removed.out, `${name} gets no custom headers.\n`);
});

Deno.test("gatelink destinations: an error of the stack ends with exit code 4 and its reason", async () => {
  const name = unique("taken");
  await document(`destinations add ${name} ${service}/hook`);
  await fails(`destinations add ${name} ${service}/hook`, 4, "conflict", /exists already/);
  await fails("destinations add far https://not-allowed.example.org/x", 4, "forbidden", /allowlist add/);
  await fails("destinations add plain http://hooks.example.com/x", 4, "forbidden", /https/);
  for (const verb of ["pause", "resume", "rotate-secret", "test", "remove", "set --timeout 1s"]) {
    await fails(
      `destinations ${verb.replace(/ |$/, " nobody ")}`,
      4,
      "not_found",
      /no destination named nobody/,
    );
  }
});

Deno.test("gatelink destinations test: sends a signed event like a message, and shows the answer", async (t) => {
  const name = unique("tested");
  const { secret } = await document(`destinations add ${name} ${service}/${name}`);
  const last = () => received.findLast(({ path }) => path === `/${name}`)!;
  const verified = (secret: string) =>
    new Webhook(secret).verify(last().body, Object.fromEntries(last().headers));

  await t.step("with the stored secret", async () => {
    const result = await document(`destinations test ${name}`);
    assertEquals([result.ok, result.status, result.answer], [true, 200, `answer to /${name}`]);
    assertEquals((verified(secret) as { type: string }).type, "gatelink.test");
    assertEquals(last().headers.get("webhook-id"), result.webhook_id);
  });
  await t.step("while a secret is rotated, with both", async () => {
    const rotated = await document(`destinations rotate-secret ${name}`);
    await document(`destinations test ${name}`);
    verified(secret);
    verified(rotated.secret);
  });
  await t.step("with no more than a project's address and key", async () => {
    const { url, secretKey } = stack;
    const env = { GATELINK_STACK: await written("hosted.json", JSON.stringify({ url, secretKey })) };
    assertEquals((await gatelink(`destinations test ${name}`, { env })).code, 0);
    verified(secret);
  });
  for (const [status, said] of [[401, /refuses the signature/], [500, /service's log/]] as const) {
    await t.step(`answered ${status}: exit code 1`, async () => {
      const other = unique("refusing");
      await document(`destinations add ${other} ${service}/${status}`);
      const { code, out } = await gatelink(`destinations test ${other}`);
      assertEquals(code, 1);
      assertMatch(out, new RegExp(`status +${status}[^]*answer +answer to /${status}`));
      assertMatch(out, said);
      const json = await gatelink(`destinations test ${other} --json`);
      const { ok, error } = json.json();
      assertEquals([json.code, ok, error], [1, false, "status"]);
    });
  }
  await t.step("nobody there: exit code 1", async () => {
    const other = unique("away");
    await document(`destinations add ${other} ${NOBODY}/hook`);
    const { code, out } = await gatelink(`destinations test ${other}`);
    assertEquals(code, 1);
    assertMatch(out, /status +no answer[^]*error +connect[^]*Start the service/);
  });
  await t.step("its host not allowed any more: exit code 1, nothing sent", async () => {
    const other = unique("forbidden");
    await document(`allowlist add ${other}.example.com --for forward`);
    await document(`destinations add ${other} https://${other}.example.com/hook`);
    await document(`allowlist remove ${other}.example.com --for forward`);
    const { code, out } = await gatelink(`destinations test ${other}`);
    assertEquals(code, 1);
    assertMatch(out, /not_permitted[^]*allowlist add/);
  });
});
