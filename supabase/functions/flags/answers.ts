/**
 * Flag values that this process returned recently: an outcome counts for the value that the person had,
 * because the flag may have changed since.
 *
 * Failure policy: open. If a value is not remembered, the current flag counts, or the value in the report.
 *
 * @module
 */
import type { RemoteAnswer } from "../_shared/flags/ofrep.ts";

/** Remembered values; see {@linkcode createAnswers}. */
export interface Answers {
  /** Remembers a returned value, if it is not the same for everybody. */
  told(targetingKey: string, answer: RemoteAnswer): void;
  /** Whether a flag was returned as on; undefined if that is not remembered. */
  had(flag: string, targetingKey: string): boolean | undefined;
}

/** Remembers the last values. @param most Most values; the oldest are dropped first. @default {50_000} */
export function createAnswers(
  { now = Date.now, keepMs = 600_000, most = 50_000 }: { now?(): number; keepMs?: number; most?: number } =
    {},
): Answers {
  const answers = new Map<string, { value: boolean; at: number }>();
  return {
    told(targetingKey, { key, value, reason }) {
      if (targetingKey === "" || typeof value !== "boolean") return;
      const who = `${key}\n${targetingKey}`;
      answers.delete(who);
      if (reason !== "SPLIT" && reason !== "TARGETING_MATCH") return;
      answers.set(who, { value, at: now() });
      if (answers.size > most) answers.delete(answers.keys().next().value!);
    },
    had(flag, targetingKey) {
      const told = answers.get(`${flag}\n${targetingKey}`);
      return told !== undefined && now() - told.at <= keepMs ? told.value : undefined;
    },
  };
}
