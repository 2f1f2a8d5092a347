/**
 * Holds what the database answers over the local Data API to what the contract says of it (contract/answers.ts): in
 * production nobody checks, so that a shape which SQL and contract tell differently has to be found here.
 */
import { z } from "zod";
import { onAnswer } from "../../local/data_api/data_api.ts";
import { ANSWERS } from "../../supabase/functions/_shared/contract/answers.ts";

/** What a stack prints before each answer that does not fit. */
export const MISFIT = "an answer that does not fit the contract: ";

/** What of an answer of this function does not fit, without its values; undefined where all does or nothing is declared. */
export function misfitOf(name: string, answer: unknown): string | undefined {
  if (!Object.hasOwn(ANSWERS, name)) return undefined;
  const result = ANSWERS[name as keyof typeof ANSWERS].safeParse(answer);
  return result.success ? undefined : `${name}: ${z.prettifyError(result.error).replaceAll("\n", " ")}`;
}

/** Looks at each answer of every Data API of this process from now on. */
export function watchAnswers(onMisfit: (misfit: string) => void): void {
  onAnswer.add(async (request, response) => {
    const name = /\/rpc\/(\w+)$/.exec(new URL(request.url).pathname)?.[1];
    if (name === undefined || response.status !== 200) return;
    const misfit = misfitOf(name, await response.json());
    if (misfit !== undefined) onMisfit(misfit);
  });
}
