/**
 * Finds out what mails say whose cards were sent: mood, urgency, and a summary if the team has a model.
 *
 * @module
 */
import { judgeMail, RULES_VERSION } from "../_shared/analysis/judge.ts";
import { type Asked, askModel, type Model, type ModelFault, questionOf } from "../_shared/analysis/model.ts";
import { LIMIT_MS } from "../_shared/analysis/redaction.ts";
import { type AnalysedMail, isMoreUrgent, moreUrgent, urgencyOfType } from "../_shared/analysis/types.ts";
import type { Bot, CallChat } from "../_shared/channels/telegram/api.ts";
import { urgencyMark } from "../_shared/channels/telegram/card.ts";
import type { ClaimedAnalysis } from "../_shared/contract/answers/analysis.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { isObject, text as textOf } from "../_shared/json/json.ts";
import { addressParts } from "../_shared/routing/address.ts";
import { sharedRun } from "../_shared/http/shared_run.ts";

/** Dependencies of {@linkcode createAnalyse}. */
export interface AnalyseDeps {
  rpc: Rpc;
  /** Whether the environment stops analysis. */
  stopped(): boolean;
  /** The model; undefined if the team has none, which is no fault. */
  model(): Model | undefined;
  /** Addresses whose mails no model gets: `hr`, `*.payroll`, `*.*.security`. */
  localOnly(): Promise<readonly string[]>;
  bot(): Bot | string;
  callChat: CallChat;
  /** Calls the model. */
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Milliseconds of a clock that only goes forwards. */
  clock(): number;
  /** Counts by name and label. */
  count(name: string, label: string): void;
  measure(name: string, label: string, ms: number): void;
  onError(message: string, error: unknown): void;
}

const AT_ONCE = 20;
/** Batches of one run; each ends within the model's three seconds. */
const BATCHES = 15;
/** Name of the model's circuit. */
const PROVIDER = "openai";

/**
 * Creates the work: analyses every mail that waits, until none does.
 *
 * Failure policy: whatever the model does (nothing, nonsense, a refusal), the mail gets what rules and classifier say, and its
 * card stays as it is where they say nothing. A model may raise the urgency that rules or address give, and never lowers it.
 * Never throws.
 */
