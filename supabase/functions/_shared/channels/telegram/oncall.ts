/**
 * Who is on call, as a card and a short message say it. Pure.
 *
 * @module
 */
import { line, type Part, shortened } from "./text.ts";

/** Who is on call, as the database has it for a card. */
export interface OnCallShown {
  /** `named`: known before the card was sent. Nobody is notified by it: of many cards at once only one calls. */
  readonly outcome: "named" | "found" | "unlinked" | "stale" | "empty" | "failed";
  /** ISO time of the answer; null where there is none. */
  readonly at: string | null;
  readonly people: readonly { readonly name: string; readonly telegram_id: number | null }[];
}

const NAME_UNITS = 60;
/** People who are named; schedules with more than one person on call are rare. */
const PEOPLE = 5;

/** The line of a card. Who is linked is mentioned; of the others the name stands there, and that they are not in Telegram. */
export function onCallParts({ outcome, at, people }: OnCallShown): Part[] {
  if (outcome === "empty") return ["📟 Nobody is on call."];
  if (outcome === "failed") return ["📟 Who is on call is not known."];
  const when = outcome === "stale" && at !== null
    ? ` (as of ${at.slice(0, 10)} ${at.slice(11, 16)} UTC)`
    : "";
  return ["📟 On call: ", ...named(people, outcome !== "named"), when];
}

/** The short message that calls people, because nobody is notified of an edit. */
export function callParts(people: OnCallShown["people"]): Part[] {
  return [
    "📟 ",
    ...named(people),
    people.length === 1 ? ": you are on call." : ": you are on call together.",
  ];
}

/** What the owner of a schedule is told. */
export function troubleInWords(
  { trouble, schedule }: { trouble: "gap" | "silent"; schedule: string },
): string {
  return trouble === "gap"
    ? `📟 Nobody is on call for ${schedule}. Cards stay in their chat and mention nobody. gatelink oncall list shows the gap.`
    : `📟 Who is on call for ${schedule} is not known: the provider does not answer. Cards stay in their chat and mention nobody. gatelink oncall doctor says why.`;
}

function named(people: OnCallShown["people"], mentions = true): Part[] {
  const shown = people.slice(0, PEOPLE).map(({ name, telegram_id }): Part[] => {
    const text = shortened(line(name), NAME_UNITS) || "Somebody";
    if (telegram_id === null) return [`${text} (not linked)`];
    return !mentions ? [text] : [{ type: "text_mention", text, user: { id: telegram_id } }];
  });
  const rest = people.length > PEOPLE ? [` and ${people.length - PEOPLE} more`] : [];
  return [...shown.flatMap((parts, i): Part[] => i === 0 ? parts : [", ", ...parts]), ...rest];
}
