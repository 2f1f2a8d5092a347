/** Templates over HTTP: fetched from Meta, checked before a send, created, edited, deleted. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { type Edge, edgeTest, KEYS, NUMBER } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";
import { until } from "../support/until.ts";

const KEY = { apikey: KEYS.secretKey };
const WABA = "100000000000001";

/** The number has its account, and the templates were fetched. */
async function synced(edge: Edge): Promise<void> {
  await edge.sql`update public.senders set account = ${WABA} where id = ${NUMBER.id}`;
  const { status, body } = await edge.call("wa-router/templates/sync", { headers: KEY });
  assertEquals([status, body], [200, { accounts: [{ account: WABA, stored: 4, removed: 0 }] }]);
}

const template = (more: Record<string, unknown>) => ({
  to: "12025550177",
  type: "template",
  template: { name: "parcel_on_its_way", language: "en", ...more },
});

const CHECKED = { first_name: "Ada", order_id: "17" };

edgeTest("templates: named values are filled in, and Meta takes the message", async (edge) => {
  await synced(edge);
  assertEquals((await edge.send(template({ parameters: CHECKED }))).status, 202);
  await edge.settled();
  const [{ payload }] = edge.meta.outbox.messages;
  assertEquals(payload.template, {
    name: "parcel_on_its_way",
    language: { code: "en" },
    components: [{
      type: "body",
      parameters: [
        { type: "text", parameter_name: "first_name", text: "Ada" },
        { type: "text", parameter_name: "order_id", text: "17" },
      ],
    }],
  });
});

edgeTest(
  "templates: what Meta would refuse is refused at once, with the place of the fault",
  async (edge) => {
    const issues = async (more: Record<string, unknown>) => {
      const { status, body } = await edge.send(template(more));
      return status === 422 ? body.issues.map(({ path }: { path: string }) => path) : status;
    };
    await edge.sql`update public.senders set account = ${WABA} where id = ${NUMBER.id}`;
    assertEquals(await issues({ parameters: CHECKED }), ["template.name"], "not fetched yet");
    await synced(edge);
    assertEquals(await issues({ parameters: { first_name: "Ada" } }), ["template.parameters.order_id"]);
    assertEquals(await issues({ parameters: { ...CHECKED, nick: "A" } }), ["template.parameters.nick"]);
    assertEquals(await issues({ language: { code: "fr" }, parameters: CHECKED }), ["template.language.code"]);
    assertEquals(
      await issues({ language: undefined, parameters: CHECKED }),
      ["template.language"],
      "several languages",
    );
    assertEquals(await issues({ components: [] }), ["template.components"]);
    assertEquals(await issues({ components: [], parameters: CHECKED }), ["template.parameters"]);
    assertEquals(await issues({ name: "weekly_sale", parameters: { 1: "Ada", 2: "5 %", "button.0": "x" } }), [
      "template.parameters.header",
    ]);
    const late = await edge.send({
      to: "12025550177",
      type: "text",
      text: { body: "hi" },
      fallback: template({}),
    });
    assertEquals(late.body.issues[0].path, "fallback.template.components");
    assertEquals(await issues({ name: "never_seen", language: { code: "en" } }), 202, "left to Meta");
  },
);

edgeTest("templates: a pause by Meta is known at once, told as such, and over with its end", async (edge) => {
  await synced(edge);
  const [{ id }] = await edge
    .sql`select id from public.wa_templates where name = 'parcel_on_its_way' and language = 'en'`;
  edge.meta.act(WABA, { do: "pause", template: id });
  await edge.meta.settled();
  const refused = await edge.send(template({ parameters: CHECKED }));
  assertEquals([refused.status, refused.body.code], [409, "template_not_sendable"]);
  edge.meta.act(WABA, { do: "approve", template: id });
  await edge.meta.settled();
  assertEquals((await edge.send(template({ parameters: CHECKED }))).status, 202);
});

edgeTest("templates: created, reviewed, edited and deleted at Meta and here", async (edge) => {
  await synced(edge);
  edge.meta.configure({ reviewMs: 0 });
  const statusOf = async (name: string) =>
    (await edge.sql`select status from public.wa_templates where name = ${name}`)[0]?.status;
  // A webhook that comes before what it is about is written, or that is the same to the letter as one within the same second,
  // says nothing: then the clock fetches them, within a minute.
  const decided = (name: string, status: string) =>
    until(`${name} is ${status}`, async () => {
      await edge.call("wa-router/templates/sync", { headers: KEY });
      return await statusOf(name) === status;
    });
  const draft = {
    language: "en",
    category: "utility",
    components: [{ type: "BODY", text: "Your table is ready." }],
  };
  const create = (name: string, more = {}) =>
    edge.call("wa-router/templates", { headers: KEY, body: { name, ...draft, ...more } });
  const made = await create("table_ready");
  assertEquals([made.status, made.body.status], [201, "pending"]);
  await decided("table_ready", "approved");
  await create("to_reject");
  await decided("to_reject", "rejected");
  const twice = await create("table_ready");
  assertEquals([twice.status, twice.body.code], [422, "provider_refused"]);
  assertMatch(twice.body.detail, /already/);
  const path = `wa-router/templates/${made.body.id as string}` as const;
  const edited = await edge.call(path, { method: "PATCH", headers: KEY, body: { category: "marketing" } });
  assertEquals(edited.body, { id: made.body.id, status: "pending" });
  await decided("table_ready", "approved");
  assertEquals((await edge.call(path, { method: "DELETE", headers: KEY })).body.status, "deleted");
  assertEquals(await statusOf("table_ready"), undefined);
});

