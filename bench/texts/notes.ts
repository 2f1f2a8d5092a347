/** Texts of the bench: what people write, told by a number in syllables, since digits could be taken for a phone's. */
import { createHmac } from "node:crypto";
import { post } from "../load.ts";

/** A text: its number, unique over all runs, and the phones, E.164 with a plus sign. */
export interface Note {
  number: number;
  from: string;
  to: string;
}

/** Where texts are posted, and what signs them. */
export interface TextTarget {
  port: number;
  /** The address that is configured at Twilio. */
  webhookUrl: string;
  accountSid: string;
  authToken: string;
}

const SYLLABLES = "ba de fi go lu ma ne pi so tu".split(" ");
const NOTE = /^Is Bello well\? He likes ((?:[a-z]{2}){6})\.$/;

/** The words of a text. One segment. */
export function wordsOf(number: number): string {
  const name = [...String(number).padStart(6, "0")].map((digit) => SYLLABLES[Number(digit)]).join("");
  return `Is Bello well? He likes ${name}.`;
}

/** The number of a text; undefined for other words. */
export function numberOf(words: string): number | undefined {
  const name = NOTE.exec(words)?.[1];
  if (name === undefined) return undefined;
  return Number(name.match(/../g)!.map((syllable) => SYLLABLES.indexOf(syllable)).join(""));
}

const encoder = new TextEncoder();

/** A signed webhook of Twilio's, ready to be written to a connection. @param url As it is configured at Twilio. */
export function webhook(
  { port, authToken }: Pick<TextTarget, "port" | "authToken">,
  url: string,
  parameters: Readonly<Record<string, string>>,
): Uint8Array {
  const { pathname, search } = new URL(url);
  const signed = url + Object.keys(parameters).sort().map((name) => name + parameters[name]).join("");
  return post(`127.0.0.1:${port}`, pathname + search, {
    "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
    "x-twilio-signature": createHmac("sha1", authToken).update(signed).digest("base64"),
  }, encoder.encode(new URLSearchParams(parameters).toString()));
}

/** The webhooks of texts that come in. */
export function requests(target: TextTarget, notes: readonly Note[]): Uint8Array[] {
  return notes.map(({ number, from, to }) => {
    const sid = `SM${String(number).padStart(32, "0")}`;
    return webhook(target, target.webhookUrl, {
      MessageSid: sid,
      SmsSid: sid,
      SmsMessageSid: sid,
      SmsStatus: "received",
      AccountSid: target.accountSid,
      ApiVersion: "2010-04-01",
      From: from,
      To: to,
      Body: wordsOf(number),
      NumSegments: "1",
      NumMedia: "0",
    });
  });
}
