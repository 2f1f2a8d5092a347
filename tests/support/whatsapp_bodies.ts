/** Bodies of Meta's webhooks with messages of each type, from the recorded cases. */
import { parse } from "../../supabase/functions/_shared/channels/whatsapp/inbound/updates.ts";
import { decode } from "../../supabase/functions/_shared/json/json.ts";

const CASES = new URL("../fixtures/whatsapp/", import.meta.url);

/** What Meta sends of each type of message, with its objects of the messages. */
export function* messageBodies(): Generator<{ body: unknown; sent: Record<string, unknown>[] }> {
  // What is withdrawn comes after it was sent.
  const names = [...Deno.readDirSync(CASES)].map(({ name }) => name).toSorted();
  const seen = new Set<string>();
  const last = names.filter((name) => name.includes("revoke"));
  for (const name of [...names.filter((name) => !last.includes(name)), ...last]) {
    if (!name.startsWith("message_")) continue;
    const { body } = JSON.parse(Deno.readTextFileSync(new URL(name, CASES)));
    const sent = parse(decode(new TextEncoder().encode(JSON.stringify(body))))
      .filter(({ kind, key, sender_id }) =>
        kind === "message" && key.startsWith("m:") && sender_id !== undefined
      )
      // Cases that share an id are repetitions of one message.
      .filter(({ key }) => !seen.has(key) && seen.add(key))
      .map(({ raw }) => raw as Record<string, unknown>);
    if (sent.length > 0) yield { body, sent };
  }
}

/** As text, with members in one order: the database keeps another one than Meta. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1);
  return `{${members.map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`).join()}}`;
}

/** A message of Meta's without what stands beside it in Gatelink. */
export function bareMessage({ _rest, _altered, ...message }: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(message));
}
