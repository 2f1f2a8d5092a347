/** What the commands of campaigns share. */
import { InvalidArgumentError } from "commander";
import type { Campaign } from "../../../supabase/functions/_shared/contract/answers/campaigns.ts";
import {
  accessesOf,
  figuresOf,
  leftOutInWords,
  leftOutOf,
  pendingOf,
  percent,
  WAITS,
} from "../../../supabase/functions/_shared/contract/words/campaigns.ts";
import { type Cell, facts, time } from "../../core/output.ts";

/** What the argument that names a campaign is. */
export const ID = "its id, as campaign list shows it";

/** A share: 5% or 0.05. */
export function share(text: string): number {
  const value = Number(text.replace(/%$/, "")) / (text.endsWith("%") ? 100 : 1);
  if (text !== "" && value > 0 && value <= 1) return value;
  throw new InvalidArgumentError("Use a share, like 5% or 0.05.");
}

/** A campaign with its figures, for people. */
export function inWords(one: Campaign): string {
  return facts(Object.fromEntries<Cell>([
    ["campaign", one.id],
    ["name", one.name],
    ["state", stateInWords(one)],
    ["from", one.from_email],
    ["begins", one.start_at === null ? "when it is started" : time(one.start_at)],
    ["pace", `${one.per_minute} a minute`],
    ["waiting", pendingOf(one)],
    ...leftOutOf(one).map(([why, n]): [string, Cell] => [`left out, ${leftOutInWords(why)}`, n]),
    ...figuresOf(one).map(({ label, n, share, of }): [string, Cell] => [
      label.toLowerCase(),
      share === undefined || share === null ? n : `${n} (${percent(share)} of ${of})`,
    ]),
    ...(["open", "click"] as const).flatMap((kind): [string, Cell][] => {
      const { unique, total, human, machine, unsure } = accessesOf(one, kind);
      return total === 0 ? [] : [[
        `${kind}s in all`,
        `${total} of ${unique} recipients: ${human} by people, ${machine} by machines, ${unsure} unsure`,
      ]];
    }),
    ["version", one.version],
  ]));
}

/** The state with what stopped it or holds it up. */
function stateInWords({ state, waits, stopped_because, stopped_by }: Campaign): string {
  if (waits !== null) return `${state}, but ${WAITS[waits]}`;
  if (state !== "stopped" && state !== "cancelled") return state;
  const who = stopped_by === "limits" ? "by its limits" : `by ${stopped_by}`;
  return `${state} ${who}${stopped_because === null ? "" : `: ${stopped_because}`}`;
}
