/** `deno task bench opens [--json]`: how well opens and clicks of mails are told from machines', on the project's set. */
import { MAIL_ACCESSES } from "../tests/support/mail_accesses.ts";
import { measureOpens } from "./opens_measure.ts";
import type { Share } from "./poaching_measure.ts";
import { print, type Row } from "./report.ts";

export function main(args: string[]): Promise<void> {
  const began = performance.now();
  const { people, machines, ...measured } = measureOpens(MAIL_ACCESSES);
  const microseconds = (performance.now() - began) * 1000 / (people + machines);
  print("opens", `${people} of people, ${machines} of machines; with intervals of 95 %`, [
    row("people called machines", measured.peopleCalledMachines, "<= 2"),
    row("machines called people", measured.machinesCalledPeople, "<= 5"),
    row("people of whom it is unsure", measured.peopleUnsure, "<= 10"),
    { what: "an open or click, microseconds", value: microseconds },
  ], args.includes("--json"));
  return Promise.resolve();
}

function row(what: string, { share, low, high, count, of }: Share, goal: string): Row {
  return {
    what: `${what}, % (${percent(low)} to ${percent(high)}; ${count} of ${of})`,
    value: 100 * share,
    goal,
  };
}

const percent = (share: number) => (100 * share).toFixed(1);
