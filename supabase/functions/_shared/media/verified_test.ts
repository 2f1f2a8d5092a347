import { assertEquals, assertRejects } from "../../../../tests/support/assert.ts";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { MediaFault, verified } from "./verified.ts";

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

function streamOf(chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

/** What a reader got before the stream ended or broke. */
async function readAll(stream: ReadableStream<Uint8Array>): Promise<{ got: Uint8Array; error?: unknown }> {
  const parts: Uint8Array[] = [];
  try {
    for await (const part of stream) parts.push(part);
  } catch (error) {
    return { got: Buffer.concat(parts), error };
  }
  return { got: Buffer.concat(parts) };
}

const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 });

Deno.test("verified: passes a file unchanged whose hash is right, in either of Meta's forms", async () => {
  await holds(fc.asyncProperty(chunks, fc.constantFrom("hex", "base64"), async (chunks, form) => {
    const whole = Buffer.concat(chunks);
    const sha256 = digest(whole).toString(form as "hex");
    const { through, passed } = verified({ sha256, bytes: whole.length });
    const { got, error } = await readAll(streamOf(chunks).pipeThrough(through));
    assertEquals([Buffer.from(got).equals(whole), error], [true, undefined]);
    assertEquals(await passed, { bytes: whole.length, sha256: digest(whole).toString("hex") });
  }));
});

Deno.test("verified: a reader never gets the whole of a file that differs", async () => {
  await holds(
    fc.asyncProperty(
      chunks.filter((list) => list.length > 0),
      fc.constantFrom("hash", "length"),
      async (chunks, what) => {
        const whole = Buffer.concat(chunks);
        const { through, passed } = verified(
          what === "hash" ? { sha256: digest(Buffer.from("else")).toString("base64") } : {
            bytes: whole.length + 1,
          },
        );
        const { got, error } = await readAll(streamOf(chunks).pipeThrough(through));
        assertEquals(error instanceof MediaFault && error.why, "corrupt");
        assertEquals(got.length < whole.length, true);
        await assertRejects(() => passed, MediaFault);
      },
    ),
  );
});

Deno.test("verified: a file that is too large is cut off before its limit", async () => {
  const { through } = verified({ maxBytes: 10 });
  const { got, error } = await readAll(
    streamOf([new Uint8Array(6), new Uint8Array(6)]).pipeThrough(through),
  );
  assertEquals([got.length <= 10, error instanceof MediaFault && error.why], [true, "too_large"]);
});
