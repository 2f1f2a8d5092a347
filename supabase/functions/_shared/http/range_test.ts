import { assert, assertEquals, assertRejects } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { cut, partOf } from "./range.ts";

Deno.test("partOf(): RFC 9110's cases", () => {
  for (
    const [range, expected] of [
      ["bytes=0-1", { start: 0, end: 2 }],
      ["bytes=0-", { start: 0, end: 10 }],
      ["bytes=9-9", { start: 9, end: 10 }],
      ["bytes=4-99", { start: 4, end: 10 }],
      ["bytes=-3", { start: 7, end: 10 }],
      ["bytes=-99", { start: 0, end: 10 }],
      ["Bytes=0-0", { start: 0, end: 1 }],
      ["bytes=10-", "unsatisfiable"],
      ["bytes=10-11", "unsatisfiable"],
      ["bytes=-0", "unsatisfiable"],
      // All others ask for the whole file.
      [null, undefined],
      ["", undefined],
      ["bytes=", undefined],
      ["bytes=-", undefined],
      ["bytes=5-4", undefined],
      ["bytes=0-1,4-5", undefined],
      ["bytes=a-b", undefined],
      ["bytes=+1-2", undefined],
      ["items=0-1", undefined],
      ["bytes=99999999999999999999-", undefined],
    ] as const
  ) assertEquals(partOf(range, 10), expected, String(range));
  assertEquals(partOf("bytes=0-", 0), "unsatisfiable");
});

Deno.test("partOf(): whatever the header, a part lies in the file", () => {
  const header = fc.oneof(fc.string(), fc.stringMatching(/^bytes=\d{0,3}-\d{0,3}$/));
  holds(fc.property(header, fc.nat(1000), (range, size) => {
    const part = partOf(range, size);
    if (typeof part !== "object") return;
    assert(0 <= part.start && part.start < part.end && part.end <= size);
  }));
});

Deno.test("cut(): the bytes of the part, however the stream is cut, and no more is read than needed", async () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
  await holds(fc.asyncProperty(
    fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }),
    fc.nat(99),
    fc.integer({ min: 1, max: 100 }),
    async (sizes, start, length) => {
      const part = { start, end: Math.min(start + length, 100) };
      let read = 0, cancelled = false;
      const source = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (read >= 100) return controller.close();
          const size = sizes[read % sizes.length];
          controller.enqueue(bytes.slice(read, read + size));
          read += size;
        },
        cancel: () => void (cancelled = true),
      }, { highWaterMark: 0 });
      const got = new Uint8Array(await new Response(cut(source, part)).arrayBuffer());
      assertEquals([...got], [...bytes.slice(part.start, part.end)]);
      assert(cancelled || read >= 100);
      assert(read < part.end + 60, "it reads at most a chunk further");
    },
  ));
});

Deno.test("cut(): a stream that ends before the part breaks", async () => {
  const short = new Blob([new Uint8Array(5)]).stream();
  await assertRejects(() => new Response(cut(short, { start: 2, end: 9 })).arrayBuffer());
});
