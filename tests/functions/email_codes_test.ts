/** `POST /email-send/identities/{id}/codes/{what}`: codes that confirm addresses, mailed there and nowhere else. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { type Answer, type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";

const KEY = { apikey: KEYS.secretKey };
const PATH = "/email-send/identities/{id}/codes/{what}";

/** Adds an identity with an inbox to confirm, and returns its id. */
async function addDesk({ sql }: Edge, forward: string | null = "owner@corp.example"): Promise<string> {
  return await sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
    const [{ identity }] = await sql`select public.add_identity('desk@example.com', ${
      sql.json({ forward_to: forward })
    }) as identity`;
    return identity.id;
  });
}

const ask = (
  { call }: Edge,
  id: string,
  what = "from",
  headers: HeadersInit = KEY,
  method = "POST",
): Promise<Answer> => call(`email-send/identities/${id}/codes/${what}`, { method, headers });

edgeTest("codes: each is mailed to the address that it confirms, and is in no answer", async (edge) => {
  const { sql, mail } = edge;
  const id = await addDesk(edge);
  for (const [what, to] of [["from", "desk@example.com"], ["forward", "owner@corp.example"]] as const) {
    const { status, body } = await ask(edge, id, what);
    assertEquals([status, body.to, body.sent], [200, to, true]);
    const sent = mail.sent.at(-1)!;
    assertEquals(sent.to.map(({ email }) => email), [to]);
    const [, code] = /Code: (\d{8})/.exec(sent.text ?? "") ?? [];
    assertMatch(code ?? "", /^\d{8}$/);
    assertEquals(JSON.stringify(body).includes(code), false);
    assertEquals(sent.headers["Auto-Submitted"], "auto-generated");
    await sql.begin(async (sql) => {
      await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
      const [{ checked }] = await sql`select public.check_identity(${id}, ${what}, ${code}) as checked`;
      assertEquals(checked.ok, true);
    });
  }
  const [found] = await sql`select state, forward_to from public.email_identities`;
  assertEquals({ ...found }, { state: "active", forward_to: "owner@corp.example" });
  assertEquals((await ask(edge, id)).status, 404, "there is nothing to confirm any more");
});

edgeTest("openapi.yaml: every answer that it describes is met, by one as described: codes", async (edge) => {
  const { sql, call } = edge;
  const id = await addDesk(edge);
  const { see, assertAllMet } = witness();
  const post = (status: number, answer: Answer) => see(PATH, "post", status, answer);
  post(200, await ask(edge, id));
  post(429, await ask(edge, id));
  post(401, await ask(edge, id, "from", {}));
  post(403, await ask(edge, id, "from", { apikey: KEYS.publishableKey }));
  post(404, await ask(edge, "no-id"));
  post(404, await ask(edge, id, "other"));
  post(404, await ask(edge, crypto.randomUUID()));
  post(405, await ask(edge, id, "from", KEY, "GET"));
  see(PATH, "options", 204, await call(`email-send/identities/${id}/codes/from`, { method: "OPTIONS" }));
  const sent = edge.mail.sent.length;
  await edge.away(async () => post(503, await ask(edge, id, "forward")));
  const from = Deno.env.get("FORWARD_FROM_EMAIL")!;
  Deno.env.delete("FORWARD_FROM_EMAIL");
  forgetEnv();
  try {
    post(500, await ask(edge, id, "forward"));
  } finally {
    Deno.env.set("FORWARD_FROM_EMAIL", from);
    forgetEnv();
  }
  Deno.env.set("FEATURE_ENABLED", "false");
  try {
    post(503, await ask(edge, id, "forward"));
  } finally {
    Deno.env.delete("FEATURE_ENABLED");
  }
  assertEquals(edge.mail.sent.length, sent);
  assertEquals(
    (await sql`select from private.identity_checks where what = 'forward' and hash is not null`).length,
    0,
  );
  await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
  post(503, await ask(edge, id, "forward"));
  await sql`delete from private.schema_breaks`;
  forgetRefusal();
  await sql`alter function public.begin_identity_check(uuid, text) rename to begin_check`;
  post(503, await ask(edge, id, "forward"));
  await sql`alter function public.begin_check(uuid, text) rename to begin_identity_check`;
  assertAllMet((path) => path === PATH);
});
