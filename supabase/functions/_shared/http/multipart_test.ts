import { assertEquals, assertRejects } from "../../../../tests/support/assert.ts";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { boundaryOf, readForm, textOf } from "./multipart.ts";
import { Problem } from "./problem.ts";

/** The bytes of a form, cut into chunks of these lengths. */
function cut(bytes: Uint8Array, lengths: readonly number[]): ReadableStream<Uint8Array> {
  let at = 0, i = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const length = lengths.length === 0 ? bytes.length : lengths[i++ % lengths.length];
      controller.enqueue(bytes.slice(at, at + length));
      at += length;
    },
  });
}

async function partsOf(stream: ReadableStream<Uint8Array>, boundary: string) {
  const parts: { name: string; filename?: string; type?: string; bytes: Buffer }[] = [];
  for await (const { body, ...head } of readForm(stream, boundary)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    parts.push({ ...head, bytes: Buffer.concat(chunks) });
  }
  return parts;
}

Deno.test("readForm: reads what the platform writes, however it is cut", async () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    // What looks like the delimiter and is not.
    fc.constantFrom("\r\n--", "\r\n", "--", "\r\n----------------", "\r\r\n\n--").map((text) =>
      Buffer.from(text)
    ),
  );
  await holds(fc.asyncProperty(
    fc.array(content, { minLength: 1, maxLength: 4 }),
    fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 4 }),
    async (files, lengths) => {
      const form = new FormData();
      form.append("messaging_product", "whatsapp");
      for (const [i, file] of files.entries()) {
        form.append("file", new Blob([new Uint8Array(file)], { type: "image/png" }), `a "${i}".png`);
      }
      const response = new Response(form);
      const boundary = boundaryOf(response.headers.get("content-type"))!;
      const bytes = new Uint8Array(await response.arrayBuffer());
      const [first, ...others] = await partsOf(cut(bytes, lengths), boundary);
      assertEquals([first.name, first.bytes.toString()], ["messaging_product", "whatsapp"]);
      assertEquals(others.map(({ bytes }) => [...bytes]), files.map((file) => [...file]));
      assertEquals(others.map(({ filename }) => filename), files.map((_, i) => `a "${i}".png`));
      assertEquals(others.every(({ type }) => type === "image/png"), true);
    },
  ));
});

Deno.test("readForm: a form that ends early or is none is refused", async () => {
  const whole = '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nvalue\r\n--b--\r\n';
  const codeOf = async (text: string) => {
    const error = await assertRejects(() => partsOf(cut(Buffer.from(text), [7]), "b"), Problem);
    return (error as Problem).code;
  };
  for (let end = 0; end < whole.length - 2; end++) {
    assertEquals(await codeOf(whole.slice(0, end)), "body_incomplete");
  }
  assertEquals(await codeOf("--b\r\ncontent-type: a/b\r\n\r\nvalue\r\n--b--"), "invalid_request");
  assertEquals(await codeOf("--bad"), "invalid_request");
});

Deno.test("readForm: parts that nobody reads are passed over, and fields have a limit", async () => {
  const text =
    ["a", "b"].map((name) =>
      `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${name.repeat(100)}\r\n`
    ).join("") + "--b--";
  const names: string[] = [];
  for await (const part of readForm(cut(Buffer.from(text), [13]), "b")) names.push(part.name);
  assertEquals(names, ["a", "b"]);
  for await (const part of readForm(cut(Buffer.from(text), [13]), "b")) {
    await assertRejects(() => textOf(part, 99), Problem);
    break;
  }
});

Deno.test("boundaryOf: of forms with files alone", () => {
  assertEquals(boundaryOf('multipart/form-data; boundary="a b"'), "a b");
  assertEquals(boundaryOf("multipart/form-data;charset=utf-8; boundary=abc"), "abc");
  for (const type of [null, "application/json", "multipart/form-data", "multipart/mixed; boundary=a"]) {
    assertEquals(boundaryOf(type), undefined);
  }
});
