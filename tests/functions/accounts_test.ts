/** Several accounts over HTTP: each sends with its own token, one is banned, and the check with Meta. */
import { assert, assertEquals } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { type Edge, edgeTest, KEYS, SECOND } from "../support/edge.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { witness } from "../support/openapi.ts";
import { withSecond } from "../support/second_account.ts";
import { until } from "../support/until.ts";

const KEY = { apikey: KEYS.secretKey };

/** People who wrote to the first and to the second number. */
async function both({ meta }: Edge): Promise<[string, string]> {
  const [first, second] = [
    meta.addContact({ name: "Ada", phone: "12025550111" }),
    meta.addContact({ name: "Bo", phone: "12025550112" }),
  ];
  meta.userSends(first, "hello");
  meta.userSends(second, "hello", SECOND.phoneNumberId);
  await meta.settled();
  return [first.phone!, second.phone!];
}

const states = async ({ sql }: Edge) =>
  Object.fromEntries(
    (await sql`select recipient, state from public.outbound_messages`).map((
      row,
    ) => [row.recipient, row.state]),
  );

edgeTest(
  "accounts: each number sends with the token of its account, signed webhooks of both are accepted",
  async (edge) => {
    await withSecond(edge, async () => {
      const [one, other] = await both(edge);
      for (const to of [one, other]) {
        assertEquals((await edge.send({ to, type: "text", text: { body: "hi" } })).status, 202);
      }
      await edge.settled();
      const sent = edge.meta.outbox.messages.map(({ to, number }) => [to, number]);
      assertEquals(sent.sort(), [[one, undefined], [other, SECOND.phoneNumberId]]);
    });
  },
);

edgeTest("accounts: a ban holds one account's messages, tells why, and ends", async (edge) => {
  await withSecond(edge, async () => {
    const [one, other] = await both(edge);
    edge.meta.act(SECOND.wabaId, { do: "ban" });
    await edge.meta.settled();
    for (const to of [one, other]) await edge.send({ to, type: "text", text: { body: "hi" } });
    await edge.settled();
    assertEquals(await states(edge), { [one]: "sent", [other]: "queued" });
    const [{ list }] = await edge.sql`select public.list_numbers() as list`;
    const number = list.numbers.find(({ id }: { id: string }) => id === SECOND.phoneNumberId);
    assertEquals([number.held_code, number.waiting], ["account_banned", 1]);
    edge.meta.act(SECOND.wabaId, { do: "reinstate" });
    await edge.meta.settled();
    await edge.call("wa-router", { headers: KEY });
    await until("what waited is sent", async () => (await states(edge))[other] === "sent");
  });
});

edgeTest("accounts: an account without its token waits alone", async (edge) => {
  const [one, other] = await (async () => {
    let phones: [string, string] = ["", ""];
    await withSecond(edge, async () => {
      phones = await both(edge);
    });
    return phones;
  })();
  for (const to of [one, other]) await edge.send({ to, type: "text", text: { body: "hi" } });
  await edge.settled();
  assertEquals(await states(edge), { [one]: "sent", [other]: "queued" });
  const [{ held_code }] = await edge
    .sql`select held_code from public.senders where id = ${SECOND.phoneNumberId}`;
  assertEquals(held_code, "not_ready");
});

edgeTest(
  "numbers/check: asks Meta about every account, stores what it says, and needs an operator",
  async (edge) => {
    assertEquals((await edge.call("wa-router/numbers/check", {})).status, 401);
    await withSecond(edge, async () => {
      await both(edge);
      const about = (findings: Record<string, unknown>[], level: string) =>
        findings.filter((finding) => finding.level === level).map(({ account, about }) =>
          `${account} ${about}`
        );
      const well = await edge.call("wa-router/numbers/check", { headers: KEY });
      assertEquals(well.status, 200);
      assertEquals(about(well.body.findings, "problem"), []);
      assert(about(well.body.findings, "ok").includes("second quality"));
      assert(about(well.body.findings, "ok").includes("second fields"));
      const graph = edge.meta.graph.bind(edge.meta);
      const subscribedTo = async (...fields: string[]) => {
        edge.meta.graph = (request) =>
          new URL(request.url).pathname.endsWith("/subscriptions")
            ? Promise.resolve(Response.json({ data: [{ object: "whatsapp_business_account", fields }] }))
            : graph(request);
        const { body } = await edge.call("wa-router/numbers/check", { headers: KEY });
        const found = body.findings.filter(({ about }: Record<string, unknown>) => about === "fields");
        return found.map(({ level, what }: Record<string, string>) => [level, /opt-outs/.test(what)])[0];
      };
      assertEquals(await subscribedTo("account_update"), ["problem", false]);
      assertEquals(await subscribedTo("messages", "account_update"), ["warning", true]);
      edge.meta.graph = graph;
      edge.meta.act(SECOND.wabaId, { do: "quality", quality: "RED" });
      edge.meta.act("100000000000001", { do: "expire_token" });
      await edge.meta.settled();
      const { body } = await edge.call("wa-router/numbers/check", { headers: KEY });
      assertEquals(about(body.findings, "problem"), ["100000000000001 token", "second quality"]);
      assert(
        body.findings.every(({ level, advice }: Record<string, unknown>) =>
          level === "ok" || advice !== null
        ),
      );
      const [{ quality, checked_at }] = await edge.sql`
      select quality, checked_at from public.sender_states where sender_id = ${SECOND.phoneNumberId}`;
      assertEquals([quality, checked_at !== null], ["red", true]);
    });
  },
);

edgeTest("numbers/check: answers are as in openapi.yaml", async (edge) => {
  const { sql } = edge;
  const { see, assertAllMet } = witness();
  const path = "/wa-router/numbers/check";
  const check = (headers: HeadersInit = KEY, method = "POST") =>
    edge.call("wa-router/numbers/check", { headers, method });
  see(path, "post", 200, await check());
  see(path, "post", 401, await check({}));
  see(path, "post", 403, await check({ apikey: KEYS.publishableKey }));
  see(path, "post", 405, await check(KEY, "GET"));
  see(path, "options", 204, { ...await check({}, "OPTIONS"), body: undefined });
  await edge.away(async () => see(path, "post", 503, await check()));
  const refused = async () => {
    see(path, "post", 503, await check());
    forgetRefusal();
  };
  await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
  await refused();
  await sql`delete from private.schema_breaks`;
  await sql`alter function public.numbers_to_check() rename to numbers_to_look_at`;
  await refused();
  await sql`alter function public.numbers_to_look_at() rename to numbers_to_check`;
  Deno.env.set("FEATURE_ENABLED", "false");
  await refused();
  Deno.env.delete("FEATURE_ENABLED");
  const before = Deno.env.get("SUPABASE_SECRET_KEYS")!;
  Deno.env.delete("SUPABASE_SECRET_KEYS");
  forgetEnv();
  see(path, "post", 500, await check());
  Deno.env.set("SUPABASE_SECRET_KEYS", before);
  forgetEnv();
  assertAllMet((at) => at.startsWith("/wa-router/numbers"));
});
