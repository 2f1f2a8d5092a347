import { Buffer } from "node:buffer";
import { assertEquals } from "../../../../../../tests/support/assert.ts";
import type { MailboxWorld } from "./call.ts";
import { fetchMail, readGmail, readGraph, TRIES, TRIES_OF_FAULTS } from "./read.ts";

const MAILBOX = { url: "https://api.example", identity: "i" };
const LIMIT = 10 << 20;

/** A provider that answers each path by this. */
const world = (answer: (path: string) => Response): MailboxWorld => ({
  mailbox: () => Promise.resolve({ token: "token", version: 1 }),
  fetch: (url) => Promise.resolve(answer(url.slice(MAILBOX.url.length))),
});
const fetched = (provider: "google" | "microsoft", answer: () => Response) =>
  fetchMail(provider, MAILBOX, "m1", world(answer));
/** Each value of a byte, so that both characters of base64url's own occur. */
const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i * 7);
const raw = (mail: Uint8Array, padding = "") =>
  Response.json({ raw: Buffer.from(mail).toString("base64url") + padding });

Deno.test("fetchMail(): Gmail's base64url becomes the mail's bytes, at any length", async () => {
  for (const length of [1, 2, 3, 4, 49_151, 49_152, 49_153, 200_000]) {
    assertEquals(await fetched("google", () => raw(bytes(length))), bytes(length), `${length} bytes`);
  }
  assertEquals(await fetched("google", () => raw(bytes(1), "==")), bytes(1));
  for (const odd of ["é", "a", "ab cd efg", 5]) {
    const failure = await fetched("google", () => Response.json({ raw: odd }));
    assertEquals(failure, {
      ok: false,
      code: "unreadable",
      message: "the answer is not the provider's",
      tries: TRIES,
    });
  }
});

Deno.test("fetchMail(): a mail over the limit is told from one that is gone", async () => {
  const most = new Uint8Array(LIMIT), more = new Uint8Array(LIMIT + 1), far = new Uint8Array(LIMIT * 2);
  const length = (got: unknown) => got instanceof Uint8Array ? got.length : got;
  assertEquals(length(await fetched("google", () => raw(most))), LIMIT);
  assertEquals(length(await fetched("microsoft", () => new Response(most))), LIMIT);
  for (const mail of [more, far]) {
    assertEquals(await fetched("google", () => raw(mail)), "too_large");
    assertEquals(await fetched("microsoft", () => new Response(mail)), "too_large");
  }
  assertEquals(await fetched("google", () => new Response(null, { status: 404 })), null);
});

const SINCE = new Date("2026-11-30T10:00:00Z");

Deno.test("readGmail(), readGraph(): a place that the provider refuses as malformed begins the list again", async () => {
  const odd = () => Response.json({ error: { code: 400, message: "Invalid pageToken" } }, { status: 400 });
  const gmail = (path: string) =>
    /pageToken=|\/history\?/.test(path)
      ? odd()
      : path.endsWith("/profile")
      ? Response.json({ historyId: "7" })
      : Response.json({ messages: [{ id: "m2" }, { id: "m1" }] });
  for (const cursor of ["list 5 page2", "x"]) {
    assertEquals(
      await readGmail(MAILBOX, { cursor, since: SINCE }, world(gmail)),
      { ok: true, ids: ["m1", "m2"], cursor: "7", more: false, resynced: true },
      cursor,
    );
  }
  const deltaLink = `${MAILBOX.url}/delta?$deltatoken=8`;
  const graph = (path: string) =>
    path.includes("token=") ? odd() : Response.json({ value: [{ id: "m1" }], "@odata.deltaLink": deltaLink });
  assertEquals(
    await readGraph(MAILBOX, { cursor: "/delta?$skiptoken=1", since: SINCE }, world(graph)),
    { ok: true, ids: ["m1"], cursor: "/delta?$deltatoken=8", more: false, resynced: true },
  );
  // Once: a list that is refused from its beginning is a failure.
  for (const read of [readGmail, readGraph]) {
    assertEquals((await read(MAILBOX, { cursor: "list 5 page2", since: SINCE }, world(odd))).ok, false);
  }
});

Deno.test("fetchMail(): how often a mail is tried depends on what refuses it", async () => {
  const tries = async (status: number, headers: HeadersInit = {}) => {
    const got = await fetched("microsoft", () => new Response(null, { status, headers }));
    return got !== null && typeof got === "object" && "ok" in got ? got.tries : "none";
  };
  const rows: [status: number, tries: number | undefined][] = [
    [400, TRIES],
    [500, TRIES_OF_FAULTS],
    [504, TRIES_OF_FAULTS],
    [403, undefined],
    [429, undefined],
  ];
  for (const [status, expected] of rows) assertEquals(await tries(status), expected, String(status));
  assertEquals(await tries(503, { "retry-after": "5" }), undefined);
});
