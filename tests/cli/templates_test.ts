/** `gatelink templates` on a real stack, with the simulated Meta's templates. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, sql, stack } from "../support/cli.ts";
import { until } from "../support/until.ts";

const TO = "+12025550177";
const VALUES = "--set first_name=Ada --set order_id=17";

let known = "";

/** The first account, which the first webhook of its number names, with its templates. */
async function account(): Promise<string> {
  if (known !== "") return known;
  const [{ wabaId, phoneNumberId, displayNumber }] =
    await (await fetch(`${stack.url}/simulator/api/accounts`)).json();
  const told = { channel: "whatsapp", id: phoneNumberId, address: displayNumber };
  await sql`select public.tell_accounts(${sql.json([{ ...told, provider: "whatsapp", account: wabaId }])})`;
  const { accounts } = await document("templates sync");
  assertEquals(accounts.map((one: { account: string }) => one.account), [wabaId]);
  return known = wabaId;
}

/** Does something as Meta. */
async function act(change: Record<string, string>): Promise<void> {
  const response = await fetch(`${stack.url}/simulator/api/account`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ account: await account(), ...change }),
  });
  assertEquals(response.status, 200, await response.text());
}

const nameIn = (name: string) => async () =>
  (await document("templates list")).templates.filter((one: { name: string }) => one.name === name);

Deno.test("gatelink templates sync and list: what Meta has, and the values that each needs", async () => {
  const id = await account();
  const synced = await gatelink("templates sync");
  assertMatch(synced.out, new RegExp(`${id} +4 +0`));
  const { templates, syncs } = await document("templates list");
  assertEquals(templates.map(({ name, language }: Record<string, string>) => `${name} ${language}`), [
    "one_time_code en",
    "parcel_on_its_way de",
    "parcel_on_its_way en",
    "weekly_sale en",
  ]);
  assertEquals([syncs.length, syncs[0].error], [1, null]);
  const { out } = await gatelink("templates list");
  assertMatch(out, /parcel_on_its_way +en .*utility +approved +green +first_name, order_id/);
  await act({ do: "expire_token" });
  try {
    const failed = await gatelink("templates sync");
    assertEquals(failed.code, 1);
    assertMatch(failed.out, /OAuth|token/i);
    assertMatch((await gatelink("templates list")).out, /the templates could not be fetched: /);
  } finally {
    await act({ do: "renew_token" });
  }
  assertEquals((await gatelink("templates sync")).code, 0);
});

Deno.test("gatelink templates show: as the person sees it, and the values", async () => {
  await account();
  const { out } = await gatelink(`templates show parcel_on_its_way --language en ${VALUES}`);
  assertMatch(out, /Hello Ada, your order 17 is on its way\./);
  assertMatch(out, /\( Where is it\? \)/);
  const shown = await document("templates show parcel_on_its_way --language de");
  assertEquals(shown.values.map(({ key }: { key: string }) => key), ["first_name", "order_id"]);
  assertMatch(shown.preview.body, /^Hallo /);
  await fails("templates show parcel_on_its_way", 2, "usage", /exists in (de, en|en, de)/);
  await fails("templates show nobody", 4, "not_found", /no template nobody/);
  await fails("templates show weekly_sale --set nonsense", 2, "usage", /name=value/);
});

Deno.test("gatelink templates send: checked, queued once, and refused while Meta pauses it", async () => {
  await account();
  const line = `templates send parcel_on_its_way ${TO} --language en`;
  const sent = await document(`${line} ${VALUES} --key order-17`);
  assertEquals((await document(`${line} ${VALUES} --key order-17`)).id, sent.id);
  const [{ native }] = await sql`select native from public.messages where id = ${sent.id}`;
  assertEquals(native.template.components[0].parameters.map(({ text }: { text: string }) => text), [
    "Ada",
    "17",
  ]);
  assertMatch((await gatelink(`${line} ${VALUES}`)).out, /^Queued as [0-9a-f-]{36}: gatelink trace /);
  await fails(`${line} --set first_name=Ada`, 4, "invalid", /template\.parameters\.order_id/);
  await fails(`${line} ${VALUES} --from 1`, 4, "invalid", /other accounts, and not in that of number 1/);
  const [{ id }] = (await nameIn("parcel_on_its_way")()).filter(({ language }: { language: string }) =>
    language === "en"
  );
  await act({ do: "pause", template: id });
  try {
    await until(
      "the pause is known",
      async () =>
        (await nameIn("parcel_on_its_way")()).some(({ status }: { status: string }) => status === "paused"),
    );
    assertMatch((await gatelink("templates list")).out, /parcel_on_its_way +en .*paused/);
    await fails(`${line} ${VALUES}`, 4, "conflict", /does not send this template/);
  } finally {
    await act({ do: "approve", template: id });
  }
});

Deno.test("gatelink templates create, edit and remove: at Meta and here", async () => {
  const id = await account();
  const body = (text: string) => `--components '[{"type": "BODY", "text": "${text}"}]'`;
  const made = await document(
    `templates create table_ready --language en --category utility ${
      body("Your table is ready.")
    } --account ${id}`,
  );
  assertEquals([made.account, made.status, made.category], [id, "pending", "utility"]);
  assertEquals((await nameIn("table_ready")()).length, 1);
  await fails(
    `templates create table_ready --language en --category utility ${body("Again.")}`,
    4,
    "invalid",
    /already/,
  );
  await fails(`templates create x --language en --category utility --components {`, 2, "usage", /JSON/);
  await fails("templates create x --language en --category utility", 2, "usage", /--components/);
  const named = await gatelink(
    `templates create hello_named --language en --category utility --named --components '[{"type": "BODY", "text": "Hello {{first_name}}.", "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Ada"}]}}]'`,
  );
  assertEquals(named.code, 0, named.err);
  assertMatch(named.out, /hello_named was created and is pending/);
  assertEquals((await nameIn("hello_named")())[0].parameter_format, "named");

  assertMatch(
    (await gatelink(`templates edit table_ready ${body("It is ready now.")}`)).out,
    /was changed and is under review/,
  );
  assertEquals((await nameIn("table_ready")())[0].components[0].text, "It is ready now.");
  await fails("templates edit table_ready", 4, "invalid", /components/);
  for (const name of ["table_ready", "hello_named"]) {
    assertMatch((await gatelink(`templates remove ${name}`)).out, new RegExp(`${name} \\(en\\) was deleted`));
    assertEquals(await nameIn(name)(), []);
    await fails(`templates remove ${name}`, 4, "not_found", /no template/);
  }
  assert((await document("templates sync")).accounts[0].removed === 0);
});
