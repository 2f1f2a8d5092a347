import { assertEquals } from "../../../../../../tests/support/assert.ts";
import { isTooOld } from "../index.ts";
import { checkMessage, checkRequest } from "./check.ts";

Deno.test("checkRequest(): a text with its segments, to digits", () => {
  assertEquals(
    checkRequest({
      to: "+1 (202) 555-0143",
      from: "+12025550100",
      text: "It’s here",
      plain_characters: true,
    }),
    {
      ok: true,
      value: {
        to: "12025550143",
        identities: [{ kind: "phone", value: "12025550143" }],
        number_id: "12025550100",
        text: "It's here",
        message: { type: "text", text: "It's here", encoding: "GSM-7", segments: 1 },
      },
    },
  );
});

Deno.test("checkRequest(): names each fault with its place", () => {
  for (
    const [body, path] of [
      [{ to: "nobody", text: "Hello" }, "to"],
      [{ to: "+12025550143" }, "text"],
      [{ to: "+12025550143", text: "a".repeat(1601) }, "text"],
      [{ to: "+12025550143", media: ["http://files.example.org/1"] }, "media.0"],
      [{ to: "+12025550143", text: "Hello", validity_seconds: 0 }, "validity_seconds"],
      [{ to: "+12025550143", text: "Hello", colour: "red" }, ""],
      [{ to: "+12025550143", text: "a\0" }, ""],
    ] as const
  ) {
    const checked = checkRequest(body);
    assertEquals(checked.ok ? undefined : checked.issues[0].path, path, JSON.stringify(body));
  }
});

Deno.test("checkMessage(): media alone make an MMS", () => {
  assertEquals(checkMessage({ media: ["https://files.example.org/1"] }), {
    ok: true,
    value: { type: "mms", text: "", encoding: "GSM-7", segments: 1, media: ["https://files.example.org/1"] },
  });
});

Deno.test("isTooOld(): only a text with a validity of its own, by the time in its id", () => {
  const made = Date.parse("2026-11-30T12:00:00Z");
  const hex = made.toString(16).padStart(12, "0");
  const id = `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000001`;
  assertEquals(isTooOld(id, { validity_seconds: 60 }, made + 60_000), false);
  assertEquals(isTooOld(id, { validity_seconds: 60 }, made + 60_001), true);
  assertEquals(isTooOld(id, {}, made + 1e9), false);
});
