/** Senders of all channels, and the business numbers as a view of them. */
import { assertEquals } from "@std/assert";
import { as, refusal, SERVICE } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

const VIEW = "id, display_number, max_per_second, pair_seconds, pair_burst, send_tat";

databaseTest("wa_numbers: written and read as the table that it was, by whoever could", async (sql) => {
  await as(sql, SERVICE, async (sql) => {
    await sql`insert into public.wa_numbers (id, display_number) values ('1', '15550783881'), ('2', null)`;
    await sql`insert into public.wa_numbers (id) values ('1') on conflict do nothing`;
    await sql`update public.wa_numbers set max_per_second = 20 where id = '1'`;
    await sql`delete from public.wa_numbers where id = '2'`;
  });
  const rows = await sql.unsafe(`select ${VIEW} from public.wa_numbers`);
  assertEquals(rows.map((row) => ({ ...row })), [{
    id: "1",
    display_number: "15550783881",
    max_per_second: 20,
    pair_seconds: "6",
    pair_burst: 45,
    send_tat: null,
  }]);
  const [sender] = await sql`select channel, provider, address, state, credentials, org from public.senders`;
  assertEquals({ ...sender }, {
    channel: "whatsapp",
    provider: "whatsapp",
    address: "15550783881",
    state: "active",
    credentials: null,
    org: null,
  });
  assertEquals(await refusal(sql`insert into public.wa_numbers (id, pair_burst) values ('3', 0)`), "23514");
  assertEquals(await refusal(sql`insert into public.wa_numbers (id) values ('1')`), "23505");
});

databaseTest(
  "senders: another channel's stay out of the business numbers, whatever their ids",
  async (sql) => {
    await sql`insert into public.wa_numbers (id) values ('15550783881')`;
    await sql`insert into public.senders (channel, id, provider) values ('sms', '15550783881', 'twilio')`;
    await sql`update public.wa_numbers set max_per_second = 20`;
    await sql`delete from public.wa_numbers where id = '15550783881'`;
    const rows = await sql`select channel, max_per_second from public.senders`;
    assertEquals(rows.map((row) => ({ ...row })), [{ channel: "sms", max_per_second: 80 }]);
  },
);

databaseTest("senders: credentials are the name of a secret, and never look like one", async (sql) => {
  const add = (credentials: string) =>
    refusal(
      sql`insert into public.senders (id, credentials) values (${crypto.randomUUID()}, ${credentials})`,
    );
  assertEquals(await add("TWILIO_AUTH_TOKEN"), undefined);
  for (const secret of ["EAAJZC…", "sk-live", "0123456789abcdef", ""]) {
    assertEquals(await add(secret), "23514");
  }
});
