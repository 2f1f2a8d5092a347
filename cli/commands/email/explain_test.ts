import { assertEquals } from "../../../tests/support/assert.ts";
import { contentTypeOf } from "./explain.ts";

const cases: [string, string, string][] = [
  ["a mail", "From: a@example.org\r\n\r\n--x\r\nContent-Disposition: form-data\r\n", "message/rfc822"],
  [
    "a body of Inbound Parse",
    '--xYzZY\r\nContent-Disposition: form-data; name="email"\r\n\r\n',
    'multipart/form-data; boundary="xYzZY"',
  ],
  [
    "a body with line feeds",
    '--x\nContent-Disposition: form-data; name="to"\n\n',
    'multipart/form-data; boundary="x"',
  ],
  ["a mail without headers that begins with a line", "--\r\nsignature", "message/rfc822"],
  ["nothing", "", "message/rfc822"],
];
for (const [what, text, type] of cases) {
  Deno.test(`contentTypeOf: ${what}`, () => {
    assertEquals(contentTypeOf(new TextEncoder().encode(text)), type);
  });
}
