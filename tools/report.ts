/**
 * The report format of this repository's checks: one line per finding, details of failures, a closing line `N
 * passed, N failed`, exit code 1 if anything failed. With `--json` one JSON document on stdout instead.
 */
import { task } from "../lib/task.ts";

/** The result of one check. */
export interface Finding {
  ok: boolean;
  /** What was checked, with the relevant figures, in one line. */
  what: string;
  /** Why it failed; may have several lines. @default nothing */
  detail?: string;
}

export interface Check {
  /** Name of its task. */
  name: string;
  /** One sentence for `--help`. */
  description: string;
  /** Runs the check and reports each finding at once. An exception counts as a failed finding. */
  run(say: (finding: Finding) => void): Promise<void>;
}

/** Runs a check as its own program and ends the process. */
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

/** A finding as text: `ok` or `FAILED`, then what, then the indented detail. */
export function line({ ok, what, detail }: Finding): string {
  const text = detail?.trim();
  return `${ok ? "ok    " : "FAILED"} ${what}` + (text ? `\n${text.replaceAll(/^/gm, "       ")}` : "");
}
