/**
 * Walks through steps that each look before they act: what is there already is left alone, so that a walk can be
 * repeated after any failure, and changes nothing when everything is there.
 */
import { CliError, told } from "../../core/errors.ts";
import { clean, paint } from "../../core/output.ts";
import type { Result, Session } from "../../core/session.ts";

/** What a look finds: nothing is left to do, or something is. Both are said in words. */
export type Look = { readonly done: true; readonly found: string } | {
  readonly done: false;
  readonly lacks: string;
};

/** One step. */
export interface WalkStep {
  /** One word, unique in the walk; programs know the step by it. */
  readonly name: string;
  /** What it does, as an instruction. */
  readonly what: string;
  /** Looks, and changes nothing. An exception ends the walk. */
  look(): Promise<Look>;
  /**
   * Does what is left to do. Returns what a person must read now because it is not shown again, such as a secret.
   * An exception ends the walk. Absent for a step that only looks.
   */
  act?(): Promise<string | void>;
}

/** One step that was taken. */
export interface Taken {
  name: string;
  what: string;
  /** `found`: nothing was left to do. `done`: it was done now. `to_do`: it would be done, without `--dry-run`. */
  state: "found" | "done" | "to_do" | "failed";
  /** What was found, or what is wrong. */
  detail: string;
  /** What to do about a failure. */
  hint?: string;
  /** What is not shown again. */
  shown?: string;
  ms: number;
}

/** What a walk says. */
export interface Words {
  title: string;
  /** The last line when every step is there. */
  done: string;
  /** How to go on after a failure: a command. */
  again: string;
}

/**
 * Takes the steps one by one, and stops at the first failure. With `dryRun` it only looks; a step that cannot be looked
 * at because an earlier one is still to do counts as to do.
 */
export async function walk(
  session: Session,
  steps: readonly WalkStep[],
  words: Words,
  dryRun = false,
): Promise<Result> {
  session.say(paint("bold", words.title));
  const taken: Taken[] = [];
  for (const step of steps) {
    session.progress(`${step.what} …`);
    const one = await take(step, dryRun, taken.some(({ state }) => state === "to_do"));
    session.progress("");
    taken.push(one);
    session.say(line(one));
    if (one.state === "failed") break;
  }
  const failed = taken.find(({ state }) => state === "failed");
  const left = taken.filter(({ state }) => state === "to_do").length;
  const end = failed !== undefined
    ? [
      `${
        paint("red", `Stopped at ${failed.name}`)
      }, step ${taken.length} of ${steps.length}. What is done stays.`,
      ...(failed.hint === undefined ? [] : [/[.)]$/.test(failed.hint) ? failed.hint : `${failed.hint}.`]),
      `Then repeat: ${words.again}`,
    ].join("\n")
    : dryRun
    ? `Nothing was done (--dry-run). ${
      left === 0 ? "Nothing is left to do." : `${left} of ${steps.length} steps are left.`
    }`
    : words.done;
  return {
    document: { ok: failed === undefined, dry_run: dryRun, steps: taken },
    text: `\n${end}`,
    failed: failed !== undefined,
  };
}

async function take(step: WalkStep, dryRun: boolean, isAfterGap: boolean): Promise<Taken> {
  const since = performance.now();
  const { name, what } = step;
  const taken = (state: Taken["state"], detail: string, more: Partial<Taken> = {}): Taken => ({
    name,
    what,
    state,
    detail,
    ...more,
    ms: Math.round(performance.now() - since),
  });
  try {
    const before = await step.look();
    if (before.done) return taken("found", before.found);
    if (step.act === undefined) throw new CliError("refused", before.lacks);
    if (dryRun) return taken("to_do", before.lacks);
    const shown = await step.act();
    const after = await step.look();
    if (!after.done) throw new CliError("refused", `It was done, and still: ${after.lacks}`);
    return taken("done", after.found, shown ? { shown } : {});
  } catch (error) {
    const { message, hint } = told(error);
    if (dryRun && isAfterGap) return taken("to_do", `after the steps before it (${message})`);
    return taken("failed", message, hint === undefined ? {} : { hint });
  }
}

const MARKS = {
  found: ["dim", "ok"],
  done: ["green", "done"],
  to_do: ["yellow", "to do"],
  failed: ["red", "FAILED"],
} as const;

function line({ name, state, detail, shown }: Taken): string {
  const [colour, mark] = MARKS[state];
  const first = `${paint(colour, mark.padEnd(6))} ${name.padEnd(10)} ${clean(detail)}`;
  return shown === undefined
    ? first
    : `${first}\n${shown.split("\n").map((each) => `${" ".repeat(18)}${each}`).join("\n")}`;
}
