/** Step: one message in, to the service, and out again. */
import { callFunction } from "../../core/functions_api.ts";
import { CliError } from "../../core/errors.ts";
import { graph } from "./graph.ts";
import { WHATSAPP } from "./secrets.ts";
import { asked, type Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";

const LOOK_EVERY_MS = 1000;
/** A service answers within its time limit, 15 s. After that Gatelink answers for it. */
const REPLY_WITHIN_MS = 20_000;

/** How far the newest message got. */
interface Way {
  /** The writer's number; null for a person who is known by another id alone. */
  phone: string | null;
  other: string | null;
  number: string;
  arrived: Date;
  delivered: boolean;
  dead: string | null;
  sent: boolean;
  failed: string | null;
  queued: boolean;
}

/**
 * Waits for a person to write to the number, and follows the message: stored, delivered to the service, answered. A
 * service that does not answer is helped out with a text, so that the way out is tried too.
 * @param waitMs How long to wait for a person. @default {5 min}
 */
export function message(target: Target, waitMs = 300_000, replyMs = REPLY_WITHIN_MS): WalkStep {
  const { sql, stack, session, inputs } = target;

  const newest = () =>
    asked(async () => {
      const [found] = await sql<Way[]>`
        select c.number_id as number, m.created_at as arrived,
          (select i.value from public.contact_identities i
           where i.contact_id = c.contact_id and i.kind = 'phone' and i.valid_to is null limit 1) as phone,
          (select i.value from public.contact_identities i
           where i.contact_id = c.contact_id and i.kind <> 'phone' and i.valid_to is null limit 1) as other,
          exists (select from public.deliveries d where d.message_id = m.id and d.state = 'delivered') as delivered,
          (select d.last_error from public.deliveries d where d.message_id = m.id and d.state = 'dead' limit 1) as dead,
          coalesce(bool_or(o.status in ('sent', 'delivered', 'read', 'played')), false) as sent,
          max(coalesce(o.error ->> 'message', o.error ->> 'title', o.error ->> 'code')) filter (where o.status = 'failed') as failed,
          count(o.id) > 0 as queued
        from public.messages m
        join public.conversations c on c.id = m.conversation_id
        left join public.messages o on o.conversation_id = m.conversation_id and o.direction = 'out' and o.seq > m.seq
        where m.direction = 'in' and m.channel = 'whatsapp'
        group by m.id, c.id
        order by m.seq desc limit 1`;
      return found;
    });

  const asLook = (way: Way | undefined) =>
    way?.delivered && way.sent
      ? { done: true as const, found: `received ${way.arrived.toISOString()}, delivered, answered` }
      : {
        done: false as const,
        lacks: way === undefined
          ? "a first message to arrive"
          : way.delivered
          ? "an answer to be sent"
          : "the first message to be delivered",
      };

  return {
    name: "message",
    what: "try a message in and out",
    look: async () => asLook(await newest()),
    async act() {
      const began = Date.now();
      let way = await newest();
      if (way === undefined) session.say(`       Write to ${await numbers()} from a phone now.`);
      let helped = false, arrivedAt = began;
      for (;;) {
        if (way !== undefined && asLook(way).done) return;
        if (way?.dead) {
          throw new CliError(
            "refused",
            `The service refused the message: ${way.dead}.`,
            "gatelink dead list",
          );
        }
        if (way?.failed) {
          throw new CliError(
            "refused",
            `The answer was not sent: ${way.failed}.`,
            "gatelink trace shows the message.",
          );
        }
        if (way?.delivered && !way.queued && !helped && Date.now() - arrivedAt > replyMs) {
          helped = true;
          await callFunction(stack, "POST", "wa-send", {
            body: {
              ...(way.phone === null ? { recipient: way.other } : { to: way.phone }),
              from: way.number,
              type: "text",
              text: { body: "It works." },
            },
          });
        }
        if (Date.now() - began > waitMs) throw late(way, waitMs, target.words);
        await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
        const before = way;
        way = await newest();
        if (before === undefined && way !== undefined) arrivedAt = Date.now();
      }
    },
  };

  /** The numbers to write to. */
  async function numbers(): Promise<string> {
    const [secret, token] = await Promise.all(WHATSAPP.map((wanted) => inputs.value(wanted)));
    const access = { token, appSecret: secret.split(",")[0] };
    const calls = graph(target);
    const { wabaIds } = await calls.account(access);
    const found = (await Promise.all(wabaIds.map((id) => calls.numbers(id, access)))).flat();
    return found.join(" or ") || "the number";
  }
}

function late(way: Way | undefined, waitMs: number, words: string): CliError {
  const minutes = Math.round(waitMs / 60_000);
  if (way === undefined) {
    return new CliError(
      "refused",
      `No message arrived within ${minutes} minutes.`,
      "Publish the app (docs/deploy.md, 9), and write to the number from a phone that the test number may write to.",
    );
  }
  return new CliError(
    "refused",
    way.delivered ? "No answer was sent." : "The message arrived, and was not delivered.",
    way.delivered ? "gatelink trace shows the message." : `gatelink status shows the service${words}.`,
  );
}
