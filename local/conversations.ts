/** A WhatsApp conversation of the stack's database, as the simulator asks for it: where the panel shows it, and time that passes. */
import type { Sql, TransactionSql } from "postgres";
import type { BusinessSide } from "./simulator/mod.ts";
import type { Contact } from "./simulator/model.ts";

/**
 * The business's side of the simulator's conversations.
 *
 * Time passes by moving back every time that the conversation has: the window closes, stickiness and a takeover end,
 * retries fall due, and the history shows it. The messages of other people, and the clock itself, stay as they are.
 */
export function businessSide(sql: Sql): BusinessSide {
  return {
    async age(contact, phoneNumberId, ms) {
      await sql.begin(async (sql) => {
        const id = await idOf(sql, contact, phoneNumberId);
        if (id === undefined) return;
        const by = sql`${ms}::float8 * interval '1 millisecond'`;
        await sql`
          update public.conversations set last_inbound_at = last_inbound_at - ${by},
            last_message_at = last_message_at - ${by}, opted_out_at = opted_out_at - ${by},
            opt_told_at = opt_told_at - ${by}, sticky_until = sticky_until - ${by}, taken_at = taken_at - ${by},
            taken_until = taken_until - ${by}, unrouted_since = unrouted_since - ${by}, created_at = created_at - ${by}
          where id = ${id}`;
        await sql`
          update public.messages m set sent_at = sent_at - ${by}, created_at = created_at - ${by},
            status_at = (
              select coalesce(jsonb_object_agg(s.key, case jsonb_typeof(s.value)
                when 'string' then to_jsonb((s.value #>> '{}')::timestamptz - ${by}) else s.value end), '{}')
              from jsonb_each(m.status_at) s)
          where conversation_id = ${id}`;
        await sql`
          update public.routing_decisions set decided_at = decided_at - ${by}
          where message_id in (select m.id from public.messages m where m.conversation_id = ${id})`;
        await sql`
          update public.delivery_attempts set at = at - ${by}
          where delivery_id in (select d.id from public.deliveries d where d.conversation_id = ${id})`;
        await sql`
          update public.deliveries set next_attempt_at = next_attempt_at - ${by}, delivered_at = delivered_at - ${by},
            created_at = created_at - ${by}, updated_at = updated_at - ${by}
          where conversation_id = ${id}`;
        await sql`
          update public.outbound_messages set next_attempt_at = next_attempt_at - ${by}, tried_at = tried_at - ${by},
            created_at = created_at - ${by}, updated_at = updated_at - ${by}
          where conversation_id = ${id}`;
        // What is leased is under way: its lease is a matter of now.
        await sql`
          update private.delivery_lanes set due_at = due_at - ${by} where conversation_id = ${id} and lease is null`;
        await sql`
          update private.outbound_lanes set waits_until = waits_until - ${by},
            due_at = case when lease is null then due_at - ${by} else due_at end
          where conversation_id = ${id}`;
      });
    },
    async panelUrl(contact, phoneNumberId) {
      const id = await idOf(sql, contact, phoneNumberId);
      return id && `/admin/#/messages?conversation=${id}`;
    },
  };
}

async function idOf(
  sql: Sql | TransactionSql,
  { phone, bsuid }: Contact,
  phoneNumberId: string,
): Promise<string | undefined> {
  const [found] = await sql<{ id: string }[]>`
    select c.id from public.contact_identities i
    join public.conversations c on c.contact_id = i.contact_id and c.channel = i.channel
    where i.channel = 'whatsapp' and i.valid_to is null and c.number_id = ${phoneNumberId}
      and ((i.kind = 'phone' and i.value = ${phone ?? null}) or (i.kind = 'bsuid' and i.value = ${
    bsuid ?? null
  }))
    order by i.kind desc limit 1`;
  return found?.id;
}
