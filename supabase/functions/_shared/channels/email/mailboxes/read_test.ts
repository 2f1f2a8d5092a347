import { Buffer } from "node:buffer";
import { assertEquals } from "../../../../../../tests/support/assert.ts";
import type { MailboxWorld } from "./call.ts";
import { fetchMail } from "./read.ts";

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
    assertEquals(failure, { ok: false, code: "unreadable", message: "the answer is not the provider's" });
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
