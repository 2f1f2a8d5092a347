/** Rollback 2: a kill switch in the environment, which needs no database. */
import { switchName } from "../../../supabase/functions/_shared/config/kill_switch.ts";
import { type Api, connect, HURRIED_MS } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";
import { flagPlaces } from "../../../lib/flag_places.ts";
import { listFlags } from "../flags/api.ts";
import { awaited, untilAll } from "../../core/functions_state.ts";
import { refuseInVain } from "./irreversible.ts";
import { suggest } from "../../core/suggest.ts";
import { openProject, type Project } from "../../core/project.ts";
import { appliedIrreversible } from "./flag.ts";
import type { Session } from "../../core/session.ts";
import type { WayBack } from "./steps.ts";

/** Supabase restarts functions with changed secrets; an old one may run for up to 400 s. */
const SEEN_WITHIN_MS = 420_000;

export interface EnvironmentOptions {
  why: string;
  /** Lets the feature run again instead. @default {false} */
  undo?: boolean;
  projectRef?: string;
  anyway?: boolean;
  /** Longest time until the functions use it, in milliseconds. @default {7 min} */
  timeout?: number;
  /** Folder of the migrations. @default those of this checkout */
  migrations?: string;
}

/** The intake has no flag; it has only this switch. */
const SWITCH_ALONE = "wa_webhook.enabled";

/**
 * Plans it; without a feature for all of them.
 * @param feature Its flag's key, with or without `.enabled`, or `wa-webhook`.
 * @throws {CliError} not_found for a name that stops nothing; refused if the switch no longer reverts
 *   anything
 */
export async function environmentWayBack(
  session: Session,
  feature: string | undefined,
  options: EnvironmentOptions,
): Promise<WayBack> {
  const api = await session.api();
  const { stack } = api;
  const hurried = connect(stack, HURRIED_MS);
  const { flag, unknown } = feature === undefined
    ? { flag: undefined, unknown: false }
    : await stoppable(hurried, feature, options.anyway ?? false);
  const name = flag === undefined ? "FEATURE_ENABLED" : switchName(flag);
  if (flag !== undefined && !options.undo) {
    const steps = await whileAway(() => appliedIrreversible(hurried, flag, options.migrations), []);
    refuseInVain(steps, 2, options.anyway ?? false);
  }
  const project = await openProject(session.io, stack, options.projectRef);
  const again = `gatelink rollback 2${flag === undefined ? "" : ` ${flag}`}`;
  return {
    level: 2,
    target: options.undo ? `${name} unset` : `${name}=false`,
    reason: options.why,
    notes: notes(name, project, unknown),
    forward: options.undo ? `To undo: ${again} --why "…"` : `To turn it on again: ${again} --undo --why "…"`,
    cleanUp: () => project.close(),
    steps: [
      {
        what: options.undo ? `supabase secrets unset ${name}` : `supabase secrets set ${name}=false`,
        run: async () => {
          await project.supabase(
            options.undo ? ["secrets", "unset", name] : ["secrets", "set", `${name}=false`],
          );
          return project.name;
        },
      },
      {
        what: "poll each function until it reports that",
        run: async () =>
          awaited(
            await untilAll(
              stack,
              flag ?? "",
              ({ kill_switches }) =>
                options.undo ? kill_switches[name] !== false : kill_switches[name] === false,
              options.timeout ?? SEEN_WITHIN_MS,
            ),
          ),
      },
    ],
  };
}

/**
 * The flag whose switch a name means, and whether only its name says so. The database is asked only for a flag that
 * this code does not read, because this rollback must work without it.
 *
 * Failure policy: closed. A switch that nothing reads would be set, reported by every function, and stop nothing. But if
 * the database cannot be asked, which is when this rollback is needed, a name that resembles no flag of this code is
 * taken as it is, and a note says so.
 * @throws {CliError} not_found
 */
async function stoppable(
  api: Api,
  feature: string,
  anyway: boolean,
): Promise<{ flag: string; unknown: boolean }> {
  const name = switchName(feature);
  const find = (keys: string[]) => keys.find((key) => switchName(key) === name);
  const read = [...(await flagPlaces()).keys(), SWITCH_ALONE];
  const known = find(read);
  if (known !== undefined) return { flag: known, unknown: false };
  const stored = await whileAway<string[] | undefined>(
    async () => (await listFlags(api)).map(({ key }) => key),
    undefined,
  );
  const found = find(stored ?? []);
  if (found !== undefined) return { flag: found, unknown: false };
  const key = `${feature.replace(/\.enabled$/, "")}.enabled`;
  const all = [...new Set([...read, ...stored ?? []])].sort();
  const alike = suggest(key, all);
  if (stored === undefined && (alike.length === 0 || anyway)) return { flag: key, unknown: true };
  throw new CliError(
    "not_found",
    `${name} has no effect: there is no flag ${feature}.`,
    alike.length > 0
      ? `Did you mean ${alike.join(" or ")}?${
        stored === undefined
          ? " The database, which may have others, does not answer: --anyway sets it all the same."
          : ""
      }`
      : `The flags are ${all.join(", ")}. Without a name it stops all of them.`,
  );
}

/** What the database says; something else while it is unavailable, when this rollback is the only one anyway. */
async function whileAway<T>(ask: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof CliError && (error.code === "stack_unreachable" || error.code === "refused")) {
      return otherwise;
    }
    throw error;
  }
}

function notes(name: string, project: Project, unknown: boolean): string[] {
  return [
    ...(unknown
      ? [
        `The database does not answer, so nothing says whether there is such a flag: ${name} is set as it is.`,
      ]
      : []),
    ...(name === "FEATURE_ENABLED"
      ? ["This stops every feature. Meta's webhooks get 503, and Meta repeats them."]
      : []),
    ...(project.local ? ["On the local stack this changes functions/.env and restarts the functions."] : []),
  ];
}
