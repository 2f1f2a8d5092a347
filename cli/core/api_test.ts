/** Reading tables page by page. */
import { assertEquals, assertRejects } from "../../tests/support/assert.ts";
import { connect, PAGE } from "./api.ts";

/** A Data API with so many flags, which returns at most a page at once. */
async function withFlags<T>(count: number, run: (api: ReturnType<typeof connect>) => Promise<T>): Promise<T> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => undefined }, (request) => {
    const { searchParams } = new URL(request.url);
    const first = Number(searchParams.get("offset") ?? 0);
    const asked = Math.min(Number(searchParams.get("limit") ?? Infinity), PAGE, Math.max(count - first, 0));
    return Response.json(Array.from({ length: asked }, (_, index) => ({ key: `f${first + index}` })));
  });
  try {
    const url = `http://127.0.0.1:${server.addr.port}`;
    return await run(
      connect({ url, secretKey: "sb_secret_x", from: "a test" } as Parameters<typeof connect>[0]),
    );
  } finally {
    await server.shutdown();
  }
}

for (const count of [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 7]) {
  Deno.test(`rows(): of ${count} rows none is left out, and none comes twice`, async () => {
    const rows = await withFlags(
      count,
      (api) => api.rows((db) => db.from("settings").select("key").order("key")),
    );
    assertEquals(rows.map(({ key }) => key), Array.from({ length: count }, (_, index) => `f${index}`));
  });
}

Deno.test("rows(): a limit of the query's own is kept", async () => {
  const rows = await withFlags(5000, (api) => api.rows((db) => db.from("settings").select("key").limit(3)));
  assertEquals(rows.length, 3);
});

Deno.test("rows(): more than a page without an order is an error, not a part", async () => {
  await assertRejects(() => withFlags(PAGE, (api) => api.rows((db) => db.from("settings").select("key"))));
});
