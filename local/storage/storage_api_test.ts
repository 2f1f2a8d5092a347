/** The stand-in for Supabase Storage, through the client that is deployed. */
import { assert, assertEquals, assertRejects } from "../../tests/support/assert.ts";
import { holds } from "../../tests/support/property.ts";
import fc from "fast-check";
import { join } from "../../lib/paths.ts";
import { Problem } from "../../supabase/functions/_shared/http/problem.ts";
import {
  attachmentPath,
  type FilePath,
  isPath,
  rawPath,
} from "../../supabase/functions/_shared/storage/paths.ts";
import { createStorage } from "../../supabase/functions/_shared/storage/storage.ts";
import { createStorageApi } from "./storage_api.ts";

const KEYS = { secretKey: "sb_secret_of_the_test", jwtSecret: "jwt-secret-of-the-test" };
const URL = "http://project.test";
const utf8 = new TextEncoder();

async function withStorage(
  use: (ground: ReturnType<typeof groundIn>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(groundIn(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function groundIn(folder: string) {
  let now = Date.parse("2026-11-29T12:00:00Z");
  const api = createStorageApi({
    folder: join(folder, "files"),
    ...KEYS,
    buckets: () =>
      Promise.resolve([{ id: "email-raw", file_size_limit: 1000 }, {
        id: "email-attachments",
        file_size_limit: null,
      }]),
    now: () => now,
  });
  const call = (path: string, init?: RequestInit) => api.fetch(new Request(`${URL}${path}`, init));
  const storage = createStorage({
    endpoint: () => ({ url: URL, key: KEYS.secretKey }),
    fetch: (url, init) => api.fetch(new Request(url, init)),
    backoffMs: () => 0,
  });
  return { folder, api, call, storage, pass: (ms: number) => now += ms };
}

const FILE: FilePath = rawPath("2026-11-29", "0123456789abcdef");
const bytes = utf8.encode("From: casey@example.com\r\n\r\nHello");

Deno.test("storage: what was put comes back, whole and in ranges, and is replaced", async () => {
  await withStorage(async ({ storage }) => {
    assertEquals(await storage.get(FILE, 1000), undefined);
    await storage.put(FILE, bytes, "message/rfc822");
    assertEquals(await storage.get(FILE, 1000), bytes);
    assertEquals(await storage.get(FILE, 1000, { start: 6, end: 11 }), utf8.encode("casey"));
    assertEquals(await storage.get(FILE, 1000, { start: 3, end: 3 }), new Uint8Array());
    await storage.put(FILE, utf8.encode("another"), "message/rfc822");
    assertEquals(await storage.get(FILE, 1000), utf8.encode("another"));
    await assertRejects(() => storage.get(FILE, 3), RangeError);
  });
});

Deno.test("storage: any range of any file is the same as a slice of it", async () => {
  await withStorage(async ({ storage }) => {
    await holds(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.nat(299),
        fc.nat(400),
        async (content, from, length) => {
          const start = from % content.length;
          await storage.put(FILE, content, "application/octet-stream");
          const got = await storage.get(FILE, 1000, { start, end: start + length });
          assertEquals(got, content.slice(start, start + length));
        },
      ),
    );
  });
});

Deno.test("storage: files are listed by folder and removed in bulk, with the folders that they leave empty", async () => {
  await withStorage(async ({ storage, folder }) => {
    const files = [0, 1, 10].map((n) => attachmentPath("2026-11-29", "abc", n));
    for (const file of files) await storage.put(file, bytes, "text/plain");
    const list = (at: string, options?: { limit?: number; offset?: number }) =>
      storage.list("email-attachments", at, options);
    assertEquals(await list(""), [{ name: "2026-11-29" }]);
    assertEquals(await list("2026-11-29"), [{ name: "abc" }]);
    const found = await list("2026-11-29/abc");
    assertEquals(found.map(({ name, size }) => [name, size]), [["0", bytes.length], ["1", bytes.length], [
      "10",
      bytes.length,
    ]]);
    assert(!Number.isNaN(Date.parse(found[0].createdAt!)));
    assertEquals((await list("2026-11-29/abc", { limit: 1, offset: 1 })).map(({ name }) => name), ["1"]);
    await storage.remove([...files, attachmentPath("2026-11-29", "abc", 77)]);
    assertEquals(await list(""), []);
    assertEquals([...Deno.readDirSync(join(folder, "files", "email-attachments"))], []);
  });
});

Deno.test("storage: a signed address gives its one file as a download, for its time", async () => {
  await withStorage(async ({ storage, call, pass }) => {
    await storage.put(FILE, bytes, "message/rfc822");
    const address = await storage.sign(FILE, 60, "Rechnung März.eml");
    const got = await call(address);
    assertEquals([got.status, await got.text()], [200, new TextDecoder().decode(bytes)]);
    assertEquals(
      [got.headers.get("content-disposition"), got.headers.get("x-content-type-options")],
      ["attachment; filename*=UTF-8''Rechnung%20M%C3%A4rz.eml", "nosniff"],
    );
    const other = address.replace("0123456789abcdef", "fedcba9876543210");
    for (const refused of [other, address.replace("token=", "token=x"), address.replace(/token=[^&]*/, "")]) {
      assertEquals((await call(refused)).status, 400, refused);
    }
    pass(60_000);
    assertEquals((await call(address)).status, 400);
    await assertRejects(() => storage.sign(rawPath("2026-11-29", "none"), 60, "a"), Problem);
  });
});

Deno.test("storage: without the secret key nothing is read, written, listed, signed or removed", async () => {
  await withStorage(async ({ call, storage }) => {
    await storage.put(FILE, bytes, "message/rfc822");
    const at = `${FILE.bucket}/${FILE.path}`;
    const requests: [string, RequestInit][] = [
      [`object/authenticated/${at}`, {}],
      [`object/${at}`, {}],
      [`object/${at}`, { method: "POST", body: "forged", headers: { "x-upsert": "true" } }],
      [`object/sign/${at}`, { method: "POST", body: '{"expiresIn":60}' }],
      [`object/list/email-raw`, { method: "POST", body: "{}" }],
      [`object/email-raw`, { method: "DELETE", body: JSON.stringify({ prefixes: [FILE.path] }) }],
    ];
    const callers: Record<string, string>[] = [
      {},
      { apikey: "sb_publishable_x" },
      { authorization: "Bearer sb_secret_" },
    ];
    for (const headers of callers) {
      for (const [path, init] of requests) {
        const answer = await call(`/storage/v1/${path}`, {
          ...init,
          headers: { ...init.headers, ...headers },
        });
        assertEquals([answer.status, (await answer.json()).statusCode], [400, "403"], path);
      }
    }
    assertEquals(await storage.get(FILE, 1000), bytes);
  });
});

Deno.test("storage: a name leads nowhere else, and a file has the size that its bucket allows", async () => {
  await withStorage(async ({ storage, call, folder }) => {
    const headers = { apikey: KEYS.secretKey };
    for (const path of ["..%2F..%2Fstack.json", "a/%2e%2e/%2e%2e/keys.json", "%2E%2E", "a//b"]) {
      const answer = await call(`/storage/v1/object/email-raw/${path}`, {
        method: "POST",
        body: "x",
        headers,
      });
      assert(answer.status >= 400, path);
    }
    assertEquals([...Deno.readDirSync(folder)], []);
    await assertRejects(() => storage.put(FILE, new Uint8Array(1001), "message/rfc822"), Problem);
    assertEquals(await storage.get(FILE, 2000), undefined);
    assertEquals([...Deno.readDirSync(join(folder, "files", "email-raw", "2026-11-29"))], []);
    const missing = { bucket: "nowhere", path: "a" } as unknown as FilePath;
    await assertRejects(() => storage.get(missing, 10), Problem);
  });
});

Deno.test("storage: an outage is tried again, then a 503; a refusal is not tried again", async () => {
  for (
    const [answers, calls, outcome] of [
      [[503, 200], 2, "ok"],
      [["broken", 500, 429], 3, "storage_unavailable"],
      [[400], 1, "storage_unavailable"],
    ] as const
  ) {
    let called = 0;
    const storage = createStorage({
      endpoint: () => ({ url: URL, key: "a.legacy.key" }),
      fetch: (url, init) => {
        const answer = answers[called++];
        const headers = new Headers(init.headers);
        assertEquals(headers.get("authorization"), "Bearer a.legacy.key");
        assertEquals(url, `${URL}/storage/v1/object/email-raw/2026-11-29/0123456789abcdef.eml`);
        return answer === "broken"
          ? Promise.reject(new TypeError("connection refused"))
          : Promise.resolve(Response.json({}, { status: answer }));
      },
      backoffMs: () => 0,
    });
    const result = await storage.put(FILE, bytes, "message/rfc822").then(() => "ok", (error) => error.code);
    assertEquals([called, result], [calls, outcome]);
  }
});

Deno.test("isPath(): ids and numbers, and never what another name could hold", async () => {
  for (const path of ["2026-11-29/abc.eml", "2026-11-29/0199-ab/0", "a"]) assert(isPath(path), path);
  for (
    const path of [
      "",
      "/a",
      "a/",
      "a//b",
      "..",
      "a/../b",
      "a/./b",
      "a/...",
      "a b",
      "a%2Fb",
      "ä",
      "a\\b",
      "a?b",
    ]
  ) {
    assert(!isPath(path), path);
  }
  await withStorage(async ({ storage }) => {
    await assertRejects(() => storage.put({ ...FILE, path: "../keys" }, bytes, "text/plain"), RangeError);
    await assertRejects(() => storage.remove([{ ...FILE, path: "a?b" }]), RangeError);
  });
});
