/** A day passes for one conversation of the simulator, and the panel shows the conversation at that address. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { watch } from "../support/page.ts";
import { panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";
import { until } from "../support/until.ts";

panelTest(
  "simulator page on the stack: 24 hours pass, Meta and the business refuse, and the panel says so",
  async ({ stack, sql, signIn }) => {
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    const grace = await somebody(stack, "Grace Hopper", "4915100004712");
    for (const person of [ada, grace]) await says(stack, person, "hello");
    await until(
      "both were answered",
      async () =>
        (await sql`select from public.outbound_messages where state = 'sent'`).length === 2 &&
        (await sql`select from public.deliveries where state = 'delivered'`).length === 2,
    );
    await sql`
      insert into public.contact_identities (contact_id, kind, value, valid_to)
      select contact_id, 'phone', '4915100004711', now() from public.contact_identities where value = '4915100004712'`;

    const page = await signIn("operator");
    const { errors } = watch(page, stack.url);
    await page.goto(`${stack.url}/simulator/`);
    await page.getByRole("button", { name: /^Ada Lovelace/ }).click();
    await page.getByText(/^24-hour window open until/).waitFor();
    const times = () =>
      sql`
        select i.value, extract(epoch from now() - c.last_inbound_at) > 86000 as is_old,
          (select bool_and(m.sent_at < now() - interval '23 hours' and (m.status_at = '{}' or
            (select bool_and((s.value #>> '{}')::timestamptz < now() - interval '23 hours') from jsonb_each(m.status_at) s)))
           from public.messages m where m.conversation_id = c.id) as all_old
        from public.conversations c join public.contact_identities i on i.contact_id = c.contact_id
        where i.kind = 'phone' and i.valid_to is null order by i.value`;
    assertEquals((await times()).map(({ is_old }) => is_old), [false, false]);

    await page.getByRole("button", { name: "Let 24 h pass" }).click();
    await page.getByText(/^24-hour window closed since/).waitFor();
    assertEquals((await times()).map((row) => ({ ...row })), [
      { value: "4915100004711", is_old: true, all_old: true },
      { value: "4915100004712", is_old: false, all_old: false },
    ]);
    // Gatelink refuses for itself, and Meta too.
    const send = async (to: string) => {
      const response = await fetch(`${stack.url}/functions/v1/wa-send`, {
        method: "POST",
        headers: {
          apikey: stack.stack.secretKey,
          "content-type": "application/json",
          "idempotency-key": crypto.randomUUID(),
        },
        body: JSON.stringify({ to, type: "text", text: { body: "Still there?" } }),
      });
      return [response.status, (await response.json()).code];
    };
    assertEquals((await send("4915100004711"))[1], "window_closed");
    assertEquals((await send("4915100004712"))[1], undefined);
    await sql`update public.conversations set last_inbound_at = now()`;
    assertEquals((await send("4915100004711"))[1], undefined);
    const failed = await until(
      "Meta refused",
      async () => (await sql`select error from public.messages where status = 'failed'`)[0],
    );
    assertEquals(failed.error.code, 131047);

    const opened = page.waitForEvent("popup");
    await page.getByRole("link", { name: "Open in the panel" }).click();
    const panel = await opened;
    await panel.getByRole("group", { name: "Conversation" }).getByText("hello", { exact: true }).waitFor();
    const [{ id }] = await sql`
      select c.id from public.conversations c join public.contact_identities i on i.contact_id = c.contact_id
      where i.value = '4915100004711' and i.valid_to is null`;
    assertMatch(panel.url(), new RegExp(`/admin/#/messages\\?conversation=${id}$`));
    await panel.close();

    // Whoever writes opens the window again.
    await says(stack, ada, "I am back");
    await page.getByText(/^24-hour window open until/).waitFor();
    await page.getByRole("tab", { name: /Faults/ }).click();
    await page.getByLabel(/Enforce the 24-hour window/).uncheck();
    await page.getByText("24-hour window not enforced").waitFor();
    await page.setViewportSize({ width: 390, height: 844 });
    await page.getByRole("navigation", { name: "Views" }).getByRole("button", { name: "Chat" }).click();
    await isWell(page);
    assertEquals(errors, []);
  },
);
