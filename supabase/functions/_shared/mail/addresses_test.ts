import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import fc from "fast-check";
import { legacyAddress, legacyOf, messageIdOf, ownMessageId, replyAddress, tokensOf } from "./addresses.ts";
import { addressesOf, asciiDomain, normalAddress } from "./header_values.ts";
import { newReplyToken } from "./reply_token.ts";

const DOMAIN = "in.bloom.example";

Deno.test("replyAddress(), legacyAddress(), messageIdOf() are found again, however they were spelled on the way", () => {
  const spelled = fc.constantFrom(
    (text: string) => text,
    (text: string) => text.toUpperCase(),
    (text: string) => ` ${text} `,
  );
  holds(fc.property(fc.uuid(), fc.uuid(), fc.option(fc.uuid()), spelled, (message, user, campaign, spell) => {
    const token = newReplyToken();
    assertEquals(tokensOf([spell(replyAddress(token, DOMAIN))], DOMAIN), [token]);
    assertEquals(tokensOf([spell(`reply+reply+${token}@${DOMAIN}`)], DOMAIN), [token]);
    const legacy = legacyAddress({ message, user, campaign }, DOMAIN);
    assertEquals(legacyOf([spell(legacy)], DOMAIN), [message]);
    assertEquals(tokensOf([legacy], DOMAIN), []);
    // Cut anywhere after the message's id.
    const at = legacy.indexOf("@");
    for (const cut of [64, 42, 41]) {
      assertEquals(
        legacyOf([`${legacy.slice(0, Math.min(cut, at))}@${DOMAIN}`], DOMAIN),
        [message].slice(0, cut > 40 ? 1 : 0),
      );
    }
    assertEquals(ownMessageId(messageIdOf(message, "bloom.example").slice(1, -1), "bloom.example"), message);
  }));
});

Deno.test("legacyAddress(): as the former system wrote it", () => {
  const ids = { message: "m", user: "u", campaign: null };
  assertEquals(legacyAddress(ids, DOMAIN), `msg_m.u_u.c_none@${DOMAIN}`);
  assertEquals(legacyAddress({ ...ids, campaign: "c" }, DOMAIN), `msg_m.u_u.c_c@${DOMAIN}`);
});

Deno.test("tokensOf(): other domains and other words are none", () => {
  const token = newReplyToken();
  for (
    const address of [
      `${token}@bloom.example`,
      `${token}@x.${DOMAIN}`,
      `${token}x@${DOMAIN}`,
      `${token.slice(1)}@${DOMAIN}`,
      `info@${DOMAIN}`,
      token,
      "",
      "@",
    ]
  ) {
    assertEquals(tokensOf([address], DOMAIN), [], address);
  }
  assertEquals(ownMessageId("01980000-0000-7000-8000-000000000001@other.test", "bloom.example"), undefined);
  assertEquals(
    ownMessageId("x01980000-0000-7000-8000-000000000001@bloom.example", "bloom.example"),
    undefined,
  );
});

const ADDRESSES: readonly (readonly [text: string, normal: string | undefined])[] = [
  ["Mara@Fern.Example", "mara@fern.example"],
  ["mara@fern.example.", "mara@fern.example"],
  ["mara@bücher.example", "mara@xn--bcher-kva.example"],
  ['"a b"@fern.example', undefined],
  ["mara", undefined],
  ["@fern.example", undefined],
  ["mara@", undefined],
  ["mara@fern example", undefined],
  ["mara@[192.0.2.1]", undefined],
  ["mara@fern.example/x", undefined],
  [`${"a".repeat(400)}@b.test`, undefined],
];
for (const [text, normal] of ADDRESSES) {
  Deno.test(`normalAddress(): ${text.slice(0, 40)}`, () => assertEquals(normalAddress(text), normal));
}

Deno.test("addressesOf(): names, groups, comments, and what is none", () => {
  assertEquals(addressesOf('"Fern, Mara" <mara@fern.example>, x@y.test (X)', 9), [
    { address: "mara@fern.example", name: "Fern, Mara" },
    { address: "x@y.test", name: "X" },
  ]);
  assertEquals(addressesOf("all: a@b.test, c@d.test;", 9).map(({ address }) => address), [
    "a@b.test",
    "c@d.test",
  ]);
  for (const none of ["", "undisclosed-recipients:;", "nobody", "<>"]) {
    assertEquals(addressesOf(none, 9), [], none);
  }
  holds(
    fc.property(fc.string({ maxLength: 80 }), (text) => {
      for (const { address } of addressesOf(text, 9)) assert(address === normalAddress(address), address);
    }),
    { cases: 1000 },
  );
});

Deno.test("asciiDomain(): a domain or nothing", () => {
  for (
    const [text, domain] of [
      ["A.Test.", "a.test"],
      ["xn--bcher-kva.example", "xn--bcher-kva.example"],
      ["bücher.example", "xn--bcher-kva.example"],
      ["a b", undefined],
      ["", undefined],
      ["ü/x", undefined],
      ["ü:80", undefined],
      ["-a", undefined],
    ] as const
  ) {
    assertEquals(asciiDomain(text), domain, text);
  }
});
