/** The names of the launch gates, in the order of the checklist. run.ts has their checks. */
import { CLI_ENTRIES, type Entry, SECTIONS } from "../../../supabase/functions/_shared/rollouts/checklist.ts";
import { FACT_GATES } from "../../../supabase/functions/_shared/rollouts/fact_gates.ts";
import { SIGNED_GATES } from "./people.ts";

/** The checklist. */
export const CHECKLIST: readonly Entry[] = [
  ...CLI_ENTRIES,
  ...[...FACT_GATES, ...SIGNED_GATES].map(({ id, section, title, ofFlag, flag, roles }) => ({
    id,
    section,
    title,
    ofFlag,
    flag,
    roles,
  })),
]
  .filter(({ id }, index, all) => all.findIndex((one) => one.id === id) === index)
  .sort((a, b) => SECTIONS.indexOf(a.section) - SECTIONS.indexOf(b.section));
