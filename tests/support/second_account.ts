/** A second WhatsApp account, with secrets of its own. */
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { type Edge, NUMBER, SECOND } from "./edge.ts";

/** Runs `use` with the second account's secrets, under this name. */
export async function withSecond(edge: Edge, use: () => Promise<void>): Promise<void> {
  Deno.env.set("WHATSAPP_ACCESS_TOKEN_SECOND", SECOND.accessToken);
  Deno.env.set("WHATSAPP_APP_SECRET_SECOND", SECOND.appSecret);
  forgetEnv();
  try {
    await edge.sql`select public.name_account(${SECOND.wabaId}, 'second')`;
    // A webhook says so only once per process, and the tests before had other databases.
    await edge.sql`insert into public.senders (id, address, account) values
      (${SECOND.phoneNumberId}, ${SECOND.displayNumber}, ${SECOND.wabaId})`;
    await edge.sql`update public.senders set account = '100000000000001' where id = ${NUMBER.id}`;
    await use();
  } finally {
    Deno.env.delete("WHATSAPP_ACCESS_TOKEN_SECOND");
    Deno.env.delete("WHATSAPP_APP_SECRET_SECOND");
    forgetEnv();
  }
}
