/**
 * Conditions in words, for explanations.
 *
 * @module
 */
import type { Condition } from "../contract/routing/condition.ts";
import { DAYS } from "../contract/window.ts";

/** Longest description, in characters. */
export const MAX_DESCRIPTION = 160;

/**
 * One short English phrase. It contains what a team member wrote (words, ids of buttons), and never a contact
 * or a phone number, because explanations are stored and shown.
 */
export function describe(condition: Condition): string {
  return shortened(phrase(condition));
}

/**
 * Words cut to {@link MAX_DESCRIPTION} whole characters: Postgres rejects half of a surrogate pair, and with
 * it every decision of the same call.
 */
export function shortened(words: string): string {
  const characters = Array.from(words.toWellFormed());
  return characters.length <= MAX_DESCRIPTION
    ? characters.join("")
    : characters.slice(0, MAX_DESCRIPTION - 1).join("") + "…";
}

function phrase(condition: Condition): string {
  switch (condition.type) {
    case "any":
      return condition.of === undefined ? "any message" : joined(condition.of, " or ");
    case "all":
      return joined(condition.of, " and ");
    case "not":
      return `not ${joined([condition.of], "")}`;
    case "default":
      return "no other route";
    case "channel":
      return `channel is ${oneOf(condition.in)}`;
    case "message_type":
      return `type is ${oneOf(condition.in)}`;
    case "text": {
      const how = { exact: "is", prefix: "starts with", keywords: "has", regex: "matches" }[condition.match];
      return `text ${how} ${oneOf(condition.values)}`;
    }
    case "choice":
      return `choice is ${oneOf(condition.ids)}`;
    case "number":
      return `business number is ${oneOf(condition.ids)}`;
    case "link_token":
      return condition.present ? "has a link token" : "has no link token";
    case "link": {
      const { codes, tags, campaigns } = condition;
      const parts = [];
      if (codes !== undefined) parts.push(`link is ${oneOf(codes)}`);
      if (tags !== undefined) parts.push(`link's tag is ${oneOf(tags)}`);
      if (campaigns !== undefined) parts.push(`link's campaign is ${oneOf(campaigns)}`);
      return parts.join(" and ");
    }
    case "referral": {
      const { source_id, source_type, ctwa } = condition;
      const parts = ["from an ad or post"];
      if (source_type !== undefined) parts.push(`type "${source_type}"`);
      if (source_id !== undefined) parts.push(`id "${source_id}"`);
      if (ctwa !== undefined) parts.push(`${ctwa ? "with" : "without"} click id`);
      return parts.join(", ");
    }
    case "contacts":
      return `contact is in a list of ${(condition.ids?.length ?? 0) + (condition.phones?.length ?? 0)}`;
    case "group":
      return condition.ids === undefined ? "written in a group" : `group is ${oneOf(condition.ids)}`;
    case "flow": {
      const { tokens, field, values } = condition;
      const parts = ["answers of a Flow"];
      if (tokens !== undefined) parts.push(`token is ${oneOf(tokens)}`);
      if (field !== undefined && values !== undefined) parts.push(`${field} is ${oneOf(values)}`);
      return parts.join(", ");
    }
    case "email": {
      const { kinds, verified, identities, subjects } = condition;
      const parts = ["a mail"];
      if (kinds !== undefined) parts.push(`kind is ${oneOf(kinds)}`);
      if (verified !== undefined) parts.push(verified ? "verified" : "not verified");
      if (identities !== undefined) parts.push(`to ${oneOf(identities)}`);
      if (subjects !== undefined) parts.push(`subject has ${oneOf(subjects)}`);
      return parts.join(", ");
    }
    case "address": {
      const { domains, scopes, types } = condition;
      const parts = [];
      if (domains !== undefined) parts.push(`address's domain is ${oneOf(domains)}`);
      if (scopes !== undefined) parts.push(`address's scope is ${oneOf(scopes)}`);
      if (types !== undefined) parts.push(`address's type is ${oneOf(types)}`);
      return parts.join(" and ");
    }
    case "time": {
      const days = condition.days.length === DAYS.length ? "every day" : condition.days.join(", ");
      return `time is ${days} ${condition.from}-${condition.to} ${condition.zone}`;
    }
  }
}

function joined(conditions: Condition[], by: string): string {
  const phrases = conditions.map(phrase);
  return phrases.length === 1 && by !== "" ? phrases[0] : `(${phrases.join(by)})`;
}

function oneOf(values: string[]): string {
  const shown = values.slice(0, 3).map((value) => `"${value}"`).join(" or ");
  return values.length > 3 ? `${shown} or ${values.length - 3} more` : shown;
}
