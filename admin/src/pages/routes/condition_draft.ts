/** Converts a condition to the editor's draft, which has a value for each field, and back. */
import {
  type Condition,
  CONDITION_TYPES,
  type ConditionType,
  type RoutedMailKind,
} from "../../../../supabase/functions/_shared/contract/routing/condition.ts";
import { freshWindow } from "../../ui/windows.ts";

/** Labels of the types, in the order of the menu. */
const LABELS: Record<ConditionType, string> = {
  any: "Any message, or any of these",
  all: "All of these",
  not: "Not",
  default: "Fallback: no other route matches",
  text: "Text",
  channel: "Channel",
  message_type: "Message type",
  choice: "Chosen button or row",
  link: "Came from a link",
  link_token: "Came from any link, or from none",
  referral: "Came from an ad or post",
  number: "Your number",
  contacts: "Contacts",
  group: "Written in a group",
  flow: "Answers of a Flow",
  email: "Mail",
  address: "Address that a mail was sent to",
  time: "Day and time",
};

/**
 * The types that can be chosen. Only a whole route can be the fallback, but a fallback that is already nested
 * is still shown as one.
 */
export function choicesOf({ type, nested }: { type: ConditionType; nested: boolean }) {
  const offered = Object.keys(LABELS) as ConditionType[];
  return offered.filter((value) => value !== "default" || !nested || type === "default")
    .map((value) => ({ value, label: LABELS[value] }));
}

type Of<Type extends ConditionType> = Extract<Condition, { type: Type }>;

/**
 * The types with optional members, each member with the value of its field. A new member must be added here.
 */
type Filled = {
  referral: { [Name in keyof Omit<Of<"referral">, "ctwa">]-?: string } & { ctwa: Presence };
  link: { [Name in keyof Omit<Of<"link">, "type">]-?: string[] };
  contacts: { [Name in keyof Omit<Of<"contacts">, "type">]-?: string[] };
  email: { kinds: RoutedMailKind[]; identities: string[]; subjects: string[]; verified: Presence };
  address: { [Name in keyof Omit<Of<"address">, "type">]-?: string[] };
  group: { ids: string[] };
  flow: { tokens: string[]; field: string; values: string[] };
};

/** Whether something has to be present. */
export type Presence = "with" | "without" | "either";

/** A condition in the editor. */
export type Draft =
  | Exclude<Condition, { type: keyof Filled }>
  | { [Type in keyof Filled]: { type: Type } & Omit<Filled[Type], "type"> }[keyof Filled];

/** The draft of a condition. */
export function draftOf(condition: Condition): Draft {
  switch (condition.type) {
    case "referral": {
      const { type, source_id = "", source_type = "", ctwa } = condition;
      return { type, source_id, source_type, ctwa: presenceOf(ctwa) };
    }
    case "email": {
      const { type, kinds = [], identities = [], subjects = [], verified } = condition;
      return { type, kinds, identities, subjects, verified: presenceOf(verified) };
    }
    case "address": {
      const { type, domains = [], scopes = [], types = [] } = condition;
      return { type, domains, scopes, types };
    }
    case "group": {
      const { type, ids = [] } = condition;
      return { type, ids };
    }
    case "flow": {
      const { type, tokens = [], field = "", values = [] } = condition;
      return { type, tokens, field, values };
    }
    case "link": {
      const { type, codes = [], tags = [], campaigns = [] } = condition;
      return { type, codes, tags, campaigns };
    }
    case "contacts": {
      const { type, ids = [], phones = [] } = condition;
      return { type, ids, phones };
    }
    default:
      return condition;
  }
}

/** The condition of a draft. Empty fields are left out, so that they match everything. */
export function conditionOf(draft: Draft): Condition {
  switch (draft.type) {
    case "referral": {
      const { ctwa, ...rest } = draft;
      return { ...filled(rest), ...(ctwa === "either" ? {} : { ctwa: ctwa === "with" }) };
    }
    case "email": {
      const { verified, ...rest } = draft;
      return {
        ...filled(rest),
        ...(verified === "either" ? {} : { verified: verified === "with" }),
      } as Condition;
    }
    case "link":
    case "contacts":
    case "group":
    case "flow":
    case "address":
      return filled(draft) as Condition;
    default:
      return draft;
  }
}

const presenceOf = (wanted: boolean | undefined): Presence =>
  wanted === undefined ? "either" : wanted ? "with" : "without";

/** Leaves out empty members. */
function filled<Type extends string>(draft: { type: Type; [name: string]: string | string[] }) {
  const { type, ...members } = draft;
  return { type, ...Object.fromEntries(Object.entries(members).filter(([, { length }]) => length > 0)) };
}

/** A text condition without words. */
export const freshText = (): Condition => ({
  type: "text",
  match: "keywords",
  values: [],
  case_sensitive: false,
});

const FRESH: { [Type in ConditionType]: () => Of<Type> } = {
  any: () => ({ type: "any" }),
  all: () => ({ type: "all", of: [freshText()] }),
  not: () => ({ type: "not", of: freshText() }),
  default: () => ({ type: "default" }),
  text: () => freshText() as Of<"text">,
  channel: () => ({ type: "channel", in: [] }),
  message_type: () => ({ type: "message_type", in: [] }),
  choice: () => ({ type: "choice", ids: [] }),
  link: () => ({ type: "link" }),
  link_token: () => ({ type: "link_token", present: true }),
  referral: () => ({ type: "referral" }),
  number: () => ({ type: "number", ids: [] }),
  contacts: () => ({ type: "contacts" }),
  group: () => ({ type: "group" }),
  flow: () => ({ type: "flow" }),
  email: () => ({ type: "email" }),
  address: () => ({ type: "address" }),
  time: () => ({ type: "time", ...freshWindow() }),
};

/** The initial condition of a type. */
export function fresh(type: string): Condition {
  return FRESH[CONDITION_TYPES.find((known) => known === type) ?? "any"]();
}
