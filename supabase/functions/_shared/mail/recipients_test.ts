import { assertEquals, assertRejects } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import {
  cellsOf,
  type Recipient,
  type RecipientFormat,
  recipientOf,
  recipientsIn,
  UnreadableRecipients,
} from "./recipients.ts";

async function all(text: string, format: RecipientFormat, size = 1000, cut = 7): Promise<Recipient[]> {
  const found: Recipient[] = [];
  for await (const group of recipientsIn(cutUp(text, cut), format, size)) found.push(...group);
  return found;
}

async function* cutUp(text: string, size: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

Deno.test("cellsOf: plain and quoted cells, doubled quotes, empty cells; no cell without its closing quote", () => {
  assertEquals(cellsOf('a@x.example, Ada ,"Lovelace, ""Countess""",'), [
    "a@x.example",
    "Ada",
    'Lovelace, "Countess"',
    "",
  ]);
  assertEquals(cellsOf(""), [""]);
  assertEquals(cellsOf('a,"b'), undefined);
  assertEquals(cellsOf('a,"b"c'), undefined);
});

Deno.test("recipientOf: to or email is the address, other plain members and those of fields are values", () => {
  assertEquals(recipientOf({ email: "a@x.example", name: "Ada", n: 3, deep: {} }), {
    to: "a@x.example",
    fields: { name: "Ada", n: "3" },
  });
  assertEquals(recipientOf({ to: "a@x.example", fields: { name: "Ada" } }), {
    to: "a@x.example",
    fields: { name: "Ada" },
  });
  assertEquals(recipientOf({ name: "Ada" }), undefined);
});

Deno.test("recipientsIn: reads CSV with a mark, semicolons and cells of several lines, however it is cut", async () => {
  const csv = '\ufeffName;Email\r\n"Ada\nLovelace";ada@x.example\r\n\r\nBo;bo@x.example';
  for (let cut = 1; cut < csv.length; cut++) {
    assertEquals(await all(csv, "csv", 1, cut), [
      { to: "ada@x.example", fields: { name: "Ada\nLovelace" } },
      { to: "bo@x.example", fields: { name: "Bo" } },
    ]);
  }
});

Deno.test("recipientsIn: says which line cannot be read, and gives the groups before it", async () => {
  const failure = async (text: string, format: RecipientFormat) =>
    await assertRejects(() => all(text, format), UnreadableRecipients) as UnreadableRecipients;
  assertEquals((await failure("name\nAda", "csv")).line, 1);
  assertEquals((await failure("", "csv")).line, 0);
  assertEquals((await failure('{"to":"a@x.example"}\nno', "ndjson")).line, 2);
  assertEquals((await failure(`to\n"${"x\n".repeat(50_000)}`, "csv")).line, 2);
  assertEquals((await failure('to\na@x.example\n"b', "csv")).line, 3);
  assertEquals((await failure("x".repeat(100_000), "ndjson")).line, 1);
});

Deno.test("recipientsIn: gives back what was written as CSV and as NDJSON", async () => {
  const field = fc.string({ unit: fc.constantFrom("a", '"', ",", ";", "\n", " ", "ü", "{") });
  await holds(
    fc.asyncProperty(
      fc.array(field, { maxLength: 8 }),
      fc.integer({ min: 1, max: 20 }),
      async (values, cut) => {
        const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const expected = values.map((name, i) => ({ to: `p${i}@x.example`, fields: { name } }));
        const csv = `to,name\n${values.map((name, i) => `p${i}@x.example,${quoted(name)}\n`).join("")}`;
        assertEquals(await all(csv, "csv", 3, cut), expected);
        const ndjson = expected.map(({ to, fields }) => `${JSON.stringify({ email: to, ...fields })}\n`).join(
          "",
        );
        assertEquals(await all(ndjson, "ndjson", 3, cut), expected);
      },
    ),
  );
});
