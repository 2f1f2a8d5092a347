/** Transfer encodings, whatever is sent as one. */
import fc from "fast-check";
import { assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { decodeTransfer, sizeOf } from "./transfer.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("sizeOf(): as long as the content is, wherever padding, blanks and escapes stand", async () => {
  const pieces = fc.array(
    fc.constantFrom(
      "Q",
      "QU",
      "QUJD",
      "=",
      "==",
      "=\r\n",
      "=4",
      "=41",
      "\r\n",
      "\n",
      " \t",
      "-",
      "%",
      "\0",
      "é",
    ),
    { maxLength: 40 },
  );
  for (const encoding of ["identity", "base64", "quoted-printable"] as const) {
    await holds(fc.property(pieces, (parts) => {
      const bytes = bytesOf(parts.join(""));
      assertEquals(sizeOf(bytes, encoding), decodeTransfer(bytes, encoding).length);
    }));
  }
});

Deno.test("decodeTransfer(): parts of base64 that a gateway joined are each decoded", () => {
  const joined = bytesOf("QQ==\r\nQQ==\r\nQUJD\r\n");
  assertEquals(new TextDecoder().decode(decodeTransfer(joined, "base64")), "AAABC");
  assertEquals(sizeOf(joined, "base64"), 5);
});
