/** Senders of all channels, and the business numbers as a view of them. */
import { assertEquals } from "../support/assert.ts";
import { as, refusal, SERVICE } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

const VIEW = "id, display_number, max_per_second, pair_seconds, pair_burst, send_tat";

databaseTest(
  "wa_numbers: can be read and written like the former table, with the same rights",
  async (sql) => {
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
    const [sender] =
      await sql`select channel, provider, address, state, credentials, org from public.senders`;
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
  },
);

databaseTest(
  "senders: those of other channels are not business numbers, whatever their ids",
  async (sql) => {
    await sql`insert into public.wa_numbers (id) values ('15550783881')`;
    await sql`insert into public.senders (channel, id, provider) values ('sms', '15550783881', 'twilio')`;
    await sql`update public.wa_numbers set max_per_second = 20`;
    await sql`delete from public.wa_numbers where id = '15550783881'`;
    const rows = await sql`select channel, max_per_second from public.senders`;
    assertEquals(rows.map((row) => ({ ...row })), [{ channel: "sms", max_per_second: 80 }]);
  },
);

databaseTest("senders: credentials are the name of a secret, and never look like a secret", async (sql) => {
  const add = (credentials: string) =>
    refusal(
      sql`insert into public.senders (id, credentials) values (${crypto.randomUUID()}, ${credentials})`,
    );
  assertEquals(await add("TWILIO_AUTH_TOKEN"), undefined);
  for (const secret of ["EAAJZC…", "sk-live", "0123456789abcdef", ""]) {
    assertEquals(await add(secret), "23514");
  }
});

databaseTest(
  "remove_number: removes a number and any selection of it, unless something waits",
  async (sql) => {
    await sql`insert into public.wa_numbers (id) values ('1'), ('2')`;
    await ingest(sql, message({ sender_id: "2" }));
    await sql`insert into private.outbound_lanes (conversation_id, number_id, due_at) select id, '2', now() from public.conversations`;
    const remove = (id: string) => refusal(sql`select public.remove_number(${id})`);
    assertEquals(await remove("2"), "GL409");
    await sql`update private.outbound_lanes set due_at = null`;
    assertEquals([await remove("2"), await remove("2")], [undefined, "GL404"]);
    await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
    const item = {
      to: "4915100000001",
      identities: [{ kind: "phone", value: "4915100000001" }],
      message: { type: "template" },
    };
    const [{ answers }] = await sql`select public.enqueue_outbound(${sql.json([item])}) as answers`;
    assertEquals(answers[0].status, "queued");
    const [{ number_id }] = await sql`select number_id from public.outbound_messages`;
    assertEquals(number_id, "1");
  },
);
