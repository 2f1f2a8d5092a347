/**
 * The part of {@link file://./logged_run.ts} that is about texts: relayed, held, refused and failing, with numbers in every
 * form in which people write them.
 */
import { assertEquals } from "./assert.ts";
import { signedIn } from "./callers.ts";
import { type Edge, KEYS } from "./edge.ts";
import {
  addOrgNamed,
  addPhone,
  assign,
  CLIENT,
  DESK,
  giveNumbers,
  MASKING_ON,
  POOL,
  rest,
  SITTER,
} from "./masked_texts.ts";
import { tokenOf } from "./tokens.ts";

/** Marks a text as one that must not be printed, and returns it. */
type Hide = (text: string) => string;

/** A number of somebody, as people write it: spaces, dashes, words, other scripts, spread out. */
const WRITTEN = [
  "202-555-0190",
  "(202) 555 0191",
  "+1 202.555.0192",
  "2 0 2 5 5 5 0 1 9 3",
  "202/555/0194",
  "two oh two, five five five, oh one nine five",
  "٢٠٢٥٥٥٠١٩٦",
  "2025550I97",
  "0049 (0)30 23125 198",
  "zwei null zwei fünf fünf fünf null eins neun neun",
  "202‑555‑0189",
  "2025550188@example.com",
];

/** Relays, holds and refuses texts, with faults of the provider and of the database. */
export async function logTexts(edge: Edge, hide: Hide): Promise<void> {
  const { sql, call, texts, set } = edge;
  await set({ ...MASKING_ON, "proactive_thread_creation.enabled": "true" });
  for (const phone of [CLIENT, SITTER]) hide(phone.slice(1));
  const org = await addOrgNamed(sql, hide("Tannengrund Tiersitter"));
  await giveNumbers(sql, org);
  const client = await addPhone(sql, CLIENT), contact = await addPhone(sql, SITTER);
  const owner = await signedIn(sql), other = await signedIn(sql);
  await sql`select public.set_org_member(${org}, 'owner', ${owner.sub!})`;
  const [{ member }] = await sql`
    select public.set_org_member(${org}, 'sitter', ${other.sub!}, ${contact}) ->> 'id' as member`;
  const thread = await assign(sql, { org, client, member });
  const says = async (from: string, to: string, body: string) => {
    texts.receive({ from, to, body: hide(body) });
    await rest(edge);
  };
  for (const [i, written] of WRITTEN.entries()) {
    hide(written);
    await says(i % 2 === 0 ? SITTER : CLIENT, POOL, `call me at ${written}, it is cheaper`);
    const answer = await call(`messages/threads/${thread}/texts`, {
      headers: tokenOf(i % 2 === 0 ? other : owner),
      body: { text: hide(`my own number is ${written}, write there`) },
    });
    assertEquals(answer.status, 202);
  }
  await says(CLIENT, POOL, "Is Bello well today?");
  await says(`+${hide("12025550177")}`, POOL, "nobody knows me here");
  await says(`+${hide("12025550178")}`, DESK, "I would like a sitter");
  const [held] = (await call("messages/inbox", { method: "GET", headers: tokenOf(owner) })).body.texts;
  await call(`messages/inbox/${held.id}/force`, {
    headers: tokenOf(owner),
    body: { reason: hide("it is the number of the vet, 202-555-0166") },
  });
  // Refused with the words in the request, and while the database does not answer.
  await call(`messages/threads/${thread}/texts`, {
    headers: tokenOf(owner),
    body: `{"text": "${hide("half a text to 202-555-0167")}`,
  });
  await sql`alter function public.send_in_thread(jsonb) rename to away`;
  await call(`messages/threads/${thread}/texts`, {
    headers: tokenOf(owner),
    body: { text: hide("nobody takes 202-555-0168") },
  });
  await sql`alter function public.away(jsonb) rename to send_in_thread`;
  const unsigned = new URLSearchParams({ From: CLIENT, To: POOL, Body: hide("unsigned 202-555-0169") });
  await call("sms-webhook", {
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: `${unsigned}`,
  });
  await call("messages/diagnostics", { method: "GET", headers: { apikey: KEYS.secretKey } });
  await set({ "messaging_v1.enabled": "false" });
  await says(CLIENT, POOL, "came while off, 202-555-0170");
}
