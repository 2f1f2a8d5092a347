/** What the panel sends of a link that is changed: the difference, by which the function comes to what was written. */
import { assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import { bodyOf, cleaned, patchOf, valueAt, withValue } from "../../admin/src/pages/links/form/body.ts";
import type { Link, NewLink } from "../../supabase/functions/_shared/contract/links.ts";
import { NO_FILE, readLinkFile, textOfFile } from "../../admin/src/pages/links/file.ts";
import { WRITTEN, written } from "../../supabase/functions/_shared/links/table/write.ts";
import { anyLink, stored } from "../support/any_link.ts";
import { holds } from "../support/property.ts";

/** JSON Merge Patch, as RFC 7396 writes it. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const into: Record<string, unknown> =
    typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete into[name];
    else into[name] = merge(into[name], value);
  }
  return into;
}

const word = fc.constantFrom("", " ", "a", "b");
const some = <T>(shape: { [Name in keyof T]: fc.Arbitrary<T[Name]> }) =>
  fc.record(shape, { requiredKeys: [] });
const body = some({
  default_url: word,
  whatsapp: some({ phone_number_id: word, text: word }),
  utm: some({ source: word, campaign: word }),
  tags: fc.array(word, { maxLength: 2 }),
  targets: fc.array(
    some({
      url: word,
      when: some({ platform: fc.array(word, { maxLength: 2 }), later: some({ unknown: word }) }),
    }),
    { maxLength: 2 },
  ),
  max_uses: fc.constantFrom(1, 2),
  pass_query: fc.boolean(),
  unknown: some({ to: word, this_panel: word }),
}) as unknown as fc.Arbitrary<NewLink>;

Deno.test("patchOf(): applied to any link it gives the edited one", () => {
  holds(fc.property(body, body, (before, after) => {
    assertEquals(cleaned(merge(before, patchOf(before, after))), cleaned(after));
  }));
});

Deno.test("patchOf(): sends nothing that was not edited", () => {
  holds(fc.property(body, (before) => {
    assertEquals(patchOf(before, structuredClone(before)), {});
  }));
});

Deno.test("cleaned(): keeps an empty condition, so that a rule does not become broader", () => {
  const targets = [{ when: { platform: [] }, url: "", app: { url: "a", package: "" } }];
  assertEquals(cleaned({ targets, expired_url: " ", utm: { source: "" } } as NewLink), {
    targets: [{ when: { platform: [] }, app: { url: "a" } }],
  });
});

Deno.test("withValue(): writes one path, and keeps the order and everything else", () => {
  const before = { targets: [{ url: "a" }, { when: { query: { x: true }, country: ["DE"] }, url: "b" }] };
  const after = withValue(before, "targets[1].when.query", { y: true });
  assertEquals(JSON.stringify(after.targets[1].when), '{"query":{"y":true},"country":["DE"]}');
  assertEquals(after.targets[0] === before.targets[0], true);
  assertEquals(valueAt(after, "targets[1].when.country"), ["DE"]);
  assertEquals(
    valueAt(withValue(after, "targets[1].when.country", undefined), "targets[1].when.country"),
    undefined,
  );
});

Deno.test("bodyOf(): contains what can be written, also members that this panel does not know", () => {
  const link = {
    code: "c",
    url: "u",
    qr_url: "q",
    uses: 3,
    state: "active",
    password: true,
    version: 2,
    created_at: "t",
    created_by: "me",
    updated_at: "t",
    updated_by: "me",
    default_url: "d",
    later: { unknown: 1 },
  };
  assertEquals(bodyOf(link as unknown as Link) as unknown, { default_url: "d", later: { unknown: 1 } });
});

Deno.test("readLinkFile(): reads everything that links export writes, unchanged", async () => {
  await holds(
    fc.asyncProperty(fc.array(anyLink, { minLength: 1, maxLength: 3 }), async (links) => {
      for (const format of WRITTEN) {
        // The cells are what the file holds.
        const { cells: _, ...read } = await readLinkFile(written(links.map(stored), format, true));
        assertEquals(read, {
          rows: links.map((link, index) => ({ place: index + (format === "csv" ? 2 : 1), link })),
          leftOut: [],
          refused: [],
          lost: [],
          assumedUtc: 0,
        }, format);
      }
    }),
    { cases: 50 },
  );
});

Deno.test("readLinkFile(): reports what is not carried over, what is skipped, and why a file is unreadable", async () => {
  const { rows, leftOut, lost } = await readLinkFile(
    "url,code,colour,state\nhttps://a.example/,one,red,active\nhttps://b.example/,two,,disabled\n",
  );
  assertEquals(rows.map(({ place, link }) => [place, link.code]), [[2, "one"]]);
  assertEquals([leftOut, lost], [[{ place: 3, why: "it is disabled" }], [{ column: "colour", rows: 1 }]]);
  assertEquals(await readLinkFile(" \n"), NO_FILE);
  const { fault, rows: none } = await readLinkFile('"url,code\nhttps://x');
  assertEquals([none, /^This cannot be read: .*CSV: /.test(fault ?? "")], [[], true]);
  const { refused, rows: others } = await readLinkFile('url,code\n"https://x,a\nhttps://b.example/,two\n');
  assertEquals(refused, [{ place: 2, why: "the row has a quotation mark that is not closed" }]);
  assertEquals(others.map(({ place }) => place), [3]);
  const many = "url\n" + "https://www.example.com/\n".repeat(1001);
  assertEquals((await readLinkFile(many)).fault, "There are 1001 rows; at most 1000 go in one file.");
});

Deno.test("readLinkFile(): reads dates in the requested order, and reports times without a zone", async () => {
  const text = "url,expires_at\nhttps://a.example/,01.02.2027\nhttps://b.example/,2027-03-01\n";
  const asked = await readLinkFile(text);
  assertEquals([asked.rows.length, asked.refused.length, asked.assumedUtc], [1, 1, 1]);
  const { rows, assumedUtc } = await readLinkFile(text, { dates: "dmy" });
  assertEquals([rows[0].link.expires_at, assumedUtc], ["2027-02-01T00:00:00.000Z", 2]);
});

Deno.test("textOfFile(): asks for what only people can know", () => {
  const bytes = Uint8Array.from([0x46, 0x72, 0xfc, 0x68]);
  const read = textOfFile(bytes, undefined);
  assertEquals("asksCharset" in read && read.asksCharset, true);
  assertEquals(textOfFile(bytes, "windows-1252"), { text: "Früh" });
});

Deno.test("readLinkFile(): accepts the column names of earlier versions of the panel", async () => {
  const { rows } = await readLinkFile("whatsapp_number_id,whatsapp_text,campaign\n106,Hi,spring\n");
  assertEquals([rows[0].link.whatsapp, rows[0].link.utm], [{ phone_number_id: "106", text: "Hi" }, {
    campaign: "spring",
  }]);
});
