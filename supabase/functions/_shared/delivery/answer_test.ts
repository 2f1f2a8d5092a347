import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { z } from "zod";
import { aLittleWrong } from "../../../../tests/support/a_little_wrong.ts";
import { repliesOf } from "../contract/http/messages.ts";
import { MAX_REPLIES } from "../contract/http/limits.ts";
import { findReplies, keptText, MAX_DEPTH, MAX_KEPT } from "./answer.ts";
import { holds } from "../../../../tests/support/property.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const JSON_TYPE = "application/json; charset=utf-8";
const found = (json: unknown, type: string | null = JSON_TYPE) =>
  findReplies({ bytes: bytesOf(typeof json === "string" ? json : JSON.stringify(json)), cut: false }, type);

Deno.test("keptText(): whole characters, at most MAX_KEPT bytes, no NUL", () => {
  assertEquals(keptText(bytesOf("a\u0000b")), "a\ufffdb");
  assertEquals(keptText(new Uint8Array([0xff, 0x61])), "\ufffda");
  holds(fc.property(fc.nat(3), fc.constantFrom("é", "€", "😀"), (offset, character) => {
    const text = "x".repeat(offset) + character.repeat(MAX_KEPT);
    const kept = keptText(bytesOf(text));
    assertEquals(text.startsWith(kept), true);
    const bytes = bytesOf(kept).length;
    assertEquals(bytes <= MAX_KEPT && bytes > MAX_KEPT - 4, true);
  }));
});

Deno.test("findReplies(): accepts exactly the replies that the contract describes", () => {
  const described = repliesOf(z.looseObject({}));
  const reply = { type: "text", text: { body: "hi" } };
  const answers = [{ ok: true, replies: [reply, reply] }, { replies: Array(MAX_REPLIES).fill(reply) }];
  const more = { replies: Array(MAX_REPLIES + 1).fill(reply) };
  holds(fc.property(fc.oneof(aLittleWrong(answers), fc.constant(more)), (answer) => {
    const replies = found(answer);
    const isUsed = replies === undefined || "replies" in replies;
    assertEquals(isUsed, described.safeParse(answer).success, JSON.stringify(answer));
  }));
});

Deno.test("findReplies(): recognises replies", () => {
  const text = { type: "text", text: { body: "hi" } };
  const nested = (depth: number): unknown => depth === 0 ? 1 : { a: nested(depth - 1) };
  const cases: [name: string, json: unknown, type: string | null, expected: unknown][] = [
    ["replies", { replies: [text] }, JSON_TYPE, { replies: [text] }],
    ["as many as allowed", { replies: Array(MAX_REPLIES).fill(text) }, JSON_TYPE, {
      replies: Array(MAX_REPLIES).fill(text),
    }],
    ["an empty list", { replies: [] }, JSON_TYPE, { replies: [] }],
    ["beside other keys", { ok: true, replies: [text] }, "application/vnd.acme+json", { replies: [text] }],
    ["after a byte order mark", "\ufeff" + JSON.stringify({ replies: [text] }), JSON_TYPE, {
      replies: [text],
    }],
    ["no replies", { ok: true }, JSON_TYPE, undefined],
    ["a bare list of replies", [text], JSON_TYPE, { ignored: "bare_list" }],
    ["a list around replies", [{ replies: [text] }], JSON_TYPE, { ignored: "bare_list" }],
    ["a list of something else", [{ id: 7 }, 1], JSON_TYPE, undefined],
    ["an empty list alone", [], JSON_TYPE, undefined],
    ["null", null, JSON_TYPE, undefined],
    ["nothing", "", JSON_TYPE, undefined],
    ["another type", { replies: [text] }, "text/html; charset=utf-8", { ignored: "not_json_type" }],
    ["a type that only begins alike", { replies: [text] }, "application/jsonp", { ignored: "not_json_type" }],
    ["a type that goes on", { replies: [text] }, "application/json-seq", { ignored: "not_json_type" }],
    ["no type", { replies: [text] }, null, { ignored: "not_json_type" }],
    ["a list without a type", [text], null, { ignored: "not_json_type" }],
    ["a page", "<html>replies</html>", "text/html", undefined],
    ["other JSON as text", { ok: true }, "text/plain", undefined],
    ["text that begins like JSON", "{replies", "text/plain", undefined],
    ["not JSON", "ok", JSON_TYPE, { ignored: "not_json" }],
    ["no list", { replies: text }, JSON_TYPE, { ignored: "not_a_list" }],
    ["replies: null", { replies: null }, JSON_TYPE, { ignored: "not_a_list" }],
    ["too many", { replies: Array(MAX_REPLIES + 1).fill(text) }, JSON_TYPE, { ignored: "too_many" }],
    ["one is no object", { replies: [text, "hi"] }, JSON_TYPE, { ignored: "not_objects" }],
    ["one is a list", { replies: [[]] }, JSON_TYPE, { ignored: "not_objects" }],
    ["as deep as allowed", { replies: [nested(MAX_DEPTH)] }, JSON_TYPE, { replies: [nested(MAX_DEPTH)] }],
    ["too deep", { replies: [nested(MAX_DEPTH + 1)] }, JSON_TYPE, { ignored: "too_deep" }],
    ["far too deep", `{"replies":[{"a":${"[".repeat(30000)}${"]".repeat(30000)}}]}`, JSON_TYPE, {
      ignored: "too_deep",
    }],
    ["NUL and half a pair", '{"replies":[{"a\\u0000":"b\\u0000\\ud83d","c":["\\udc00"]}]}', JSON_TYPE, {
      replies: [{ "a\ufffd": "b\ufffd\ufffd", c: ["\ufffd"] }],
    }],
    ["__proto__ is a key like others", '{"replies":[{"__proto__":{"x":1}}]}', JSON_TYPE, {
      replies: [JSON.parse('{"__proto__":{"x":1}}')],
    }],
  ];
  for (const [name, json, type, expected] of cases) assertEquals(found(json, type), expected, name);
  const latin1 = (body: string) => Uint8Array.from(body, (character) => character.charCodeAt(0));
  const inLatin1 = (json: unknown) =>
    findReplies({ bytes: latin1(JSON.stringify(json)), cut: false }, "application/json; charset=iso-8859-1");
  assertEquals(inLatin1({ replies: [{ type: "text", text: { body: "señor" } }] }), { ignored: "not_utf8" });
  assertEquals(inLatin1({ replies: [text] }), { replies: [text] });
  assertEquals(inLatin1({ name: "señor" }), undefined);
  assertEquals(found({ replies: [{ a: "\ufffd" }] }), { replies: [{ a: "\ufffd" }] }, "written so, in UTF-8");
  assertEquals(findReplies({ bytes: bytesOf('{"replies":['), cut: true }, JSON_TYPE), {
    ignored: "answer_too_long",
  });
});

Deno.test("findReplies() never throws, and its result can be stored as jsonb", () => {
  holds(
    fc.property(fc.array(fc.oneof(fc.jsonValue({ stringUnit: "binary" }), fc.object())), (replies) => {
      const out = found({ replies });
      if (out === undefined || !("replies" in out)) return;
      JSON.parse(JSON.stringify(out.replies), (key, value) => {
        for (const text of [key, value]) {
          if (typeof text === "string") {
            assertEquals([text.isWellFormed(), text.includes("\u0000")], [true, false]);
          }
        }
        return value;
      });
    }),
  );
});
