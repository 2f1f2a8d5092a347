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

Deno.test("gatelink contact merge, merges, undo, split: two contacts are one person, and two again", async () => {
  const ids = [];
  for (const phone of ["4915100000071", "4915100000072"]) {
    const [{ id }] = await sql`insert into public.contacts (name) values ('Nora') returning id`;
    await sql`insert into public.contact_identities (contact_id, channel, kind, value) values (${id}, 'whatsapp', 'phone', ${phone})`;
    ids.push(id);
  }
  const merged = await gatelink(`contact merge ${ids[0]} ${ids[1]} --why said-so`);
  assertEquals(merged.code, 0, merged.err);
  const shown = await gatelink(`contact merges ${ids[1]}`);
  assertMatch(shown.out, /0071[^]*0072[^]*said-so +merged/);
  const { merges, contacts } = await document(`contact merges ${ids[0]}`);
  assertEquals(contacts.map(({ id }: { id: string }) => id), ids);
  assertMatch((await gatelink(`contact undo ${merges[0].id}`)).out, /two contacts again/);
  await fails(`contact undo ${merges[0].id}`, 4, "conflict", /undone already/);
  await document(`contact merge ${ids[0]} ${ids[1]} --why again`);
  assertEquals((await document(`contact split ${ids[1]} --why mistake`)).length, 1);
  await fails(`contact split ${ids[1]}`, 4, "not_found", /merged with nobody/);
  await fails(`contact merge ${ids[0]} ${ids[0]} --why x`, 4, "conflict", /one person already/);
});
