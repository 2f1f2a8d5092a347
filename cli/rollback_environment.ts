/** Way back 2: a kill switch in the environment, which needs no database. */
import { switchName } from "../supabase/functions/_shared/config/kill_switch.ts";
import { awaited, untilAll } from "./functions_state.ts";
import { appliedIrreversible } from "./rollback_flag.ts";
import { refuseInVain } from "./irreversible.ts";
import { openProject, type Project } from "./project.ts";
import type { Session } from "./session.ts";
import type { WayBack } from "./way_back.ts";

/** Supabase starts functions anew with changed secrets; one that works on lives for up to 400 s. */
const SEEN_WITHIN_MS = 420_000;

export interface EnvironmentOptions {
  why: string;
  /** Lets the feature run again instead. @default {false} */
  undo?: boolean;
  projectRef?: string;
  anyway?: boolean;
  /** How long the functions may take to go by it, in milliseconds. @default {7 min} */
  timeout?: number;
}

/** Plans it; without a flag for every feature. */
export async function environmentWayBack(
  session: Session,
  flag: string | undefined,
  options: EnvironmentOptions,
): Promise<WayBack> {
  const { stack } = await session.api();
  const name = flag === undefined ? "FEATURE_ENABLED" : switchName(flag);
  if (flag !== undefined && !options.undo) {
    // Without the database nobody knows what was applied; then this way is the only one anyway.
    const steps = await appliedIrreversible(await session.api(), flag).catch((error) => {
      if (error.code === "stack_unreachable" || error.code === "refused") return [];
      throw error;
    });
    refuseInVain(steps, 2, options.anyway ?? false);
  }
  const project = await openProject(stack, options.projectRef);
  const again = `gatelink rollback 2${flag === undefined ? "" : ` ${flag}`}`;
  return {
    level: 2,
    target: options.undo ? `${name} unset` : `${name}=false`,
    reason: options.why,
    notes: notes(name, project),
    forward: options.undo ? `Off again: ${again} --why "…"` : `On again: ${again} --undo --why "…"`,
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
        what: "ask each function until it reports that",
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

function notes(name: string, project: Project): string[] {
  return [
    ...(name === "FEATURE_ENABLED"
      ? ["This stops every feature. Meta's webhooks are answered with 503, and Meta repeats them."]
      : []),
    ...(project.local ? ["On the local stack this is functions/.env; it starts its functions anew."] : []),
  ];
}
