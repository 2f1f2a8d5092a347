/**
 * Checks the database's responses over the local Data API against the contract (contract/answers.ts): nothing
 * checks them in production, so a difference between SQL and contract must be found here.
 */
import { z } from "zod";
import { onAnswer } from "../../local/data_api/data_api.ts";
import { ANSWERS } from "../../supabase/functions/_shared/contract/answers.ts";

/** Printed by a stack before each response that does not fit. */
export const MISFIT = "an answer that does not fit the contract: ";

/**
 * The misfit in this function's response, without its values; undefined if it fits or nothing is declared.
 */
export function misfitOf(name: string, answer: unknown): string | undefined {
  if (!Object.hasOwn(ANSWERS, name)) return undefined;
  const result = ANSWERS[name as keyof typeof ANSWERS].safeParse(answer);
  return result.success ? undefined : `${name}: ${z.prettifyError(result.error).replaceAll("\n", " ")}`;
}

/** Checks each response of every Data API of this process from now on. */
export function watchAnswers(onMisfit: (misfit: string) => void): void {
  onAnswer.add(async (request, response) => {
    const name = /\/rpc\/(\w+)$/.exec(new URL(request.url).pathname)?.[1];
    if (name === undefined || response.status !== 200) return;
    const misfit = misfitOf(name, await response.json());
    if (misfit !== undefined) onMisfit(misfit);
  });
}
