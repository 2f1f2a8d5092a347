import { assertEquals } from "../../../../tests/support/assert.ts";
import { subjectId } from "./subject.ts";

const UUID = "01968f00-00ab-7000-8000-0000000000ef";

const CASES: [label: string, id: string, same: string][] = [
  ["a UUID", UUID, UUID],
  ["a UUID in capitals", UUID.toUpperCase(), UUID],
  ["a UUID with one capital", UUID.replace("f", "F"), UUID],
  ["another id in capitals", "ABC", "ABC"],
  ["a UUID with a letter too many", `${UUID.toUpperCase()}A`, `${UUID.toUpperCase()}A`],
  ["a UUID with a line's end", `${UUID.toUpperCase()}\n`, `${UUID.toUpperCase()}\n`],
  ["36 letters that are none", "G".repeat(36), "G".repeat(36)],
  ["nobody", "", ""],
];
for (const [label, id, same] of CASES) {
  Deno.test(`subjectId(): ${label}`, () => assertEquals(subjectId(id), same));
}
