/**
 * The recipient of a message.
 *
 * Source: Meta, "Business-scoped user IDs" and "Phone numbers"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/): a phone number is sent as `to`, a
 * BSUID as `recipient`, and `to` wins if both are given. Meta answers a BSUID in `to` with 200 but delivers
 * to nobody (chatwoot/chatwoot#15150), so it is moved.
 *
 * @module
 */
import { z } from "zod";
import { text } from "../../../json/json.ts";
import { isBsuid } from "../inbound/identities.ts";

/**
 * A recipient: `to` is the phone number if there is one, else the BSUID, or the group. It is absent for a
 * contact's id or a user name, which only Gatelink can look up.
 */
export interface Recipient {
  readonly to?: string;
  /** The phone number, as digits with country code, then the BSUID. */
  readonly identities: readonly {
    readonly kind: "phone" | "bsuid" | "parent_bsuid" | "group" | "contact" | "username";
    readonly value: string;
  }[];
}

/** Whether `value` is a phone number as digits, as {@linkcode phoneDigits} gives it. */
export function isNumber(value: string): boolean {
  return /^\d+$/.test(value);
}

/** A Gatelink id. */
const CONTACT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Meta's rule for user names: 3 to 35 letters, digits, dots and underscores, a letter among them. */
const USERNAME = /^@?(?=.*[a-z])[a-z0-9._]{3,35}$/i;

/** Meta assigns the ids of groups and documents no form. */
const GROUP = /^[\x21-\x7e]{1,200}$/;

function kindOf(bsuid: string): "bsuid" | "parent_bsuid" {
  return bsuid.startsWith("ENT.", 3) ? "parent_bsuid" : "bsuid";
}

/**
 * Separators that people type and programs paste between digits: any dash, dots, brackets, invisible
 * characters.
 */
const BETWEEN = /[\s().\u2212\p{Pd}\p{Cf}]/gu;

/**
 * The digits of a phone number as people write it: `+1 (202) 555-0123` -> `12025550123`, also with full-width
 * digits (Unicode NFKC) and with a zero in brackets after the country code, which is dialled within the
 * country only. Undefined if it is not a phone number, and if it begins with an area code in brackets:
 * without its country code it would be another country's. Nothing else is added or corrected.
 */
export function phoneDigits(value: string): string | undefined {
  if (value.length > 64) return undefined;
  const typed = value.normalize("NFKC").replace(/\p{Cf}/gu, "").trim();
  if (/^\(\s*\d/.test(typed)) return undefined;
  const digits = typed.replace(/^\(\+(\d{1,3})\)/, "+$1").replace(/^(\+\s?\d{1,3})\s*\(0\)/, "$1").replace(
    /^\+/,
    "",
  ).replace(BETWEEN, "");
  return /^[1-9]\d{5,14}$/.test(digits) ? digits : undefined;
}

const toText = z.preprocess((value) => typeof value === "number" ? text(value) : value, z.string().trim());

/** `to` and `recipient` of a Graph-shaped message, as a {@linkcode Recipient}. */
export const recipientSchema = z.object({
  to: toText.optional(),
  recipient: toText.optional(),
  recipient_type: z.enum(["individual", "group"], "must be individual or group").optional(),
}).transform(({ to, recipient, recipient_type }, context): Recipient => {
  const issue = (path: string, message: string) => {
    context.addIssue({ code: "custom", path: [path], message });
    return z.NEVER;
  };
  if (to === undefined && recipient === undefined) return issue("to", "`to` or `recipient` is needed");
  if (recipient_type === "group") {
    if (to === undefined || !GROUP.test(to) || isNumber(to) || isBsuid(to)) {
      return issue("to", "must be a group's id");
    }
    return { to, identities: [{ kind: "group", value: to }] };
  }
  const bsuids = [recipient, to].filter((value) => value !== undefined).filter(isBsuid);
  if (recipient !== undefined && !isBsuid(recipient)) {
    return issue("recipient", "must be a business-scoped user id such as US.13491208655302741918");
  }
  const known = bsuids.slice(0, 1).map((value) => ({ kind: kindOf(value), value }));
  if (to === undefined || isBsuid(to)) return { to: bsuids[0], identities: known };
  if (CONTACT.test(to)) return { identities: [{ kind: "contact", value: to.toLowerCase() }, ...known] };
  const phone = phoneDigits(to);
  if (phone !== undefined) return { to: phone, identities: [{ kind: "phone", value: phone }, ...known] };
  if (USERNAME.test(to)) {
    return { identities: [{ kind: "username", value: to.replace(/^@/, "").toLowerCase() }, ...known] };
  }
  return issue(
    "to",
    "must be a phone number with country code, a business-scoped user id, a contact's id or a user name",
  );
});
