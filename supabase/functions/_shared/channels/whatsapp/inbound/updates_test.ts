import { assert, assertEquals } from "../../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { decode, isStorable, MAX_DEPTH } from "../../../json/json.ts";
import { MAX_UPDATES, parse, unreadable, type Update } from "./updates.ts";
import { assertLinear } from "../../../../../../tests/support/growth.ts";
import { holds } from "../../../../../../tests/support/property.ts";

const CASES = new URL("../../../../../../tests/fixtures/whatsapp/", import.meta.url);
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** As SQL sees them: members that are undefined are absent. */
const asSent = (updates: Update[]) => JSON.parse(JSON.stringify(updates));

interface Case {
  about: string;
  body: unknown;
  /** `raw` is a literal, or "#" and a JSON pointer into `body`. */
  updates: Update[];
}

function resolve(body: unknown, raw: unknown): unknown {
  if (typeof raw !== "string" || !raw.startsWith("#")) return raw;
  let value = body;
  for (const step of raw.split("/").slice(1)) value = (value as Record<string, unknown>)[step];
  return value;
}

for (const { name } of [...Deno.readDirSync(CASES)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  const { about, body, updates }: Case = JSON.parse(Deno.readTextFileSync(new URL(name, CASES)));
  Deno.test(`parse() ${name.replace(".json", "")}: ${about}`, () => {
    const expected = updates.map((update) => ({ ...update, raw: resolve(body, update.raw) }));
    assertEquals(asSent(parse(decode(bytes(body)))), expected);
  });
}

Deno.test("parse() gives the same keys for any layout of the same JSON", () => {
  for (const { name } of Deno.readDirSync(CASES)) {
    const { body }: Case = JSON.parse(Deno.readTextFileSync(new URL(name, CASES)));
    const keys = (value: unknown) => parse(value).map((update) => update.key);
    const indented = new TextEncoder().encode(JSON.stringify(body, null, 4));
    assertEquals(keys(decode(indented)), keys(decode(bytes(body))), name);
  }
});

Deno.test("parse() never throws, and its updates can always be stored", () => {
  const anything = fc.jsonValue({ stringUnit: "binary" });
  holds(fc.property(anything, (body) => checkShape(parse(body))));
});

/** Bodies of the right outline with anything at all in the places that matter. */
function roughBody(leaf: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const word = fc.oneof(
    fc.constantFrom("text", "edit", "system", "interactive", "a".repeat(300)),
    leaf,
  );
  const item = fc.dictionary(
    fc.constantFrom(
      "id",
      "from",
      "to",
      "type",
      "timestamp",
      "text",
      "edit",
      "system",
      "interactive",
      "errors",
    ),
    fc.oneof(word, fc.dictionary(fc.constantFrom("body", "type", "message", "user_id", "wa_id"), word)),
  );
  const contact = fc.dictionary(fc.constantFrom("wa_id", "user_id", "profile", "x"), leaf);
  const thread = fc.record({
    id: leaf,
    context: fc.oneof(leaf, fc.dictionary(fc.constantFrom("wa_id", "user_id", "username", "x"), leaf)),
    messages: fc.oneof(fc.array(fc.oneof(item, leaf), { maxLength: 3 }), leaf),
    more: leaf,
  }, { requiredKeys: [] });
  const chunk = fc.record({
    metadata: fc.oneof(leaf, fc.dictionary(fc.constantFrom("phase", "chunk_order", "progress", "x"), leaf)),
    threads: fc.oneof(fc.array(fc.oneof(thread, leaf), { maxLength: 3 }), leaf),
    errors: leaf,
  }, { requiredKeys: [] });
  const named = fc.record({
    type: fc.constant("contact"),
    action: fc.oneof(fc.constantFrom("add", "remove"), leaf),
    contact: fc.oneof(
      leaf,
      fc.dictionary(fc.constantFrom("full_name", "first_name", "phone_number", "x"), leaf),
    ),
    metadata: leaf,
  }, { requiredKeys: [] });
  const value = fc.dictionary(
    fc.constantFrom(
      "messages",
      "statuses",
      "message_echoes",
      "user_id_update",
      "contacts",
      "metadata",
      "errors",
      "history",
      "state_sync",
    ),
    fc.oneof(fc.array(fc.oneof(item, contact, leaf, chunk, named), { maxLength: 4 }), leaf),
  );
  const field = fc.constantFrom(
    "messages",
    "smb_message_echoes",
    "user_id_update",
    "calls",
    "standby",
    "flows",
    "history",
    "smb_app_state_sync",
  );
  const change = fc.record({ field: fc.oneof(field, leaf), value: fc.oneof(value, leaf) }, {
    requiredKeys: [],
  });
  const changes = fc.array(fc.oneof(change, leaf), { maxLength: 3 });
  const entry = fc.record({ id: leaf, time: leaf, changes, more: leaf }, { requiredKeys: ["changes"] });
  return fc.record({
    object: fc.constant("whatsapp_business_account"),
    entry: fc.array(fc.oneof(entry, leaf), { maxLength: 3 }),
    more: leaf,
  }, { requiredKeys: ["object", "entry"] });
}

function checkShape(updates: Update[]): void {
  assert(updates.length > 0);
  for (const update of updates) {
    assert(/^(?:(?:[msh]|hm):.+|x:[0-9a-f]{64})$/s.test(update.key) && update.key.length <= 512, update.key);
    assert(isStorable(JSON.parse(JSON.stringify(update)), -8), update.key);
    for (const name of ["provider_id", "type", "sender_id", "name", "body"] as const) {
      assert(update[name] === undefined || typeof update[name] === "string" && update[name] !== "");
    }
    for (const { value, previous } of update.identities ?? []) {
      assert(value !== undefined || previous !== undefined);
      assert(value !== "" && previous !== "");
    }
  }
}

Deno.test("parse() accepts anything in the right outline", () => {
  holds(fc.property(roughBody(fc.jsonValue({ stringUnit: "binary", maxDepth: 2 })), (body) => {
    checkShape(parse(body));
  }));
});

Deno.test("parse() loses nothing: every text of a body is in some update", () => {
  // Texts that do not repeat, so that finding one means that this very place was kept.
  holds(fc.property(roughBody(fc.uuid()), (body) => assertNothingLost(body)), { cases: 500 });
});

/** What describes an envelope rather than what happened. */
const ENVELOPE = new Set(["object", "messaging_product"]);

function assertNothingLost(body: unknown): void {
  const kept = JSON.stringify(parse(body));
  (function walk(value: unknown, path: string): void {
    if (typeof value === "object" && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        // An entry's id and time go into keys and times, which do not show them as they were.
        const envelope = ENVELOPE.has(key) || /^\/entry\/\d+$/.test(path) && (key === "id" || key === "time");
        if (!envelope) walk(member, `${path}/${key}`);
      }
    } else if (value !== null && value !== "") {
      const text = JSON.stringify(value);
      assert(kept.includes(typeof value === "string" ? text.slice(1, -1) : text), `${path} is lost: ${text}`);
    }
  })(body, "");
}

