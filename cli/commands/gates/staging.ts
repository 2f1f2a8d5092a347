/**
 * Gates that ask a second stack: what is about to be launched has to have been there first.
 *
 * Failure policy: closed. A stack that cannot be asked leaves its gates open, and they say why.
 */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { LaunchFacts } from "../../../supabase/functions/_shared/contract/answers/rollouts.ts";
import { connect } from "../../core/api.ts";
import { CliError, told } from "../../core/errors.ts";
import type { Io } from "../../core/io.ts";
import { type Finding, type GateResult, open, passed } from "./gate.ts";

/** Name of the variable that holds the key of the staging stack. */
export const STAGING_KEY = "STAGING_SECRET_KEY";

/** Outcomes that say that a feature was used there. */
const USED = 20;

interface Facts {
  there: LaunchFacts;
  /** Targets of the ways back at level 4 that worked there: the newest migration that was left. */
  reversed: string[];
}

const TITLES = {
  staging_migrations: ["Database", "Migrations applied in staging"],
  staging_reverse: ["Database", "Rollback SQL tested in staging"],
  staging_flag: ["Feature flag", "Flag is on in staging"],
  staging_load: ["Testing", "Feature used under load in staging"],
} as const;

type Id = keyof typeof TITLES;

/**
 * The staging gates.
 * @param here What this stack's database knows.
 * @param flag The flag; without one only the gates of the database are asked.
 */
export async function stagingGates(
  url: string,
  io: Pick<Io, "env">,
  flag: string | undefined,
  here: LaunchFacts,
): Promise<GateResult[]> {
  const ids: Id[] = flag === undefined
    ? ["staging_migrations", "staging_reverse"]
    : ["staging_migrations", "staging_reverse", "staging_flag", "staging_load"];
  const result = (id: Id, finding: Finding): GateResult => ({
    id,
    section: TITLES[id][0],
    title: TITLES[id][1],
    ...finding,
  });
  let facts: Facts;
  try {
    facts = await ask(url, io, flag);
  } catch (error) {
    const { message, hint } = told(error);
    return ids.map((id) => result(id, open(`staging cannot be asked: ${message}`, hint ?? "See above")));
  }
  const findings: Record<Id, () => Finding> = {
    staging_migrations: () => migrations(here, facts.there),
    staging_reverse: () => reverse(here, facts.reversed),
    staging_flag: () => flagThere(flag!, facts.there),
    staging_load: () => load(flag!, facts.there),
  };
  return ids.map((id) => result(id, findings[id]()));
}

async function ask(url: string, { env }: Pick<Io, "env">, flag: string | undefined): Promise<Facts> {
  const secretKey = env[STAGING_KEY];
  if (!secretKey) {
    throw new CliError(
      "usage",
      `${STAGING_KEY} is not set.`,
      `Set ${STAGING_KEY} to a secret key of ${url}.`,
    );
  }
  const api = connect(
    { url: url.replace(/\/+$/, ""), secretKey, from: STAGING_KEY, file: undefined },
    10_000,
  );
  const [there, events] = await Promise.all([
    api.rpc("launch_facts", { p_flag_key: flag ?? "" }),
    api.rows((client) =>
      client.from("rollback_events").select("target").eq("level", 4).eq("ok", true).order("recorded_at", {
        ascending: false,
      }).limit(100)
    ),
  ]);
  return { there, reversed: events.map(({ target }) => target) };
}

function migrations(here: LaunchFacts, there: LaunchFacts): Finding {
  const applied = new Set(there.migrations ?? []);
  const missing = (here.migrations ?? []).filter((version) => !applied.has(version));
  return missing.length === 0 ? passed(`${counted(applied.size, "migration")}, none missing there`) : open(
    `not applied there: ${missing.slice(0, 5).join(", ")}${
      missing.length > 5 ? ` and ${missing.length - 5} more` : ""
    }`,
    "Apply them in staging first: supabase db push",
  );
}

function reverse(here: LaunchFacts, reversed: string[]): Finding {
  const newest = [...here.migrations ?? []].sort().at(-1);
  if (newest === undefined) return open("there is no record of migrations", "supabase db push");
  return reversed.some((target) => target < newest)
    ? passed(`${newest} was reversed there, and the data checked`)
    : open(
      `${newest} has never been reversed there`,
      'In staging: gatelink rollback 4 --why "test of the reverse", then supabase db push',
    );
}

function flagThere(flag: string, { flag: found }: LaunchFacts): Finding {
  if (found === null) {
    return open("the flag does not exist there", "Carry it: gatelink flags export and import");
  }
  return found.value === "true"
    ? passed(`on there, version ${found.version}`)
    : open("it is off there", `In staging: gatelink flags set ${flag} on --why "test"`);
}

function load(flag: string, there: LaunchFacts): Finding {
  const outcomes = Number(there.outcomes);
  return outcomes >= USED ? passed(`${outcomes} outcomes were counted there`) : open(
    `${outcomes} outcomes of ${flag} were counted there; ${USED} are needed`,
    "Use the feature in staging, under the load that you expect",
  );
}
