/**
 * The simulated model: a server with OpenAI's chat completions below `/simulator/ai/v1` that labels mails by a few words, and is
 * slow, wrong or hostile on request.
 *
 * | path | |
 * |---|---|
 * | `POST …/v1/chat/completions` | a completion, or the fault that is set |
 */
import { z } from "zod";

/** How it fails. */
export const AI_FAULTS = {
  none: "Answers",
  slow: "Answers after 5 seconds",
  hang: "Does not answer",
  "429": "429: too many requests",
  "500": "500: an error",
  "401": "401: does not know the key",
  prose: "Answers in prose",
  fence: "Answers in a code fence",
  unknown_label: "Answers with words that were not offered",
  hostile: "Answers with markup, mentions and links",
  calming: "Says that everything is of low urgency and positive",
  cut: "Breaks off in the middle of an answer",
  refusal: "Refuses",
  huge: "Answers with a megabyte",
} as const;

const SETTINGS = z.strictObject({
  fault: z.enum(Object.keys(AI_FAULTS) as [keyof typeof AI_FAULTS]),
  /** After so many calls it answers again; null: never. */
  times: z.int().min(1).max(1_000_000).nullable(),
});

export type AiSettings = z.infer<typeof SETTINGS>;

/** Nothing fails. */
export const AI_CALM: AiSettings = Object.freeze({ fault: "none", times: null });

/** A question that it got. */
export interface AiQuestion {
  readonly at: string;
  /** The whole body, as it came. */
  readonly body: string;
  /** Status of the answer; null if there was none. */
  status: number | null;
}

/** What the page is told. */
export type AiChange = {
  readonly type: "ai";
  readonly settings: AiSettings;
  readonly questions: readonly AiQuestion[];
};

const SLOW_MS = 5000;
const KEPT = 50;

/** The simulated model. */
export class AiSimulator {
  settings: AiSettings = AI_CALM;
  /** The newest first. */
  readonly questions: AiQuestion[] = [];
  readonly #key: string;
  readonly #listeners = new Set<(change: AiChange) => void>();
  readonly #stopping = new AbortController();

  /** @param options.key The key that it knows. */
  constructor({ key }: { key: string }) {
    this.#key = key;
  }

  /** Changes some of the settings. @throws RangeError for a value outside its limits. */
  configure(change: Partial<AiSettings>): AiSettings {
    const result = SETTINGS.safeParse({ ...this.settings, ...change });
    if (!result.success) {
      throw new RangeError(`${result.error.issues[0].path.join(".")}: ${result.error.issues[0].message}`);
    }
    this.settings = result.data;
    this.#tell();
    return this.settings;
  }

  /** Calls with each change until the returned function is called. */
  listen(tell: (change: AiChange) => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }

  reset(): void {
    this.settings = AI_CALM;
    this.questions.length = 0;
    this.#tell();
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Answers a call of its API. */
  async fetch(request: Request): Promise<Response> {
    const body = await request.text();
    const question: AiQuestion = { at: new Date().toISOString(), body, status: null };
    this.questions.unshift(question);
    this.questions.length = Math.min(this.questions.length, KEPT);
    const response = await this.#answer(request, body);
    question.status = response.status;
    this.#tell();
    return response;
  }

  async #answer(request: Request, body: string): Promise<Response> {
    if (request.method !== "POST" || !new URL(request.url).pathname.endsWith("/v1/chat/completions")) {
      return Response.json({ error: { message: "no such address" } }, { status: 404 });
    }
    if (request.headers.get("authorization") !== `Bearer ${this.#key}`) {
      return refusal(401, "Incorrect API key provided");
    }
    const { fault } = this.settings;
    if (this.settings.times !== null) {
      this.settings = this.settings.times > 1
        ? { ...this.settings, times: this.settings.times - 1 }
        : AI_CALM;
    }
    const labels = labelled(body);
    switch (fault) {
      case "slow":
      case "hang":
        await this.#wait(request.signal, fault === "slow" ? SLOW_MS : undefined);
        return completion(JSON.stringify(labels));
      case "429":
        return refusal(429, "Rate limit reached");
      case "500":
        return refusal(500, "The server had an error");
      case "401":
        return refusal(401, "Incorrect API key provided");
      case "prose":
        return completion("The customer seems upset, I would call back.");
      case "fence":
        return completion("```json\n" + JSON.stringify(labels) + "\n```");
      case "unknown_label":
        return completion(JSON.stringify({ ...labels, urgency: "page-the-director" }));
      case "hostile":
        return completion(JSON.stringify({
          ...labels,
          chat_id: -1,
          action: "delete",
          summary:
            "<b>Click</b> https://evil.example/x or evil.example, @channel /stop #now [here](tg://user?id=1) \u202e" +
            "call +1 202 555 0147, sk-live-0123456789abcdef",
        }));
      case "calming":
        return completion(
          JSON.stringify({ sentiment: "positive", urgency: "low", summary: "Nothing to do." }),
        );
      case "cut":
        return completion(JSON.stringify(labels).slice(0, 30), "length");
      case "refusal":
        return completion(null, "stop", "I can't help with that.");
      case "huge":
        return completion(JSON.stringify({ ...labels, summary: "a".repeat(1_000_000) }));
      default:
        return completion(JSON.stringify(labels));
    }
  }

  /** Ends with the time, the caller or the simulator. */
  async #wait(signal: AbortSignal, ms: number | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      for (const each of [signal, this.#stopping.signal]) {
        const end = () => {
          clearTimeout(timer);
          resolve();
        };
        if (each.aborted) end();
        else each.addEventListener("abort", end, { once: true });
      }
    });
  }

  #tell(): void {
    for (const tell of this.#listeners) {
      tell({ type: "ai", settings: this.settings, questions: this.questions });
    }
  }
}

const NEGATIVE = /\b(?:not|never|broken|down|angry|wrong|fail|unacceptable|terrible|worst|disappointed)/i;
const POSITIVE = /\b(?:thank|thanks|great|love|perfect|excellent|happy)/i;
const URGENT = /\b(?:down|outage|urgent|immediately|firing|losing)/i;

/** Labels of the mail in a question, by a few words: a simulated model need not be clever. */
function labelled(body: string): { sentiment: string; urgency: string; summary: string } {
  let mail = "";
  try {
    mail = String(JSON.parse(body).messages.at(-1).content).split("\n").slice(1, -1).join(" ");
  } catch {
    // Nothing to label.
  }
  return {
    sentiment: NEGATIVE.test(mail) ? "negative" : POSITIVE.test(mail) ? "positive" : "neutral",
    urgency: URGENT.test(mail) ? "critical" : "normal",
    summary: mail.replace(/^Subject: /, "").replace(/\s+/g, " ").slice(0, 120),
  };
}

function completion(content: string | null, reason = "stop", refused: string | null = null): Response {
  return Response.json({
    id: "chatcmpl-simulated",
    object: "chat.completion",
    model: "simulated",
    choices: [{ index: 0, message: { role: "assistant", content, refusal: refused }, finish_reason: reason }],
    usage: { prompt_tokens: 180, completion_tokens: 40, total_tokens: 220 },
  });
}

function refusal(status: number, message: string): Response {
  return Response.json({ error: { message, type: "simulated" } }, {
    status,
    ...(status === 429 ? { headers: { "retry-after": "20" } } : {}),
  });
}
