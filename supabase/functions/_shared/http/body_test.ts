import { assertEquals, assertRejects } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { Problem } from "./problem.ts";
import { parseJson, readBody, readJson } from "./body.ts";
import { holds } from "../../../../tests/support/property.ts";

function post(body: BodyInit | null, headers: Record<string, string> = {}): Request {
  return new Request("http://localhost/", { method: "POST", body, headers });
}

/** A body without a length, in these pieces; tells whether it was cancelled and how far it was read. */
function streamed(pieces: Uint8Array[]) {
  const state = { cancelled: false, pulled: 0 };
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (state.pulled === pieces.length) controller.close();
      else controller.enqueue(pieces[state.pulled++]);
    },
    cancel() {
      state.cancelled = true;
    },
  }, { highWaterMark: 0 });
  return { state, request: post(stream) };
}

const tooLarge = (promise: Promise<unknown>) =>
  assertRejects(() => promise, Problem).then((problem: Problem) =>
    assertEquals(problem.code, "payload_too_large")
  );

Deno.test("readBody() returns the bytes unchanged, in any chunks, up to the limit", async () => {
  await holds(fc.asyncProperty(
    fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 }),
    fc.integer({ min: -2, max: 2 }),
    async (pieces, slack) => {
      const whole = pieces.flatMap((piece) => [...piece]);
      const limit = Math.max(0, whole.length + slack);
      const filled = pieces.filter((piece) => piece.length > 0);
      const bodies = [
        streamed(filled).request,
        post(Uint8Array.from(whole)),
        post(Uint8Array.from(whole), { "content-length": String(whole.length) }),
      ];
      for (const request of bodies) {
        if (whole.length > limit) await tooLarge(readBody(request, limit));
        else assertEquals([...await readBody(request, limit)], whole);
      }
    },
  ));
});

Deno.test("readBody() refuses a declared length without reading", async () => {
  const request = post("small", { "content-length": "1000000" });
  await tooLarge(readBody(request, 100));
  assertEquals(request.bodyUsed, false);
});

Deno.test("readBody() is not deceived by a declared length that is too small", async () => {
  await tooLarge(readBody(post("x".repeat(200), { "content-length": "5" }), 100));
});

Deno.test("readBody() stops reading chunks beside a declared length once they are too many", async () => {
  const { state, request } = streamed(Array.from({ length: 1000 }, () => new Uint8Array(1024)));
  request.headers.set("content-length", "5");
  request.headers.set("transfer-encoding", "chunked");
  await tooLarge(readBody(request, 4096));
  assertEquals(state, { cancelled: true, pulled: 5 });
});

Deno.test("readBody() stops reading an endless body once it is too long", async () => {
  const { state, request } = streamed(Array.from({ length: 1000 }, () => new Uint8Array(1024)));
  await tooLarge(readBody(request, 4096));
  assertEquals(state, { cancelled: true, pulled: 5 });
});

Deno.test("readBody() of a request without a body is empty", async () => {
  assertEquals((await readBody(new Request("http://localhost/"), 10)).length, 0);
  assertEquals((await readBody(post(null), 10)).length, 0);
});

Deno.test("readBody() distinguishes a caller who disconnected from an error of ours", async () => {
  const broken = new ReadableStream<Uint8Array>({
    start: (controller) => controller.error(new Error("connection reset")),
  });
  const problem = await assertRejects(() => readBody(post(broken), 10), Problem);
  assertEquals(problem.code, "body_incomplete");
});

Deno.test("readJson() parses UTF-8 and refuses everything else", async () => {
  assertEquals(await readJson(post('{"a":"é🦎"}'), 100), { a: "é🦎" });
  for (const body of ["", "{", "undefined", new Uint8Array([0x22, 0xff, 0x22])]) {
    const problem = await assertRejects(() => readJson(post(body), 100), Problem);
    assertEquals(problem.code, "invalid_json");
  }
});

Deno.test("readBody() aborts a stalled body and frees its memory", async () => {
  const slow = () => {
    const pieces = [new Uint8Array(70_000)];
    return post(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          const piece = pieces.shift();
          if (piece) controller.enqueue(piece);
          else return new Promise<void>(() => {});
        },
      }),
    );
  };
  const small = () =>
    post(new ReadableStream<Uint8Array>({ pull: () => new Promise<void>(() => {}) }), {
      "content-length": "10",
    });
  for (const request of [slow(), small()]) {
    const problem = await assertRejects(() => readBody(request, 1 << 20, 0), Problem);
    assertEquals([problem.code, problem.detail], ["body_incomplete", "It did not arrive within 0 s."]);
  }
});

Deno.test("readBody() bounds the bytes of concurrent bodies, refuses more for now, and accepts them later", async () => {
  const open: (() => void)[] = [];
  const stalled = () =>
    post(
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(new Uint8Array(3 << 20));
          open.push(() => controller.close());
        },
      }),
    );
  const reads = Array.from(
    { length: 20 },
    () => readBody(stalled(), 4 << 20).then(({ length }) => length, (problem: Problem) => problem.code),
  );
  await new Promise((resolve) => setTimeout(resolve, 0));
  // What is small goes on meanwhile.
  assertEquals((await readBody(post("hello", { "content-length": "5" }), 100)).length, 5);
  for (const end of open) {
    try {
      end();
    } catch {
      // It was refused, and so is closed.
    }
  }
  const results = await Promise.all(reads);
  const taken = results.filter((result) => result === 3 << 20).length;
  assertEquals([taken, results.filter((result) => result === "overloaded").length], [16, 4]);
  const again = stalled();
  open.at(-1)!();
  assertEquals((await readBody(again, 4 << 20)).length, 3 << 20);
});

Deno.test("parseJson() accepts 64 levels of nesting and no more", () => {
  const nested = (depth: number, open = "[", close = "]") =>
    new TextEncoder().encode(open.repeat(depth) + (open === "[" ? "" : "1") + close.repeat(depth));
  parseJson(nested(64));
  parseJson(nested(64, '{"a":', "}"));
  for (const depth of [65, 8_000, 500_000]) {
    for (const deep of [nested(depth), nested(depth, '{"a":', "}")]) {
      assertEquals(codeOf(() => parseJson(deep)), "invalid_request", `${depth}`);
    }
  }
});

/** The code of the problem that this throws. */
function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
}
