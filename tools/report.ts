/**
 * How each check of this repository reports: one line a finding, details of what failed, a closing line
 * `N passed, N failed`, exit code 1 when anything failed. With `--json` one JSON document on stdout instead.
 */
import { task } from "../lib/task.ts";

/** One thing that was checked. */
export interface Finding {
  ok: boolean;
  /** What was checked, with the figures that matter, in one line. */
  what: string;
  /** Why it failed, any number of lines. @default nothing */
  detail?: string;
}

export interface Check {
  /** Name of its task. */
  name: string;
  /** One sentence for `--help`. */
  description: string;
  /** Does the work, telling each finding as soon as it is known. An exception counts as one that failed. */
  run(say: (finding: Finding) => void): Promise<void>;
}

/** Runs a check as a program of its own and ends the process. */
export async function main(check: Check): Promise<never> {
  const { json } = task(check.name, check.description)
    .option("--json", "print one JSON document: {passed, failed, findings: [{ok, what, detail?}]}")
    .addHelpText("after", "\nExit codes: 0 success, 1 something failed, 2 wrong arguments.")
    .parse(Deno.args, { from: "user" })
    .opts();
  const findings: Finding[] = [];
  const say = (finding: Finding) => {
    findings.push(finding);
    if (!json) console.log(line(finding));
  };
  try {
    await check.run(say);
  } catch (error) {
    say({ ok: false, what: check.name, detail: error instanceof Error ? error.stack : String(error) });
  }
  const failed = findings.filter(({ ok }) => !ok).length;
  const passed = findings.length - failed;
  console.log(
    json ? JSON.stringify({ passed, failed, findings }, null, 2) : `${passed} passed, ${failed} failed`,
  );
  Deno.exit(failed === 0 ? 0 : 1);
}

/** A finding for people: `ok` or `FAILED`, then what, then the indented detail. */
export function line({ ok, what, detail }: Finding): string {
  const text = detail?.trim();
  return `${ok ? "ok    " : "FAILED"} ${what}` + (text ? `\n${text.replaceAll(/^/gm, "       ")}` : "");
}
