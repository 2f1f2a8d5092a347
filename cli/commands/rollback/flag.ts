/** Rollback 1: turns a flag off in the database, for every function. */
import { type Api, connect, HURRIED_MS } from "../../core/api.ts";
import { loadConfig } from "../../core/config.ts";
import { CliError } from "../../core/errors.ts";
import { again, type FlagRow, listFlags } from "../flags/api.ts";
import { refuseBlocked } from "./blocked.ts";
import { awaited, untilAll } from "../../core/functions_state.ts";
import { irreversible, refuseInVain } from "./irreversible.ts";
import { suggest } from "../../core/suggest.ts";
import { currentRollout } from "../rollout/api.ts";
import type { Session } from "../../core/session.ts";
import type { WayBack } from "./steps.ts";

/** Warm functions reload the configuration after at most 5 s; the rest is a margin for a busy machine. */
const SEEN_WITHIN_MS = 15_000;
/** Most attempts, because a current rollout may change meanwhile. */
const ATTEMPTS = 10;

export interface FlagOptions {
  why: string;
  anyway?: boolean;
  /** Folder of the migrations. @default those of this checkout */
  migrations?: string;
}

/** The applied migrations in {@linkcode irreversible} that concern a flag. */
export async function appliedIrreversible(api: Api, flag: string, migrations?: string) {
  const steps = (await irreversible(migrations)).filter((step) => step.flag === flag || step.flag === "all");
  if (steps.length === 0) return [];
  const newest = await api.rpc("schema_version", {});
  return steps.filter(({ version }) => newest === null || version <= newest);
}

/**
 * Plans it. @throws {CliError} not_found, or refused if the flag no longer reverts anything, or somebody
 * holds a lock
 */
export async function flagWayBack(session: Session, flag: string, options: FlagOptions): Promise<WayBack> {
  const api = await session.api();
  const hurried = connect(api.stack, HURRIED_MS);
  const instead = `gatelink rollback 2 ${flag} --why "${options.why.replaceAll('"', '\\"')}"`;
  try {
    await requireFlag(hurried, flag);
    refuseInVain(await appliedIrreversible(hurried, flag, options.migrations), 1, options.anyway ?? false);
  } catch (error) {
    throw await refuseBlocked(hurried, error, flag, instead);
  }
  let revision = 0;
  let off: Off | undefined;
  return {
    level: 1,
    target: flag,
    reason: options.why,
    instead,
    // Known once it is off.
    get forward() {
      return `To turn it on again: ${again(flag, off?.was)}`;
    },
    steps: [
      {
        what: `set ${flag} to off`,
        run: async () => {
          try {
            off = await turnOff(hurried, api, flag, options.why);
            // What this cannot read the functions cannot either: they go on as before.
            revision = (await loadConfig(api)).revision;
          } catch (error) {
            throw await refuseBlocked(hurried, error, flag, instead);
          }
          return off.said;
        },
      },
      {
        what: "poll each function until it has seen the change",
        run: async () =>
          awaited(
            await untilAll(
              api.stack,
              flag,
              ({ config_revision, flag }) => flag.on === false && (config_revision ?? 0) >= revision,
              SEEN_WITHIN_MS,
            ),
          ),
      },
    ],
  };
}

async function requireFlag(api: Api, flag: string): Promise<void> {
  const [found] = await api.rows((client) => client.from("settings").select("key").eq("key", flag));
  if (found !== undefined) return;
  const alike = suggest(flag, (await listFlags(api)).map(({ key }) => key));
  throw new CliError(
    "not_found",
    `There is no flag ${flag}.`,
    alike.length > 0 ? `Did you mean ${alike.join(" or ")}?` : "gatelink flags list shows them.",
  );
}

interface Off {
  said: string;
  /** The version in which it was on; undefined if it was already off. */
  was?: number;
}

/**
 * Turns the flag off together with its current rollout, because otherwise the guard would find the flag
 * changed by hand.
 */
async function turnOff(hurried: Api, api: Api, flag: string, why: string): Promise<Off> {
  for (let attempt = 1;; attempt++) {
    const rollout = await currentRollout(hurried, flag);
    const [setting] = await hurried.rows<Pick<FlagRow, "value" | "metadata" | "version">>((client) =>
      client.from("settings").select("value,metadata,version").eq("key", flag)
    );
    if (setting === undefined) return { said: "it no longer exists, which means off" };
    const { on_at: start } = setting.metadata.schedule ?? {};
    if (setting.value === "false" && rollout === undefined && start === undefined) {
      return { said: "it was already off" };
    }
    const calledOff = start === undefined ? "" : `, and the clock no longer turns it on at ${start}`;
    try {
      if (rollout !== undefined) {
        await api.rpc("roll_back_rollout", {
          p_id: rollout.id,
          p_expected_version: rollout.version,
          p_reason: why,
        });
        return {
          said: `its rollout ${rollout.id} is rolled back${setting.value === "true" ? calledOff : ""}`,
          ...(setting.value === "true" ? { was: setting.version } : {}),
        };
      }
      const version = await api.rpc("switch_off", { p_key: flag, p_reason: why });
      return version === null ? { said: "it was already off" } : {
        said: `version ${version}${calledOff}`,
        ...(setting.value === "true" ? { was: version - 1 } : {}),
      };
    } catch (error) {
      if (!(error instanceof CliError) || error.code !== "conflict" || attempt === ATTEMPTS) throw error;
    }
  }
}
