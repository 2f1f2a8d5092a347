/** Windows that are open at Meta though the person never wrote here. */
import { assertEquals } from "../support/assert.ts";
import { as, refusal, signedIn } from "../support/callers.ts";
import { MESSAGES } from "../../supabase/functions/_shared/contract/answers/messages.ts";
import { ingest, message } from "../support/intake.ts";
import { databaseTest, send, text } from "../support/outbound.ts";

const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

databaseTest(
  "open_window: a reply goes where the person wrote elsewhere, until 24 hours after it",
  async (sql) => {
    await sql`insert into public.senders (id, address) values ('1', '15550001111')`;
    const seconds = Math.floor((Date.now() - Date.UTC(2026, 10, 21, 12)) / 1000);
    assertEquals((await send(sql, seconds, text("hi")))[0].error, "window_closed");
    const [{ opened }] = await sql`select public.open_window('+49 151 00000001', ${ago(90)}) as opened`;
    const { window_closes_at } = MESSAGES.open_window.parse(opened);
    assertEquals(Math.round((Date.parse(window_closes_at) - Date.now()) / 60_000), 24 * 60 - 90);
    assertEquals((await send(sql, seconds, text("hi")))[0].status, "queued");
    // Never earlier than what came in here.
    await ingest(sql, message({ phone: "4915100000001", at: ago(5) }));
    const [{ again }] = await sql`select public.open_window('4915100000001', ${ago(600)}) as again`;
    assertEquals(Math.round((Date.parse(again.window_closes_at) - Date.now()) / 60_000), 24 * 60 - 5);
    assertEquals([...await sql`select from public.contacts`].length, 1);
  },
);

databaseTest(
  "open_window: refuses other times, ids and numbers, and everybody but secret keys",
  async (sql) => {
    await sql`insert into public.senders (id, address) values ('1', '15550001111')`;
    const open = (to: string, at: string | null, number: string | null = null) =>
      refusal(sql`select public.open_window(${to}, ${at}, ${number})`);
    assertEquals(await open("+4915100000001", null), "GL422");
    assertEquals(await open("+4915100000001", ago(24 * 60)), "GL422");
    assertEquals(await open("+4915100000001", ago(-10)), "GL422");
    assertEquals(await open("somebody", ago(1)), "GL422");
    assertEquals(await open("US.134", ago(1), "2"), "GL404");
    assertEquals(await open("US.134", ago(1), "1"), undefined);
    await sql`insert into public.senders (id, address) values ('2', '15550002222')`;
    assertEquals(await open("+4915100000001", ago(1)), "GL404");
    const admin = await signedIn(sql, "admin");
    const asked = as(sql, admin, (mine) => mine`select public.open_window('+4915100000001', now(), '1')`);
    assertEquals(await refusal(asked), "42501");
  },
);
