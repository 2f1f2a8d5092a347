/**
 * What a provider's error codes mean, and what helps, for whoever has to repair it.
 *
 * Source: Meta, "Error codes"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes).
 *
 * @module
 */

/** One code in words. */
export interface ErrorMeaning {
  /** What is wrong, without a full stop. */
  what: string;
  /** What to do. */
  remedy: string;
}

const TOKEN =
  "Make a token of a system user in Meta's business settings and set it as WHATSAPP_ACCESS_TOKEN; it goes on by itself.";
const PERMISSION =
  "Give the token's system user the WhatsApp account and the permission whatsapp_business_messaging.";
const PACE = "Nothing: it goes on by itself. Ask Meta for a higher limit if it happens often.";

const WHATSAPP: Readonly<Record<string, ErrorMeaning>> = {
  "0": { what: "the access token is not valid", remedy: TOKEN },
  "3": { what: "the app may not use this API", remedy: PERMISSION },
  "4": { what: "the app made too many calls", remedy: PACE },
  "10": { what: "the app lacks a permission", remedy: PERMISSION },
  "100": { what: "a parameter is wrong", remedy: "The details of the error say which." },
  "190": { what: "the access token has expired or was taken back", remedy: TOKEN },
  "200": { what: "the app lacks a permission", remedy: PERMISSION },
  "368": {
    what: "the account is restricted for breaking one of Meta's policies",
    remedy: "Look into the account's quality in WhatsApp Manager, and ask for a review.",
  },
  "401": { what: "the access token is not valid", remedy: TOKEN },
  "80007": { what: "the WhatsApp account made too many calls", remedy: PACE },
  "130429": { what: "the number sends too fast", remedy: PACE },
  "130472": {
    what: "Meta keeps marketing from this person for an experiment",
    remedy: "Nothing; do not send it again.",
  },
  "130497": {
    what: "the account may not write to people of this country",
    remedy: "Look into the account's restrictions in WhatsApp Manager.",
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
      "The person has no WhatsApp, an old version, or has not accepted the terms. Ask them another way.",
  },
  "131030": {
    what: "a test number may write to the numbers on its list alone",
    remedy:
      "Add the person's number in the app's dashboard (WhatsApp, API Setup), or send from a number of your own.",
  },
  "131031": {
    what: "the account is locked",
    remedy: "See in WhatsApp Manager why, and write to Meta's support.",
  },
  "131037": {
    what: "the number's display name is not approved",
    remedy: "Have it approved in WhatsApp Manager.",
  },
  "131042": {
    what: "there is a problem with the payment",
    remedy: "Repair the payment method of the WhatsApp account; it goes on by itself.",
  },
  "131045": { what: "the number is not registered", remedy: "Register the number with the Cloud API." },
  "131047": {
    what: "the person last wrote more than 24 hours ago",
    remedy: "Send a template, or give the message a fallback.",
  },
  "131048": {
    what: "too many people blocked the number or reported its messages",
    remedy: "Write less, and only to those who want it; see the number's quality in WhatsApp Manager.",
  },
  "131049": {
    what: "Meta held the message back to keep people from too much marketing",
    remedy: "Do not send it again before a day has passed.",
  },
  "131050": {
    what: "the person does not want marketing messages",
    remedy: "Send none until the person resumes them.",
  },
  "131051": { what: "this type of message is not supported", remedy: "Send another type." },
  "131052": { what: "the media could not be downloaded", remedy: "Ask the person to send it again." },
  "131053": {
    what: "the media could not be uploaded",
    remedy: "See that its address answers, and its type and size are among Meta's.",
  },
  "131056": { what: "too many messages to this person", remedy: PACE },
  "131057": { what: "the account is in maintenance", remedy: "Nothing: it goes on by itself." },
  "132000": {
    what: "the template takes another number of parameters",
    remedy: "Give as many as it has placeholders.",
  },
  "132001": {
    what: "there is no such template in this language",
    remedy: "Look at its name, language and approval in WhatsApp Manager.",
  },
  "132005": { what: "the template's text becomes too long", remedy: "Give shorter parameters." },
  "132007": { what: "the template breaks a policy", remedy: "See in WhatsApp Manager why." },
  "132012": { what: "a parameter has the wrong form", remedy: "Give it in the form that the template has." },
  "132015": {
    what: "the template is paused for its low quality",
    remedy: "Change it, and wait until Meta goes on with it.",
  },
  "132016": { what: "the template is disabled", remedy: "Make a new one." },
  "132068": { what: "the flow is blocked", remedy: "Repair the flow." },
  "132069": { what: "the flow is throttled", remedy: "Wait; it had too many messages in an hour." },
  "133010": { what: "the number is not registered", remedy: "Register the number with the Cloud API." },
  "133016": { what: "the number was registered too often", remedy: "Wait up to 72 hours." },
};

const OF_CHANNEL: Readonly<Record<string, Readonly<Record<string, ErrorMeaning>>>> = { whatsapp: WHATSAPP };

/** What a code of a channel's provider means; undefined for one that we do not know. */
export function errorMeaning(channel: string, code: string | number): ErrorMeaning | undefined {
  const codes = Object.hasOwn(OF_CHANNEL, channel) ? OF_CHANNEL[channel] : {};
  return Object.hasOwn(codes, String(code)) ? codes[String(code)] : undefined;
}

/** A code with what it means, as part of a sentence: `190 (the access token has expired or was taken back)`. */
export function errorInWords(channel: string, code: string | number): string {
  const meaning = errorMeaning(channel, code);
  return meaning === undefined ? String(code) : `${code} (${meaning.what})`;
}
