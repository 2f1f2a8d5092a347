/**
 * Conditions compiled into functions, once per load of the configuration.
 *
 * @module
 */
import { type Condition, ConditionError, pathOf } from "../contract/routing/condition.ts";
import { type AddressParts, addressParts } from "./address.ts";
import type { Flow } from "../contract/flow.ts";
import type { EmailFacts, MessageFacts } from "./facts.ts";
import { normalise } from "../contract/routing/normalise.ts";
import { compilePattern, PatternError } from "./regex.ts";
import { fold, holdsWord, type TextView, viewOf } from "./text.ts";
import { inWindow } from "../time/window.ts";

/** Inputs of a condition besides the message. */
export interface DecisionTime {
  readonly now: Date;
}

/** A compiled condition: pure, and fast enough to run for every message. */
export type Predicate = (message: MessageFacts, moment: DecisionTime) => boolean;

/**
 * Compiles a checked condition.
 *
 * A condition on a fact that the message lacks (a body, a choice, a referral, a phone) is false, so a `not`
 * around it is true.
 *
 * @throws {ConditionError} if a regular expression is invalid or too large.
 */
export function compile(condition: Condition): Promise<Predicate> {
  return compileAt(condition, []);
}

async function compileAt(condition: Condition, path: PropertyKey[]): Promise<Predicate> {
  switch (condition.type) {
    case "default":
      return () => true;
    case "any":
      if (condition.of === undefined) return () => true;
      return anyOf(await compileAll(condition.of, path));
    case "all": {
      const tests = await compileAll(condition.of, path);
      return (m, at) => tests.every((test) => test(m, at));
    }
    case "not": {
      const test = await compileAt(condition.of, [...path, "of"]);
      return (m, at) => !test(m, at);
    }
    case "channel":
      return among(condition.in, (m) => m.channel);
    case "message_type":
      return among(condition.in, (m) => m.type);
    case "text":
      return await compileText(condition, path);
    case "choice":
      return among(condition.ids, (m) => m.choice);
    case "number":
      return among(condition.ids, (m) => m.number_id);
    case "link_token":
      return (m) => (m.token !== undefined) === condition.present;
    case "link": {
      const { codes, tags, campaigns } = condition;
      return ({ link }) =>
        link !== undefined &&
        (codes === undefined || codes.includes(link.code)) &&
        (tags === undefined || tags.some((tag) => link.tags.includes(tag))) &&
        (campaigns === undefined || (link.campaign !== undefined && campaigns.includes(link.campaign)));
    }
    case "referral": {
      const { source_id, source_type, ctwa } = condition;
      return ({ referral }) =>
        referral !== undefined &&
        (source_id === undefined || referral.source_id === source_id) &&
        (source_type === undefined || referral.source_type === source_type) &&
        (ctwa === undefined || (referral.ctwa_clid !== undefined) === ctwa);
    }
    case "contacts":
      return anyOf([
        among(condition.ids ?? [], (m) => m.contact.id),
        among(condition.phones ?? [], (m) => m.contact.phone?.replace(/\D/g, "")),
      ]);
    case "group": {
      const ids = condition.ids === undefined ? undefined : new Set(condition.ids);
      return ({ group }) => group !== undefined && (ids === undefined || ids.has(group));
    }
    case "flow": {
      const { tokens, field, values } = condition;
      return ({ flow }) =>
        flow !== undefined &&
        (tokens === undefined || (flow.token !== undefined && tokens.includes(flow.token))) &&
        (field === undefined || values === undefined ||
          answersTo(flow, field).some((one) => values.includes(one)));
    }
    case "email":
      return compileEmail(condition);
    case "address": {
      const { domains, scopes, types } = condition;
      const isAmong = (values: string[] | undefined, part: string | undefined) =>
        values === undefined || (part !== undefined && values.includes(part));
      return ({ email }) => {
        const parts = partsOf(email);
        return parts !== undefined && isAmong(domains, parts.domain) && isAmong(scopes, parts.scope) &&
          isAmong(types, parts.type);
      };
    }
    case "time": {
      const inside = inWindow(condition);
      return (_, at) => inside(at.now);
    }
  }
}

function compileAll(conditions: Condition[], path: PropertyKey[]): Promise<Predicate[]> {
  return Promise.all(conditions.map((c, index) => compileAt(c, [...path, "of", index])));
}

function anyOf(tests: Predicate[]): Predicate {
  return (m, at) => tests.some((test) => test(m, at));
}

function among(values: string[], factOf: (message: MessageFacts) => string | undefined): Predicate {
  const set = new Set(values);
  return (m) => {
    const fact = factOf(m);
    return fact !== undefined && set.has(fact);
  };
}

/** Each message is asked by many routes. */
const addresses = new WeakMap<EmailFacts, AddressParts | undefined>();

function partsOf(email: EmailFacts | undefined): AddressParts | undefined {
  if (email?.recipient === undefined) return undefined;
  if (!addresses.has(email)) addresses.set(email, addressParts(email.recipient));
  return addresses.get(email);
}

/** What was answered in a field, as text: a list has several. */
function answersTo({ answers }: Flow, field: string): string[] {
  const answer = Object.hasOwn(answers, field) ? answers[field] : undefined;
  return [answer].flat().filter((one) => ["string", "number", "boolean"].includes(typeof one)).map(String);
}

const comparable = (text: string) => fold(normalise(text));

function compileEmail(
  { kinds, verified, identities, subjects }: Extract<Condition, { type: "email" }>,
): Predicate {
  const words = subjects?.map(comparable);
  return ({ email, number_id }) => {
    if (email === undefined) return false;
    if (kinds !== undefined && !kinds.some((kind) => kind === email.kind)) return false;
    // Who is not known to be verified is not.
    if (verified !== undefined && (email.verified === true) !== verified) return false;
    if (identities !== undefined && !identities.includes(number_id.toLowerCase())) return false;
    if (words === undefined) return true;
    const subject = comparable(email.subject ?? "");
    return words.some((word) => holdsWord(subject, word));
  };
}

async function compileText(
  condition: Extract<Condition, { type: "text" }>,
  path: PropertyKey[],
): Promise<Predicate> {
  const { match, case_sensitive: caseSensitive } = condition;
  if (match === "regex") {
    const tests = await Promise.all(condition.values.map(async (value, index) => {
      try {
        return await compilePattern(value, { caseSensitive });
      } catch (error) {
        if (!(error instanceof PatternError)) throw error;
        const at = pathOf([...path, "values", index]);
        throw new ConditionError([{ path: at, message: error.message }], { cause: error });
      }
    }));
    return (m) => {
      const view = viewOf(m);
      return view !== undefined && tests.some((test) => test(view.exact));
    };
  }
  const values = condition.values.map((value) => caseSensitive ? normalise(value) : fold(normalise(value)));
  const textOf = (view: TextView) => caseSensitive ? view.exact : view.folded;
  const holds = {
    exact: (text: string, value: string) => text === value,
    prefix: (text: string, value: string) => text.startsWith(value),
    keywords: holdsWord,
  }[match];
  return (m) => {
    const view = viewOf(m);
    return view !== undefined && values.some((value) => holds(textOf(view), value));
  };
}
