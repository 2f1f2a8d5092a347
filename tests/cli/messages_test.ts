/** `gatelink messages` on a real stack: what is missing, how it is filled and taken back, what goes on. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, sql, stack } from "../support/cli.ts";
import { addOrg, type OrgRows, POOL } from "../support/masking.ts";
import { until } from "../support/until.ts";

let added: Promise<OrgRows> | undefined;
/** The organisation of this file, whichever test asks first. */
const organisation = () => added ??= addOrg(sql);

Deno.test("gatelink messages: the proof fails while something is missing, and the backfill fills it", async () => {
  const rows = await organisation();
  assertEquals((await document("messages proof")).ok, true);
  await sql`insert into public.conversations (channel, number_id, contact_id) values ('sms', ${
    rows.numbers[POOL]
  }, ${rows.clients[0]})`;
  const proof = await gatelink("messages proof");
  assertEquals(proof.code, 1);
  assertMatch(proof.out, /people who wrote and have no thread\s+1/);
  assertMatch((await gatelink(`messages backfill ${rows.org}`)).out, /1 threads opened\./);
  assertEquals(await document(`messages backfill ${rows.org}`), { opened: 0 });
  assertEquals((await document(`messages proof --org ${rows.org}`)).ok, true);
  assertEquals(await document(`messages backfill ${rows.org} --undo`), { removed: 1 });
  // An organisation whose public number is out.
  await sql`update public.org_numbers set state = 'out' where org_id = ${rows.org} and class = 'front_desk'`;
  assertEquals((await gatelink(`messages proof --org ${rows.org}`)).code, 1);
  await sql`update public.org_numbers set state = 'active' where org_id = ${rows.org} and class = 'front_desk'`;
  await sql`delete from public.conversations where contact_id = ${rows.clients[0]}`;
});

Deno.test("gatelink messages: diagnostics of an organisation", async () => {
  const { org } = await organisation();
  await sql`
    select public.record_decision(jsonb_build_object('org_id', ${org}::uuid, 'from_role', 'client', 'from_last4', '0143',
      'outcome', 'owner_inbox', 'reason', 'late'), '[]')`;
  const shown = await gatelink(`messages diagnostics ${org}`);
  assertMatch(shown.out, /to the owner inbox\s+1/);
  assertMatch(shown.out, /…0143/);
  assertEquals((await document("messages orgs")).map((one: { id: string }) => one.id), [org]);
  await fails(`messages diagnostics ${crypto.randomUUID()}`, 4, "not_found", /no organisation/);
});

Deno.test("gatelink messages pools: numbers, and exit code 1 while one is exhausted", async () => {
  const { org, numbers } = await organisation();
  const [pool] = await document("messages pools");
  assertEquals([pool.org_id, pool.numbers, pool.draining, pool.state, pool.days_left], [
    org,
    POOL,
    0,
    "ok",
    null,
  ]);
  await sql`update public.org_numbers set state = 'draining' where number_id = ${numbers[0]}`;
  assertMatch((await gatelink("messages pools")).out, new RegExp(`ok\\s+${POOL - 1}\\s+1\\s`));
  await sql`update public.org_numbers set state = 'out' where org_id = ${org} and class = 'pool'`;
  const empty = await gatelink("messages pools");
  assertEquals(empty.code, 1);
  assertMatch(empty.out, /exhausted\s+0/);
  await sql`update public.org_numbers set state = 'active' where org_id = ${org} and class = 'pool'`;
});

Deno.test("gatelink messages explain: why a text went where it went, of a decision and of its message", async () => {
  const { org } = await organisation();
  const message = crypto.randomUUID();
  const [{ id }] = await sql`
    select public.record_decision(jsonb_build_object('org_id', ${org}::uuid, 'from_role', 'sitter', 'from_last4', '0200',
      'message_id', ${message}::uuid, 'outcome', 'blocked', 'reason', 'anti_poaching', 'types', '["phone"]'::jsonb),
      '[{"type": "phone", "rule": "phone.national", "score": 0.85, "redacted": "••• ••• ••43"}]') as id`;
  const shown = await gatelink(`messages explain ${id}`);
  assertMatch(shown.out, /sitter …0200\s+blocked\s+detection found contact details/);
  assertMatch(shown.out, /phone ••• ••• ••43/);
  const [said] = await document(`messages explain ${message}`);
  assertEquals([said.id, said.reason, said.findings.length], [id, "anti_poaching", 1]);
  await fails(`messages explain ${crypto.randomUUID()}`, 4, "not_found", /No decision belongs/);
});

Deno.test("gatelink messages check: what a text is taken for, without a trace of what it says", async () => {
  const held = await gatelink(`messages check "text me at 202 555 0143"`);
  assertMatch(held.out, /^It is held\./);
  assertMatch(held.out, /phone\s+phone\.national\s+0\.85\s+•+ ••• ••43/);
  assertEquals((await document(`messages check "the gate code is 4821"`)).outcome, "pass");
});

Deno.test("GET /api/messages/diagnostics: on the stack's own origin, 404 while off, then 401 without a key", async () => {
  const { org } = await organisation();
  const ask = async (headers: HeadersInit = {}) => {
    const response = await fetch(`${stack.url}/api/messages/diagnostics?org=${org}`, { headers });
    await response.body?.cancel();
    return response.status;
  };
  const key = { apikey: stack.secretKey };
  assertEquals([await ask(), await ask(key)], [404, 404]);
  await sql`insert into public.settings (key, value, metadata) values ('messaging_v1.enabled', 'true', ${
    sql.json({ target_user_ids: [`org:${org}`] })
  })`;
  await until("the functions have read the flag", async () => await ask() === 401);
  assertEquals(await ask(key), 200);
});
