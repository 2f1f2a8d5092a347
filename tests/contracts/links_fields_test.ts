/** What documents say of a link's fields is what `LINK_FIELDS` says: a field that is missing somewhere is named. */
import {
  FIELDS,
  LINK_FIELDS,
  LINK_FILTERS,
  LINK_STATES,
  READ_ONLY_MEMBERS,
} from "../../supabase/functions/_shared/contract/link_fields.ts";
import { CHOSEN_CODE, LINK_CODE } from "../../supabase/functions/_shared/contract/names.ts";
import { assertEquals } from "../support/assert.ts";
import { openapi, operations } from "../support/openapi.ts";
import { ROOT } from "../../lib/paths.ts";
import { run } from "../../lib/programs.ts";

const NAMES: string[] = FIELDS.map(({ name }) => name).sort();
// deno-lint-ignore no-explicit-any
const { schemas, parameters } = (openapi as any).components;
const membersOf = (schema: string) => Object.keys(schemas[schema].properties).sort();

Deno.test("openapi.yaml: new and changed links have the members of LINK_FIELDS", () => {
  assertEquals(membersOf("NewLink"), [...NAMES, "code", "password"].sort());
  assertEquals(
    membersOf("LinkChange"),
    [...NAMES, "password", "state", "version", "code", ...READ_ONLY_MEMBERS].sort(),
  );
  for (const [name, field] of Object.entries(LINK_FIELDS)) {
    if (field.kind !== "text" && field.kind !== "flag") continue;
    assertEquals(schemas.NewLink.properties[name].maxLength, field.max, name);
  }
});

Deno.test("openapi.yaml: lists accept the filters of LINK_FILTERS", () => {
  const list = operations.find(({ operation }) => operation.operationId === "listLinks")!;
  const names = (list.operation.parameters as { name: string }[]).map(({ name }) => name);
  assertEquals(names.sort(), ["cursor", "limit", "state", ...LINK_FILTERS.map(({ name }) => name)].sort());
  assertEquals(schemas.Link.properties.state.enum, [...LINK_STATES]);
});

Deno.test("openapi.yaml: codes have the contract's pattern, case-insensitive in input", () => {
  const inAnyCase = ({ source }: RegExp) => source.replaceAll("a-z", "A-Za-z");
  assertEquals(schemas.MadeLink.properties.code.pattern, LINK_CODE.source);
  assertEquals(parameters.Code.schema.pattern, inAnyCase(LINK_CODE));
  assertEquals(schemas.NewLink.properties.code.pattern, inAnyCase(CHOSEN_CODE));
});

Deno.test("docs/links.md: the table of members has every field", async () => {
  const text = await Deno.readTextFile(`${ROOT}/docs/links.md`);
  const [, table] = /\| Member \| Meaning \|\n((?:\|.*\n)+)/.exec(text)!;
  const told = [...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell]) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name)
  );
  assertEquals(told.sort(), [...NAMES, "code", "password"].sort());
});

Deno.test("a column of links is named in 5 files, besides tests, made files and code that acts on it elsewhere", async () => {
  const rooms = ["supabase/functions", "supabase/migrations", "admin/src", "cli", "local", "lib"];
  const { code, stdout } = await run("git", ["grep", "-lw", "pass_query", "--", ...rooms], { cwd: ROOT });
  assertEquals(code, 0);
  const acting = [
    // The panel's preview runs the visit's own code on the form's values.
    "admin/src/pages/links/preview.ts",
    // Another service's name for it, in its export.
    "supabase/functions/_shared/links/table/services.ts",
  ];
  const made = "supabase/functions/_shared/contract/database.ts";
  const files = stdout.trim().split("\n")
    .filter((path) => !/_test\.tsx?$/.test(path) && path !== made && !acting.includes(path));
  assertEquals(files.sort(), [
    "supabase/functions/_shared/contract/link_field_schemas.ts",
    "supabase/functions/_shared/contract/link_fields.ts",
    "supabase/functions/_shared/contract/links.ts",
    "supabase/functions/_shared/links/model/link.ts",
    "supabase/migrations/20261129001000_links.sql",
  ]);
});
