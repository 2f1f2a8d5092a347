/**
 * What the page of Telegram's chats needs, below `/simulator/api/telegram`.
 *
 * | path | |
 * |---|---|
 * | `GET events` | server-sent events: first `{type: "state", …}`, then what changes |
 * | `POST say` | `{chat, text, from?, replyTo?, topic?, file?: {name, type, content}}`: somebody writes, or sends a file (content in base64) |
 * | `POST edit` | `{chat, message, text}`: somebody edits what was written |
 * | `POST press` | `{chat, message, data, from?}`: somebody presses a button |
 * | `POST group` | `{title, kind}`: a group, supergroup or forum -> the chat |
 * | `POST member` | `{chat, member}`: the bot is added or removed |
 * | `POST upgrade` | `{chat}`: a group becomes a supergroup |
 * | `POST topic` | `{chat, topic, closed}` |
 * | `POST settings` | some of {@link TelegramSettings} |
 * | `POST model` | some of {@link AiSettings}: how the simulated model behaves |
 * | `POST oncall/act` | `{key, do, from?}`: somebody does something with an incident in PagerDuty |
 * | `POST oncall/schedule` | `{id, people: [{name, email}]}`: who is on call there |
 * | `POST oncall/settings` | `{fault}`: how PagerDuty and Opsgenie fail |
 */
import { z } from "zod";
import type { Json } from "../model.ts";
import { AI_CALM, AI_FAULTS, type AiChange, type AiSettings, type AiSimulator } from "../ai/ai.ts";
import {
  PAGERDUTY_ACTS,
  PAGERDUTY_FAULTS,
  type PagerDutyChange,
  type PagerDutySimulator,
} from "../pagerduty/pagerduty.ts";
import { TELEGRAM_CALM, TELEGRAM_FAULTS, type TelegramSettings } from "./settings.ts";
import { TELEGRAM_PEOPLE, type TelegramChange, type TelegramSimulator } from "./telegram.ts";

const id = z.int();
const from = z.int().optional();
const SAY = z.strictObject({
  chat: id,
  text: z.string().max(4096),
  from,
  replyTo: id.nullish(),
  topic: id.nullish(),
  file: z.strictObject({
    name: z.string().min(1).max(200),
    type: z.string().max(100),
    content: z.base64().max(30_000_000),
  }).optional(),
});
const EDIT = z.strictObject({ chat: id, message: id, text: z.string().min(1).max(4096) });
const PRESS = z.strictObject({ chat: id, message: id, data: z.string().min(1).max(64), from });
const GROUP = z.strictObject({ title: z.string(), kind: z.enum(["group", "supergroup", "forum"]) });
const MEMBER = z.strictObject({ chat: id, member: z.boolean() });
const CHAT = z.strictObject({ chat: id });
const INCIDENT = z.strictObject({
  key: z.string(),
  do: z.enum(Object.keys(PAGERDUTY_ACTS) as [keyof typeof PAGERDUTY_ACTS]),
  from,
});
const SCHEDULE = z.strictObject({
  id: z.string().trim().min(1).max(128),
  people: z.array(z.strictObject({ name: z.string().trim().min(1).max(100), email: z.email() })).max(20),
});
const FAULT = z.strictObject({ fault: z.string() });
const TOPIC = z.strictObject({ chat: id, topic: id, closed: z.boolean() });

/** The page's part of the simulated Telegram. */
export class TelegramApi {
  readonly #telegram: TelegramSimulator;
  readonly #ai: AiSimulator | undefined;
  readonly #pagerDuty: PagerDutySimulator | undefined;

  /**
   * @param ai What reads the mails that become cards, if anything does.
   * @param pagerDuty What knows who is on call, if anything does.
   */
  constructor(telegram: TelegramSimulator, ai?: AiSimulator, pagerDuty?: PagerDutySimulator) {
    this.#telegram = telegram;
    this.#ai = ai;
    this.#pagerDuty = pagerDuty;
  }

  /** Everything that the page shows at first. */
  state(): Json {
    const { chats, posts, settings } = this.#telegram;
    return {
      type: "state",
      chats: [...chats.values()],
      people: TELEGRAM_PEOPLE,
      posts,
      settings,
      calm: TELEGRAM_CALM,
      faults: Object.entries(TELEGRAM_FAULTS).map(([value, label]) => ({ value, label })),
      model: this.#ai === undefined ? null : {
        settings: this.#ai.settings,
        questions: this.#ai.questions,
        calm: AI_CALM,
        faults: Object.entries(AI_FAULTS).map(([value, label]) => ({ value, label })),
      },
      oncall: this.#pagerDuty === undefined ? null : {
        ...this.#pagerDuty.shown,
        faults: Object.entries(PAGERDUTY_FAULTS).map(([value, label]) => ({ value, label })),
      },
    };
  }

  /** Calls with each change until the returned function is called. */
  listen(tell: (change: TelegramChange | AiChange | PagerDutyChange) => void): () => void {
    const ends = [this.#telegram.listen(tell), this.#ai?.listen(tell), this.#pagerDuty?.listen(tell)];
    return () => ends.forEach((end) => end?.());
  }

  /** Answers a call of the page; undefined for a path that is not one. @throws RangeError for wrong input. */
  call(path: string, body: Json): unknown {
    const telegram = this.#telegram;
    switch (path) {
      case "say": {
        const { chat, text, from, replyTo, topic, file } = read(SAY, body);
        const message = telegram.say(chat, text, {
          from: person(from),
          replyTo: replyTo ?? null,
          topic: topic ?? null,
          ...(file === undefined ? {} : { file: { ...file, bytes: decoded(file.content) } }),
        });
        return { message_id: message.message_id };
      }
      case "edit": {
        const { chat, message, text } = read(EDIT, body);
        telegram.edit(chat, message, text);
        return {};
      }
      case "press": {
        const { chat, message, data, from } = read(PRESS, body);
        return { query: telegram.press(chat, message, data, person(from)) };
      }
      case "group": {
        const { title, kind } = read(GROUP, body);
        return telegram.addGroup(title, kind);
      }
      case "member": {
        const { chat, member } = read(MEMBER, body);
        telegram.setMember(chat, member);
        return {};
      }
      case "upgrade":
        return telegram.upgrade(read(CHAT, body).chat);
      case "topic": {
        const { chat, topic, closed } = read(TOPIC, body);
        telegram.setTopic(chat, topic, closed);
        return {};
      }
      case "model":
        return this.#ai?.configure(body as Partial<AiSettings>);
      case "oncall/act": {
        const { key, do: act, from } = read(INCIDENT, body);
        this.#pagerDuty?.act(key, act, { by: person(from).first_name });
        return this.#pagerDuty && {};
      }
      case "oncall/schedule": {
        const { id, people } = read(SCHEDULE, body);
        this.#pagerDuty?.setSchedule(id, people);
        return this.#pagerDuty && {};
      }
      case "oncall/settings":
        this.#pagerDuty?.setFault(read(FAULT, body).fault);
        return this.#pagerDuty && {};
      case "settings":
        return telegram.configure(body as Partial<TelegramSettings>);
    }
  }
}

function person(id: number | undefined) {
  return TELEGRAM_PEOPLE.find((each) => each.id === id) ?? TELEGRAM_PEOPLE[0];
}

function decoded(content: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
}

/** Validates a body; a RangeError names the first member that is wrong. */
function read<T>(schema: z.ZodType<T>, body: Json): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new RangeError(`${issue.path.join(".") || "body"}: ${issue.message}`);
}
