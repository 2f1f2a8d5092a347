import { assertEquals, assertThrows } from "../../tests/support/assert.ts";
import { ForwardedHeaders, listFunctions, serveFunctions } from "./functions.ts";
import { join } from "../../lib/paths.ts";

Deno.test("ForwardedHeaders: the caller's address is last, read singly and as a list", () => {
  const cases: [given: HeadersInit, value: string][] = [
    [{}, "127.0.0.1"],
    [{ "X-Forwarded-For": "192.0.2.1, 192.0.2.2" }, "192.0.2.1, 192.0.2.2, 127.0.0.1"],
  ];
  for (const [given, value] of cases) {
    const original = new Headers({ accept: "*/*", ...given });
    const headers: Headers = new ForwardedHeaders(original, "127.0.0.1");
    const expected = new Headers(original);
    expected.set("x-forwarded-for", value);
    assertEquals(headers.get("X-Forwarded-For"), value);
    assertEquals(headers.get("x-forwarded-for"), value);
    assertEquals([headers.has("x-forwarded-for"), headers.has("accept"), headers.has("via")], [
      true,
      true,
      false,
    ]);
    assertEquals([headers.get("accept"), headers.get("x-forwarded-fox")], ["*/*", null]);
    assertEquals([...headers], [...expected]);
    assertEquals([...headers.keys()], [...expected.keys()]);
    assertEquals([...headers.values()], [...expected.values()]);
    const each: [string, string][] = [];
    headers.forEach((value, key) => each.push([key, value]));
    assertEquals(each, [...expected]);
    assertEquals([...new Headers(headers)], [...expected]);
    assertEquals(Object.fromEntries(headers), Object.fromEntries(expected));
    for (
      const change of [
        () => headers.set("a", "b"),
        () => headers.append("a", "b"),
        () => headers.delete("accept"),
      ]
    ) {
      assertThrows(change, TypeError);
    }
    assertEquals(original.get("accept"), "*/*");
  }
});

async function project(config: string | undefined, names: string[]): Promise<string> {
  const supabase = await Deno.makeTempDir();
  if (config !== undefined) await Deno.writeTextFile(join(supabase, "config.toml"), config);
  for (const name of names) {
    await Deno.mkdir(join(supabase, "functions", name), { recursive: true });
    await Deno.writeTextFile(join(supabase, "functions", name, "index.ts"), "");
  }
  return join(supabase, "functions");
}

Deno.test("listFunctions: returns what config.toml names and has an index.ts, and nothing else", async () => {
  const config =
    `[api]\nschemas = []\n[functions.a-b]\nverify_jwt = false\n[functions."c"]\n#[functions.d]\n[functions.e]\n`;
  const folder = await project(config, ["a-b", "c", "d", "_shared"]);
  assertEquals([...listFunctions(folder)], [["a-b", join(folder, "a-b", "index.ts")], [
    "c",
    join(folder, "c", "index.ts"),
  ]]);
});

Deno.test("listFunctions: without a config.toml, returns each folder with an index.ts", async () => {
  const folder = await project(undefined, ["a", "_shared"]);
  await Deno.mkdir(join(folder, "empty"));
  assertEquals([...listFunctions(folder).keys()], ["a"]);
});

Deno.test("serveFunctions: health at the root is that without a key, and keeps its own address beside it", async () => {
  const folder = await project(undefined, ["health"]);
  await Deno.writeTextFile(
    join(folder, "health", "index.ts"),
    "export default { fetch: ({ url }) => new Response(new URL(url).pathname) };",
  );
  const { fetch } = serveFunctions(folder);
  const seen = async (path: string) =>
    await (await fetch(new Request(`http://127.0.0.1:1${path}`), "127.0.0.1"))?.text();
  assertEquals(await seen("/health"), "/health/plain");
  assertEquals(await seen("/health/detailed"), "/health/plain/detailed");
  assertEquals(await seen("/functions/v1/health/detailed"), "/health/detailed");
  assertEquals(await seen("/healthy"), undefined);
  await Deno.remove(join(folder, ".."), { recursive: true });
});

Deno.test("serveFunctions: a function sees its own address, the caller's address and the body; another request its own", async () => {
  const folder = await project(undefined, ["a"]);
  await Deno.writeTextFile(
    join(folder, "a", "index.ts"),
    `export default { async fetch(request) {
      const copy = new Request(request.url, { method: "POST", headers: request.headers, body: await request.text() });
      return Response.json([request.url, copy.headers.get("x-forwarded-for"), await copy.text(), new Request("http://b/").url]);
    } };`,
  );
  const { fetch } = serveFunctions(folder);
  const request = new Request("http://127.0.0.1:1/functions/v1/a/b/c?d=/e", { method: "POST", body: "f" });
  const answer = await fetch(request, "192.0.2.7");
  assertEquals(await answer?.json(), ["http://127.0.0.1:1/a/b/c?d=/e", "192.0.2.7", "f", "http://b/"]);
  await Deno.remove(join(folder, ".."), { recursive: true });
});
