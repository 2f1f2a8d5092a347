/** Lists of the contract that stand elsewhere too, where no compiler compares them: in the API's description, in pages. */
import { assert, assertEquals } from "../support/assert.ts";
import { TYPES } from "../../local/simulator/page/content.js";
import { INBOUND_TYPES, OUTBOUND_TYPES } from "../../supabase/functions/_shared/contract/messages.ts";
import { DESTINATION_NAME } from "../../supabase/functions/_shared/contract/names.ts";
import { SCHEDULE } from "../../supabase/functions/_shared/contract/retries.ts";
import { scheduleInWords } from "../../supabase/functions/_shared/contract/words/retries.ts";
import { FROM_PATTERN, TO_PATTERN } from "../../supabase/functions/_shared/contract/window.ts";
import { openapi, resolve } from "../support/openapi.ts";

interface Schema {
  $ref?: string;
  const?: string;
  pattern?: string;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
}

/** Every schema within one, references followed. */
function within(schema: Schema): Schema[] {
  const [{ oneOf = [], anyOf = [], allOf = [], ...rest }] = resolve(schema, []);
  return [rest, ...[...oneOf, ...anyOf, ...allOf].flatMap(within)];
}

Deno.test("openapi.yaml: outbound message types are those of the contract", () => {
  const described = within(openapi.components.schemas.Message as Schema)
    .flatMap(({ properties }) => properties?.type?.const ?? []);
  assertEquals([...new Set(described)].toSorted(), OUTBOUND_TYPES.toSorted());
});

Deno.test("openapi.yaml: destination names and the retry schedule are those of the contract", () => {
  const names = Object.entries(openapi.paths).filter(([path]) => path.includes("/destinations/{name}"))
    .flatMap(([, item]) => (item as { parameters?: { name: string; schema: Schema }[] }).parameters ?? [])
    .filter(({ name }) => name === "name").map(({ schema }) => schema.pattern);
  assert(names.length > 0);
  assertEquals([...new Set(names)], [DESTINATION_NAME.source]);
  const { description } = openapi.webhooks["message.received"].post as { description?: string };
  assert(description?.replaceAll(/\s+/g, " ").includes(`up to ${scheduleInWords(SCHEDULE)}`), description);
});

Deno.test("openapi.yaml: weekly windows have the contract's pattern", () => {
  const { from, to } = (openapi.components.schemas.When as Schema).properties!.time.properties!;
  assertEquals([from.pattern, to.pattern], [FROM_PATTERN.source, TO_PATTERN.source]);
});

Deno.test("the simulator's page: shows every outbound type of the contract and no others", () => {
  const shown = Object.keys(TYPES);
  const known: readonly string[] = [...INBOUND_TYPES, ...OUTBOUND_TYPES];
  assertEquals(shown.filter((type) => !known.includes(type)), []);
  // A reaction stands at the message that it is about, a receipt nowhere.
  const elsewhere = ["reaction", "read"];
  assertEquals(OUTBOUND_TYPES.filter((type) => !shown.includes(type) && !elsewhere.includes(type)), []);
});
