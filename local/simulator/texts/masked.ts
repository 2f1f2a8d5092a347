/**
 * What the page of two phones needs, below `/simulator/api/masked`.
 *
 * | path | |
 * |---|---|
 * | `GET state` | {@link MaskedState} |
 * | `POST begin` | makes an organisation with people and numbers, once |
 * | `POST assign` | `{client, sitter, when}`: the sitter works for the client, `now` or `tomorrow` |
 * | `POST unassign` | `{client, sitter}`: takes the sitter off |
 * | `POST end` | `{client}`: ends the client's threads |
 * | `POST minute` | a minute passes: what Twilio has is compared with what the business has |
 *
 * People are named by their numbers.
 */
import { z } from "zod";
import { readInput } from "../input.ts";
import type { Json } from "../model.ts";
import type { TwilioSimulator } from "./twilio.ts";

/** Somebody of the organisation. */
export interface MaskedPerson {
  name: string;
  phone: string;
  role: "client" | "sitter";
}

/** A client and a sitter, and how they stand. */
export interface MaskedPair {
  client: string;
  sitter: string;
  /** The number between them, E.164; null without a thread, or where the sitter has none in it. */
  number: string | null;
  /** Class of the thread's number; null without a thread. */
  number_class: string | null;
  /** The sitter's time with the client: the latest. */
  window: "upcoming" | "active" | "past" | null;
  opens_at: string | null;
}

/** Where a text went, and why. */
export interface MaskedDecision {
  id: string;
  at: string;
  from_role: string;
  from_last4: string | null;
  number_last4: string | null;
  outcome: string;
  reason: string;
  types: string[];
  text: string | null;
}

/** The organisation as the page shows it. */
export interface MaskedState {
  /** null before there is one. */
  org: { id: string; name: string } | null;
  people: MaskedPerson[];
  numbers: { number: string; class: string; state: string; pairs: number }[];
  pairs: MaskedPair[];
  /** The newest fifty, newest first. */
  decisions: MaskedDecision[];
  /** Flags of masked messaging that are not on. */
  off: string[];
}

/** The business behind the phones. */
export interface MaskedBusiness {
  state(): Promise<MaskedState>;
  begin(): Promise<void>;
  assign(client: string, sitter: string, when: "now" | "tomorrow"): Promise<void>;
  unassign(client: string, sitter: string): Promise<void>;
  end(client: string): Promise<void>;
  minute(): Promise<void>;
}

const phone = z.string().regex(/^\+[1-9]\d{6,14}$/, "a number as +12025550143");
const CLIENT = z.strictObject({ client: phone });
const PAIR = CLIENT.extend({ sitter: phone });
const ASSIGNED = PAIR.extend({ when: z.enum(["now", "tomorrow"]) });

/** The page's part of the organisation. */
export class MaskedApi {
  /** An organisation that is being made: until it works, nobody sees it. */
  #beginning: Promise<void> = Promise.resolve();

  constructor(readonly business: MaskedBusiness, readonly texts: TwilioSimulator) {}

  /** Everything that the page shows of the organisation. Its numbers are numbers of the simulated Twilio from then on. */
  async state(): Promise<MaskedState> {
    await this.#beginning;
    const state = await this.business.state();
    const known = new Set(this.texts.numbers);
    const more = state.numbers.map(({ number }) => number).filter((number) => !known.has(number));
    if (more.length > 0) this.texts.addNumbers(more);
    return state;
  }

  /** Answers a call of the page with the state after it; undefined for a path that is not one. @throws RangeError for wrong input. */
  async call(path: string, body: Json): Promise<MaskedState | undefined> {
    switch (path) {
      case "begin":
        await this.#begin();
        break;
      case "assign": {
        const { client, sitter, when } = readInput(ASSIGNED, body);
        await this.business.assign(client, sitter, when);
        break;
      }
      case "unassign": {
        const { client, sitter } = readInput(PAIR, body);
        await this.business.unassign(client, sitter);
        break;
      }
      case "end":
        await this.business.end(readInput(CLIENT, body).client);
        break;
      case "minute":
        await this.business.minute();
        break;
      default:
        return undefined;
    }
    return await this.state();
  }

  async #begin(): Promise<void> {
    const making = this.business.begin();
    this.#beginning = making.catch(() => {});
    await making;
  }
}
