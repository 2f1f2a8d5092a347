import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { decode } from "../../json/json.ts";
import { verify } from "./inbound/signature.ts";
import { parse, type Update } from "./inbound/updates.ts";
import { ownWebhook } from "./own_webhook.ts";

const CASES = new URL("../../../../../tests/fixtures/whatsapp/", import.meta.url);
const encode = (text: string) => new TextEncoder().encode(text);

/** What the pipeline knows of a stored update. */
function reportedOf(update: Update, account = "900") {
  const identities = Object.fromEntries(
    (update.identities ?? []).flatMap(({ kind, value }) => value === undefined ? [] : [[kind, value]]),
  );
  return {
    field: update.field,
    native: update.raw as Record<string, unknown>,
    sender: { id: update.sender_id ?? null, address: update.sender_display ?? null, account },
    contact: update.identities === undefined ? null : { id: "c", name: update.name ?? null, identities },
    at: update.at ?? "2026-11-21T00:00:00Z",
  };
}

/** An update without what stands beside the item, which comes from other parts of the body. */
function essence(update: Update): unknown {
  const { _rest, _altered, ...raw } = update.raw as Record<string, unknown>;
  return { ...update, raw, identities: undefined, name: undefined, error: undefined };
}

Deno.test("ownWebhook.bodyOf(): what is built again parses to the message or status that it was built from", () => {
  let n = 0;
  for (const { name } of Deno.readDirSync(CASES)) {
    const { body } = JSON.parse(Deno.readTextFileSync(new URL(name, CASES)));
    const updates = parse(decode(encode(JSON.stringify(body))));
    for (const update of updates.filter(({ kind, key }) => /^[ms]:/.test(key) && kind !== "identity")) {
      const again = parse(decode(encode(ownWebhook.bodyOf(reportedOf(update))!)));
      const [found] = again.filter(({ key }) => key === update.key);
      assert(found !== undefined, `${name}: ${update.key} is not in ${again.map(({ key }) => key)}`);
      assertEquals(essence({ ...found, field: update.field }), essence(update), name);
      n++;
    }
  }
  assert(n > 20, String(n));
});

Deno.test("ownWebhook.bodyOf(): a change stands whole in its field, under its account", () => {
  const value = { event: "PAUSED", message_template_name: "offer" };
  const [update] = parse({
    object: "whatsapp_business_account",
    entry: [{ id: "900", time: 1795219200, changes: [{ field: "message_template_status_update", value }] }],
  });
  assertEquals(JSON.parse(ownWebhook.bodyOf(reportedOf(update))!), {
    object: "whatsapp_business_account",
    entry: [{ id: "900", time: 1795219200, changes: [{ value, field: "message_template_status_update" }] }],
  });
});

Deno.test("ownWebhook.bodyOf(): there is none for what Meta did not report", () => {
  const [update] = parse({});
  assertEquals(ownWebhook.bodyOf({ ...reportedOf(update), field: null }), undefined);
  assertEquals(ownWebhook.bodyOf({ ...reportedOf(update), native: null }), undefined);
});

Deno.test("ownWebhook: any text is ASCII, means the same, and is signed as Meta signs", () => {
  holds(fc.property(fc.string({ unit: "grapheme" }), (body) => {
    const native = { id: "wamid.1", type: "text", text: { body } };
    const [update] = parse({
      object: "whatsapp_business_account",
      entry: [{ id: "900", changes: [{ field: "messages", value: { messages: [native] } }] }],
    });
    const text = ownWebhook.bodyOf({ ...reportedOf(update), native })!;
    assert(/^[ -~]*$/.test(text), text);
    assertEquals(JSON.parse(text).entry[0].changes[0].value.messages, [native]);
    const { "x-hub-signature-256": signature } = ownWebhook.headersOf(text, "whsec_abc");
    assertEquals(verify(encode(text), signature, ["whsec_abc"]), true);
    assertEquals(verify(encode(text), signature, ["whsec_abd"]), false);
  }));
});
