/** `gatelink numbers` on a real stack with two accounts at the simulated Meta. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, sql, stack } from "../support/cli.ts";
import { until } from "../support/until.ts";

const SECOND = "100000000000002";

/** Does something as Meta. */
async function act(account: string, change: Record<string, string>): Promise<void> {
  const response = await fetch(`${stack.url}/simulator/api/account`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ account, ...change }),
  });
  assertEquals(response.status, 200, await response.text());
}

/** The second number, as its first webhook adds it. */
async function secondNumber(): Promise<string> {
  const accounts = await (await fetch(`${stack.url}/simulator/api/accounts`)).json();
  const { phoneNumberId, displayNumber } = accounts.find(({ wabaId }: { wabaId: string }) =>
    wabaId === SECOND
  );
  await sql`select public.tell_accounts(${
    sql.json([{
      channel: "whatsapp",
      id: phoneNumberId,
      address: displayNumber,
      provider: "whatsapp",
      account: SECOND,
    }])
  })`;
  return displayNumber;
}

Deno.test("gatelink numbers: accounts are listed and named, and each number uses its account's token", async () => {
  const number = await secondNumber();
  const listed = await gatelink("numbers list");
  assertMatch(listed.out, new RegExp(`\\+${number} .*second`));
  assertMatch(listed.out, /WHATSAPP_ACCESS_TOKEN_SECOND/);
  assertEquals((await document(`numbers account ${SECOND} --name other`)).name, "other");
  assertMatch((await gatelink("numbers list")).out, /WHATSAPP_ACCESS_TOKEN_OTHER/);
  assertMatch(
    (await gatelink(`numbers account ${SECOND} --default`)).out,
    /uses WHATSAPP_ACCESS_TOKEN, for 1 number\./,
  );
  await document(`numbers account ${SECOND} --name second`);
  await fails("numbers account 12 --name x", 2, "usage", /digits/);
  await fails(`numbers account ${SECOND} --name Not`, 2, "usage", /lower-case/);
  await fails(`numbers account ${SECOND}`, 2, "usage", /either --name or --default/);
});

Deno.test("gatelink numbers doctor: says what is wrong and what to do, and fails on a problem", async () => {
  const number = await secondNumber();
  const well = await gatelink("numbers doctor");
  assertEquals([well.code, well.err], [0, ""], well.out);
  assertMatch(well.out, /second +- +token +valid, without an end/);
  await act(SECOND, { do: "quality", quality: "RED" });
  const bad = await gatelink("numbers doctor");
  assertEquals(bad.code, 1);
  assertMatch(bad.out, new RegExp(`problem +second +\\+${number} +quality +red`));
  assertMatch(bad.out, new RegExp(`\\+${number}, quality: People block`));
  await act(SECOND, { do: "expire_token" });
  const expired = await gatelink("numbers doctor --json");
  assertEquals(expired.code, 1);
  assert(
    expired.json().findings.some((finding: Record<string, string>) =>
      finding.account === "second" && finding.level === "problem" && finding.about === "token"
    ),
  );
  await act(SECOND, { do: "renew_token" });
  await act(SECOND, { do: "quality", quality: "GREEN" });
});

Deno.test("gatelink numbers imports: how far the import of the app's chats is", async () => {
  const displayNumber = await secondNumber();
  await act(SECOND, { do: "decline_chats" });
  await until("it is stored", async () => (await sql`select from public.imports`).length === 1);
  const shown = await gatelink("numbers imports");
  assertEquals([shown.code, shown.err], [0, ""]);
  assertMatch(shown.out, /declined +0 % +0 .*the business does not share them/);
  const [one] = await document("numbers imports");
  assertEquals([one.state, one.messages], ["declined", 0]);
  const events = await gatelink("numbers list");
  assertMatch(
    events.out,
    new RegExp(`\\+${displayNumber}: the chats of the WhatsApp Business app are not shared`),
  );
});