Deno.test("parse() loses nothing of our samples", () => {
  for (const { name } of Deno.readDirSync(CASES)) {
    if (/too_deep|nul/.test(name)) continue; // These are replaced, and say so.
    assertNothingLost(JSON.parse(Deno.readTextFileSync(new URL(name, CASES))).body);
  }
});

const SAMPLES = new URL("../../../../../../../shared/fixtures/whatsapp/", import.meta.url);
const samples = (() => {
  try {
    return [...Deno.readDirSync(SAMPLES)].filter(({ name }) => name.endsWith(".json"));
  } catch {
    return [];
  }
})();

Deno.test({
  name: `parse() loses nothing of ${samples.length} sample bodies beside the repository, if there are any`,
  ignore: samples.length === 0,
  fn() {
    for (const { name } of samples) {
      const body = decode(Deno.readFileSync(new URL(name, SAMPLES)));
      const updates = parse(body);
      checkShape(updates);
      assertNothingLost(body);
      const understood = !/^(?:account|message_template|template|calls|user_pref)/.test(name);
      if (understood) {
        assert(
          updates.some(({ kind, key }) => kind !== "other" && (kind === "identity" || !key.startsWith("x:"))),
          name,
        );
      }
    }
  },
});

Deno.test("parse(): a body unlike any of Meta's becomes few updates, and is kept", () => {
  const many = Array.from({ length: 100_000 }, () => 0);
  const change = (items: unknown) => ({ field: "messages", value: { messages: items } });
  const entry = (changes: unknown) => ({ id: "1", changes });
  const bodies: [unknown, number][] = [
    [{ entry: many }, 1],
    [{ entry: [entry(many)] }, 1],
    [{ entry: [entry([change(many), change([1, 2])]), entry([change([3])])] }, 3],
  ];
  for (const [body, rests] of bodies) {
    const updates = parse(body);
    assertEquals(updates.length, MAX_UPDATES + rests);
    const zeros = JSON.stringify(updates.map(({ raw }) => raw)).match(/0/g)!.length;
    assertEquals(zeros, many.length, "all are there");
  }
});

