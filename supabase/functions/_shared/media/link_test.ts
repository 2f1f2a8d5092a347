import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { holdsLink, signLink } from "./link.ts";

const NOW = Date.parse("2026-11-29T12:00:00Z");
const BASE = "https://project.supabase.co/functions/v1/wa-media";
const sign = (id: string, secret = "sb_secret_1") =>
  signLink({ base: BASE, secret, id, now: NOW, minutes: 5 });
const queryOf = (url: string) => new URL(url).searchParams;

Deno.test("signLink: is valid for its file, until it expires, while its key is", () => {
  const { url, expiresAt } = sign("a-1");
  const query = queryOf(url);
  assertEquals([new URL(url).pathname, expiresAt], [
    "/functions/v1/wa-media/a-1",
    "2026-11-29T12:05:00.000Z",
  ]);
  assertEquals(holdsLink(query, "a-1", ["sb_secret_2", "sb_secret_1"], NOW), "valid");
  assertEquals(holdsLink(query, "a-1", ["sb_secret_1"], NOW + 300_000 - 1), "valid");
  assertEquals(holdsLink(query, "a-1", ["sb_secret_1"], NOW + 300_000), "expired");
  assertEquals(holdsLink(query, "a-2", ["sb_secret_1"], NOW), "invalid");
  assertEquals(holdsLink(query, "a-1", ["sb_secret_2"], NOW), "invalid");
  assertEquals(holdsLink(query, "a-1", [], NOW), "invalid");
});

Deno.test("holdsLink: nothing else is valid, whatever the query says", async () => {
  const right = queryOf(sign("a-1").url);
  await holds(fc.property(
    fc.oneof(fc.string(), fc.constant(right.get("expires")!), fc.constant("9999999999"), fc.constant("-1")),
    fc.oneof(fc.string(), fc.constant(right.get("signature")!)),
    (expires, signature) => {
      if (expires === right.get("expires") && signature === right.get("signature")) return;
      assertEquals(
        holdsLink(new URLSearchParams({ expires, signature }), "a-1", ["sb_secret_1"], NOW),
        "invalid",
      );
    },
  ));
});