edgeTest("templates: answers are as in openapi.yaml", async (edge) => {
  const { sql } = edge;
  const { see, assertAllMet } = witness();
  await synced(edge);
  const ONE = "/wa-router/templates/{id}", ALL = "/wa-router/templates", SYNC = "/wa-router/templates/sync";
  const [{ id }] = await sql`select id from public.wa_templates where language = 'de'`;
  const calls: [string, string, (headers?: HeadersInit, body?: unknown) => ReturnType<Edge["call"]>][] = [
    [SYNC, "post", (headers = KEY, body = {}) => edge.call("wa-router/templates/sync", { headers, body })],
    [ALL, "post", (headers = KEY, body = DRAFT) => edge.call("wa-router/templates", { headers, body })],
    [
      ONE,
      "patch",
      (headers = KEY, body = { category: "utility" }) =>
        edge.call(`wa-router/templates/${id}`, { method: "PATCH", headers, body }),
    ],
    [ONE, "delete", (headers = KEY) => edge.call(`wa-router/templates/${id}`, { method: "DELETE", headers })],
  ];
  for (const [path, method, call] of calls) {
    see(path, method, 401, await call({}));
    see(path, method, 403, await call({ apikey: KEYS.publishableKey }));
    if (method === "delete") {
      const other = await edge.call("wa-router/templates/0", { method: "DELETE", headers: KEY });
      see(path, method, 404, other);
    } else see(path, method, 422, await call(KEY, { all: 7, category: "other" }));
  }
  see(
    ONE,
    "patch",
    404,
    await edge.call("wa-router/templates/0", {
      method: "PATCH",
      headers: KEY,
      body: { category: "utility" },
    }),
  );
  see(ALL, "post", 201, await calls[1][2]());
  see(ALL, "post", 422, await calls[1][2]());
  see(ALL, "post", 400, await calls[1][2](KEY, "{"));
  see(ONE, "patch", 400, await calls[2][2](KEY, "{"));
  see(ALL, "post", 413, await calls[1][2](KEY, " ".repeat(129 * 1024)));
  see(ONE, "patch", 413, await calls[2][2](KEY, " ".repeat(129 * 1024)));
  see(ONE, "patch", 422, await calls[2][2](KEY, { components: [{ type: "FOOTER" }] }));
  see(ONE, "patch", 200, await calls[2][2]());
  see(SYNC, "post", 405, await edge.call("wa-router/templates/sync", { method: "GET", headers: KEY }));
  see(ALL, "post", 405, await edge.call("wa-router/templates", { method: "GET", headers: KEY }));
  see(ONE, "patch", 405, await edge.call(`wa-router/templates/${id}`, { method: "POST", headers: KEY }));
  edge.meta.act(WABA, { do: "expire_token" });
  for (const [path, method, call] of calls.slice(1)) see(path, method, 502, await call());
  const failed = await edge.call("wa-router/templates/sync", { headers: KEY, body: { all: true } });
  see(SYNC, "post", 200, failed);
  assert(failed.body.accounts[0].error);
  edge.meta.act(WABA, { do: "renew_token" });
  await edge.away(async () => {
    for (const [path, method, call] of calls) see(path, method, 503, await call());
  });
  const refused = async () => {
    for (const [path, method, call] of calls) {
      see(path, method, 503, await call());
      forgetRefusal();
    }
  };
  await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
  await refused();
  await sql`delete from private.schema_breaks`;
  for (
    const [from, args] of [["claim_template_syncs", "boolean"], ["numbers_to_check", ""], [
      "template_by_id",
      "text",
    ]]
  ) {
    await sql.unsafe(`alter function public.${from}(${args}) rename to ${from}_other`);
  }
  await refused();
  for (
    const [from, args] of [["claim_template_syncs", "boolean"], ["numbers_to_check", ""], [
      "template_by_id",
      "text",
    ]]
  ) {
    await sql.unsafe(`alter function public.${from}_other(${args}) rename to ${from}`);
  }
  Deno.env.set("FEATURE_ENABLED", "false");
  await refused();
  Deno.env.delete("FEATURE_ENABLED");
  see(ONE, "delete", 200, await calls[3][2]());
  for (const [path, at] of [[SYNC, "/sync"], [ALL, ""], [ONE, `/${id}`]]) {
    see(path, "options", 204, {
      ...await edge.call(`wa-router/templates${at}`, { method: "OPTIONS" }),
      body: undefined,
    });
  }
  const before = Deno.env.get("SUPABASE_SECRET_KEYS")!;
  Deno.env.delete("SUPABASE_SECRET_KEYS");
  forgetEnv();
  for (const [path, method, call] of calls) see(path, method, 500, await call());
  Deno.env.set("SUPABASE_SECRET_KEYS", before);
  forgetEnv();
  assertAllMet((at) => at.startsWith("/wa-router/templates"));
});

const DRAFT = {
  name: "openapi_example",
  language: "en",
  category: "utility",
  components: [{ type: "BODY", text: "Your table is ready." }],
};
