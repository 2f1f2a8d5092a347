/** CSV: what is written is read, and a broken record costs itself alone. */
import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { parseCsv } from "./csv.ts";

const cell = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 6 }),
  fc.constantFrom('"', ",", ";", "\n", "\r\n", "\r", '""', " ", ' "', "a,b", 'x"y'),
);
const table = fc.array(fc.array(cell, { minLength: 1, maxLength: 4 }), { maxLength: 6 });
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

Deno.test("parseCsv(): quoted cells are read unchanged, with any separator and line ending", () => {
  const ends = fc.constantFrom("\r\n", "\n", "\r"), separators = fc.constantFrom(",", ";", "\t");
  holds(fc.property(table, separators, ends, (rows, separator, end) => {
    const text = rows.map((cells) => cells.map(quoted).join(separator) + end).join("");
    assertEquals(parseCsv(text, separator), rows.map((cells) => ({ cells })));
  }));
});

Deno.test("parseCsv(): after a broken record it reads the next line, whatever precedes it", () => {
  const broken = fc.constantFrom('"a', 'x,"b', '"a"b', 'a, "b"', '"a""');
  holds(fc.property(fc.array(broken, { minLength: 1, maxLength: 4 }), (lines) => {
    const records = parseCsv(`h,i\n${lines.join("\n")}\nlast,row\n`, ",");
    assertEquals(records.at(-1), { cells: ["last", "row"] });
    assert(records.some(({ fault }) => fault !== undefined));
  }));
});

Deno.test("parseCsv(): terminates for any input", () => {
  holds(fc.property(fc.string({ unit: fc.constantFrom('"', ",", "\n", "\r", " ", "a") }), (text) => {
    assert(parseCsv(text, ",").length <= text.length);
  }));
});
