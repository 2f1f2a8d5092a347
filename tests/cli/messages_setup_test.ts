/** `gatelink messages` on a real stack: an organisation is set up. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, sql } from "../support/cli.ts";

Deno.test("gatelink messages: an organisation from nothing to its first thread, told twice without a second one", async () => {
  const { id: org, zone } = await document(
    `messages add-org "Fern Care" --zone Europe/Berlin --countries DE,US`,
  );
  assertEquals(zone, "Europe/Berlin");
  await fails(`messages add-org "Fern Care"`, 4, "conflict", /already/);
  for (const [number, kind] of [["+12025550170", "front_desk"], ["+12025550171", "pool"]]) {
    assertMatch(
      (await gatelink(`messages add-number ${org} ${number} --class ${kind}`)).out,
      new RegExp(kind),
    );
  }
  const email = "fern@example.com";
  await fails(
    `messages add-person ${org} --role owner --email ${email}`,
    4,
    "not_found",
    /nobody has signed up/i,
  );
  await sql`insert into auth.users (id, email, email_confirmed_at) values (gen_random_uuid(), ${email}, now())`;
  await document(`messages add-person ${org} --role owner --email FERN@example.com`);
  const sam = await document(`messages add-person ${org} --role sitter --phone "+1 202-555-0175" --name Sam`);
  // Told again it is the same person, with an account from then on.
  await sql`insert into auth.users (id, email, email_confirmed_at) values (gen_random_uuid(), 'sam@example.com', now())`;
  const again = await document(
    `messages add-person ${org} --role sitter --phone +12025550175 --email sam@example.com`,
  );
  assertEquals([again.id, again.contact_id, again.user_id === null], [sam.id, sam.contact_id, false]);
  assertEquals(
    (await document(`messages people ${org}`)).map((
      { role, email, name, last4 }: Record<string, string | null>,
    ) => [role, email, name, last4]),
    [["owner", email, null, null], ["sitter", "sam@example.com", "Sam", "0175"]],
  );
  const assign = `messages assign ${org} --client +12025550176 --name Ada --sitter ${sam.id} ` +
    "--from 2027-01-04T10:00 --to 2027-01-04T11:00 --repeats weekly --proactive";
  const first = await document(assign), second = await document(assign);
  assertEquals([first.opens_at, first.recurring_why, first.thread.created], [
    "2027-01-04T08:00:00+00:00",
    "weekly",
    true,
  ]);
  assertEquals([second.thread.thread_id, second.thread.created], [first.thread.thread_id, false]);
  await fails(assign.replace("+12025550176", "555"), 4, "invalid", /country code/);
});
