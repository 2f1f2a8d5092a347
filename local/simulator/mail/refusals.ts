/** What SendGrid's v3 API refuses (Twilio SendGrid, "Mail Send", errors). */
import type { Json } from "../model.ts";

/** Why SendGrid would refuse a body; undefined if it takes it. */
export function refusalOf(body: Json): { message: string; field: string } | undefined {
  const personalizations = body.personalizations;
  if (!Array.isArray(personalizations) || personalizations.length !== 1) {
    return { message: "The personalizations field is required", field: "personalizations" };
  }
  const [{ to, cc = [], custom_args = {} }] = personalizations as {
    to?: { email: string }[];
    cc?: { email: string }[];
    custom_args?: Json;
  }[];
  if (!Array.isArray(to) || to.length === 0) {
    return { message: "The to array is required", field: "personalizations.0.to" };
  }
  const all = [...to, ...cc].map(({ email }) => String(email).toLowerCase());
  if (all.some((email) => !/^[^\s@]{1,64}@[^\s@]+$/.test(email))) {
    return { message: "Does not contain a valid address.", field: "personalizations.0.to.0.email" };
  }
  if (new Set(all).size !== all.length) {
    return {
      message: "Each email address in the personalization block should be unique",
      field: "personalizations.0",
    };
  }
  if (Object.values(custom_args).some((value) => typeof value !== "string")) {
    return { message: "The custom_args values must be strings", field: "personalizations.0.custom_args" };
  }
  const reply = (body.reply_to as { email?: string } | undefined)?.email;
  if (reply !== undefined && !/^[^\s@]+@[^\s@]+$/.test(reply)) {
    return { message: "Does not contain a valid address.", field: "reply_to.email" };
  }
  if (typeof body.subject !== "string" || body.subject === "") {
    return { message: "The subject is required", field: "subject" };
  }
  const content = body.content;
  if (!Array.isArray(content) || content.length === 0 || content.some((part) => !(part as Json).value)) {
    return {
      message: "The content value must be a string at least one character in length",
      field: "content",
    };
  }
  const reserved = Object.keys((body.headers ?? {}) as Json).find((name) => RESERVED.has(name.toLowerCase()));
  if (reserved !== undefined) {
    return { message: `The header ${reserved} is reserved`, field: `headers.${reserved}` };
  }
}

const RESERVED = new Set(
  ("x-sg-id x-sg-eid received dkim-signature content-type content-transfer-encoding to from subject reply-to cc bcc")
    .split(" "),
);
