/**
 * What people were told of flags by this process: an outcome counts for what the person had, and the flag may have moved on.
 *
 * Failure policy: open. What is not remembered, the flag as it is now says, or the report itself.
 *
 * @module
 */
import type { RemoteAnswer } from "../_shared/flags/ofrep.ts";

/** Answers in memory; see {@linkcode createAnswers}. */
export interface Answers {
  /** Remembers what somebody was told, where it is not the same for everybody. */
  told(targetingKey: string, answer: RemoteAnswer): void;
  /** Whether somebody was told that a flag is on; undefined where that is not remembered. */
  had(flag: string, targetingKey: string): boolean | undefined;
}

/** Remembers the last answers. @param most So many; the oldest go first. @default {50_000} */
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
