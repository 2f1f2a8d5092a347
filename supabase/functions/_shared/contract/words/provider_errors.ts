/**
 * The meaning of providers' error codes, and how to fix them.
 *
 * Source: Meta, "Error codes"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes).
 *
 * @module
 */

/** One code in words. */
export interface ErrorMeaning {
  /** The error, without a full stop. */
  what: string;
  /** What to do. */
  remedy: string;
}

const TOKEN =
  "Create a system user's token in Meta's business settings and set it as WHATSAPP_ACCESS_TOKEN; sending then continues.";
const PERMISSION =
  "Give the token's system user the WhatsApp account and the permission whatsapp_business_messaging.";
const PACE = "Nothing: sending continues automatically. Ask Meta for a higher limit if this happens often.";

const WHATSAPP: Readonly<Record<string, ErrorMeaning>> = {
  "account_banned": {
    what: "Meta has banned the account",
    remedy: "Request a review in Meta Business Support. What is queued waits; other accounts send as before.",
  },
  "not_ready": {
    what: "the account's access token is not set",
    remedy:
      "Set the variable that gatelink numbers list shows, or name the account otherwise: gatelink numbers account.",
  },
  "0": { what: "the access token is not valid", remedy: TOKEN },
  "3": { what: "the app may not use this API", remedy: PERMISSION },
  "4": { what: "the app made too many calls", remedy: PACE },
  "10": { what: "the app lacks a permission", remedy: PERMISSION },
  "100": { what: "a parameter is wrong", remedy: "The details of the error say which." },
  "190": { what: "the access token has expired or was revoked", remedy: TOKEN },
  "200": { what: "the app lacks a permission", remedy: PERMISSION },
  "368": {
    what: "the account is restricted for breaking one of Meta's policies",
    remedy: "Check the account's quality in WhatsApp Manager, and request a review.",
  },
  "401": { what: "the access token is not valid", remedy: TOKEN },
  "80007": { what: "the WhatsApp account made too many calls", remedy: PACE },
  "130429": { what: "the number sends too fast", remedy: PACE },
  "130472": {
    what: "Meta withholds marketing from this person for an experiment",
    remedy: "Nothing; do not send it again.",
  },
  "130497": {
    what: "the account may not write to people in this country",
    remedy: "Check the account's restrictions in WhatsApp Manager.",
  },
  "131000": { what: "something went wrong at Meta", remedy: "Send it again later." },
  "131005": { what: "access is denied", remedy: PERMISSION },
  "131008": { what: "a parameter is missing", remedy: "The details of the error say which." },
  "131009": { what: "the value of a parameter is wrong", remedy: "The details of the error say which." },
  "131016": { what: "Meta's service is not available", remedy: "Send it again later." },
  "131021": { what: "the recipient is the sender", remedy: "Write to another number." },
  "131026": {
    what: "the message cannot be delivered",
    remedy:
      "The person has no WhatsApp, an old version, or has not accepted the terms. Contact them in another way.",
  },
  "131030": {
    what: "a test number may only write to the numbers on its list",
    remedy:
      "Add the person's number in the app's dashboard (WhatsApp, API Setup), or send from your own number.",
  },
  "131031": {
    what: "the account is locked",
    remedy: "Find the reason in WhatsApp Manager, and contact Meta's support.",
  },
  "131037": {
    what: "the number's display name is not approved",
    remedy: "Get it approved in WhatsApp Manager.",
  },
  "131042": {
    what: "there is a problem with the payment",
    remedy: "Fix the payment method of the WhatsApp account; sending then continues.",
  },
  "131045": { what: "the number is not registered", remedy: "Register the number with the Cloud API." },
  "131047": {
    what: "the person last wrote more than 24 hours ago",
    remedy: "Send a template, or give the message a fallback.",
  },
  "131048": {
    what: "too many people blocked the number or reported its messages",
    remedy:
      "Send fewer messages, and only to people who want them; check the number's quality in WhatsApp Manager.",
  },
  "131049": {
    what: "Meta withheld the message to limit marketing to this person",
    remedy: "Do not send it again before a day has passed.",
  },
  "131050": {
    what: "the person does not want marketing messages",
    remedy: "Send none until the person opts in again.",
  },
  "131051": { what: "this type of message is not supported", remedy: "Send another type." },
  "131052": { what: "the media could not be downloaded", remedy: "Ask the person to send it again." },
  "131053": {
    what: "the media could not be uploaded",
    remedy: "Check that its address answers, and that Meta supports its type and size.",
  },
  "131056": { what: "too many messages to this person", remedy: PACE },
  "131057": { what: "the account is in maintenance", remedy: "Nothing: sending continues automatically." },
  "132000": {
    what: "the template takes another number of parameters",
    remedy: "Give as many as the template has placeholders.",
  },
  "132001": {
    what: "there is no such template in this language",
    remedy: "Check its name, language and approval in WhatsApp Manager.",
  },
  "132005": { what: "the template's text becomes too long", remedy: "Use shorter parameters." },
  "132007": { what: "the template breaks a policy", remedy: "Find the reason in WhatsApp Manager." },
  "132012": { what: "a parameter has the wrong format", remedy: "Use the format of the template." },
  "132015": {
    what: "the template is paused for its low quality",
    remedy: "Change it, and wait until Meta resumes it.",
  },
  "132016": { what: "the template is disabled", remedy: "Make a new one." },
  "132068": { what: "the flow is blocked", remedy: "Repair the flow." },
  "132069": { what: "the flow is throttled", remedy: "Wait; it had too many messages in an hour." },
  "133010": { what: "the number is not registered", remedy: "Register the number with the Cloud API." },
  "133016": { what: "the number was registered too often", remedy: "Wait up to 72 hours." },
};

const OF_CHANNEL: Readonly<Record<string, Readonly<Record<string, ErrorMeaning>>>> = { whatsapp: WHATSAPP };

/** The meaning of a provider's code; undefined if it is unknown. */
export function errorMeaning(channel: string, code: string | number): ErrorMeaning | undefined {
  const codes = Object.hasOwn(OF_CHANNEL, channel) ? OF_CHANNEL[channel] : {};
  return Object.hasOwn(codes, String(code)) ? codes[String(code)] : undefined;
}

/** A code with its meaning, as part of a sentence: `190 (the access token has expired or was revoked)`. */
export function errorInWords(channel: string, code: string | number): string {
  const meaning = errorMeaning(channel, code);
  return meaning === undefined ? String(code) : `${code} (${meaning.what})`;
}
