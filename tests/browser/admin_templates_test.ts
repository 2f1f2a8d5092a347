/** Templates and accounts in the panel: chosen, filled, paused by Meta, the refusal understood; one account of two banned. */
import { assertEquals } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { go, inTime, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";

interface Stack {
  url: string;
}

interface SimulatedAccount {
  wabaId: string;
  phoneNumberId: string;
  displayNumber: string;
  templates: { id: string; name: string; language: string }[];
}

async function accountsOf({ url }: Stack): Promise<SimulatedAccount[]> {
  return await (await fetch(`${url}/simulator/api/accounts`)).json();
}

/** Does something as Meta. */
async function act({ url }: Stack, account: string, change: Record<string, string>): Promise<void> {
  const response = await fetch(`${url}/simulator/api/account`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ account, ...change }),
  });
  assertEquals(response.status, 200, await response.text());
}

panelTest(
  "admin: a template is chosen, filled in and sent; paused by Meta, the refusal is understood",
  async ({ stack, sql, signIn }) => {
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    await says(stack, ada, "Hello");
    const [first] = await accountsOf(stack);
    // A webhook says so once per process, and the tests before had other databases.
    await sql`update public.senders set account = ${first.wabaId} where channel = 'whatsapp'`;
    const synced = await fetch(`${stack.url}/functions/v1/wa-router/templates/sync`, {
      method: "POST",
      headers: { apikey: stack.stack.secretKey },
    });
    assertEquals(synced.status, 200, await synced.text());
    const page = await signIn("operator", { viewport: { width: 390, height: 844 }, clock: true });
    await go(page, "/templates", "Templates");
    await page.getByRole("link", { name: "parcel_on_its_way (en)" }).click();
    await page.getByLabel("first name").fill("Ada");
    await page.getByRole("group", { name: "Preview" }).getByText(/^Hello Ada, your order/).waitFor();
    await isWell(page);

    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /4711/ }).click();
    await page.getByRole("button", { name: "Template", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Send a template" });
    const choose = async () => {
      await dialog.getByRole("combobox", { name: "Template" }).click();
      await page.getByRole("option", { name: /^parcel_on_its_way \(en\)/ }).click();
    };
    await choose();
    await dialog.getByLabel("first name").fill("Ada");
    await dialog.getByRole("button", { name: "Send template" }).click();
    await dialog.getByText(/^is missing: order id$/).waitFor();
    await dialog.getByLabel("order id").fill("GL-17");
    await dialog.getByRole("group", { name: "Preview" }).getByText(
      "Hello Ada, your order GL-17 is on its way.",
    ).waitFor();
    await isWell(page);
    await dialog.getByRole("button", { name: "Send template" }).click();
    await dialog.waitFor({ state: "hidden" });
    await until("Ada got it", async () => {
      const { messages } = await (await fetch(`${stack.url}/simulator/outbox`)).json();
      return messages.some(({ type }: { type: string }) => type === "template");
    });

    const { id } = first.templates.find(({ name, language }) =>
      name === "parcel_on_its_way" && language === "en"
    )!;
    // The dialog is open with the template as it was when Meta pauses it.
    await page.getByRole("button", { name: "Template", exact: true }).click();
    await choose();
    await dialog.getByLabel("first name").fill("Ada");
    await dialog.getByLabel("order id").fill("GL-18");
    await act(stack, first.wabaId, { do: "pause", template: id });
    await until(
      "the pause is known",
      async () => (await sql`select from public.wa_templates where status = 'paused'`)[0],
    );
    await inTime(dialog.getByText("Meta does not send this template: it is paused"));
    assertEquals(await dialog.getByRole("button", { name: "Send template" }).isDisabled(), true);
    await isWell(page);
    await dialog.getByRole("button", { name: "Close" }).click();
    await go(page, `/templates/${first.wabaId}/parcel_on_its_way/en`, "parcel_on_its_way (en)");
    await page.getByText(/People block or report it/).waitFor();
  },
);

panelTest(
  "admin: a template is created with variables and buttons, and reviewed by Meta",
  async ({ stack, sql, signIn }) => {
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    await says(stack, ada, "Hello");
    await until(
      "the number is known",
      async () => (await sql`select from public.senders where channel = 'whatsapp'`)[0],
    );
    const [first] = await accountsOf(stack);
    await sql`update public.senders set account = ${first.wabaId} where channel = 'whatsapp'`;
    const page = await signIn("operator", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await go(page, "/templates", "Templates");
    await page.getByRole("link", { name: "New template" }).click();
    assertEquals(await page.getByRole("group", { name: "Preview" }).count(), 0);
    const name = `table_ready_${Date.now()}`;
    await page.getByRole("textbox", { name: "Name", exact: true }).fill(name);
    await page.getByRole("textbox", { name: "Text", exact: true }).fill(
      "Hello {{first_name}}, your table is ready.",
    );
    await page.getByLabel("Example of first_name").fill("Ada");
    await page.getByLabel("Buttons").fill("We come\nSee the menu | https://shop.example/menu");
    const preview = page.getByRole("group", { name: "Preview" });
    await preview.getByText("Hello Ada, your table is ready.").waitFor();
    await preview.getByText("See the menu").waitFor();
    await isWell(page);
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("link", { name: `${name} (en)` }).waitFor();
    const [{ components }] = await sql`select components from public.wa_templates where name = ${name}`;
    assertEquals(components.at(-1), {
      type: "BUTTONS",
      buttons: [
        { type: "QUICK_REPLY", text: "We come" },
        { type: "URL", text: "See the menu", url: "https://shop.example/menu" },
      ],
    });
  },
);

panelTest(
  "admin: of two accounts one is banned: the panel says which, and the other sends",
  async ({ stack, sql, signIn }) => {
    const [first, second] = await accountsOf(stack);
    for (
      const [number, phone] of [[first.phoneNumberId, "4915100000001"], [
        second.phoneNumberId,
        "4915100000002",
      ]]
    ) {
      const contact = await somebody(stack, `Writer ${phone.slice(-1)}`, phone);
      const response = await fetch(`${stack.url}/simulator/api/send`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ contact, message: "Hello", number }),
      });
      assertEquals(response.status, 200, await response.text());
    }
    await until(
      "both numbers are known",
      async () => (await sql`select from public.senders where channel = 'whatsapp'`).length === 2,
    );
    // A webhook says so once per process, and the tests before had other databases.
    for (const { phoneNumberId, wabaId } of [first, second]) {
      await sql`update public.senders set account = ${wabaId} where id = ${phoneNumberId}`;
    }
    await act(stack, second.wabaId, { do: "ban" });
    await until(
      "the ban is known",
      async () => (await sql`select from public.sender_accounts where state = 'banned'`)[0],
    );
    const page = await signIn("operator", { clock: true });
    await go(page, "/settings?tab=numbers", "Settings");
    await page.getByText("Account second is banned", { exact: true }).waitFor();
    const banned = page.getByRole("listitem").filter({ hasText: second.displayNumber });
    await banned.getByText(/Meta has banned the account/).waitFor();
    const other = page.getByRole("listitem").filter({ hasText: `+${first.displayNumber}` });
    assertEquals(await other.getByText("held").count(), 0);
    await page.getByRole("button", { name: "Check with Meta" }).click();
    await page.getByText(/second, account: Meta reported: banned/).waitFor();
    await isWell(page);
    await act(stack, second.wabaId, { do: "reinstate" });
    await inTime(banned.getByText(/Nothing is sent: /), "hidden");
  },
);
