/**
 * How well opens and clicks of mails are told from machines', on labelled ones.
 *
 * @module
 */
import { judgeAccesses } from "../supabase/functions/_shared/mail/tracking/verdict.ts";
import { type Share, wilson } from "./poaching_measure.ts";
import type { LabelledMail } from "../tests/support/mail_accesses.ts";

/** What was measured. */
export interface MeasuredOpens {
  readonly people: number;
  readonly machines: number;
  readonly peopleCalledMachines: Share;
  readonly machinesCalledPeople: Share;
  readonly peopleUnsure: Share;
  /** Names of the stories in which something was called what it is not. */
  readonly wrong: readonly string[];
}

/** Judges each message and compares. */
export function measureOpens(mails: readonly LabelledMail[]): MeasuredOpens {
  const counts = { person: 0, machine: 0, called: 0, missed: 0, unsure: 0 };
  const wrong = new Set<string>();
  for (const { name, deliveredAt, accesses, by } of mails) {
    judgeAccesses(accesses, { deliveredAt }).forEach(({ verdict }, i) => {
      counts[by[i]]++;
      if (by[i] === "person" && verdict === "machine") counts.called++;
      else if (by[i] === "machine" && verdict === "human") counts.missed++;
      else if (by[i] === "person" && verdict === "unsure") counts.unsure++;
      if (verdict !== "unsure" && (verdict === "machine") !== (by[i] === "machine")) wrong.add(name);
    });
  }
  return {
    people: counts.person,
    machines: counts.machine,
    peopleCalledMachines: wilson(counts.called, counts.person),
    machinesCalledPeople: wilson(counts.missed, counts.machine),
    peopleUnsure: wilson(counts.unsure, counts.person),
    wrong: [...wrong],
  };
}
