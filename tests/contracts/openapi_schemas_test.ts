/** The schemas of docs/openapi.yaml are made from the contract; the rest of it refers to them. */
import { OPENAPI, schemasAsYaml, withSchemas } from "../../tools/docs/openapi.ts";
import { assertEquals } from "../support/assert.ts";
import { openapi } from "../support/openapi.ts";

Deno.test("openapi.yaml: its schemas are those of the contract (`deno task openapi` writes them)", async () => {
  const text = await Deno.readTextFile(OPENAPI);
  assertEquals(withSchemas(text, schemasAsYaml()), text);
});

/** Schemas of JSON bodies below a place of the document, each with where it is. */
function bodies(value: unknown, at = ""): [string, Record<string, unknown>][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === "application/json" && inner.schema !== true
      ? [[at, inner.schema] as [string, Record<string, unknown>]]
      : bodies(inner, `${at}/${name}`)
  );
}

Deno.test("openapi.yaml: no body is declared outside the contract", () => {
  const { schemas: _, ...components } = openapi.components;
  const all = bodies({ paths: openapi.paths, webhooks: openapi.webhooks, components });
  assertEquals(all.length > 30, true);
  assertEquals(all.filter(([, schema]) => schema.$ref === undefined), []);
});
