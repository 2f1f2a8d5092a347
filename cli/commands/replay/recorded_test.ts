/** Bodies made from what was stored say the same as the bodies that came. */
import { assertEquals } from "../../../tests/support/assert.ts";
import { parse, type Update } from "../../../supabase/functions/_shared/channels/whatsapp/inbound/updates.ts";
import { join, ROOT } from "../../../lib/paths.ts";
import { bodiesOf, type LeftOut, type StoredEvent, type StoredMessage } from "./recorded.ts";

const FIXTURES = join(ROOT, "tests", "fixtures", "whatsapp");
const names = [...Deno.readDirSync(FIXTURES)].map((entry) => entry.name).filter((name) =>
  name.endsWith(".json")
).sort();

/** As ingest_updates keeps an update. */
function storedOf(update: Update, seq: number): { event: StoredEvent; message?: [string, StoredMessage] } {
  const { key, field, kind, sender_id: number_id = null, raw } = update;
  const past = kind === "past_message" || kind === "past_echo";
  const inMessage = number_id !== null &&
    (kind === "message" || kind === "echo" || past && update.identities !== undefined);
  const event = {
    dedupe_key: key,
    field,
    kind,
    number_id,
    raw: inMessage ? null : raw,
    received_at: "2026-11-21T10:00:00Z",
  };
  if (!inMessage || !/^(?:m|hm?):/.test(key)) return { event };
  const ids = Object.fromEntries(
    (update.identities ?? []).flatMap(({ kind, value }) => value === undefined ? [] : [[kind, value]]),
  );
  return {
    event,
    message: [key, {
      provider_id: update.provider_id!,
      seq: past ? seq - 1_000_000 : seq,
      direction: kind === "message" || kind === "past_message" ? "in" : "out",
      type: update.type!,
      native: raw as Record<string, unknown>,
      number_id: number_id!,
      name: update.name ?? null,
      ids,
    }],
  };
}

/** What must be the same again: of messages everything, of statuses all but names, of the rest what was sent. */
function comparable({ key, ...update }: Update): string {
  const { field, kind, raw, sender_id, at, provider_id, status, callback } = update;
  if (!/^(?:[ms]|hm?):/.test(key)) return JSON.stringify({ field, kind, raw });
  return JSON.stringify(
    kind === "status"
      ? { key, field, kind, raw, sender_id, at, provider_id, status, callback }
      : { key, ...update },
  );
}

Deno.test("bodiesOf(): replaying each fixture's stored updates stores the same under the same keys", async (t) => {
  for (const name of names) {
    await t.step(name, async () => {
      const updates = parse(JSON.parse(await Deno.readTextFile(join(FIXTURES, name))).body);
      const unique = [...new Map(updates.map((update) => [update.key, update])).values()];
      const stored = unique.map(storedOf);
      const displays = new Map(
        unique.map((update) => [update.sender_id ?? "", update.sender_display ?? null]),
      );
      const left: LeftOut = { not_json: 0, no_message: 0, no_id: 0 };
      const bodies = bodiesOf(
        stored.map(({ event }) => event),
        new Map(stored.flatMap(({ message }) => message ? [message] : [])),
        displays,
        false,
        left,
      );
      // A message without an id of Meta's cannot be found again.
      const lost = unique.filter(({ key, kind, sender_id }) =>
        key.startsWith("x:") && sender_id !== undefined && (kind === "message" || kind === "echo")
      );
      assertEquals(left, { not_json: 0, no_message: lost.length, no_id: 0 });
      const again = bodies.flatMap((body) => parse(JSON.parse(JSON.stringify(body))));
      assertEquals(
        again.map(comparable).sort(),
        unique.filter((update) => !lost.includes(update)).map(comparable).sort(),
      );
    });
  }
});

Deno.test("bodiesOf(): events with equal content stay separate, and a replay of a replay adds nothing", () => {
  const event = {
    field: "account_update",
    kind: "other",
    number_id: null,
    raw: { event: "X" },
    received_at: "2026-11-21T10:00:00Z",
  } as const;
  const events = ["x:1", "x:2"].map((dedupe_key) => ({ ...event, dedupe_key }));
  const keys = () => {
    const left: LeftOut = { not_json: 0, no_message: 0, no_id: 0 };
    return bodiesOf(events, new Map(), new Map(), false, left).flatMap(parse).map(({ key }) => key);
  };
  assertEquals(new Set(keys()).size, 2);
  assertEquals(keys(), keys());
});

Deno.test("bodiesOf(): skips what cannot be sent, or must not be sent back to its origin", () => {
  const event = {
    field: "messages",
    kind: "message",
    number_id: "1",
    raw: null,
    received_at: "2026-11-21T10:00:00Z",
  } as const;
  const events: StoredEvent[] = [
    { ...event, dedupe_key: "m:1:wamid.gone:text" },
    { ...event, dedupe_key: "x:1", field: "invalid_json", kind: "other", raw: { text: "{", bytes: 1 } },
    { ...event, dedupe_key: "x:2", field: "security", kind: "other", raw: {} },
  ];
  const left: LeftOut = { not_json: 0, no_message: 0, no_id: 0 };
  assertEquals(bodiesOf(events, new Map(), new Map(), true, left), []);
  assertEquals(left, { not_json: 1, no_message: 1, no_id: 1 });
});
