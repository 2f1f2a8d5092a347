/** `gatelink contact` on a real stack. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, PHONE, sql, stored, unique } from "../support/cli.ts";

Deno.test("gatelink contact: exports, then erases in parts with --yes; afterwards nothing is left", async () => {
  const wamid = `wamid.${unique("contact")}`;
  await stored(wamid, "to be forgotten");
  const exported = await document(`contact export +${PHONE}`);
  assertEquals(exported.contacts.length, 1);
  assert(JSON.stringify(exported.tables["public.messages"]).includes("to be forgotten"));
  assertMatch((await gatelink(`contact export ${exported.contacts[0]}`)).out, /Nora Feld/);

  await fails(`contact erase ${PHONE}`, 2, "usage", /Nothing was erased/);
  assertEquals((await sql`select from public.messages where provider_id = ${wamid}`).length, 1);

  await sql`insert into public.messages (conversation_id, direction, type, status)
    select m.conversation_id, 'out', 'text', 'sent' from public.messages m, generate_series(1, 2500) where m.provider_id = ${wamid}`;
  const erased = await gatelink(`contact erase ${PHONE} --yes`);
  assertEquals(erased.code, 0, erased.err);
  assertMatch(erased.out, /\npublic\.messages +2501\n/);
  assertMatch(erased.out, /backups/);
  assert(!erased.out.includes(PHONE) && !erased.out.includes("Nora"), erased.out);
  assertEquals((await sql`select from public.messages where provider_id = ${wamid}`).length, 0);
  const parts = await sql`select id from public.erasures`;
  assertEquals(parts.length, 2);
  assert(erased.out.includes(parts[0].id));

  await fails(`contact erase ${PHONE} --yes`, 4, "not_found", /nothing of this person/);
  await fails(`contact export ${PHONE}`, 4, "not_found", /nothing of this person/);
});
