/** Campaigns in the panel: a draft is written, filled from a file, sent, and its figures are shown; a viewer only reads. */
import { Buffer } from "node:buffer";
import { assertEquals, assertMatch } from "../support/assert.ts";
import { addIdentity } from "../support/mail_stack.ts";
import { answer, go, inTime, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";
import { until } from "../support/until.ts";

panelTest(
  "admin: a campaign is written, filled from a file, sent, and its figures are shown",
  async (panel) => {
    const { sql, signIn } = panel;
    await addIdentity(sql);
    await sql`insert into public.settings (key, value) values ('email_send.enabled', 'true')
      on conflict (key) do update set value = excluded.value`;
    const page = await signIn("operator", { viewport: { width: 360, height: 740 }, clock: true });
    await go(page, "/campaigns/new", "New campaign");
    await page.getByLabel("Name").fill("October news");
    await page.getByLabel("Subject").fill("News for {{name|you}}");
    await page.getByLabel("HTML").fill(
      '<p>Hi {{name}}, see <a href="https://shop.example/autumn">autumn</a></p>',
    );
    await page.getByRole("button", { name: "Save draft" }).click();
    await page.getByRole("heading", { name: "October news", level: 1 }).waitFor();
    await page.locator('input[type="file"]').setInputFiles({
      name: "people.csv",
      mimeType: "text/csv",
      buffer: Buffer.from(
        "email;name\nada@people.example;Ada\nbo@people.example;Bo\nada@people.example;Ada\nnobody;No\n",
      ),
    });
    await page.getByText("2 added, 1 were there already, 1 without an address").waitFor();
    await page.getByText("2 recipients").waitFor();
    await page.getByText("ada@people.example").waitFor();
    await isWell(page, "a draft");
    await page.getByRole("button", { name: "Send a test" }).click();
    const dialog = page.getByRole("dialog", { name: "Send a test" });
    await dialog.getByRole("textbox", { name: "To" }).fill("me@people.example");
    await dialog.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByText("A test is on its way to me@people.example.").waitFor();
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await answer(page, "Send");
    const [{ id }] = await sql`select id from public.campaigns`;
    await until("both are delivered", async () => {
      const [{ n }] =
        await sql`select coalesce(sum(n), 0)::int as n from private.campaign_counts where what = 'delivered'`;
      return n === 2;
    });
    // Delivered an hour ago: who clicks within seconds is judged to be a machine.
    await sql`insert into private.mail_tickets (message_id, contact_id, campaign_id, link_set, mode, created_at, delivered_at)
      select m.id, c.contact_id, ${id}, private.link_set_of('{https://shop.example/autumn}', now()), 'individual', now(),
        now() - interval '1 hour'
      from public.campaign_recipients r join public.messages m on m.id = r.message_id
      join public.conversations c on c.id = m.conversation_id where r.address = 'ada@people.example'
      on conflict (message_id) do update
        set link_set = excluded.link_set, mode = excluded.mode, delivered_at = excluded.delivered_at`;
    const [{ ticket }] =
      await sql`select id as ticket from private.mail_tickets where campaign_id = ${id} and mode = 'individual'`;
    await sql`select public.record_accesses(gen_random_uuid(), ${`c ${ticket} ${Date.now()} 1 human gmail program x`})`;
    await inTime(page.getByText("2 of 2 sent"));
    await inTime(page.getByRole("cell", { name: "https://shop.example/autumn" }));
    await page.getByText("100.0 % of sent").waitFor();
    await page.getByText("50.0 % of delivered").first().waitFor();
    await isWell(page, "figures");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Export recipients as CSV" }).click();
    const saved = await Deno.readTextFile(await (await download).path());
    assertEquals(saved.trimEnd().split("\r\n").length, 3);
    assertMatch(saved, /ada@people\.example,queued/);

    const viewer = await signIn("viewer", { viewport: { width: 1280, height: 800 } });
    await go(viewer, `/campaigns/${id}`, "October news");
    await viewer.getByText("a…@people.example").waitFor();
    assertEquals(await viewer.getByRole("button", { name: "Send a test" }).count(), 0);
    await go(viewer, "/campaigns", "Campaigns");
    await viewer.getByRole("link", { name: "October news" }).waitFor();
    await viewer.getByText(/2 of 2 sent, 100\.0 % delivered/).waitFor();
  },
);
