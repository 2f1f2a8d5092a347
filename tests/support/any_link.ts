/** Any link, with each of its fields by the kind that `LINK_FIELDS` gives it. */
import fc from "fast-check";
import { FIELDS, type LinkField } from "../../supabase/functions/_shared/contract/link_fields.ts";
import type { Link, NewLink } from "../../supabase/functions/_shared/contract/links.ts";

/** A text without blanks around it. */
const word = (max: number) =>
  fc.string({ unit: "grapheme", minLength: 1, maxLength: Math.min(20, max) }).filter((text) =>
    // deno-lint-ignore no-control-regex
    text.trim() === text && !/[\u0000-\u001f\u007f-\u009f]/.test(text) && text.isWellFormed()
  );
const url = fc.webUrl({ validSchemes: ["https"], withQueryParameters: true });
const target = fc.record({ when: fc.constantFrom({ platform: ["ios"] }, { weight: 12.5 }, {}), url });

function valueOf(field: LinkField): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case "text":
    case "flag":
      return word(field.max);
    case "lines":
      return fc.array(word(20), { minLength: 1, maxLength: 3 }).map((lines) => lines.join("\n"));
    case "url":
      return url;
    case "time":
      return fc.constantFrom("2026-11-21T10:00:00.000Z", "2027-01-01T00:00:00.123Z");
    case "integer":
      return fc.integer({ min: field.min, max: field.max });
    case "switch":
      return fc.constant(true);
    case "tags":
      return fc.uniqueArray(word(60), { minLength: 1, maxLength: 5 });
    case "rules":
      return fc.array(target, { minLength: 1, maxLength: 3 });
    case "chat":
      return fc.record({ phone_number_id: fc.stringMatching(/^[1-9][0-9]{5,12}$/), text: word(20) });
    case "group":
      return fc.record(
        Object.fromEntries(
          Object.entries(field.parts).map((
            [name, { kind, max }],
          ) => [name, kind === "url" ? url : word(max)]),
        ),
        { requiredKeys: [] },
      ).filter((group) => Object.keys(group).length > 0);
  }
}

/** A link as it is made: always with a code, an external id and a page. */
export const anyLink: fc.Arbitrary<NewLink & { code: string; external_id: string }> = fc.record({
  code: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{2,20}$/),
  ...Object.fromEntries(FIELDS.map((field) => [field.name, valueOf(field)])) as Record<
    "external_id" | "default_url",
    fc.Arbitrary<unknown>
  >,
}, { requiredKeys: ["code", "external_id", "default_url"] }) as never;

/** The same as its owners see it. */
export function stored(link: NewLink & { code: string }): Link {
  return {
    targets: [],
    utm: {},
    tags: [],
    pass_query: false,
    fingerprint: false,
    confirm: false,
    ...link,
    url: `https://go.example.com/${link.code}`,
    qr_url: "https://x.example.com/qr",
    uses: 0,
    password: false,
    state: "active",
    created_at: "2026-11-21T10:00:00Z",
    created_by: "key:default",
    updated_at: "2026-11-21T10:00:00Z",
    updated_by: "key:default",
    version: 1,
  };
}