Deno.test("parse() splits 1,000 updates of 3 MB in linear time, because an isolate has 2 s of CPU", async () => {
  const people = Array.from({ length: 500 }, (_, i) => `1202555${String(i).padStart(4, "0")}`);
  const value = (size: number) => ({
    messaging_product: "whatsapp",
    metadata: { display_phone_number: "12025550100", phone_number_id: "301245600017789" },
    contacts: people.map((wa_id) => ({ wa_id, profile: { name: "Nora" } })),
    messages: Array.from({ length: size }, (_, i) => ({
      from: people[i % people.length],
      id: `wamid.${i}`,
      timestamp: "1780000000",
      type: "text",
      text: { body: "x".repeat(2800) },
    })),
  });
  const bodies = new Map([125, 1000].map((size) => [
    size,
    bytes({
      object: "whatsapp_business_account",
      entry: [{ id: "1", changes: [{ field: "messages", value: value(size) }] }],
    }),
  ]));
  assert(bodies.get(1000)!.length > 2_900_000);
  await assertLinear(125, (size) => parse(decode(bodies.get(size)!)));
  const updates = parse(decode(bodies.get(1000)!));
  assertEquals(updates.length, 1000);
  assertEquals(new Set(updates.map(({ key }) => key)).size, 1000);
  assert(updates.every(({ name }) => name === "Nora"));
});

Deno.test("unreadable() keeps the beginning of a body, whatever its bytes", () => {
  holds(fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 100 }), (body, max) => {
    const update = unreadable(body, max);
    checkShape([update]);
    assertEquals(update.field, "invalid_json");
    assertEquals((update.raw as { bytes: number }).bytes, body.length);
    assert(new TextEncoder().encode((update.raw as { text: string }).text).length <= 3 * max);
  }));
  const text = "not json ".repeat(2000);
  const kept = (unreadable(new TextEncoder().encode(text)).raw as { text: string }).text;
  assertEquals(kept, text.slice(0, 8192));
});

Deno.test("parse() replaces a lone surrogate, and marks the message", () => {
  const body = `{"entry":[{"changes":[{"field":"messages","value":{"messages":[
    {"id":"wamid.1","type":"text","text":{"body":"half \\ud83d a tulip"}},{"id":"wamid.2","type":"text"}
  ]}}]}]}`;
  const [first, second] = parse(decode(new TextEncoder().encode(body)));
  assertEquals(first.body, "half \ufffd a tulip");
  assertEquals((first.raw as Record<string, unknown>)._altered, ["surrogate"]);
  assertEquals(second.raw, { id: "wamid.2", type: "text" });
});

Deno.test("parse() cuts what is nested too deep anywhere in a body", () => {
  let deep: unknown = "bottom";
  for (let i = 0; i < 5 * MAX_DEPTH; i++) deep = { deep };
  for (
    const body of [deep, { entry: [deep] }, { entry: [{ changes: [{ field: "messages", value: deep }] }] }]
  ) {
    checkShape(parse(body));
  }
});
