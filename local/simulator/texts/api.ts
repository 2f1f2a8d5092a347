/**
 * What the page of phones needs, below `/simulator/api/texts`.
 *
 * | path | |
 * |---|---|
 * | `GET events` | server-sent events: first `{type: "state", …}`, then what changes |
 * | `POST send` | `{from, to, body, media?}`: somebody writes -> `{sid}` |
 * | `POST phone` | `{number}`: another phone |
 * | `POST settings` | some of {@link TextSettings} |
 */
import { z } from "zod";
import { readInput } from "../input.ts";
import type { Json } from "../model.ts";
import { TEXT_ANSWERS, TEXT_CALM, TEXT_FATES, type TextSettings } from "./settings.ts";
import type { TextChange, TwilioSimulator } from "./twilio.ts";

const SHOW = 500;
/** The phones that a newcomer finds; the numbers are reserved for fiction. */
const PHONES = ["+12025550143", "+12025550144"];

const number = z.string().trim().regex(/^\+[1-9]\d{6,14}$/, "a number as +12025550143");
const SEND = z.strictObject({
  from: number,
  to: number,
  body: z.string().max(1600).default(""),
  media: z.array(z.string()).max(10).default([]),
});
const PHONE = z.strictObject({ number });

/** The page's part of the simulated Twilio. */
export class TextsApi {
  readonly #texts: TwilioSimulator;
  readonly #samples: readonly { id: string; filename: string }[];
  readonly #phones = new Set(PHONES);

  constructor(texts: TwilioSimulator, samples: readonly { id: string; filename: string }[]) {
    this.#texts = texts;
    this.#samples = samples;
  }

  /** Everything that the page shows at first. */
  state(): Json {
    const texts = [...this.#texts.texts.values()].slice(-SHOW);
    const phones = new Set(this.#phones);
    for (const { direction, from, to } of texts) phones.add(direction === "inbound" ? from : to);
    return {
      type: "state",
      phones: [...phones],
      numbers: this.#texts.numbers,
      texts,
      posts: this.#texts.posts.slice(-SHOW),
      settings: this.#texts.settings,
      calm: TEXT_CALM,
      answers: TEXT_ANSWERS,
      fates: Object.entries(TEXT_FATES).map(([value, { label }]) => ({ value, label })),
      samples: this.#samples,
    };
  }

  /** Calls with each change until the returned function is called. */
  listen(tell: (change: TextChange) => void): () => void {
    return this.#texts.listen(tell);
  }

  /** Answers a call of the page; undefined for a path that is not one. @throws RangeError for wrong input. */
  call(path: string, body: Json): unknown {
    switch (path) {
      case "send":
        return { sid: this.#texts.receive(readInput(SEND, body)) };
      case "phone": {
        const { number } = readInput(PHONE, body);
        this.#phones.add(number);
        return { number };
      }
      case "settings":
        return this.#texts.configure(body as Partial<TextSettings>);
    }
  }
}
