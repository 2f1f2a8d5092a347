/** Conditions of every type, as the router stores them. */
import fc from "fast-check";
import {
  type Condition,
  type ConditionType,
  parseCondition,
  ROUTED_MAIL_KINDS,
  TEXT_MATCHES,
} from "../../supabase/functions/_shared/contract/routing/condition.ts";
import { DAYS } from "../../supabase/functions/_shared/contract/window.ts";

const word = fc.string({ minLength: 1, maxLength: 8 }).map((text) => `w${text}`);
const words = fc.array(word, { minLength: 1, maxLength: 3 });
const parts = fc.array(fc.stringMatching(/^[A-Za-z0-9-]{1,32}$/), { minLength: 1, maxLength: 2 });
const some = <T>(shape: { [Name in keyof T]: fc.Arbitrary<T[Name]> }) =>
  fc.record(shape, { requiredKeys: [] }).filter((members) => Object.keys(members).length > 0);
const clock = fc.nat({ max: 24 * 60 - 1 }).map((minute) =>
  [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, "0")).join(":")
);

/** Members of a condition of each type that holds no others, written as people may write it. */
const LEAVES: Record<Exclude<ConditionType, "any" | "all" | "not">, fc.Arbitrary<object>> = {
  default: fc.constant({}),
  text: fc.record({
    match: fc.constantFrom(...TEXT_MATCHES.filter((match) => match !== "regex")),
    values: words,
    case_sensitive: fc.boolean(),
  }),
  channel: fc.record({ in: words }),
  message_type: fc.record({ in: words }),
  choice: fc.record({ ids: words }),
  number: fc.record({ ids: words }),
  link_token: fc.record({ present: fc.boolean() }),
  link: some({ codes: words, tags: words, campaigns: words }),
  referral: fc.record({ source_id: word, source_type: word, ctwa: fc.boolean() }, { requiredKeys: [] }),
  contacts: some({
    ids: fc.array(fc.uuid(), { minLength: 1, maxLength: 2 }),
    phones: fc.array(fc.stringMatching(/^\+[1-9][0-9]{6,12}$/), { minLength: 1, maxLength: 2 }),
  }),
  email: fc.record({
    kinds: fc.subarray([...ROUTED_MAIL_KINDS], { minLength: 1 }),
    verified: fc.boolean(),
    identities: fc.array(fc.stringMatching(/^[a-zA-Z0-9.]{1,9}@[a-z]{1,9}\.example$/), {
      minLength: 1,
      maxLength: 2,
    }),
    subjects: words,
  }, { requiredKeys: [] }),
  group: fc.record({ ids: words }, { requiredKeys: [] }),
  flow: fc.oneof(
    fc.record({ tokens: words }, { requiredKeys: [] }),
    fc.record({ tokens: words, field: word, values: words }, { requiredKeys: ["field", "values"] }),
  ),
  address: some({ domains: parts, scopes: parts, types: parts }),
  time: fc.record({
    days: fc.subarray([...DAYS], { minLength: 1 }),
    from: clock,
    to: fc.oneof(clock, fc.constant("24:00")),
    zone: fc.constantFrom("UTC", "Europe/Berlin", "America/Sao_Paulo"),
  }).filter(({ from, to }) => from !== to),
};

const leaf = fc.oneof(
  ...Object.entries(LEAVES).map(([type, members]) => members.map((each) => ({ type, ...each }))),
);

/** Conditions that the schema accepts, of every type and with others inside, in their stored form. */
export const conditions: fc.Arbitrary<Condition> = fc.letrec<{ node: unknown }>((tie) => {
  const parts = fc.array(tie("node"), { minLength: 1, maxLength: 3 });
  return {
    node: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf,
      fc.record({ type: fc.constant("any"), of: parts }, { requiredKeys: ["type"] }),
      fc.record({ type: fc.constant("all"), of: parts }),
      fc.record({ type: fc.constant("not"), of: tie("node") }),
    ),
  };
}).node.map(parseCondition);