export function createAnalyse(deps: AnalyseDeps): () => Promise<void> {
  async function all(): Promise<void> {
    try {
      for (let batch = 0; batch < BATCHES && !deps.stopped(); batch++) {
        const claimed = await deps.rpc("claim_analyses", { p_limit: AT_ONCE });
        if (claimed.length === 0) break;
        await Promise.all(
          claimed.map((each) =>
            analyse(each).catch((error) => deps.onError("a mail could not be analysed", error))
          ),
        );
      }
    } catch (error) {
      deps.onError("mails could not be analysed", error);
    }
  }

  async function analyse(claimed: ClaimedAnalysis): Promise<void> {
    const began = deps.clock();
    const mail = mailOf(claimed);
    const judged = judgeMail(mail), byAddress = urgencyOfType(mail.type);
    const asked = await ask(mail, claimed.recipient ?? "");
    const said = asked?.outcome.ok ? asked.outcome.answer : undefined;
    // A model's word counts where it is more urgent than what rules and address say: who writes the mail could turn it.
    const urgency = said !== undefined && isMoreUrgent(said.urgency, judged.urgency ?? byAddress)
      ? moreUrgent(said.urgency, judged.urgency)
      : judged.urgency;
    const source = said === undefined ? "rules" : "model";
    deps.count("mail_analyses", `${source} done`);
    if (asked !== undefined && said === undefined) deps.count("mail_analyses", "model failed");
    const calls = await deps.rpc("settle_analysis", {
      p_message_id: claimed.message_id,
      p_lease: claimed.lease,
      p_result: {
        source,
        sentiment: said?.sentiment ?? judged.sentiment,
        urgency,
        summary: said?.summary ?? null,
        confidence: said === undefined ? judged.confidence : null,
        rules_version: RULES_VERSION,
        model: asked?.model ?? null,
        latency_ms: Math.round(asked?.ms ?? deps.clock() - began),
        fault: asked?.outcome.ok === false ? asked.outcome.fault : null,
        rises: (urgency === "critical" || urgency === "high") && isMoreUrgent(urgency, byAddress),
      },
    });
    const bot = deps.bot();
    if (urgency === null || typeof bot === "string") return;
    for (const { chat_id, topic_id, message_id } of calls) {
      // Nobody is notified of an edit. If this call is lost, the card still shows the mark.
      await deps.callChat(bot, "sendMessage", {
        chat_id,
        ...(topic_id === null ? {} : { message_thread_id: topic_id }),
        text: `${urgencyMark(urgency)}: look at this mail.`,
        reply_parameters: { message_id, allow_sending_without_reply: true },
      });
    }
  }

  /** The model's word; undefined if it is not asked: there is none, or the address is not for it. */
  async function ask(
    mail: AnalysedMail,
    recipient: string,
  ): Promise<{ outcome: Asked; model: string; ms: number } | undefined> {
    const model = deps.model();
    if (model === undefined || isAmong(await deps.localOnly(), recipient)) return undefined;
    const began = deps.clock();
    const failed = (fault: ModelFault) => {
      deps.count("mail_analysis_failures", fault);
      return { outcome: { ok: false, fault } as const, model: model.name, ms: deps.clock() - began };
    };
    let question: string | undefined;
    try {
      // A process that is cold or busy is late once; a text that is hard to redact is late again.
      question = inTime(mail, model.name) ?? inTime(mail, model.name);
    } catch (error) {
      deps.onError("a mail could not be redacted, and no model got it", error);
    }
    if (question === undefined) return failed("redaction");
    if (!await deps.rpc("enter_circuit", { p_provider: PROVIDER })) return failed("circuit_open");
    const asking = deps.clock();
    const outcome = await askModel(model, question, deps.fetch);
    const ms = deps.clock() - asking;
    deps.measure("mail_analysis", "model", ms);
    if (!outcome.ok) deps.count("mail_analysis_failures", outcome.fault);
    await deps.rpc("leave_circuit", {
      p_provider: PROVIDER,
      // A refusal of one mail is the model's answer to it, and nonsense may be the mail's doing: the server works.
      p_ok: outcome.ok || outcome.fault === "invalid" || outcome.fault === "refused",
      p_ms: Math.round(ms),
    }).catch((error) => deps.onError("a circuit could not be settled", error));
    return { outcome, model: model.name, ms };
  }

  /** The question for the model; undefined if redaction took longer than it may. */
  function inTime(mail: AnalysedMail, model: string): string | undefined {
    const began = deps.clock();
    const question = questionOf(mail, model, crypto.randomUUID());
    return deps.clock() - began > LIMIT_MS ? undefined : question;
  }

  return sharedRun(all);
}

function mailOf(
  { subject, text, text_full, recipient, sender, automatic, kind }: ClaimedAnalysis,
): AnalysedMail {
  const type = addressParts(recipient ?? "")?.type;
  return {
    subject: subject ?? "",
    // Of a mail that only quotes, what it quotes.
    text: text?.trim() ? text : text_full ?? "",
    ...(type === undefined ? {} : { type }),
    automatic,
    kind,
    sender: isObject(sender)
      ? { name: textOf(sender.name) ?? null, address: textOf(sender.address) ?? null }
      : { name: null, address: null },
  };
}

/**
 * Whether one of the patterns stands for an address: `domain.scope.type`, each part a word or `*`, from the left.
 *
 * Failure policy: closed. An address counts by its parts whatever they hold and however many there are, and where none is
 * known, each pattern stands for it.
 */
export function isAmong(patterns: readonly string[], address: string): boolean {
  if (address === "") return patterns.length > 0;
  const given = address.toLowerCase().split("@", 1)[0].split("+", 1)[0].split(".");
  return patterns.some((pattern) => pattern.split(".").every((part, i) => part === "*" || part === given[i]));
}
